/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/delta.h"

#include "base/error.h"
#include "base/fd.h"
#include "publish/cost.h"
#include "publish/unpack.h"

#include <string.h>

#define MAX_LOADED_BYTES ((guint64) 4 << 30)

void
ash_published_delta_free(AshPublishedDelta *delta)
{
	if (delta == NULL)
		return;
	g_free(delta->from_version);
	g_free(delta);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPublishedDelta, ash_published_delta_free)

/* The root file system of a release in a file. */
typedef struct {
	AshDeltaImage image; /* fd -1: not unpacked */
	GPtrArray *files;    /* owned; NULL: not known */
} Root;

static void
root_clear(Root *root)
{
	ash_fd_clear(&root->image.fd);
	g_clear_pointer(&root->files, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Root, root_clear)
#define ROOT_INIT { .image = { .fd = -1 } }

/* What all pairs share. */
typedef struct {
	AshContext *ctx;
	AshReleaseDir *dir;
	AshRelease *release;
	const AshPublishDeltaOptions *options;
	Root to;
	GBytes *tree;          /* for costs */
	AshFrameTable *frames; /* the same */
} Maker;

static void
maker_clear(Maker *maker)
{
	root_clear(&maker->to);
	g_clear_pointer(&maker->tree, g_bytes_unref);
	g_clear_pointer(&maker->frames, ash_frame_table_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Maker, maker_clear)

static gboolean
open_root(const Maker *maker, const AshRelease *release, Root *root, GError **error)
{
	AshObjects *objects = ash_release_dir_get_objects(maker->dir);

	if (release->layout.sha256 != NULL && maker->options->read_layout != NULL) {
		g_autoptr(GBytes) layout = ash_objects_load(objects, &release->layout, MAX_LOADED_BYTES, error);
		root->files = layout != NULL ? maker->options->read_layout(layout, error) : NULL;
		if (root->files == NULL)
			return ash_prefix(error, "layout of \"%s\"", release->version);
	}
	ash_progress_item(maker->ctx->progress, release->version);
	root->image = (AshDeltaImage) { .fd = ash_publish_unpack_root(maker->ctx, maker->dir, release, error),
					.bytes = release->root_bytes, .files = root->files };
	return root->image.fd >= 0;
}

/* The delta that the release has from @from, or NULL. */
static AshReleaseDelta *
find_delta(const AshRelease *release, const AshRelease *from)
{
	for (guint i = 0; i < release->deltas->len; i++) {
		AshReleaseDelta *delta = g_ptr_array_index(release->deltas, i);
		if (strcmp(delta->from_root_hash, from->root_hash) == 0)
			return delta;
	}
	return NULL;
}

static AshReleaseCost *
find_cost(const AshRelease *release, const AshRelease *from)
{
	for (guint i = 0; i < release->costs->len; i++) {
		AshReleaseCost *cost = g_ptr_array_index(release->costs, i);
		if (strcmp(cost->from_root_hash, from->root_hash) == 0)
			return cost;
	}
	return NULL;
}

/* Newest first, like those that are there. */
static void
insert_cost(AshRelease *release, AshReleaseCost *cost)
{
	guint place = 0;

	while (place < release->costs->len &&
	       strverscmp(((const AshReleaseCost *) g_ptr_array_index(release->costs, place))->from_version, cost->from_version) > 0)
		place++;
	g_ptr_array_insert(release->costs, (gint) place, cost);
}

/* What an update from @from costs without a delta; one that is older than those that the release tells of is reckoned now. Borrowed; NULL on failure. */
static AshReleaseCost *
ensure_cost(Maker *maker, const AshRelease *from, GError **error)
{
	AshObjects *objects = ash_release_dir_get_objects(maker->dir);
	AshReleaseCost *cost = find_cost(maker->release, from);
	AshCost reckoned;

	if (cost != NULL)
		return cost;
	if (maker->frames == NULL) {
		g_autoptr(GBytes) frames = ash_objects_load(objects, &maker->release->frames, MAX_LOADED_BYTES, error);
		if (frames == NULL || (maker->frames = ash_frame_table_parse(frames, maker->release, error)) == NULL)
			return NULL;
	}
	if (maker->tree == NULL && (maker->tree = ash_objects_load(objects, &maker->release->tree, MAX_LOADED_BYTES, error)) == NULL)
		return NULL;
	g_autoptr(GBytes) from_tree = ash_objects_load(objects, &from->tree, MAX_LOADED_BYTES, error);
	const AshCostTarget target = { maker->release, maker->tree, maker->frames };
	if (from_tree == NULL || !ash_cost_compute(maker->ctx, &target, from, from_tree, &reckoned, error))
		return NULL;
	cost = ash_cost_to_release(&reckoned, from);
	insert_cost(maker->release, cost);
	return cost;
}

static gboolean
write_delta(Maker *maker, const AshRelease *from, AshObjectRef *ret_object, AshDeltaStats *ret_stats, GError **error)
{
	AshObjects *objects = ash_release_dir_get_objects(maker->dir);
	const int level = maker->options->level != 0 ? maker->options->level : ASH_DELTA_DEFAULT_LEVEL;
	g_auto(Root) root = ROOT_INIT;
	ash_autofd int fd = -1;

	ash_progress_begin(maker->ctx->progress, "Unpack", 15);
	if ((maker->to.image.fd < 0 && !open_root(maker, maker->release, &maker->to, error)) || !open_root(maker, from, &root, error))
		return FALSE;
	ash_progress_end(maker->ctx->progress);
	ash_progress_begin(maker->ctx->progress, "Compare", 85);
	fd = ash_objects_open_scratch(objects, error);
	if (fd < 0 || !ash_delta_write(maker->ctx, &root.image, &maker->to.image, level, fd, ret_stats, error))
		return FALSE;
	ash_progress_end(maker->ctx->progress);
	return ash_objects_add_range(maker->ctx, objects, fd, 0, ret_stats->delta_bytes, ret_object, error);
}

static void
set_delta(AshRelease *release, const AshRelease *from, const AshObjectRef *object)
{
	AshReleaseDelta *delta = find_delta(release, from);

	if (delta == NULL) {
		delta = g_new0(AshReleaseDelta, 1);
		delta->from_version = g_strdup(from->version);
		delta->from_root_hash = g_strdup(from->root_hash);
		g_ptr_array_add(release->deltas, delta);
	}
	g_free(delta->object.sha256);
	delta->object = *object;
}

static bool
is_there(Maker *maker, const AshRelease *from, guint64 *ret_bytes)
{
	const AshReleaseDelta *delta = find_delta(maker->release, from);

	if (delta == NULL)
		return false;
	ash_autofd int fd = ash_objects_open_object(ash_release_dir_get_objects(maker->dir), &delta->object, NULL);
	*ret_bytes = delta->object.size;
	return fd >= 0;
}

static AshPublishedDelta *
make_pair(Maker *maker, const AshRelease *from, GError **error)
{
	AshReleaseCost *cost = ensure_cost(maker, from, error);
	g_autoptr(AshPublishedDelta) result = g_new0(AshPublishedDelta, 1);
	AshObjectRef object = { NULL, 0 };

	if (cost == NULL)
		return NULL;
	result->from_version = g_strdup(from->version);
	result->other_bytes = cost->tree_bytes + cost->data_bytes;
	result->tree_bytes = cost->tree_bytes;
	result->unchanged = is_there(maker, from, &result->stats.delta_bytes) && cost->delta_bytes == result->stats.delta_bytes;
	if (result->unchanged)
		return g_steal_pointer(&result);
	if (!write_delta(maker, from, &object, &result->stats, error))
		return NULL;
	set_delta(maker->release, from, &object);
	cost->delta_bytes = object.size;
	return g_steal_pointer(&result);
}

/* Owned; NULL on failure. */
static AshRelease *
load_source(const Maker *maker, const char *version, GError **error)
{
	const AshRelease *release = maker->release;
	g_autoptr(AshRelease) from = NULL;

	if (strverscmp(version, release->version) >= 0)
		return ash_throw_null(error, ASH_ERROR_USAGE, "\"%s\" is not older than \"%s\": nodes never go back by an update", version,
				      release->version);
	if (!ash_release_dir_load_release(maker->dir, release->ref, version, &from, error))
		return NULL;
	if (from == NULL)
		return ash_throw_null(error, ASH_ERROR_USAGE, "\"%s\" of \"%s\" is not published: \"ashlar channel show DIR\" lists what is", version,
				      release->ref);
	if (strcmp(from->root_hash, release->root_hash) == 0)
		return ash_throw_null(error, ASH_ERROR_USAGE, "\"%s\" and \"%s\" have the same root file system: no delta is needed", version,
				      release->version);
	return g_steal_pointer(&from);
}

static gboolean
make_pairs(Maker *maker, const char *const *from_versions, GPtrArray *results, bool *ret_changed, GError **error)
{
	const guint n = g_strv_length((char **) from_versions);

	for (guint i = 0; i < n; i++) {
		g_autofree char *step = g_strdup_printf("Delta from %s", from_versions[i]);
		g_autoptr(AshRelease) from = load_source(maker, from_versions[i], error);
		if (from == NULL)
			return FALSE;
		ash_progress_begin(maker->ctx->progress, step, MAX(100 / n, 1));
		AshPublishedDelta *delta = make_pair(maker, from, error);
		if (delta == NULL)
			return ash_prefix(error, "delta from \"%s\" to \"%s\"", from->version, maker->release->version);
		ash_progress_end(maker->ctx->progress);
		g_ptr_array_add(results, delta);
		*ret_changed = *ret_changed || !delta->unchanged;
	}
	return TRUE;
}

GPtrArray *
ash_publish_add_deltas(AshContext *ctx, AshReleaseDir *dir, AshRelease *release, const char *const *from_versions,
		       const AshPublishDeltaOptions *options, GError **error)
{
	g_auto(Maker) maker = { .ctx = ctx, .dir = dir, .release = release, .options = options, .to = ROOT_INIT };
	g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func((GDestroyNotify) ash_published_delta_free);
	bool changed = false;

	if (!make_pairs(&maker, from_versions, results, &changed, error) || (changed && !ash_release_dir_set_release(dir, release, error)))
		return NULL;
	return g_steal_pointer(&results);
}
