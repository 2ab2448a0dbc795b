/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/mkfsroot.h"

#include "archive/tar.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/record.h"
#include "compose/workers.h"
#include "disk/erofs/mkfserofs.h"
#include "disk/filesystem/treedir.h"
#include "model/fsbranch.h"
#include "model/strv.h"
#include "store/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What the worker is told. */
typedef struct {
	char *store, *commit, *left_out, *staging, *path, *uuid;
	char **mount_points;
	guint64 epoch;
	int compression;
} Job;

static const AshField job_fields[] = {
	ASH_FIELD(Job, store, ASH_FIELD_STRING),    ASH_FIELD(Job, commit, ASH_FIELD_STRING),
	ASH_FIELD(Job, left_out, ASH_FIELD_STRING), ASH_FIELD(Job, staging, ASH_FIELD_STRING),
	ASH_FIELD(Job, path, ASH_FIELD_STRING),	    ASH_FIELD(Job, uuid, ASH_FIELD_STRING),
	ASH_FIELD(Job, mount_points, ASH_FIELD_STRV),
	ASH_FIELD(Job, epoch, ASH_FIELD_UINT64),    ASH_FIELD(Job, compression, ASH_FIELD_INT),
	{ NULL },
};

static void
job_clear(Job *job)
{
	g_free(job->store);
	g_free(job->commit);
	g_free(job->left_out);
	g_free(job->staging);
	g_free(job->path);
	g_free(job->uuid);
	g_strfreev(job->mount_points);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

/* The tree that the caller has. Owned; NULL on failure. */
static AshFsTree *
load_tree(const Job *job, GError **error)
{
	g_autoptr(AshStore) store = ash_store_open(job->store, false, error);
	g_autoptr(AshFsTree) tree = store != NULL ? ash_store_load_tree(store, job->commit, error) : NULL;
	AshFsNode *node = tree != NULL && job->left_out != NULL ? ash_fs_tree_lookup(tree, job->left_out) : NULL;

	if (node != NULL) {
		ash_fs_node_take(node);
		ash_fs_node_free(node);
	}
	return g_steal_pointer(&tree);
}

static gboolean
run_on_directory(AshContext *ctx, const Job *job, AshFsTree *tree, GError **error)
{
	g_autofree char *root = g_build_filename(job->staging, "root", NULL);
	g_autofree char *labels = g_build_filename(job->staging, "labels", NULL);
	AshErofsOptions options = { .epoch = job->epoch, .compression = (AshRootCompression) job->compression };
	AshMkfsErofs mkfs = { 0 };
	bool has_labels = false;

	return ash_uuid_parse(job->uuid, &options.uuid) && ash_mkfs_erofs_probe(ctx, &mkfs, error) &&
	       ash_file_mkdirs(AT_FDCWD, root, 0700, error) && ash_tree_dir_write(ctx, tree, root, error) &&
	       ash_tree_dir_save_labels(tree, labels, &has_labels, error) &&
	       ash_mkfs_erofs_from_dir(ctx, &mkfs, &options, job->path, root, has_labels ? labels : NULL, error);
}

JsonObject *
ash_mkfs_root_worker(AshContext *ctx, JsonObject *request, GError **error)
{
	g_auto(Job) job = { .mount_points = ash_strv_new() };

	if (!ash_record_from_json(&job, job_fields, request, error))
		return NULL;
	g_autoptr(AshFsTree) tree = load_tree(&job, error);
	g_autoptr(AshFsBranches) elsewhere = tree != NULL ? ash_fs_branches_take(tree, (const char *const *) job.mount_points, error) : NULL;
	return elsewhere != NULL && run_on_directory(ctx, &job, tree, error) ? json_object_new() : NULL;
}

static gboolean
make_from_directory(AshContext *ctx, const AshRootFile *root, const AshMkfsRoot *from, GError **error)
{
	ash_autofd int keep = -1;
	g_autofree char *staging = ash_store_make_staging(from->store, "mkfs", &keep, error);
	g_autofree char *uuid = ash_uuid_to_string(&root->options.uuid);
	const AshContext quiet = { .cache_dir = ctx->cache_dir, .data_dir = ctx->data_dir, .jobs = ctx->jobs };
	const Job job = {
		.store = (char *) ash_store_get_dir(from->store),
		.commit = (char *) from->commit,
		.left_out = (char *) root->left_out,
		.staging = staging,
		.path = (char *) root->path,
		.uuid = uuid,
		.mount_points = (char **) root->mount_points,
		.epoch = root->options.epoch,
		.compression = (int) root->options.compression,
	};

	if (staging == NULL)
		return FALSE;
	g_autoptr(JsonObject) request = ash_record_to_json(&job, job_fields, TRUE);
	g_autoptr(JsonObject) reply = ash_worker_call(ctx, ASH_MKFS_ROOT_WORKER, request, error);
	/* Also after a failure or Ctrl-C. */
	g_autoptr(GError) local = NULL;
	if (!ash_workers_remove((AshContext *) &quiet, from->store, staging, &local))
		ash_progress_message(ctx->progress, "warning: %s", local->message);
	return reply != NULL;
}

static gboolean
write_to_pipe(gpointer fd, const void *data, gsize length, GError **error)
{
	for (gsize done = 0; done < length;) {
		gssize n = write(*(const int *) fd, (const guint8 *) data + done, length - done);

		if (n < 0 && errno != EINTR)
			return ash_throw_errno(error, "cannot write to mkfs.erofs");
		done += (gsize) MAX(n, 0);
	}
	return TRUE;
}

typedef struct {
	AshContext *ctx;
	AshFsTree *tree;
} Feed;

static gboolean
write_tar(int fd, gpointer user_data, GError **error)
{
	const Feed *feed = user_data;
	const AshTarOptions options = { .prefix = "./" };

	return ash_tar_write(feed->ctx, feed->tree, &options, write_to_pipe, &fd, error);
}

gboolean
ash_mkfs_root_make(AshContext *ctx, const AshRootFile *root, gpointer mkfs_root, GError **error)
{
	Feed feed = { ctx, root->tree };
	AshMkfsErofs mkfs = { 0 };

	if (!ash_mkfs_erofs_probe(ctx, &mkfs, error))
		return FALSE;
	return mkfs.reads_tar ? ash_mkfs_erofs_from_tar(ctx, &mkfs, &root->options, root->path, write_tar, &feed, error)
			      : make_from_directory(ctx, root, mkfs_root, error);
}
