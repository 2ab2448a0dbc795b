/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/ahead.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/contents.h"
#include "store/internal.h"
#include "store/stage.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Programs that the tree waits for come first; threads that this one starts are as nice. */
#define NICENESS 15

struct AshAhead {
	AshContext *ctx; /* of its own: no progress, cancelled by ash_ahead_free() */
	AshStore *store; /* borrowed */
	char *root;
	AshScanOptions scan;
	guint64 least;
	AshObjectMap *objects;
	GThread *thread;
};

static gboolean
make_objects(AshAhead *ahead, GError **error)
{
	ash_autofd int root_fd = ash_file_open_dir(AT_FDCWD, ahead->root, false, error);
	g_autoptr(GArray) inodes = g_array_new(FALSE, FALSE, sizeof(AshScanInode));
	g_auto(AshObjectWriter) writer = {
		.root_fd = root_fd,
		.objects_fd = ahead->store->objects_fd,
		.stage_fd = -1,
		.shared_only = true,
		.inodes = inodes,
		.map = ahead->objects,
	};
	g_autofree char *root_tree = NULL, *root_meta = NULL;
	g_autoptr(AshFsTree) tree = NULL;
	guint64 bytes = 0;

	if (root_fd < 0)
		return FALSE;
	tree = ash_scan_directory(root_fd, &ahead->scan, inodes, error);
	if (tree == NULL || !ash_object_count_new(ahead->ctx, &writer, tree, &bytes, error))
		return FALSE;
	g_debug("objects ahead of the commit: %" G_GUINT64_FORMAT " bytes to look at", bytes);
	return bytes < ahead->least ||
	       ash_contents_write(ahead->ctx, ahead->store, &writer, tree, &root_tree, &root_meta, error);
}

static gpointer
ahead_thread(gpointer data)
{
	g_autoptr(GError) error = NULL;

	/* Linux has this for each thread. */
	if (setpriority(PRIO_PROCESS, (id_t) gettid(), NICENESS) < 0)
		g_debug("objects ahead of the commit: cannot give way to others");
	if (!make_objects(data, &error))
		g_debug("objects ahead of the commit: %s", error->message);
	return NULL;
}

AshAhead *
ash_ahead_begin(AshContext *ctx, AshStore *store, const char *root, const AshScanOptions *scan, guint64 least)
{
	AshAhead *ahead = g_new0(AshAhead, 1);

	ahead->ctx = ash_context_new();
	ahead->ctx->jobs = ctx->jobs;
	ahead->store = store;
	ahead->root = g_strdup(root);
	ahead->scan = *scan;
	ahead->least = least;
	ahead->objects = ash_object_map_new();
	/* Nothing may be removed as long as no commit needs it. */
	if (ash_store_use(ctx, store, NULL))
		ahead->thread = g_thread_try_new("ahead", ahead_thread, ahead, NULL);
	return ahead;
}

AshObjectMap *
ash_ahead_get_objects(AshAhead *ahead)
{
	return ahead->objects;
}

void
ash_ahead_end(AshAhead *ahead)
{
	if (ahead->thread != NULL)
		g_thread_join(g_steal_pointer(&ahead->thread));
}

void
ash_ahead_free(AshAhead *ahead)
{
	if (ahead == NULL)
		return;
	g_cancellable_cancel(ahead->ctx->cancellable);
	ash_ahead_end(ahead);
	ash_context_free(ahead->ctx);
	ash_object_map_free(ahead->objects);
	g_free(ahead->root);
	g_free(ahead);
}
