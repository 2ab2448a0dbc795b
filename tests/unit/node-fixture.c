/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node-fixture.h"

#include "base/digest.h"
#include "base/fd.h"
#include "base/file.h"
#include "disk/verity/verity.h"
#include "model/hashlevels.h"
#include "pack/delta.h"
#include "pack/frames.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES

static const guint8 salt[ASH_VERITY_SALT_BYTES] = "salt of all versions";

static int
open_file(const char *path, int flags)
{
	GError *error = NULL;
	int fd = ash_fd_open(AT_FDCWD, path, flags, 0600, &error);

	g_assert_no_error(error);
	return fd;
}

NodeSlot *
node_slot_open(const char *data_path, const char *hash_path)
{
	NodeSlot *slot = g_new0(NodeSlot, 1);

	slot->data_path = g_strdup(data_path);
	slot->hash_path = g_strdup(hash_path);
	slot->view.data.fd = open_file(data_path, O_RDWR | O_CREAT);
	slot->view.hash.fd = open_file(hash_path, O_RDWR | O_CREAT);
	slot->view.data.bytes = (guint64) lseek(slot->view.data.fd, 0, SEEK_END);
	slot->view.hash.bytes = (guint64) lseek(slot->view.hash.fd, 0, SEEK_END);
	return slot;
}

NodeSlot *
node_slot_new(const char *dir, const char *name, guint64 data_bytes, guint64 hash_bytes)
{
	g_autofree char *data_path = g_strdup_printf("%s/%s.data", dir, name);
	g_autofree char *hash_path = g_strdup_printf("%s/%s.hash", dir, name);
	NodeSlot *slot = node_slot_open(data_path, hash_path);

	g_assert_cmpint(ftruncate(slot->view.data.fd, (off_t) data_bytes), ==, 0);
	g_assert_cmpint(ftruncate(slot->view.hash.fd, (off_t) hash_bytes), ==, 0);
	slot->view.data.bytes = data_bytes;
	slot->view.hash.bytes = hash_bytes;
	return slot;
}

void
node_slot_free(NodeSlot *slot)
{
	ash_fd_clear(&slot->view.data.fd);
	ash_fd_clear(&slot->view.hash.fd);
	g_free(slot->data_path);
	g_free(slot->hash_path);
	g_free(slot);
}

void
node_slot_format(NodeSlot *slot, guint64 bytes)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	const guint64 end = MAX(bytes, slot->view.data.bytes);
	AshVerityPlace place = { .fd = open_file(slot->data_path, O_RDWR), .data_bytes = bytes, .hash_offset = end,
				 .hash_bytes = ash_hash_area_bytes(bytes) };
	g_autofree char *hex = NULL;
	AshUuid uuid = { { 1, 2, 3, 4 } };
	guint8 root_hash[ASH_SHA256_SIZE];
	GError *error = NULL;

	/* Formatted behind the data, in one file as ash_verity_format() wants it, then put into its own. */
	ash_verity_format(ctx, &place, salt, &uuid, root_hash, &error);
	g_assert_no_error(error);
	ash_fd_copy_range(place.fd, end, slot->view.hash.fd, 0, place.hash_bytes, &error);
	g_assert_no_error(error);
	g_assert_cmpint(ftruncate(place.fd, (off_t) end), ==, 0);
	close(place.fd);
	hex = ash_hex_encode(root_hash, sizeof(root_hash));
	g_strlcpy(slot->view.root_hash, hex, sizeof(slot->view.root_hash));
	slot->view.known = true;
}

NodeSlot *
node_slot_new_image(const char *dir, const char *name, const guint8 *image, guint64 bytes)
{
	NodeSlot *slot = node_slot_new(dir, name, bytes, ash_hash_area_bytes(bytes));
	GError *error = NULL;

	ash_fd_write_all(slot->view.data.fd, image, bytes, 0, &error);
	g_assert_no_error(error);
	node_slot_format(slot, bytes);
	return slot;
}

typedef struct {
	const char *dir;
	AshRelease *release;
	GByteArray *segment;
} Publish;

static AshObjectRef
save_object(const char *dir, const void *data, gsize length)
{
	AshObjectRef object = { .sha256 = ash_sha256_hex(data, (gssize) length), .size = length };
	g_autofree char *below = ash_object_ref_path(&object);
	g_autofree char *path = g_build_filename(dir, below, NULL);
	g_autofree char *parent = g_path_get_dirname(path);
	GError *error = NULL;

	ash_file_mkdirs(AT_FDCWD, parent, 0755, &error);
	g_assert_no_error(error);
	ash_file_write(AT_FDCWD, path, data, (gssize) length, 0644, &error);
	g_assert_no_error(error);
	return object;
}

static gboolean
take_bytes(const void *data, gsize length, gpointer user_data, GError **error)
{
	Publish *publish = user_data;

	g_byte_array_append(publish->segment, data, (guint) length);
	return TRUE;
}

static gboolean
finish_segment(guint64 frames, gpointer user_data, GError **error)
{
	Publish *publish = user_data;
	AshPackSegment *segment = g_new0(AshPackSegment, 1);

	segment->object = save_object(publish->dir, publish->segment->data, publish->segment->len);
	segment->frames = frames;
	g_ptr_array_add(publish->release->segments, segment);
	g_byte_array_set_size(publish->segment, 0);
	return TRUE;
}

AshRelease *
node_release_publish(const char *dir, const NodeSlot *slot, guint64 bytes, const char *version)
{
	static const AshFramesSink sink = { take_bytes, finish_segment };
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GByteArray) array = g_byte_array_new();
	g_autoptr(GBytes) table = NULL;
	g_autoptr(AshRelease) release = ash_release_new();
	guint64 hash_bytes = ash_hash_area_bytes(bytes);
	g_autofree guint8 *tree = g_malloc(hash_bytes);
	Publish publish = { .dir = dir, .release = release, .segment = array };
	AshVeritySuperblock sb;
	GError *error = NULL;

	ash_fd_read_exact(slot->view.hash.fd, tree, hash_bytes, 0, &error);
	g_assert_no_error(error);
	ash_verity_read_superblock(slot->view.hash.fd, 0, &sb, &error);
	g_assert_no_error(error);
	release->format = ASH_RELEASE_FORMAT;
	release->ref = g_strdup("test/x86_64/base");
	release->name = g_strdup("test");
	release->version = g_strdup(version);
	release->architecture = g_strdup("x86_64");
	release->commit = ash_sha256_hex("commit", -1);
	release->root_bytes = bytes;
	release->root_hash = g_strdup(slot->view.root_hash);
	release->salt = ash_hex_encode(sb.salt, sb.salt_bytes);
	release->frame_bytes = ASH_RELEASE_FRAME_BYTES;
	release->tree = save_object(dir, tree, hash_bytes);
	release->uki = save_object(dir, version, strlen(version));
	ash_frames_write(ctx, slot->view.data.fd, 0, bytes, 0, &sink, &publish, &table, &error);
	g_assert_no_error(error);
	release->frames = save_object(dir, g_bytes_get_data(table, NULL), g_bytes_get_size(table));
	return g_steal_pointer(&release);
}

void
node_release_add_delta(const char *dir, AshRelease *release, const NodeSlot *from, const NodeSlot *lie_from, const NodeSlot *to,
		       guint64 bytes)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	const AshDeltaImage old_image = { .fd = (lie_from != NULL ? lie_from : from)->view.data.fd, .bytes = bytes };
	const AshDeltaImage new_image = { .fd = to->view.data.fd, .bytes = bytes };
	g_autofree char *path = g_build_filename(dir, "delta", NULL);
	ash_autofd int fd = open_file(path, O_RDWR | O_CREAT | O_TRUNC);
	AshReleaseDelta *delta = g_new0(AshReleaseDelta, 1);
	AshDeltaStats stats;
	GError *error = NULL;

	ash_delta_write(ctx, &old_image, &new_image, 3, fd, &stats, &error);
	g_assert_no_error(error);
	g_autofree guint8 *data = g_malloc(stats.delta_bytes);
	ash_fd_read_exact(fd, data, stats.delta_bytes, 0, &error);
	g_assert_no_error(error);
	delta->from_version = g_strdup("1");
	delta->from_root_hash = g_strdup(from->view.root_hash);
	delta->object = save_object(dir, data, stats.delta_bytes);
	g_ptr_array_add(release->deltas, delta);
}

guint8 *
node_image_new(guint32 seed, guint64 bytes)
{
	guint8 *image = g_malloc(bytes);

	for (guint64 block = 0; block < bytes / BLOCK; block++) {
		g_autoptr(GRand) random = g_rand_new_with_seed(seed + (guint32) block * 7919);

		for (guint i = 0; i < BLOCK; i++)
			image[block * BLOCK + i] = i % 2 == 0 ? (guint8) g_rand_int(random) : (guint8) block;
	}
	return image;
}

bool
node_slot_has_release(const NodeSlot *slot, const AshRelease *release)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autofree guint8 *tree = g_malloc(release->tree.size);
	g_autofree guint8 *data = g_malloc(release->root_bytes);
	g_autofree char *path = g_strconcat(slot->data_path, ".check", NULL);
	guint8 root_hash[ASH_SHA256_SIZE];
	AshVerityPlace place = { .data_bytes = release->root_bytes, .hash_offset = release->root_bytes, .hash_bytes = release->tree.size };
	GError *error = NULL;
	gboolean ok;

	/* In one file, for a reader that is not the one under test. */
	place.fd = open_file(path, O_RDWR | O_CREAT | O_TRUNC);
	ok = ash_fd_read_exact(slot->view.data.fd, data, release->root_bytes, slot->view.data.offset, &error) &&
	     ash_fd_read_exact(slot->view.hash.fd, tree, release->tree.size, slot->view.hash.offset, &error) &&
	     ash_fd_write_all(place.fd, data, release->root_bytes, 0, &error) &&
	     ash_fd_write_all(place.fd, tree, release->tree.size, release->root_bytes, &error);
	g_assert_no_error(error);
	ok = ok && ash_hex_decode(release->root_hash, root_hash, sizeof(root_hash)) && ash_verity_verify(ctx, &place, root_hash, NULL);
	g_autofree char *sum = ash_sha256_hex(tree, (gssize) release->tree.size);
	ok = ok && strcmp(sum, release->tree.sha256) == 0;
	close(place.fd);
	unlink(path);
	return ok;
}
