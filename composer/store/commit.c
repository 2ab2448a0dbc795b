/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/commit.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/commitmeta.h"
#include "store/contents.h"
#include "store/internal.h"
#include "store/reflog.h"
#include "store/repotxn.h"
#include "store/stage.h"
#include "store/treeindex.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* The files and directories of the tree; its root, or NULL. */
static OstreeRepoFile *
write_contents(AshContext *ctx, AshStore *store, AshObjectWriter *writer, AshFsTree *tree, GError **error)
{
	g_autofree char *root_tree = NULL, *root_meta = NULL;
	g_autoptr(OstreeMutableTree) mtree = NULL;
	g_autoptr(GFile) root = NULL;

	if (!ash_contents_write(ctx, store, writer, tree, &root_tree, &root_meta, error))
		return NULL;
	/* Nothing is loaded or written for one that is not changed. */
	mtree = ostree_mutable_tree_new_from_checksum(store->repo, root_tree, root_meta);
	if (!ostree_repo_write_mtree(store->repo, mtree, &root, ctx->cancellable, error))
		return NULL;
	return OSTREE_REPO_FILE(g_steal_pointer(&root));
}

/* The commit object alone, once all that it needs has its name. It is on the disk when this returns. */
static char *
write_commit(AshContext *ctx, AshStore *store, const AshCommitRequest *request, GVariant *metadata,
	     OstreeRepoFile *root, GError **error)
{
	g_auto(AshRepoTxn) txn = { .repo = NULL };
	g_autofree char *checksum = NULL;

	/* No parent: see store/reflog.h. */
	if (!ash_repo_txn_begin(&txn, ctx, store, error) ||
	    !ostree_repo_write_commit_with_time(txn.repo, NULL, request->subject, NULL, metadata, root,
						request->timestamp, &checksum, ctx->cancellable, error) ||
	    !ash_repo_txn_sync(&txn, store, error) || !ash_repo_txn_end(&txn, ctx, error))
		return NULL;
	return g_steal_pointer(&checksum);
}

/* The index of a tree, written by a thread beside the commit. */
typedef struct {
	AshStore *store;
	const AshFsTree *tree;
	char *name;
	GThread *thread;
} Indexer;

static gpointer
index_thread(gpointer data)
{
	const Indexer *indexer = data;

	if (!ash_tree_index_exists(indexer->store, indexer->name))
		ash_tree_index_save(indexer->store, indexer->name, indexer->tree);
	return NULL;
}

static void
indexer_begin(Indexer *indexer, OstreeRepoFile *root)
{
	indexer->name = ash_tree_index_name(ostree_repo_file_tree_get_contents_checksum(root),
					    ostree_repo_file_tree_get_metadata_checksum(root));
	indexer->thread = g_thread_new("index", index_thread, indexer);
}

static void
indexer_end(Indexer *indexer)
{
	if (indexer->thread != NULL)
		g_thread_join(indexer->thread);
	g_free(indexer->name);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Indexer, indexer_end)

/*
 * No lock is held: an object is the same whoever writes it, and nothing is removed while the store is in use. The commit
 * comes last; its sync is short, since all else is on the disk.
 */
static char *
write_all(AshContext *ctx, AshStore *store, AshObjectWriter *writer, const AshCommitRequest *request,
	  AshFsTree *tree, GError **error)
{
	g_autoptr(OstreeRepoFile) root = write_contents(ctx, store, writer, tree, error);
	g_autoptr(GHashTable) meta = NULL;
	g_autoptr(GVariant) metadata = NULL;
	g_auto(Indexer) indexer = { .store = store, .tree = tree };

	if (root == NULL)
		return NULL;
	indexer_begin(&indexer, root);
	meta = ash_commit_meta_new(request);
	ash_commit_meta_add_tree(meta, request, tree);
	metadata = ash_commit_meta_end(meta);
	return write_commit(ctx, store, request, metadata, root, error);
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
		 AshFsTree *tree, const GArray *inodes, GError **error)
{
	g_auto(Stage) stage = { .fd = -1 };
	g_autoptr(AshObjectMap) map = request->objects == NULL ? ash_object_map_new() : NULL;
	g_auto(AshObjectWriter) writer = {
		.root_fd = root_fd,
		.objects_fd = store->objects_fd,
		.adopt = request->adopt,
		.inodes = inodes,
		.map = request->objects != NULL ? request->objects : map,
	};
	g_autofree char *checksum = NULL;

	stage.path = ash_store_make_staging(store, "objects", &stage.fd, error);
	if (stage.path == NULL)
		return NULL;
	writer.stage_fd = stage.fd;
	checksum = write_all(ctx, store, &writer, request, tree, error);
	/* The ref is written last, after what it refers to was synced. */
	if (checksum == NULL || !ash_store_set_ref(store, request->ref, checksum, error))
		return NULL;
	if (request->counts != NULL)
		*request->counts = writer.counts;
	return g_steal_pointer(&checksum);
}

gboolean
ash_store_set_ref(AshStore *store, const char *ref, const char *checksum, GError **error)
{
	ash_autofd int lock_fd = ash_store_lock(store, error);
	g_autofree char *current = NULL;

	if (lock_fd < 0 || !ostree_repo_resolve_rev(store->repo, ref, TRUE, &current, error))
		return FALSE;
	/* Writing it again would wait for the disk. */
	return (g_strcmp0(current, checksum) == 0 ||
		ostree_repo_set_ref_immediate(store->repo, NULL, ref, checksum, NULL, error)) &&
	       ash_reflog_append(store, ref, checksum, error);
}

static gboolean
check_request(AshContext *ctx, AshStore *store, const AshCommitRequest *request, GError **error)
{
	if (!ostree_validate_rev(request->ref, error))
		return ash_prefix(error, "cannot commit as \"%s\"", request->ref);
	return ash_store_use(ctx, store, error);
}

char *
ash_store_commit(AshContext *ctx, AshStore *store, const char *root, const AshCommitRequest *request,
		 GError **error)
{
	ash_autofd int root_fd = ash_file_open_dir(AT_FDCWD, root, false, error);
	g_autoptr(GArray) inodes = g_array_new(FALSE, FALSE, sizeof(AshScanInode));
	g_autoptr(AshFsTree) tree = NULL;
	char *checksum;

	if (root_fd < 0 || !check_request(ctx, store, request, error))
		return NULL;
	tree = ash_scan_directory(root_fd, &request->scan, inodes, error);
	if (tree == NULL)
		return ash_prefix(error, "cannot commit \"%s\"", root), NULL;
	checksum = stage_and_commit(ctx, store, root_fd, request, tree, inodes, error);
	if (checksum == NULL) {
		ash_prefix(error, "cannot commit to the store \"%s\"", store->dir);
		mark_no_space(error);
	}
	return checksum;
}

char *
ash_store_recommit(AshContext *ctx, AshStore *store, const char *commit, const AshCommitRequest *request,
		   GError **error)
{
	g_autoptr(GHashTable) meta = ash_commit_meta_new(request);
	g_autofree char *old = ash_store_resolve(store, commit, error), *checksum = NULL;
	g_autoptr(GVariant) variant = NULL, old_metadata = NULL, metadata = NULL;
	g_autoptr(GFile) root = NULL;

	if (old == NULL || !check_request(ctx, store, request, error) ||
	    !ostree_repo_load_commit(store->repo, old, &variant, NULL, error) ||
	    !ostree_repo_read_commit(store->repo, old, &root, NULL, ctx->cancellable, error))
		return NULL;
	old_metadata = g_variant_get_child_value(variant, 0);
	if (!ash_commit_meta_add_commit(meta, old_metadata, ostree_commit_get_timestamp(variant), request->timestamp,
					error))
		return ash_prefix(error, "cannot commit the tree of \"%s\" again", old), NULL;
	metadata = ash_commit_meta_end(meta);
	checksum = write_commit(ctx, store, request, metadata, OSTREE_REPO_FILE(root), error);
	if (checksum == NULL || !ash_store_set_ref(store, request->ref, checksum, error))
		return ash_prefix(error, "cannot commit to the store \"%s\"", store->dir), NULL;
	return g_steal_pointer(&checksum);
}
