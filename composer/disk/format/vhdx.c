/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/vhdx.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/format/appender.h"
#include "disk/format/clusters.h"
#include "disk/io/crc32c.h"

#include <string.h>

#define SECTOR_BYTES 512
#define BLOCK_BYTES  (2 * ASH_MIB)
/* [MS-VHDX] 2.1 */
#define MAX_DISK_BYTES ((guint64) 64 << 40)
/* Between two entries for sector bitmaps, which are never used here ([MS-VHDX] 2.5). */
#define CHUNK_BLOCKS (((guint64) 1 << 23) * SECTOR_BYTES / BLOCK_BYTES)
#define FULLY_PRESENT 6
/* Places in the file. */
#define HEADER_BYTES   ((guint64) 64 * ASH_KIB)
#define LOG_AT         (1 * ASH_MIB)
#define LOG_BYTES      (1 * ASH_MIB)
#define METADATA_AT    (2 * ASH_MIB)
#define METADATA_BYTES (1 * ASH_MIB)
#define BAT_AT         (3 * ASH_MIB)
/* Of what the checksum of a header covers; that of a region table covers all of HEADER_BYTES. */
#define CHECKED_BYTES 4096

/** As on disk: the first three parts of a GUID are numbers, little endian. */
typedef struct {
	guint8 bytes[16];
} Guid;

/** On disk, little endian ([MS-VHDX] 2.2.2). */
typedef struct __attribute__((packed)) {
	char signature[4];
	guint32 checksum;
	guint64 sequence;
	Guid file_write, data_write, log;
	guint16 log_version, version;
	guint32 log_bytes;
	guint64 log_at;
} Header;

/** [MS-VHDX] 2.2.3 */
typedef struct __attribute__((packed)) {
	char signature[4];
	guint32 checksum, n, reserved;
	struct __attribute__((packed)) {
		Guid guid;
		guint64 at;
		guint32 bytes, required;
	} regions[2];
} RegionTable;

/** [MS-VHDX] 2.6.1.2 */
typedef struct __attribute__((packed)) {
	Guid item;
	guint32 at, bytes, flags, reserved;
} MetadataEntry;

#define FLAG_VIRTUAL_DISK 2
#define FLAG_REQUIRED     4
/* Of the values, in their region: behind the table. */
#define VALUES_AT (64 * ASH_KIB)

/** The values, one behind the other. */
typedef struct __attribute__((packed)) {
	guint32 block_bytes, file_flags;
	guint64 disk_bytes;
	Guid page83;
	guint32 logical_sector, physical_sector;
} Values;

/** In the order of the values. */
static const struct {
	const char *guid;
	guint32 at, bytes, flags;
} items[] = {
	{ "caa16737-fa36-4d43-b3b6-33f0aa44e76b", G_STRUCT_OFFSET(Values, block_bytes), 8, FLAG_REQUIRED },
	{ "2fa54224-cd1b-4876-b211-5dbed83bf4b8", G_STRUCT_OFFSET(Values, disk_bytes), 8, FLAG_REQUIRED | FLAG_VIRTUAL_DISK },
	{ "beca12ab-b2e6-4523-93ef-c309e000c746", G_STRUCT_OFFSET(Values, page83), 16, FLAG_REQUIRED | FLAG_VIRTUAL_DISK },
	{ "8141bf1d-a96f-4709-ba47-f233a8faab5f", G_STRUCT_OFFSET(Values, logical_sector), 4, FLAG_REQUIRED | FLAG_VIRTUAL_DISK },
	{ "cda348c7-445d-4471-9cc9-e9885251c556", G_STRUCT_OFFSET(Values, physical_sector), 4, FLAG_REQUIRED | FLAG_VIRTUAL_DISK },
};

static Guid
guid_from_uuid(const AshUuid *uuid)
{
	static const guint8 order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	Guid guid;

	for (guint i = 0; i < G_N_ELEMENTS(order); i++)
		guid.bytes[i] = uuid->bytes[order[i]];
	return guid;
}

static Guid
guid_from_text(const char *text)
{
	AshUuid uuid;
	gboolean valid = ash_uuid_parse(text, &uuid);

	g_assert(valid);
	return guid_from_uuid(&uuid);
}

static Guid
derive_guid(const AshUuid *uuid, const char *what)
{
	const AshUuid derived = ash_uuid_derive(uuid, what);

	return guid_from_uuid(&derived);
}

static gboolean
add_identifier(AshAppender *file, GError **error)
{
	static const gunichar2 creator[] = { 'a', 's', 'h', 'l', 'a', 'r' };
	guint8 bytes[8 + sizeof(creator)] = "vhdxfile";

	for (guint i = 0; i < G_N_ELEMENTS(creator); i++) {
		guint16 unit = GUINT16_TO_LE(creator[i]);

		memcpy(bytes + 8 + i * sizeof(unit), &unit, sizeof(unit));
	}
	return ash_appender_add(file, bytes, sizeof(bytes), error) && ash_appender_align(file, HEADER_BYTES, error);
}

/* The one with the higher number counts. */
static gboolean
add_header(AshAppender *file, const AshUuid *uuid, guint64 sequence, GError **error)
{
	guint8 block[CHECKED_BYTES] = { 0 };
	Header header = {
		.signature = { 'h', 'e', 'a', 'd' },
		.sequence = GUINT64_TO_LE(sequence),
		.file_write = derive_guid(uuid, "file-write"),
		.data_write = derive_guid(uuid, "data-write"),
		.version = GUINT16_TO_LE(1),
		.log_bytes = GUINT32_TO_LE((guint32) LOG_BYTES),
		.log_at = GUINT64_TO_LE((guint64) LOG_AT),
	};

	memcpy(block, &header, sizeof(header));
	header.checksum = GUINT32_TO_LE(~ash_crc32c(~0U, block, sizeof(block)));
	memcpy(block, &header, sizeof(header));
	return ash_appender_add(file, block, sizeof(block), error) && ash_appender_align(file, HEADER_BYTES, error);
}

static gboolean
add_region_table(AshAppender *file, guint64 bat_bytes, GError **error)
{
	g_autofree guint8 *block = g_malloc0(HEADER_BYTES);
	RegionTable table = {
		.signature = { 'r', 'e', 'g', 'i' },
		.n = GUINT32_TO_LE(2),
		.regions = {
			{ guid_from_text("2dc27766-f623-4200-9d64-115e9bfd4a08"), GUINT64_TO_LE((guint64) BAT_AT),
			  GUINT32_TO_LE((guint32) bat_bytes), GUINT32_TO_LE(1) },
			{ guid_from_text("8b7ca206-4790-4b9a-b8fe-575f050f886e"), GUINT64_TO_LE((guint64) METADATA_AT),
			  GUINT32_TO_LE((guint32) METADATA_BYTES), GUINT32_TO_LE(1) },
		},
	};

	memcpy(block, &table, sizeof(table));
	table.checksum = GUINT32_TO_LE(~ash_crc32c(~0U, block, HEADER_BYTES));
	memcpy(block, &table, sizeof(table));
	return ash_appender_add(file, block, HEADER_BYTES, error);
}

static gboolean
add_metadata(AshAppender *file, guint64 disk_bytes, const AshUuid *uuid, GError **error)
{
	guint8 head[32] = "metadata";
	guint16 n = GUINT16_TO_LE(G_N_ELEMENTS(items));
	const Values values = {
		.block_bytes = GUINT32_TO_LE((guint32) BLOCK_BYTES),
		.disk_bytes = GUINT64_TO_LE(disk_bytes),
		.page83 = derive_guid(uuid, "page-83"),
		.logical_sector = GUINT32_TO_LE(SECTOR_BYTES),
		.physical_sector = GUINT32_TO_LE(4096),
	};

	memcpy(head + 10, &n, sizeof(n));
	if (!ash_appender_add(file, head, sizeof(head), error))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(items); i++) {
		const MetadataEntry entry = {
			.item = guid_from_text(items[i].guid),
			.at = GUINT32_TO_LE((guint32) VALUES_AT + items[i].at),
			.bytes = GUINT32_TO_LE(items[i].bytes),
			.flags = GUINT32_TO_LE(items[i].flags),
		};

		if (!ash_appender_add(file, &entry, sizeof(entry), error))
			return FALSE;
	}
	return ash_appender_align(file, VALUES_AT, error) && ash_appender_add(file, &values, sizeof(values), error) &&
	       ash_appender_align(file, ASH_MIB, error);
}

/* Where each block is: behind the table, in the order of the disk. */
static gboolean
add_bat(AshAppender *file, const AshClusterMap *map, guint64 n_blocks, guint64 bat_bytes, GError **error)
{
	guint64 place = BAT_AT + bat_bytes;

	for (guint64 i = 0; i < n_blocks; i++) {
		bool used = ash_cluster_map_has_data(map, i * BLOCK_BYTES, BLOCK_BYTES);
		guint64 entry = GUINT64_TO_LE(used ? place | FULLY_PRESENT : 0);

		if (i > 0 && i % CHUNK_BLOCKS == 0 && !ash_appender_add(file, NULL, sizeof(entry), error))
			return FALSE;
		if (!ash_appender_add(file, &entry, sizeof(entry), error))
			return FALSE;
		place += used ? BLOCK_BYTES : 0;
	}
	return ash_appender_align(file, ASH_MIB, error);
}

static gboolean
add_blocks(AshAppender *file, const AshClusterMap *map, AshReread *raw, guint64 n_blocks, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(BLOCK_BYTES);

	for (guint64 i = 0; i < n_blocks; i++) {
		if (!ash_cluster_map_has_data(map, i * BLOCK_BYTES, BLOCK_BYTES))
			continue;
		if (!ash_cluster_map_read(map, raw, buffer, BLOCK_BYTES, i * BLOCK_BYTES, error) ||
		    !ash_appender_add(file, buffer, BLOCK_BYTES, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
add_all(AshAppender *file, const AshClusterMap *map, AshReread *raw, const AshUuid *uuid, GError **error)
{
	guint64 n_blocks = (map->disk_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	guint64 n_entries = n_blocks + (n_blocks - 1) / CHUNK_BLOCKS;
	guint64 bat_bytes = ash_size_round_up(n_entries * sizeof(guint64), ASH_MIB);

	return add_identifier(file, error) && add_header(file, uuid, 1, error) && add_header(file, uuid, 2, error) &&
	       add_region_table(file, bat_bytes, error) && add_region_table(file, bat_bytes, error) &&
	       ash_appender_align(file, ASH_MIB, error) && ash_appender_add(file, NULL, LOG_BYTES, error) &&
	       add_metadata(file, map->disk_bytes, uuid, error) && add_bat(file, map, n_blocks, bat_bytes, error) &&
	       add_blocks(file, map, raw, n_blocks, error);
}

gboolean
ash_vhdx_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, const AshUuid *uuid, int fd, char **ret_sha256, GError **error)
{
	g_autoptr(AshClusterMap) map = NULL;
	g_autoptr(AshAppender) file = NULL;

	if (disk_bytes == 0 || disk_bytes % SECTOR_BYTES != 0 || disk_bytes > MAX_DISK_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "a disk of %" G_GUINT64_FORMAT " bytes cannot be a VHDX", disk_bytes);
	map = ash_cluster_map_new(ctx, raw, disk_bytes, error);
	file = map != NULL ? ash_appender_new(ctx, fd, error) : NULL;
	if (file == NULL || !add_all(file, map, raw, uuid, error))
		return FALSE;
	*ret_sha256 = ash_appender_finish_hex(file, error);
	return *ret_sha256 != NULL;
}
