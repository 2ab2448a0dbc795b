/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/filesystem/filesystem.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/ext4/ext4.h"
#include "disk/filesystem/swap.h"
#include "disk/vfat/tree.h"
#include "disk/xfs/xfs.h"

/** Where to. */
typedef struct {
	int fd;
	guint64 offset, bytes;
} Place;

typedef guint64 (*EstimateFunc)(const AshFsTree *tree);
typedef gboolean (*CheckFunc)(const AshFsTree *tree, GError **error);
typedef gboolean (*WriteFunc)(AshContext *ctx, const AshFsTree *tree, const AshFilesystemOptions *options, const Place *place, GError **error);

static gboolean
write_ext4(AshContext *ctx, const AshFsTree *tree, const AshFilesystemOptions *options, const Place *place, GError **error)
{
	AshExt4Options ext4 = { .uuid = options->uuid, .hash_seed = options->hash_seed, .epoch = options->epoch };

	g_strlcpy(ext4.label, options->label, sizeof(ext4.label));
	return ash_ext4_write(ctx, tree, &ext4, place->fd, place->offset, place->bytes, error);
}

static gboolean
write_vfat(AshContext *ctx, const AshFsTree *tree, const AshFilesystemOptions *options, const Place *place, GError **error)
{
	g_autoptr(GPtrArray) files = ash_vfat_tree_list(tree, error);
	g_autofree char *label = g_ascii_strup(options->label, -1);
	AshVfatOptions vfat = { .epoch = options->epoch, .volume_id = ash_vfat_volume_id(&options->uuid) };

	if (files == NULL)
		return FALSE;
	g_strlcpy(vfat.label, label, sizeof(vfat.label));
	return ash_vfat_write(&vfat, files, place->fd, place->offset, place->bytes, NULL, error);
}

static gboolean
write_swap(AshContext *ctx, const AshFsTree *tree, const AshFilesystemOptions *options, const Place *place, GError **error)
{
	return ash_swap_write(&options->uuid, options->label, place->fd, place->offset, place->bytes, error);
}

static gboolean
write_xfs(AshContext *ctx, const AshFsTree *tree, const AshFilesystemOptions *options, const Place *place, GError **error)
{
	return ash_xfs_write(ctx, tree, options, place->fd, place->offset, place->bytes, error);
}

static gboolean
check_vfat(const AshFsTree *tree, GError **error)
{
	g_autoptr(GPtrArray) files = ash_vfat_tree_list(tree, error);

	return files != NULL;
}

/* Kinds without a writer hold nothing, or are made whole by those who plan the disk. */
static const struct {
	EstimateFunc estimate;
	WriteFunc write;
	CheckFunc check; /* NULL: all is well */
} kinds[_ASH_FS_KIND_COUNT] = {
	[ASH_FS_VFAT] = { ash_vfat_tree_estimate, write_vfat, check_vfat },
	[ASH_FS_EXT4] = { ash_ext4_estimate, write_ext4 },
	[ASH_FS_XFS] = { ash_xfs_estimate, write_xfs, ash_xfs_check },
	[ASH_FS_SWAP] = { NULL, write_swap },
};

guint64
ash_filesystem_estimate(AshFsKind kind, const AshFsTree *tree)
{
	guint64 bytes = kinds[kind].estimate != NULL ? kinds[kind].estimate(tree) : 0;

	return kinds[kind].write != NULL ? MAX(bytes, ash_fs_kind_get_traits(kind)->min_bytes) : 0;
}

gboolean
ash_filesystem_check(AshFsKind kind, const AshFsTree *tree, GError **error)
{
	return kinds[kind].check == NULL || kinds[kind].check(tree, error);
}

gboolean
ash_filesystem_write(AshContext *ctx, AshFsKind kind, const AshFsTree *tree, const AshFilesystemOptions *options, int fd, guint64 offset,
		     guint64 bytes, GError **error)
{
	const AshFsTraits *traits = ash_fs_kind_get_traits(kind);
	const Place place = { fd, offset, bytes };

	if (kinds[kind].write == NULL)
		return kind == ASH_FS_NONE || ash_throw(error, ASH_ERROR_CONFIG, "a file system \"%s\" is for a root only", traits->name);
	if (bytes < traits->min_bytes) {
		g_autofree char *least = ash_size_format(traits->min_bytes);

		return ash_throw(error, ASH_ERROR_CONFIG, "a file system \"%s\" needs at least %s: raise the size", traits->name, least);
	}
	return kinds[kind].write(ctx, tree, options, &place, error);
}
