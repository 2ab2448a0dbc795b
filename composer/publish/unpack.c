/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/unpack.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "pack/frames.h"
#include "pack/hashtree.h"

#include <string.h>
#include <unistd.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES
/* Frames that a thread takes at a time. */
#define CHUNK_FRAMES 16

/* A release whose frames are being unpacked. */
typedef struct {
	AshContext *ctx;
	const AshRelease *release;
	AshFrameTable *table;
	GBytes *tree;
	const guint8 *leaves; /* in @tree, or the root hash */
	AshHashSpec spec;
	GArray *segments;     /* of int, file descriptors */
	int out_fd;
} Unpack;

static void
unpack_clear(Unpack *unpack)
{
	for (guint i = 0; unpack->segments != NULL && i < unpack->segments->len; i++)
		ash_fd_clear(&g_array_index(unpack->segments, int, i));
	g_clear_pointer(&unpack->segments, g_array_unref);
	g_clear_pointer(&unpack->table, ash_frame_table_free);
	g_clear_pointer(&unpack->tree, g_bytes_unref);
	ash_fd_clear(&unpack->out_fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Unpack, unpack_clear)

static gboolean
check_blocks(const Unpack *unpack, AshDigest *digest, guint64 first, const guint8 *data, gsize bytes, GError **error)
{
	guint8 sum[ASH_SHA256_SIZE];

	for (gsize at = 0; at < bytes; at += BLOCK) {
		const guint64 block = first + at / BLOCK;
		ash_hash_block(digest, &unpack->spec, data + at, sum);
		if (memcmp(sum, unpack->leaves + block * ASH_SHA256_SIZE, sizeof(sum)) != 0)
			return ash_throw(error, ASH_ERROR_TRUST,
					 "the frames of \"%s\" are damaged at block %" G_GUINT64_FORMAT ": publish its release again",
					 unpack->release->version, block);
	}
	return TRUE;
}

static gboolean
do_frame(const Unpack *unpack, AshDigest *digest, guint64 frame, guint8 *packed, guint8 *plain, GError **error)
{
	const guint64 offset = frame * ASH_RELEASE_FRAME_BYTES;
	const gsize bytes = (gsize) MIN(ASH_RELEASE_FRAME_BYTES, unpack->release->root_bytes - offset);
	guint segment;
	guint64 at;
	guint32 length;

	ash_frame_table_locate(unpack->table, frame, &segment, &at, &length);
	if (length > 0 && !ash_fd_read_exact(g_array_index(unpack->segments, int, segment), packed, length, at, error))
		return FALSE;
	return ash_frame_decode(packed, length, plain, bytes, error) && check_blocks(unpack, digest, offset / BLOCK, plain, bytes, error) &&
	       (length == 0 || ash_fd_write_all(unpack->out_fd, plain, bytes, offset, error));
}

static gboolean
do_chunk(guint index, gpointer user_data, GError **error)
{
	const Unpack *unpack = user_data;
	const guint64 first = (guint64) index * CHUNK_FRAMES;
	const guint64 end = MIN(first + CHUNK_FRAMES, ash_frame_table_get_count(unpack->table));
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree guint8 *packed = g_malloc(ASH_FRAME_MAX_BYTES), *plain = g_malloc(ASH_RELEASE_FRAME_BYTES);

	for (guint64 frame = first; frame < end; frame++)
		if (!ash_context_check(unpack->ctx, error) || !do_frame(unpack, digest, frame, packed, plain, error))
			return FALSE;
	return TRUE;
}

static gboolean
load_tree(Unpack *unpack, AshObjects *objects, GError **error)
{
	const AshHashLevels levels = ash_hash_levels_compute(unpack->release->root_bytes);

	unpack->tree = ash_objects_load(objects, &unpack->release->tree, levels.total * BLOCK, error);
	if (unpack->tree == NULL)
		return FALSE;
	g_autoptr(AshTreeView) view = ash_tree_view_new(unpack->tree, &unpack->spec, error);
	if (view == NULL)
		return FALSE;
	unpack->leaves = levels.n == 0 ? unpack->spec.root_hash
				       : (const guint8 *) g_bytes_get_data(unpack->tree, NULL) + levels.first[0] * BLOCK;
	return TRUE;
}

static gboolean
load_frames(Unpack *unpack, AshObjects *objects, GError **error)
{
	g_autoptr(GBytes) object = ash_objects_load(objects, &unpack->release->frames, (guint64) ASH_FRAMES_MAX * sizeof(guint32), error);

	if (object == NULL || (unpack->table = ash_frame_table_parse(object, unpack->release, error)) == NULL)
		return FALSE;
	unpack->segments = g_array_new(FALSE, FALSE, sizeof(int));
	for (guint i = 0; i < unpack->release->segments->len; i++) {
		const AshPackSegment *segment = g_ptr_array_index(unpack->release->segments, i);
		const int fd = ash_objects_open_object(objects, &segment->object, error);
		if (fd < 0)
			return FALSE;
		g_array_append_val(unpack->segments, fd);
	}
	return TRUE;
}

int
ash_publish_unpack_root(AshContext *ctx, AshReleaseDir *dir, const AshRelease *release, GError **error)
{
	AshObjects *objects = ash_release_dir_get_objects(dir);
	g_auto(Unpack) unpack = { .ctx = ctx, .release = release, .out_fd = -1 };

	unpack.spec = ash_hash_spec_from_release(release);
	if (!load_tree(&unpack, objects, error) || !load_frames(&unpack, objects, error)) {
		ash_prefix(error, "release \"%s\"", release->version);
		return -1;
	}
	unpack.out_fd = ash_objects_open_scratch(objects, error);
	if (unpack.out_fd < 0)
		return -1;
	if (ftruncate(unpack.out_fd, (off_t) release->root_bytes) < 0) {
		ash_throw_errno(error, "cannot make room for the root file system of \"%s\"", release->version);
		return -1;
	}
	const guint chunks = (guint) ((ash_frame_table_get_count(unpack.table) + CHUNK_FRAMES - 1) / CHUNK_FRAMES);
	return ash_parallel_run(ctx, chunks, do_chunk, &unpack, error) ? ash_fd_steal(&unpack.out_fd) : -1;
}
