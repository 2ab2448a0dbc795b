/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/publish.h"

#include "base/error.h"
#include "base/fd.h"
#include "pack/hashtree.h"
#include "publish/offer.h"
#include "publish/recipe.h"

#include <string.h>

/* Larger tables and trees belong to no image that frames are made of. */
#define MAX_LOADED_BYTES ((guint64) 4 << 30)

AshPublishResult *
ash_publish_result_new(void)
{
	return g_new0(AshPublishResult, 1);
}

static void
cost_free(gpointer data)
{
	AshPublishCost *cost = data;

	g_free(cost->from_version);
	g_free(cost);
}

void
ash_publish_result_free(AshPublishResult *result)
{
	if (result == NULL)
		return;
	g_clear_pointer(&result->release, ash_release_free);
	g_clear_pointer(&result->costs, g_ptr_array_unref);
	g_free(result);
}

/** Segments on their way into objects. */
typedef struct {
	AshObjects *objects;
	AshObjectFile *file; /* NULL between two */
	GPtrArray *segments; /* of AshPackSegment; borrowed */
} Packer;

static void
packer_clear(Packer *packer)
{
	g_clear_pointer(&packer->file, ash_object_file_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Packer, packer_clear)

static gboolean
write_segment(const void *data, gsize length, gpointer user_data, GError **error)
{
	Packer *packer = user_data;

	if (packer->file == NULL)
		packer->file = ash_objects_begin(packer->objects, error);
	return packer->file != NULL && ash_object_file_write(packer->file, data, length, error);
}

static gboolean
finish_segment(guint64 frames, gpointer user_data, GError **error)
{
	Packer *packer = user_data;
	AshPackSegment *segment = g_new0(AshPackSegment, 1);

	segment->frames = frames;
	g_ptr_array_add(packer->segments, segment);
	gboolean ok = ash_object_file_finish(packer->file, &segment->object, error);
	g_clear_pointer(&packer->file, ash_object_file_free);
	return ok;
}

static gboolean
pack_root(AshContext *ctx, AshObjects *objects, const AshPublishRequest *request, AshRelease *release, GError **error)
{
	static const AshFramesSink sink = { write_segment, finish_segment };
	g_auto(Packer) packer = { .objects = objects, .segments = release->segments };
	g_autoptr(GBytes) table = NULL;

	ash_progress_begin(ctx->progress, "Compress", 80);
	if (!ash_frames_write(ctx, request->root_fd, request->root_offset, request->root_bytes, request->level, &sink, &packer, &table,
			      error))
		return ash_prefix(error, "root file system");
	ash_progress_end(ctx->progress);
	return ash_objects_add_bytes(objects, table, &release->frames, error);
}

static AshRelease *
describe(const AshPublishRequest *request)
{
	AshRelease *release = ash_release_new();

	release->ref = g_strdup(request->ref);
	release->name = g_strdup(request->name);
	release->version = g_strdup(request->version);
	release->architecture = g_strdup(request->architecture);
	release->commit = g_strdup(request->commit);
	release->timestamp = request->timestamp;
	release->minimum = g_strdup(request->minimum);
	release->root_bytes = request->root_bytes;
	release->root_hash = g_strdup(request->root_hash);
	release->salt = g_strdup(request->salt);
	return release;
}

static gboolean
add_optional(AshObjects *objects, GBytes *bytes, AshObjectRef *ret_object, GError **error)
{
	return bytes == NULL || g_bytes_get_size(bytes) == 0 || ash_objects_add_bytes(objects, bytes, ret_object, error);
}

/* Everything but the frames: quick to make, and with the root hash all that tells whether two releases are the same. */
static gboolean
add_small_objects(AshContext *ctx, AshObjects *objects, const AshPublishRequest *request, AshRelease *release, GError **error)
{
	struct stat st;

	return ash_fd_stat(request->uki_fd, "the unified kernel image", &st, error) &&
	       ash_objects_add_range(ctx, objects, request->root_fd, request->tree_offset, request->tree_bytes, &release->tree, error) &&
	       ash_objects_add_range(ctx, objects, request->uki_fd, 0, (guint64) st.st_size, &release->uki, error) &&
	       ash_recipe_add(ctx, objects, request, &release->uki_recipe, error) &&
	       add_optional(objects, request->verity_sig, &release->verity_sig, error) &&
	       add_optional(objects, request->etc, &release->etc, error) && add_optional(objects, request->sbom, &release->sbom, error) &&
	       add_optional(objects, request->layout, &release->layout, error) && add_optional(objects, request->anchor, &release->anchor, error);
}

/* The same files for the node; what is only told about them (SBOM, costs) is not compared. */
static bool
is_same(const AshRelease *a, const AshRelease *b)
{
	return strcmp(a->commit, b->commit) == 0 && strcmp(a->root_hash, b->root_hash) == 0 && a->root_bytes == b->root_bytes &&
	       strcmp(a->tree.sha256, b->tree.sha256) == 0 && strcmp(a->uki.sha256, b->uki.sha256) == 0 &&
	       g_strcmp0(a->verity_sig.sha256, b->verity_sig.sha256) == 0;
}

/* True if all segments and the table are there, as far as sizes tell. */
static bool
has_pack(AshObjects *objects, const AshRelease *release)
{
	ash_autofd int table = ash_objects_open_object(objects, &release->frames, NULL);

	for (guint i = 0; i < release->segments->len; i++) {
		const AshPackSegment *segment = g_ptr_array_index(release->segments, i);
		ash_autofd int fd = ash_objects_open_object(objects, &segment->object, NULL);
		if (fd < 0)
			return false;
	}
	return table >= 0;
}

/* Frames of another level or libzstd would be other objects: the release names those that it has. */
static gboolean
repair_pack(AshContext *ctx, AshObjects *objects, const AshPublishRequest *request, const AshRelease *release, GError **error)
{
	g_autoptr(AshRelease) again = describe(request);

	if (has_pack(objects, release))
		return TRUE;
	if (!pack_root(ctx, objects, request, again, error))
		return FALSE;
	if (has_pack(objects, release))
		return TRUE;
	return ash_throw(error, ASH_ERROR_TRUST,
			 "segments of \"%s\" are missing, and cannot be made again with this version of Zstandard or at this level", release->version);
}

static AshPublishCost *
cost_new(AshContext *ctx, AshReleaseDir *dir, const AshCostTarget *target, const AshRelease *from, GError **error)
{
	g_autoptr(GBytes) tree = ash_objects_load(ash_release_dir_get_objects(dir), &from->tree, MAX_LOADED_BYTES, error);
	AshCost cost;

	if (tree == NULL || !ash_cost_compute(ctx, target, from, tree, &cost, error))
		return NULL;
	AshPublishCost *result = g_new0(AshPublishCost, 1);
	result->from_version = g_strdup(from->version);
	result->cost = cost;
	return result;
}

GPtrArray *
ash_publish_list_sources(AshReleaseDir *dir, const char *ref, const char *version, const char *channel, guint max, GError **error)
{
	g_autoptr(AshChannel) offers = NULL;
	g_auto(GStrv) versions = ash_release_dir_list_versions(dir, ref);
	g_autoptr(GPtrArray) sources = g_ptr_array_new_with_free_func(g_free);

	if (channel != NULL && !ash_release_dir_load_channel(dir, ref, channel, &offers, error))
		return NULL;
	for (guint i = g_strv_length(versions); i-- > 0 && sources->len < max;) {
		if (strverscmp(versions[i], version) >= 0 || (offers != NULL && ash_offer_find(offers, versions[i]) == NULL))
			continue;
		g_ptr_array_add(sources, g_strdup(versions[i]));
	}
	return g_steal_pointer(&sources);
}

static gboolean
add_costs(AshContext *ctx, AshReleaseDir *dir, const AshCostTarget *target, const GPtrArray *sources, GPtrArray *costs, GError **error)
{
	for (guint i = 0; i < sources->len; i++) {
		const char *version = g_ptr_array_index(sources, i);
		g_autoptr(AshRelease) from = NULL;
		if (!ash_release_dir_load_release(dir, target->release->ref, version, &from, error))
			return FALSE;
		AshPublishCost *cost = from != NULL ? cost_new(ctx, dir, target, from, error) : NULL;
		if (cost == NULL)
			return FALSE;
		g_ptr_array_add(costs, cost);
		ash_progress_count(ctx->progress, i + 1, sources->len, "releases");
	}
	return TRUE;
}

GPtrArray *
ash_publish_compute_costs(AshContext *ctx, AshReleaseDir *dir, const AshRelease *release, const char *channel, AshCost *ret_full,
			  GError **error)
{
	AshObjects *objects = ash_release_dir_get_objects(dir);
	g_autoptr(GBytes) frames = ash_objects_load(objects, &release->frames, MAX_LOADED_BYTES, error);
	g_autoptr(GBytes) tree = frames != NULL ? ash_objects_load(objects, &release->tree, MAX_LOADED_BYTES, error) : NULL;
	g_autoptr(AshFrameTable) table = tree != NULL ? ash_frame_table_parse(frames, release, error) : NULL;
	g_autoptr(GPtrArray) sources = table != NULL ? ash_publish_list_sources(dir, release->ref, release->version, channel, ASH_PUBLISH_COSTS, error)
							 : NULL;
	g_autoptr(GPtrArray) costs = g_ptr_array_new_with_free_func(cost_free);
	const AshCostTarget target = { release, tree, table };

	if (sources == NULL || !add_costs(ctx, dir, &target, sources, costs, error)) {
		ash_prefix(error, "costs of \"%s\"", release->version);
		return NULL;
	}
	ash_cost_compute_full(&target, ret_full);
	return g_steal_pointer(&costs);
}

gboolean
ash_publish_find_anchor(AshReleaseDir *dir, const char *ref, const char *version, const char *channel, GBytes **ret, GError **error)
{
	g_autoptr(AshRelease) there = NULL, before = NULL;
	const AshObjectRef *layout = NULL;

	*ret = NULL;
	if (!ash_release_dir_load_release(dir, ref, version, &there, error))
		return FALSE;
	g_autoptr(GPtrArray) sources = ash_publish_list_sources(dir, ref, version, channel, ASH_PUBLISH_COSTS, error);
	if (sources == NULL)
		return FALSE;
	if (there != NULL)
		layout = &there->anchor;
	else if (sources->len > 0 && !ash_release_dir_load_release(dir, ref, g_ptr_array_index(sources, 0), &before, error))
		return FALSE;
	if (before != NULL)
		layout = &before->layout;
	if (layout == NULL || layout->sha256 == NULL)
		return TRUE;
	*ret = ash_objects_load(ash_release_dir_get_objects(dir), layout, MAX_LOADED_BYTES, error);
	return *ret != NULL || ash_prefix(error, "layout");
}

/* A source of the list, as the release remembers it. */
static gboolean
store_costs(AshReleaseDir *dir, AshRelease *release, const GPtrArray *costs, GError **error)
{
	for (guint i = 0; i < costs->len; i++) {
		const AshPublishCost *cost = g_ptr_array_index(costs, i);
		g_autoptr(AshRelease) from = NULL;
		if (!ash_release_dir_load_release(dir, release->ref, cost->from_version, &from, error))
			return FALSE;
		g_ptr_array_add(release->costs, ash_cost_to_release(&cost->cost, from));
	}
	return TRUE;
}

static gboolean
publish_new(AshContext *ctx, AshReleaseDir *dir, const AshPublishRequest *request, AshPublishResult *result, GError **error)
{
	if (!pack_root(ctx, ash_release_dir_get_objects(dir), request, result->release, error))
		return FALSE;
	ash_progress_begin(ctx->progress, "Costs", 5);
	result->costs = ash_publish_compute_costs(ctx, dir, result->release, request->channel, &result->full, error);
	ash_progress_end(ctx->progress);
	return result->costs != NULL && store_costs(dir, result->release, result->costs, error) &&
	       ash_release_dir_set_release(dir, result->release, error);
}

static gboolean
publish_again(AshContext *ctx, AshReleaseDir *dir, const AshPublishRequest *request, AshRelease *there, AshPublishResult *result,
	      GError **error)
{
	if (!is_same(there, result->release))
		return ash_throw(error, ASH_ERROR_USAGE,
				 "version \"%s\" of \"%s\" is published already, with other content: give this one another version "
				 "(ashlar build --version)",
				 there->version, there->ref);
	if (!repair_pack(ctx, ash_release_dir_get_objects(dir), request, there, error))
		return FALSE;
	result->unchanged = true;
	result->costs = ash_publish_compute_costs(ctx, dir, there, request->channel, &result->full, error);
	return result->costs != NULL;
}

AshPublishResult *
ash_publish_release(AshContext *ctx, AshReleaseDir *dir, const AshPublishRequest *request, GError **error)
{
	g_autoptr(AshPublishResult) result = ash_publish_result_new();
	g_autoptr(AshRelease) there = NULL;

	result->release = describe(request);
	if (!ash_release_dir_load_release(dir, request->ref, request->version, &there, error) ||
	    !add_small_objects(ctx, ash_release_dir_get_objects(dir), request, result->release, error))
		return NULL;
	if (there == NULL)
		return publish_new(ctx, dir, request, result, error) ? g_steal_pointer(&result) : NULL;
	if (!publish_again(ctx, dir, request, there, result, error))
		return NULL;
	ash_release_free(result->release);
	result->release = g_steal_pointer(&there);
	return g_steal_pointer(&result);
}
