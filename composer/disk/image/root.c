/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/image/build.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/filesystem/filesystem.h"
#include "disk/format/formats.h"
#include "disk/verity/leafcache.h"
#include "disk/verity/verity.h"

#include <string.h>

gboolean
ash_disk_build_write_filesystem(AshDiskBuild *build, const AshPartition *partition, GError **error)
{
	const AshFilesystemOptions options = {
	    .uuid = ash_disk_build_uuid(build, partition, "fs"),
	    .hash_seed = ash_disk_build_uuid(build, partition, "hash-seed"),
	    .label = partition->fs_label != NULL ? partition->fs_label : partition->label,
	    .epoch = build->request->epoch,
	    .scratch_dir = build->request->output_dir,
	};

	return ash_filesystem_write(build->ctx, partition->fs, ash_disk_build_get_tree(build, partition), &options, build->fd, partition->offset,
				    partition->size, error);
}

/** Those who look at the root while it is written. */
typedef struct {
	AshVerityTree *hash_tree; /* or NULL */
	AshUsedMap *used;
	guint64 base; /* of the root in the disk file */
} Onlookers;

static void
show_written(guint64 offset, const guint8 *data, gsize length, gpointer user_data)
{
	const Onlookers *onlookers = user_data;

	if (onlookers->hash_tree != NULL)
		ash_verity_tree_add(onlookers->hash_tree, offset, data, length);
	ash_used_map_add(onlookers->used, onlookers->base + offset, data, length);
}

/* @offset: in the disk file. */
static void
show_in_disk(guint64 offset, const guint8 *data, gsize length, gpointer user_data)
{
	const Onlookers *onlookers = user_data;

	show_written(offset - onlookers->base, data, length, user_data);
}

/* Taken from the cache, or left to be read. */
static bool
take_leaves(const AshFileCopy *copy, const Onlookers *onlookers, AshLeafCache *cache)
{
	const guint8 *leaves = ash_leaf_cache_find(cache, copy->node);
	guint64 n = ash_size_round_up(copy->node->size, ASH_VERITY_BLOCK_BYTES) / ASH_VERITY_BLOCK_BYTES;

	if (leaves == NULL)
		return false;
	ash_verity_tree_set_leaves(onlookers->hash_tree, copy->offset - onlookers->base, leaves, n);
	for (guint64 i = 0; i < n; i++)
		if (!ash_verity_tree_is_zero_leaf(onlookers->hash_tree, leaves + i * ASH_SHA256_SIZE))
			ash_used_map_mark(onlookers->used, copy->offset + i * ASH_VERITY_BLOCK_BYTES);
	return true;
}

static gpointer
save_leaves(gpointer data)
{
	g_autoptr(AshLeafCache) cache = data;

	ash_leaf_cache_save(cache);
	return NULL;
}

/* Files that will not be in the disk file itself: only those are read whose hashes are not known. */
static gboolean
hash_files(AshDiskBuild *build, Onlookers *onlookers, const guint8 *salt, GError **error)
{
	g_autoptr(AshLeafCache) cache = ash_leaf_cache_open(build->request->leaf_cache, salt, ASH_VERITY_SALT_BYTES);
	g_autoptr(GArray) others = g_array_new(FALSE, FALSE, sizeof(AshFileCopy));

	for (guint i = 0; i < build->files->len; i++) {
		const AshFileCopy *copy = &g_array_index(build->files, AshFileCopy, i);
		if (!take_leaves(copy, onlookers, cache))
			g_array_append_vals(others, copy, 1);
	}
	if (!ash_filecopy_run(build->ctx, build->request->tree, others, -1, show_in_disk, onlookers, error))
		return FALSE;
	for (guint i = 0; i < others->len; i++) {
		const AshFileCopy *copy = &g_array_index(others, AshFileCopy, i);
		ash_leaf_cache_add(cache, copy->node,
				   ash_verity_tree_get_leaves(onlookers->hash_tree, copy->offset - onlookers->base));
	}
	/* Beside what is still to be written. */
	build->saver = g_thread_new("leaves", save_leaves, g_steal_pointer(&cache));
	return TRUE;
}

bool
ash_disk_build_leaves_raw(const AshDiskBuild *build)
{
	return !ash_formats_need_raw(build->request->type->formats);
}

/* @hash_tree and @salt: NULL, or of what is written here. */
static gboolean
write_whole(AshDiskBuild *build, const AshPartition *partition, AshVerityTree *hash_tree, const guint8 *salt, GError **error)
{
	Onlookers onlookers = { hash_tree, build->used, partition->offset };
	bool is_first = build->files == NULL, leave = is_first && hash_tree != NULL && ash_disk_build_leaves_raw(build);

	if (build->root_fd >= 0)
		return ash_root_file_copy(build->ctx, build->root_fd, build->root_bytes, build->fd, partition->offset, show_written,
					  &onlookers, error);
	ash_erofs_leave_files(build->erofs, leave);
	if (!ash_erofs_write(build->ctx, build->erofs, build->fd, partition->offset, show_written, &onlookers, error))
		return FALSE;
	if (is_first && partition->encryption.kind == ASH_ENCRYPTION_NONE)
		build->files = ash_erofs_list_files(build->erofs, partition->offset);
	return !leave || hash_files(build, &onlookers, salt, error);
}

/* Versions of one system share the salt, so that equal blocks have equal hashes and an update can
 * tell. */
static void
derive_salt(const char *name, guint8 ret_salt[ASH_VERITY_SALT_BYTES])
{
	g_autoptr(AshDigest) digest = ash_digest_new();

	ash_digest_update_string(digest, "ashlar verity salt 1");
	ash_digest_update_string(digest, name);
	ash_digest_finish(digest, ret_salt);
}

static void
name_by_root_hash(AshDiskBuild *build, AshPartition *root, AshPartition *hash, const guint8 root_hash[ASH_SHA256_SIZE])
{
	ash_verity_partition_uuids(root_hash, &root->uuid, &hash->uuid);
	g_free(build->root_hash);
	build->root_hash = ash_hex_encode(root_hash, ASH_SHA256_SIZE);
}

/* The blocks are hashed as they are written. */
static gboolean
write_whole_with_tree(AshDiskBuild *build, AshPartition *root, const AshVerityPlace *place, const guint8 *salt,
		      const AshUuid *uuid, guint8 *ret_root_hash, GError **error)
{
	g_autoptr(AshVerityTree) tree = ash_verity_tree_new(place->data_bytes, salt, error);

	return tree != NULL && write_whole(build, root, tree, salt, error) &&
	       ash_verity_tree_write(tree, place, uuid, ret_root_hash, error);
}

/* @index: of @root in the layout. A hash tree covers the file system, not the room behind it. */
static gboolean
write_with_hash_tree(AshDiskBuild *build, AshPartition *root, guint index, AshPartition *hash, GError **error)
{
	AshUuid uuid = ash_disk_build_uuid(build, hash, "fs");
	guint8 salt[ASH_VERITY_SALT_BYTES], root_hash[ASH_SHA256_SIZE];
	bool is_whole = ash_fs_kind_get_traits(root->fs)->read_only;
	AshVerityPlace place = {
	    .fd = build->fd,
	    .data_offset = root->offset,
	    .data_bytes = is_whole ? build->content[index] : root->size,
	    .hash_offset = hash->offset,
	    .hash_bytes = hash->size,
	};
	gboolean ok;

	derive_salt(build->request->name, salt);
	ok = is_whole ? write_whole_with_tree(build, root, &place, salt, &uuid, root_hash, error)
		      : ash_disk_build_write_filesystem(build, root, error) &&
				ash_verity_format(build->ctx, &place, salt, &uuid, root_hash, error);
	if (ok)
		name_by_root_hash(build, root, hash, root_hash);
	return ok;
}

static AshPartition *
find_hash_partition(const AshDiskBuild *build, const AshPartition *root)
{
	for (guint i = 0; i < build->layout->partitions->len; i++) {
		AshPartition *partition = build->layout->partitions->pdata[i];

		if (partition->role == ASH_PARTITION_ROOT_VERITY && partition->slot == root->slot &&
		    !partition->empty)
			return partition;
	}
	return NULL;
}

gboolean
ash_disk_build_write_root(AshDiskBuild *build, AshPartition *root, guint index, GError **error)
{
	AshPartition *hash = find_hash_partition(build, root);
	gboolean ok;

	ash_progress_begin(build->ctx->progress, "Root file system", 60);
	if (hash != NULL)
		ok = write_with_hash_tree(build, root, index, hash, error);
	else if (ash_fs_kind_get_traits(root->fs)->read_only)
		ok = write_whole(build, root, NULL, NULL, error);
	else
		ok = ash_disk_build_write_filesystem(build, root, error);
	if (!ok)
		return ash_prefix(error, "root file system");
	ash_progress_end(build->ctx->progress);
	build->root_uuid = root->uuid;
	return TRUE;
}
