/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/dirtree.h"

#include "base/digest.h"
#include "base/error.h"
#include "store/dirformat.h"
#include "store/internal.h"
#include "store/object.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	AshContext *ctx;
	OstreeRepo *repo;
	int objects_fd;
	bool partial;
	GHashTable *dirmetas; /* GBytes -> Sum, owned: most directories have the same metadata */
} Writer;

/* A checksum, as it is in a dirtree. */
typedef struct {
	guint8 bytes[ASH_SHA256_SIZE];
} Sum;

/* A directory while it is put together. */
typedef struct {
	AshDirFormat format;
	bool whole; /* false: something in it is not an object yet */
} Entries;

static void
entries_clear(Entries *entries)
{
	ash_dir_format_clear(&entries->format);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Entries, entries_clear)

static bool
exists(const Writer *writer, const char *checksum, const char *suffix)
{
	char name[2 + 1 + 62 + sizeof ".dirtree"];

	g_snprintf(name, sizeof(name), "%.2s/%.62s%s", checksum, checksum + 2, suffix);
	return faccessat(writer->objects_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Writes the object unless it is there. */
static gboolean
write_object(Writer *writer, OstreeObjectType type, GBytes *bytes, Sum *ret_sum, GError **error)
{
	bool is_tree = type == OSTREE_OBJECT_TYPE_DIR_TREE;
	char checksum[ASH_SHA256_HEX_SIZE];
	g_autoptr(GVariant) object = NULL;

	ash_sha256(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), ret_sum->bytes);
	ostree_checksum_inplace_from_bytes(ret_sum->bytes, checksum);
	if (exists(writer, checksum, is_tree ? ".dirtree" : ".dirmeta"))
		return TRUE;
	object = g_variant_ref_sink(g_variant_new_from_bytes(is_tree ? OSTREE_TREE_GVARIANT_FORMAT
								     : OSTREE_DIRMETA_GVARIANT_FORMAT, bytes, FALSE));
	return ostree_repo_write_metadata(writer->repo, type, checksum, object, NULL, writer->ctx->cancellable, error);
}

static const Sum *
write_dirmeta(Writer *writer, const AshFsNode *node, GError **error)
{
	g_autoptr(GVariant) meta = ash_object_new_metadata(node);
	g_autoptr(GBytes) key = g_variant_get_data_as_bytes(meta);
	g_autofree Sum *sum = NULL;
	Sum *found = g_hash_table_lookup(writer->dirmetas, key);

	if (found != NULL)
		return found;
	sum = g_new(Sum, 1);
	if (!write_object(writer, OSTREE_OBJECT_TYPE_DIR_META, key, sum, error))
		return NULL;
	found = g_steal_pointer(&sum);
	g_hash_table_insert(writer->dirmetas, g_steal_pointer(&key), found);
	return found;
}

static gboolean
write_symlink(Writer *writer, AshFsNode *node, GError **error)
{
	g_autoptr(GVariant) xattrs = NULL;

	/* libostree would write a file, and then see that it is there. */
	node->content = ash_object_find_symlink(writer->objects_fd, node);
	if (node->content != NULL)
		return TRUE;
	xattrs = g_variant_ref_sink(ash_object_new_xattrs(node));
	node->content = ostree_repo_write_symlink(writer->repo, NULL, node->uid, node->gid, xattrs, node->target,
						  writer->ctx->cancellable, error);
	return node->content != NULL;
}

static gboolean
add_file(Writer *writer, AshFsNode *node, Entries *entries, GError **error)
{
	AshFsNode *first = node->hardlink != NULL ? node->hardlink : node;
	Sum sum;

	if (first->content == NULL && S_ISREG(first->mode) && writer->partial) {
		entries->whole = false;
		return TRUE;
	}
	if (first->content == NULL && !write_symlink(writer, first, error))
		return FALSE;
	ostree_checksum_inplace_to_bytes(first->content, sum.bytes);
	ash_dir_format_add_file(&entries->format, node->name, sum.bytes);
	return TRUE;
}

static gboolean write_directory(Writer *writer, const AshFsNode *node, Sum *ret_tree, const Sum **ret_meta, bool *ret_whole,
				GError **error);

static gboolean
add_child(Writer *writer, AshFsNode *child, Entries *entries, GError **error)
{
	const Sum *meta = NULL;
	bool whole = false;
	Sum tree;

	/* What libostree would not take either. */
	if (!g_utf8_validate(child->name, -1, NULL))
		return ash_throw(error, ASH_ERROR_CONFIG, "a name that is not UTF-8 cannot be in a commit");
	if (!S_ISDIR(child->mode))
		return add_file(writer, child, entries, error);
	if (!write_directory(writer, child, &tree, &meta, &whole, error))
		return FALSE;
	if (whole)
		ash_dir_format_add_directory(&entries->format, child->name, tree.bytes, meta->bytes);
	entries->whole = entries->whole && whole;
	return TRUE;
}

static gboolean
add_children(Writer *writer, const AshFsNode *node, Entries *entries, GError **error)
{
	/* Sorted by their bytes, as OSTree wants them. */
	for (guint i = 0; i < node->children->len; i++) {
		AshFsNode *child = g_ptr_array_index(node->children, i);
		if (!add_child(writer, child, entries, error))
			return ash_prefix(error, "\"%s\"", child->name);
	}
	return TRUE;
}

static gboolean
write_directory(Writer *writer, const AshFsNode *node, Sum *ret_tree, const Sum **ret_meta, bool *ret_whole, GError **error)
{
	g_auto(Entries) entries = { .whole = true };
	g_autoptr(GBytes) bytes = NULL;

	*ret_meta = write_dirmeta(writer, node, error);
	if (*ret_meta == NULL || !ash_context_check(writer->ctx, error))
		return FALSE;
	ash_dir_format_init(&entries.format);
	if (!add_children(writer, node, &entries, error))
		return FALSE;
	*ret_whole = entries.whole;
	if (!entries.whole)
		return TRUE;
	bytes = ash_dir_format_end(&entries.format);
	return write_object(writer, OSTREE_OBJECT_TYPE_DIR_TREE, bytes, ret_tree, error);
}

gboolean
ash_dirtree_write(AshContext *ctx, OstreeRepo *repo, int objects_fd, const AshFsTree *tree, bool partial, char **ret_tree,
		  char **ret_meta, GError **error)
{
	g_autoptr(GHashTable) dirmetas =
		g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, g_free);
	Writer writer = { .ctx = ctx, .repo = repo, .objects_fd = objects_fd, .partial = partial, .dirmetas = dirmetas };
	const Sum *meta = NULL;
	bool whole = false;
	Sum sum;

	if (!write_directory(&writer, tree->root, &sum, &meta, &whole, error))
		return FALSE;
	*ret_tree = whole ? ash_hex_encode(sum.bytes, sizeof(sum.bytes)) : NULL;
	*ret_meta = whole ? ash_hex_encode(meta->bytes, sizeof(meta->bytes)) : NULL;
	return TRUE;
}
