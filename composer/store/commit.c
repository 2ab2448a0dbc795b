/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/commit.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/internal.h"
#include "store/object.h"
#include "store/reflog.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A transaction of libostree, given up unless it was committed. */
typedef struct {
	OstreeRepo *repo; /* borrowed; NULL once it is over */
} Transaction;

static void
transaction_clear(Transaction *transaction)
{
	if (transaction->repo != NULL)
		ostree_repo_abort_transaction(transaction->repo, NULL, NULL);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Transaction, transaction_clear)

/* A directory for new objects, removed in any case. */
typedef struct {
	char *path;
	int fd;
} Stage;

static void
stage_clear(Stage *stage)
{
	if (stage->path != NULL)
		ash_file_remove_tree(AT_FDCWD, stage->path, NULL);
	ash_fd_clear(&stage->fd);
	g_free(stage->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Stage, stage_clear)

typedef struct {
	AshContext *ctx;
	OstreeRepo *repo;
	GHashTable *dirmetas; /* GBytes -> checksum: most directories have the same metadata */
} TreeWriter;

/* Walk-order lists that OSTree has no place for. */
typedef struct {
	guint64 timestamp;
	GHashTable *places; /* AshFsNode -> its place, of each first name that has other names */
	GVariantBuilder mtimes, hardlinks;
	guint32 at;
} Extras;

static const char *
write_dirmeta(TreeWriter *writer, const AshFsNode *node, GError **error)
{
	g_autoptr(GVariant) meta = g_variant_ref_sink(
		g_variant_new("(uuu@a(ayay))", GUINT32_TO_BE(node->uid), GUINT32_TO_BE(node->gid),
			      GUINT32_TO_BE(node->mode), ash_object_new_xattrs(node)));
	g_autoptr(GBytes) key = g_variant_get_data_as_bytes(meta);
	g_autofree guchar *sum = NULL;
	char *checksum = g_hash_table_lookup(writer->dirmetas, key);

	if (checksum != NULL)
		return checksum;
	if (!ostree_repo_write_metadata(writer->repo, OSTREE_OBJECT_TYPE_DIR_META, NULL, meta, &sum,
					writer->ctx->cancellable, error))
		return NULL;
	checksum = ostree_checksum_from_bytes(sum);
	g_hash_table_insert(writer->dirmetas, g_steal_pointer(&key), checksum);
	return checksum;
}

static char *
write_symlink(TreeWriter *writer, const AshFsNode *node, GError **error)
{
	g_autoptr(GVariant) xattrs = g_variant_ref_sink(ash_object_new_xattrs(node));

	return ostree_repo_write_symlink(writer->repo, NULL, node->uid, node->gid, xattrs, node->target,
					 writer->ctx->cancellable, error);
}

static gboolean
write_nondirectory(TreeWriter *writer, AshFsNode *node, OstreeMutableTree *parent, GError **error)
{
	AshFsNode *first = node->hardlink != NULL ? node->hardlink : node;

	if (first->content == NULL)
		first->content = write_symlink(writer, first, error);
	return first->content != NULL &&
	       ostree_mutable_tree_replace_file(parent, node->name, first->content, error);
}

static gboolean
write_directory(TreeWriter *writer, AshFsNode *node, OstreeMutableTree *mtree, GError **error)
{
	const char *dirmeta = write_dirmeta(writer, node, error);

	if (dirmeta == NULL)
		return FALSE;
	ostree_mutable_tree_set_metadata_checksum(mtree, dirmeta);
	for (guint i = 0; i < node->children->len; i++) {
		AshFsNode *child = g_ptr_array_index(node->children, i);
		g_autoptr(OstreeMutableTree) below = NULL;

		if (!S_ISDIR(child->mode)) {
			if (!write_nondirectory(writer, child, mtree, error))
				return ash_prefix(error, "\"%s\"", child->name);
			continue;
		}
		if (!ostree_mutable_tree_ensure_dir(mtree, child->name, &below, error) ||
		    !write_directory(writer, child, below, error))
			return ash_prefix(error, "\"%s\"", child->name);
	}
	return TRUE;
}

/* The root of what was written; NULL on failure. */
static OstreeRepoFile *
write_tree(AshContext *ctx, AshStore *store, const AshFsTree *tree, GError **error)
{
	g_autoptr(GHashTable) dirmetas = g_hash_table_new_full(g_bytes_hash, g_bytes_equal,
							       (GDestroyNotify) g_bytes_unref, g_free);
	g_autoptr(OstreeMutableTree) mtree = ostree_mutable_tree_new();
	TreeWriter writer = { .ctx = ctx, .repo = store->repo, .dirmetas = dirmetas };
	g_autoptr(GFile) root = NULL;

	if (!write_directory(&writer, tree->root, mtree, error))
		return NULL;
	if (!ostree_repo_write_mtree(store->repo, mtree, &root, ctx->cancellable, error))
		return NULL;
	return OSTREE_REPO_FILE(g_steal_pointer(&root));
}

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

static void
add_extras(GHashTable *dict, AshFsTree *tree, guint64 timestamp)
{
	g_autoptr(GHashTable) places = g_hash_table_new(NULL, NULL);
	Extras extras = { .timestamp = timestamp, .places = places };

	g_variant_builder_init(&extras.mtimes, G_VARIANT_TYPE("au"));
	g_variant_builder_init(&extras.hardlinks, G_VARIANT_TYPE("a(uu)"));
	ash_fs_tree_walk(tree, add_extra, &extras, NULL);
	add_value(dict, ASH_STORE_KEY_MTIMES, g_variant_builder_end(&extras.mtimes));
	add_value(dict, ASH_STORE_KEY_HARDLINKS, g_variant_builder_end(&extras.hardlinks));
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

/* With its keys sorted. */
static GVariant *
dict_to_variant(GHashTable *dict)
{
	g_autoptr(GPtrArray) keys = g_ptr_array_new();
	GVariantBuilder builder;
	GHashTableIter iter;
	gpointer key;

	g_hash_table_iter_init(&iter, dict);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		g_ptr_array_add(keys, key);
	g_ptr_array_sort(keys, compare_strings);
	g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
	for (guint i = 0; i < keys->len; i++) {
		key = g_ptr_array_index(keys, i);
		g_variant_builder_add(&builder, "{sv}", key, g_hash_table_lookup(dict, key));
	}
	return g_variant_ref_sink(g_variant_builder_end(&builder));
}

static GVariant *
new_metadata(const AshCommitRequest *request, AshFsTree *tree)
{
	g_autoptr(GHashTable) dict = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
							   (GDestroyNotify) g_variant_unref);
	const char *const refs[] = { request->ref, NULL };
	GHashTableIter iter;
	gpointer key, value;

	if (request->metadata != NULL) {
		g_hash_table_iter_init(&iter, request->metadata);
		while (g_hash_table_iter_next(&iter, &key, &value))
			add_string(dict, key, value);
	}
	add_string(dict, ASH_STORE_KEY_VERSION, request->version);
	add_string(dict, ASH_STORE_KEY_LOCK, request->lock_digest);
	add_string(dict, ASH_STORE_KEY_INPUT, request->input_digest);
	add_value(dict, ASH_STORE_KEY_REFS, g_variant_new_strv(refs, 1));
	add_value(dict, ASH_STORE_KEY_PACKAGES, new_sorted_strv(request->packages));
	add_extras(dict, tree, request->timestamp);
	return dict_to_variant(dict);
}

/* New content into REPO/objects; it is on the disk before it has its final name. */
static gboolean
write_objects(AshContext *ctx, const AshObjectWriter *writer, AshFsTree *tree, GError **error)
{
	if (!ash_object_write_files(ctx, writer, tree, error))
		return FALSE;
	if (syncfs(writer->stage_fd) < 0)
		return ash_throw_errno(error, "cannot sync the new objects");
	return ash_object_publish(writer, error);
}

static char *
write_commit(AshContext *ctx, AshStore *store, const AshCommitRequest *request, AshFsTree *tree,
	     GError **error)
{
	g_autofree char *checksum = NULL;
	g_autoptr(OstreeRepoFile) root = write_tree(ctx, store, tree, error);
	g_autoptr(GVariant) metadata = NULL;

	if (root == NULL)
		return NULL;
	metadata = new_metadata(request, tree);
	/* No parent: see store/reflog.h. */
	if (!ostree_repo_write_commit_with_time(store->repo, NULL, request->subject, NULL, metadata, root,
						request->timestamp, &checksum, ctx->cancellable, error))
		return NULL;
	ostree_repo_transaction_set_ref(store->repo, NULL, request->ref, checksum);
	return g_steal_pointer(&checksum);
}

/* All that happens under the store's lock. */
static char *
commit_tree(AshContext *ctx, AshStore *store, const AshObjectWriter *writer,
	    const AshCommitRequest *request, AshFsTree *tree, GError **error)
{
	g_auto(Transaction) transaction = { NULL };
	g_autofree char *checksum = NULL;

	if (!ostree_repo_prepare_transaction(store->repo, NULL, ctx->cancellable, error))
		return NULL;
	transaction.repo = store->repo;
	if (!write_objects(ctx, writer, tree, error))
		return NULL;
	checksum = write_commit(ctx, store, request, tree, error);
	if (checksum == NULL)
		return NULL;
	/* The ref is written last, after what it refers to was synced. */
	if (!ostree_repo_commit_transaction(store->repo, NULL, ctx->cancellable, error))
		return NULL;
	transaction.repo = NULL;
	return ash_reflog_append(store, request->ref, checksum, error) ? g_steal_pointer(&checksum) : NULL;
}

/* libostree has no code for its own limit. */
static void
mark_no_space(GError **error)
{
	if (error == NULL || *error == NULL || strstr((*error)->message, "min-free-space") == NULL)
		return;
	g_autoptr(GError) cause = g_steal_pointer(error);
	ash_throw(error, ASH_ERROR_NO_SPACE, "%s: free some space, or choose another store directory", cause->message);
}

static char *
stage_and_commit(AshContext *ctx, AshStore *store, int root_fd, const AshCommitRequest *request,
		 AshFsTree *tree, GError **error)
{
	g_auto(Stage) stage = { .fd = -1 };
	ash_autofd int lock_fd = -1;
	AshObjectWriter writer = {
		.root_fd = root_fd,
		.objects_fd = store->objects_fd,
		.adopt = request->adopt,
	};

	stage.path = ash_store_make_staging(store, "objects", &stage.fd, error);
	if (stage.path == NULL)
		return NULL;
	writer.stage_fd = stage.fd;
	lock_fd = ash_store_lock(store, error);
	return lock_fd >= 0 ? commit_tree(ctx, store, &writer, request, tree, error) : NULL;
}

gboolean
ash_store_set_ref(AshStore *store, const char *ref, const char *checksum, GError **error)
{
	ash_autofd int lock_fd = ash_store_lock(store, error);

	return lock_fd >= 0 && ostree_repo_set_ref_immediate(store->repo, NULL, ref, checksum, NULL, error) &&
	       ash_reflog_append(store, ref, checksum, error);
}

char *
ash_store_commit(AshContext *ctx, AshStore *store, const char *root, const AshCommitRequest *request,
		 GError **error)
{
	ash_autofd int root_fd = ash_file_open_dir(AT_FDCWD, root, false, error);
	g_autoptr(AshFsTree) tree = NULL;
	char *checksum;

	if (root_fd < 0)
		return NULL;
	if (!ostree_validate_rev(request->ref, error))
		return ash_prefix(error, "cannot commit as \"%s\"", request->ref), NULL;
	tree = ash_scan_directory(root_fd, &request->scan, error);
	if (tree == NULL)
		return ash_prefix(error, "cannot commit \"%s\"", root), NULL;
	checksum = stage_and_commit(ctx, store, root_fd, request, tree, error);
	if (checksum == NULL) {
		ash_prefix(error, "cannot commit to the store \"%s\"", store->dir);
		mark_no_space(error);
	}
	return checksum;
}
