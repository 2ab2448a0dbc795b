/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/vfat/vfat.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "base/zero.h"
#include "disk/vfat/dir.h"

#include <string.h>

/* Fewer clusters than 65,525 would be FAT16 to every reader, whatever the file system says; some
 * room for tables. */
#define LEAST_CLUSTERS      66000
#define MAX_CLUSTER_SECTORS 8
#define RESERVED_SECTORS    32
#define INFO_SECTOR         1
#define BACKUP_SECTOR       6
#define TABLES              2
#define MEDIA               0xf8 /* a disk that stays in its drive */
#define CHUNK_BYTES         ((gsize) 256 * 1024)
/* What is found there is aligned, for those who read it and for those who compare two of them. */
#define DATA_ALIGNMENT ((guint64) 4096)

AshVfatFile *
ash_vfat_file_new(const char *path, AshContent *content)
{
	AshVfatFile *file = g_new0(AshVfatFile, 1);

	file->path = g_strdup(path);
	file->content = content != NULL ? ash_content_ref(content) : NULL;
	return file;
}

void
ash_vfat_file_free(AshVfatFile *file)
{
	if (file == NULL)
		return;
	g_free(file->path);
	g_clear_pointer(&file->content, ash_content_unref);
	g_free(file);
}

guint64
ash_vfat_estimate(GPtrArray *files)
{
	guint64 bytes = 0;

	for (guint i = 0; i < files->len; i++) {
		const AshVfatFile *file = files->pdata[i];

		bytes += 32 * ASH_KIB;
		if (file->content != NULL)
			bytes += ash_size_round_up(ash_content_get_size(file->content), 32 * ASH_KIB);
	}
	/* Two tables of 4 bytes per cluster of at least 512 bytes. */
	return MAX(ASH_VFAT_MIN_BYTES, ash_size_round_up(bytes + bytes / 50 + ASH_MIB, ASH_MIB));
}

/** A file system while it is written. Sectors are counted from its start. */
typedef struct {
	const AshVfatOptions *options;
	int fd;
	guint64 offset; /* in the disk file */
	guint32 sectors;
	guint32 cluster_bytes;
	guint32 reserved;     /* sectors before the first table */
	guint32 table_sectors;
	guint32 clusters;
	GArray *table; /* of guint32: as many as are used, by cluster */
	GArray *left;  /* of AshContentPlace; or NULL: contents are written */
} Volume;

static void
volume_clear(Volume *volume)
{
	g_clear_pointer(&volume->table, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Volume, volume_clear)

/* The largest clusters up to 4 KiB that leave enough of them. */
static guint32
choose_cluster_sectors(guint64 sectors)
{
	guint32 size = 1;

	while (size < MAX_CLUSTER_SECTORS && sectors / (size * 2) >= LEAST_CLUSTERS)
		size *= 2;
	return size;
}

/* "FAT Volume Initialization" of the specification, but exact: the fewest sectors in which every cluster has its number. */
static void
measure(Volume *volume, guint64 bytes)
{
	const guint32 per_sector = ASH_VFAT_SECTOR_BYTES / sizeof(guint32);
	guint32 cluster_sectors;

	volume->sectors = (guint32) (bytes / ASH_VFAT_SECTOR_BYTES);
	cluster_sectors = choose_cluster_sectors(volume->sectors);
	volume->cluster_bytes = cluster_sectors * ASH_VFAT_SECTOR_BYTES;
	/* More sectors of the tables leave fewer clusters, which need no more of them. */
	guint32 most = volume->sectors / cluster_sectors + ASH_VFAT_FIRST_CLUSTER;
	volume->table_sectors = (most + per_sector - 1) / per_sector;
	guint64 before = RESERVED_SECTORS + TABLES * volume->table_sectors;
	guint64 data = ash_size_round_up(before, DATA_ALIGNMENT / ASH_VFAT_SECTOR_BYTES);
	volume->reserved = (guint32) (RESERVED_SECTORS + data - before);
	volume->clusters = (guint32) ((volume->sectors - data) / cluster_sectors);
}

static guint64
get_place(const Volume *volume, guint32 cluster)
{
	guint64 data = (guint64) volume->reserved + TABLES * volume->table_sectors;

	return volume->offset + data * ASH_VFAT_SECTOR_BYTES +
	       (guint64) (cluster - ASH_VFAT_FIRST_CLUSTER) * volume->cluster_bytes;
}

/* The next clusters, one behind the other; 0: no bytes, no cluster. */
static guint32
allocate(Volume *volume, guint64 bytes)
{
	guint32 n = (guint32) ((bytes + volume->cluster_bytes - 1) / volume->cluster_bytes);
	guint32 first = volume->table->len;

	for (guint32 i = 1; i <= n; i++) {
		guint32 next = i < n ? first + i : ASH_VFAT_CLUSTER_MASK;
		next = GUINT32_TO_LE(next);
		g_array_append_val(volume->table, next);
	}
	return n > 0 ? first : 0;
}

static bool
has_room(const Volume *volume)
{
	return volume->table->len <= volume->clusters + ASH_VFAT_FIRST_CLUSTER;
}

/* A directory before what is in it. */
static void
place_node(Volume *volume, AshVfatNode *node)
{
	node->cluster = allocate(volume, MAX(ash_vfat_node_get_bytes(node, volume->options->label), node->children != NULL));
	for (guint i = 0; node->children != NULL && i < node->children->len; i++)
		place_node(volume, node->children->pdata[i]);
}

/* The disk file is all zero there: so are holes. */
static gboolean
write_content(const Volume *volume, const AshVfatNode *file, GError **error)
{
	const guint64 size = ash_content_get_size(file->content), place = get_place(volume, file->cluster);
	g_autofree guint8 *buffer = g_malloc(CHUNK_BYTES);
	gsize part;

	for (guint64 at = 0; at < size; at += part) {
		part = (gsize) MIN(CHUNK_BYTES, size - at);
		if (!ash_content_read(file->content, buffer, part, at, error) ||
		    (!ash_is_zero(buffer, part) && !ash_fd_write_all(volume->fd, buffer, part, place + at, error)))
			return ash_prefix(error, "\"%s\"", file->name);
	}
	return TRUE;
}

static gboolean
write_node(const Volume *volume, const AshVfatNode *node, GError **error)
{
	if (node->children == NULL && node->content == NULL)
		return TRUE;
	if (node->children == NULL && volume->left == NULL)
		return write_content(volume, node, error);
	if (node->children == NULL) {
		AshContentPlace place = { ash_content_ref(node->content), get_place(volume, node->cluster) };
		g_array_append_val(volume->left, place);
		return TRUE;
	}
	g_autoptr(GByteArray) list = ash_vfat_node_list(node, volume->options->label, volume->options->epoch);
	if (!ash_fd_write_all(volume->fd, list->data, list->len, get_place(volume, node->cluster), error))
		return FALSE;
	for (guint i = 0; i < node->children->len; i++)
		if (!write_node(volume, node->children->pdata[i], error))
			return FALSE;
	return TRUE;
}

/* "Boot Sector and BPB", and its part for FAT32. */
static void
fill_boot_sector(const Volume *volume, guint8 *sector)
{
	/* hlt; jmp to it: nobody boots from here. */
	static const guint8 code[] = { 0xf4, 0xeb, 0xfd };
	g_autofree char *label = g_strdup_printf("%-11.11s", *volume->options->label != '\0' ? volume->options->label : "NO NAME");

	memcpy(sector, "\xeb\x58\x90" "MSWIN4.1", 11);
	ash_vfat_put16(sector + 11, ASH_VFAT_SECTOR_BYTES);
	sector[13] = (guint8) (volume->cluster_bytes / ASH_VFAT_SECTOR_BYTES);
	ash_vfat_put16(sector + 14, (guint16) volume->reserved);
	sector[16] = TABLES;
	sector[21] = MEDIA;
	/* Geometry, for those who still ask. */
	ash_vfat_put16(sector + 24, 63);
	ash_vfat_put16(sector + 26, 255);
	ash_vfat_put32(sector + 28, (guint32) (volume->offset / ASH_VFAT_SECTOR_BYTES));
	ash_vfat_put32(sector + 32, volume->sectors);
	ash_vfat_put32(sector + 36, volume->table_sectors);
	ash_vfat_put32(sector + 44, ASH_VFAT_FIRST_CLUSTER);
	ash_vfat_put16(sector + 48, INFO_SECTOR);
	ash_vfat_put16(sector + 50, BACKUP_SECTOR);
	sector[64] = 0x80;
	sector[66] = 0x29;
	ash_vfat_put32(sector + 67, volume->options->volume_id);
	memcpy(sector + 71, label, ASH_VFAT_NAME_BYTES);
	memcpy(sector + 82, "FAT32   ", 8);
	memcpy(sector + 90, code, sizeof(code));
	ash_vfat_put16(sector + 510, 0xaa55);
}

/* "FSInfo": how many clusters are free, and from which on. */
static void
fill_info_sector(const Volume *volume, guint8 *sector)
{
	ash_vfat_put32(sector, 0x41615252);
	ash_vfat_put32(sector + 484, 0x61417272);
	ash_vfat_put32(sector + 488, volume->clusters + ASH_VFAT_FIRST_CLUSTER - volume->table->len);
	ash_vfat_put32(sector + 492, volume->table->len);
	ash_vfat_put16(sector + 510, 0xaa55);
}

static gboolean
write_tables(const Volume *volume, GError **error)
{
	guint8 head[RESERVED_SECTORS * ASH_VFAT_SECTOR_BYTES] = { 0 };

	for (guint i = 0; i < 2; i++) {
		guint8 *at = head + i * BACKUP_SECTOR * ASH_VFAT_SECTOR_BYTES;

		fill_boot_sector(volume, at);
		fill_info_sector(volume, at + INFO_SECTOR * ASH_VFAT_SECTOR_BYTES);
		/* The third sector of the boot code, empty. */
		ash_vfat_put16(at + 2 * ASH_VFAT_SECTOR_BYTES + 510, 0xaa55);
	}
	if (!ash_fd_write_all(volume->fd, head, sizeof(head), volume->offset, error))
		return FALSE;
	for (guint i = 0; i < TABLES; i++) {
		guint64 sector = volume->reserved + i * volume->table_sectors;

		if (!ash_fd_write_all(volume->fd, volume->table->data, volume->table->len * sizeof(guint32),
				      volume->offset + sector * ASH_VFAT_SECTOR_BYTES, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
check_arguments(guint64 offset, guint64 bytes, GError **error)
{
	if (bytes >= ASH_VFAT_MIN_BYTES && bytes % ASH_MIB == 0 && bytes <= 2 * ASH_GIB * 1024 - ASH_MIB &&
	    offset % DATA_ALIGNMENT == 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG, "a FAT32 file system needs at least 34 MiB and at most 2 TiB, in whole MiB");
}

guint32
ash_vfat_volume_id(const AshUuid *uuid)
{
	guint32 id;

	memcpy(&id, uuid->bytes, sizeof(id));
	return GUINT32_FROM_BE(id);
}

gboolean
ash_vfat_write(const AshVfatOptions *options, GPtrArray *files, int fd, guint64 offset, guint64 bytes, GArray *ret_left, GError **error)
{
	/* What the first two numbers would be about: the medium, and that all is well. */
	const guint32 first[ASH_VFAT_FIRST_CLUSTER] = { GUINT32_TO_LE(0x0fffff00 | MEDIA), GUINT32_TO_LE(ASH_VFAT_CLUSTER_MASK) };
	g_auto(Volume) volume = { .options = options, .fd = fd, .offset = offset, .left = ret_left };

	if (!check_arguments(offset, bytes, error))
		return FALSE;
	g_autoptr(AshVfatNode) root = ash_vfat_tree_new(files, error);
	if (root == NULL)
		return FALSE;
	volume.table = g_array_new(FALSE, FALSE, sizeof(guint32));
	g_array_append_vals(volume.table, first, ASH_VFAT_FIRST_CLUSTER);
	measure(&volume, bytes);
	place_node(&volume, root);
	if (!has_room(&volume))
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the EFI system partition has %" G_GUINT64_FORMAT " MiB, its files need %" G_GUINT64_FORMAT
				 ": raise its \"size\"",
				 bytes / ASH_MIB, ash_vfat_estimate(files) / ASH_MIB);
	return write_node(&volume, root, error) && write_tables(&volume, error);
}
