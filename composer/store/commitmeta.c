/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/commitmeta.h"

#include "base/error.h"
#include "store/internal.h"

#include <string.h>
#include <sys/stat.h>

/* Walk-order lists that OSTree has no place for. */
typedef struct {
	guint64 timestamp;
	GHashTable *places; /* AshFsNode -> its place, of each first name that has other names */
	GVariantBuilder mtimes, hardlinks;
	guint32 at;
} Extras;

static gboolean
add_extra(AshFsNode *node, gpointer user_data, GError **error)
{
	Extras *extras = user_data;
	guint64 mtime = MIN((guint64) MAX(node->mtime, 0), extras->timestamp);

	g_variant_builder_add(&extras->mtimes, "u", GUINT32_TO_BE((guint32) MIN(mtime, G_MAXUINT32)));
	if (node->hardlink != NULL) {
		guint32 first = GPOINTER_TO_UINT(g_hash_table_lookup(extras->places, node->hardlink));
		g_variant_builder_add(&extras->hardlinks, "(uu)", GUINT32_TO_BE(extras->at),
				      GUINT32_TO_BE(first));
	} else if (node->children == NULL && node->nlink > 1) {
		g_hash_table_insert(extras->places, node, GUINT_TO_POINTER(extras->at));
	}
	extras->at++;
	return TRUE;
}

/* Takes the floating @value. */
static void
add_value(GHashTable *dict, const char *key, GVariant *value)
{
	g_hash_table_insert(dict, g_strdup(key), g_variant_ref_sink(value));
}

static void
add_string(GHashTable *dict, const char *key, const char *value)
{
	if (value != NULL)
		add_value(dict, key, g_variant_new_string(value));
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static GVariant *
new_sorted_strv(const char *const *strings)
{
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();

	for (guint i = 0; strings != NULL && strings[i] != NULL; i++)
		g_ptr_array_add(sorted, (gpointer) strings[i]);
	g_ptr_array_sort(sorted, compare_strings);
	return g_variant_new_strv((const char *const *) sorted->pdata, sorted->len);
}

GHashTable *
ash_commit_meta_new(const AshCommitRequest *request)
{
	GHashTable *meta = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
	const char *const refs[] = { request->ref, NULL };
	GHashTableIter iter;
	gpointer key, value;

	if (request->metadata != NULL) {
		g_hash_table_iter_init(&iter, request->metadata);
		while (g_hash_table_iter_next(&iter, &key, &value))
			add_string(meta, key, value);
	}
	add_string(meta, ASH_STORE_KEY_VERSION, request->version);
	add_string(meta, ASH_STORE_KEY_LOCK, request->lock_digest);
	add_string(meta, ASH_STORE_KEY_INPUT, request->input_digest);
	add_value(meta, ASH_STORE_KEY_REFS, g_variant_new_strv(refs, 1));
	add_value(meta, ASH_STORE_KEY_PACKAGES, new_sorted_strv(request->packages));
	return meta;
}

/* Where libostree looks for it ("ostree.linux" is uname -r). NULL if there is none. */
static const char *
find_kernel_release(const AshFsTree *tree)
{
	const AshFsNode *modules = ash_fs_tree_lookup(tree, "usr/lib/modules");

	for (guint i = 0; modules != NULL && modules->children != NULL && i < modules->children->len; i++) {
		const AshFsNode *release = g_ptr_array_index(modules->children, i);
		g_autofree char *kernel = g_strdup_printf("usr/lib/modules/%s/vmlinuz", release->name);
		if (ash_fs_tree_lookup(tree, kernel) != NULL)
			return release->name;
	}
	return NULL;
}

void
ash_commit_meta_add_tree(GHashTable *meta, const AshCommitRequest *request, AshFsTree *tree)
{
	g_autoptr(GHashTable) places = g_hash_table_new(NULL, NULL);
	Extras extras = { .timestamp = request->timestamp, .places = places };
	const char *release = request->bootable ? find_kernel_release(tree) : NULL;

	if (release != NULL) {
		add_value(meta, OSTREE_METADATA_KEY_BOOTABLE, g_variant_new_boolean(TRUE));
		add_string(meta, OSTREE_METADATA_KEY_LINUX, release);
	}
	g_variant_builder_init(&extras.mtimes, G_VARIANT_TYPE("au"));
	g_variant_builder_init(&extras.hardlinks, G_VARIANT_TYPE("a(uu)"));
	ash_fs_tree_walk(tree, add_extra, &extras, NULL);
	add_value(meta, ASH_STORE_KEY_MTIMES, g_variant_builder_end(&extras.mtimes));
	add_value(meta, ASH_STORE_KEY_HARDLINKS, g_variant_builder_end(&extras.hardlinks));
}

/* Lowered to @timestamp as if nobody had lowered them to @old_timestamp before; floating, or NULL. */
static GVariant *
lower_mtimes(GVariant *old, guint64 old_timestamp, guint64 timestamp, GError **error)
{
	gsize length;
	const guint32 *values = g_variant_get_fixed_array(old, &length, sizeof(*values));
	g_autofree guint32 *lowered = g_new(guint32, length + 1);

	for (gsize i = 0; i < length; i++) {
		guint64 mtime = GUINT32_FROM_BE(values[i]);
		if (mtime >= MIN(old_timestamp, G_MAXUINT32) && timestamp > old_timestamp)
			return ash_throw_null(error, ASH_ERROR_CONFIG,
					      "its times were lowered to %" G_GUINT64_FORMAT
					      ", which is earlier than that of the new commit; commit the tree itself",
					      old_timestamp);
		lowered[i] = GUINT32_TO_BE((guint32) MIN(mtime, timestamp));
	}
	return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, lowered, length, sizeof(*lowered));
}

gboolean
ash_commit_meta_add_commit(GHashTable *meta, GVariant *old_metadata, guint64 old_timestamp, guint64 timestamp,
			   GError **error)
{
	static const char *const kept[] = { OSTREE_METADATA_KEY_BOOTABLE, OSTREE_METADATA_KEY_LINUX };
	g_autoptr(GVariant) mtimes = g_variant_lookup_value(old_metadata, ASH_STORE_KEY_MTIMES, G_VARIANT_TYPE("au"));
	g_autoptr(GVariant) hardlinks =
		g_variant_lookup_value(old_metadata, ASH_STORE_KEY_HARDLINKS, G_VARIANT_TYPE("a(uu)"));
	GVariant *lowered;

	if (mtimes == NULL || hardlinks == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "another program made it; commit the tree itself");
	lowered = lower_mtimes(mtimes, old_timestamp, timestamp, error);
	if (lowered == NULL)
		return FALSE;
	add_value(meta, ASH_STORE_KEY_MTIMES, lowered);
	g_hash_table_insert(meta, g_strdup(ASH_STORE_KEY_HARDLINKS), g_steal_pointer(&hardlinks));
	for (gsize i = 0; i < G_N_ELEMENTS(kept); i++) {
		g_autoptr(GVariant) value = g_variant_lookup_value(old_metadata, kept[i], NULL);
		if (value != NULL)
			g_hash_table_insert(meta, g_strdup(kept[i]), g_steal_pointer(&value));
	}
	return TRUE;
}

GVariant *
ash_commit_meta_end(GHashTable *meta)
{
	g_autoptr(GPtrArray) keys = g_ptr_array_new();
	GVariantBuilder builder;
	GHashTableIter iter;
	gpointer key;

	g_hash_table_iter_init(&iter, meta);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		g_ptr_array_add(keys, key);
	g_ptr_array_sort(keys, compare_strings);
	g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
	for (guint i = 0; i < keys->len; i++) {
		key = g_ptr_array_index(keys, i);
		g_variant_builder_add(&builder, "{sv}", key, g_hash_table_lookup(meta, key));
	}
	return g_variant_ref_sink(g_variant_builder_end(&builder));
}
