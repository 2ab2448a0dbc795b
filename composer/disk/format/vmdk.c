/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/vmdk.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/format/appender.h"
#include "disk/format/clusters.h"
#include "disk/format/deflate.h"
#include "disk/format/pieces.h"

#include <string.h>

#define SECTOR_BYTES 512
#define GRAIN_BYTES  ASH_CLUSTER_BYTES
/* Grains in a table. */
#define TABLE_LENGTH 512
#define TABLE_BYTES  (TABLE_LENGTH * sizeof(guint32))
#define DESCRIPTOR_SECTORS 20
/* Header, descriptor; then the first grain, at a round place. */
#define OVERHEAD_SECTORS 128
/* The directory's place is said by the footer. */
#define AT_END (~(guint64) 0)
/* Sectors have numbers of 32 bits, and compression may gain nothing. */
#define MAX_DISK_BYTES ((guint64) 1 << 40)
/* Grains that one thread compresses at a time. */
#define GROUP_LENGTH 16

/** On disk, little endian. */
typedef struct __attribute__((packed)) {
	char magic[4];
	guint32 version, flags;
	guint64 capacity, grain, descriptor_at, descriptor; /* sectors */
	guint32 table_length;
	guint64 spare_directory_at, directory_at, overhead;
	guint8 unclean;
	char line_ends[4]; /* damaged by whoever takes it for text */
	guint16 compression;
	guint8 padding[433];
} Header;

G_STATIC_ASSERT(sizeof(Header) == SECTOR_BYTES);

/** Before everything that is no grain. */
typedef struct __attribute__((packed)) {
	guint64 sectors; /* that follow */
	guint32 zero;
	guint32 type;
	guint8 padding[496];
} Marker;

G_STATIC_ASSERT(sizeof(Marker) == SECTOR_BYTES);

typedef enum { MARKER_END, MARKER_TABLE, MARKER_DIRECTORY, MARKER_FOOTER } MarkerType;

/** Before a grain, whose bytes follow at once. */
typedef struct __attribute__((packed)) {
	guint64 sector; /* of the disk */
	guint32 bytes;
} GrainMarker;

/** Grains that were compressed together. */
typedef struct {
	guint n;
	guint64 clusters[GROUP_LENGTH];
	GByteArray *grains[GROUP_LENGTH]; /* marker, content, padding */
} Group;

/** A file being written. */
typedef struct {
	const AshClusterMap *map;
	AshAppender *file;
	Header header;
	guint32 table[TABLE_LENGTH]; /* that is being filled, as it will be written */
	guint64 table_index;
	bool has_grains;             /* in it */
	guint32 *directory;          /* owned, as it will be written */
	guint64 directory_length;
} Writer;

static void
writer_clear(Writer *writer)
{
	g_clear_pointer(&writer->directory, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Writer, writer_clear)

static void
group_free(Group *group)
{
	for (guint i = 0; i < group->n; i++)
		g_byte_array_unref(group->grains[i]);
	g_free(group);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Group, group_free)

static GByteArray *
make_grain(const guint8 *data, guint64 cluster)
{
	gsize room = ash_deflate_bound(GRAIN_BYTES), used;
	GByteArray *grain = g_byte_array_new();
	GrainMarker marker = { .sector = GUINT64_TO_LE(cluster * (GRAIN_BYTES / SECTOR_BYTES)) };
	guint padded;

	g_byte_array_set_size(grain, (guint) (sizeof(marker) + room));
	used = ash_deflate(data, GRAIN_BYTES, ASH_DEFLATE_ZLIB, grain->data + sizeof(marker), room);
	marker.bytes = GUINT32_TO_LE((guint32) used);
	memcpy(grain->data, &marker, sizeof(marker));
	used += sizeof(marker);
	padded = (guint) ash_size_round_up(used, SECTOR_BYTES);
	g_byte_array_set_size(grain, MAX(padded, grain->len));
	memset(grain->data + used, 0, padded - used);
	g_byte_array_set_size(grain, padded);
	return grain;
}

static gpointer
make_group(guint64 index, AshReread *raw, gpointer user_data, GError **error)
{
	const Writer *writer = user_data;
	g_autoptr(Group) group = g_new0(Group, 1);
	g_autofree guint8 *buffer = g_malloc(GRAIN_BYTES);
	guint64 first = index * GROUP_LENGTH, end = MIN(first + GROUP_LENGTH, writer->map->n_data);

	for (guint64 place = first; place < end; place++) {
		guint64 cluster = ash_cluster_map_locate(writer->map, place);

		if (!ash_reread_read(raw, buffer, GRAIN_BYTES, cluster * GRAIN_BYTES, error))
			return NULL;
		group->clusters[group->n] = cluster;
		group->grains[group->n++] = make_grain(buffer, cluster);
	}
	return g_steal_pointer(&group);
}

static guint32
get_sector(const Writer *writer)
{
	return (guint32) (ash_appender_get_bytes(writer->file) / SECTOR_BYTES);
}

static gboolean
put_marker(Writer *writer, MarkerType type, guint64 sectors, GError **error)
{
	const Marker marker = { .sectors = GUINT64_TO_LE(sectors), .type = GUINT32_TO_LE((guint32) type) };

	return ash_appender_add(writer->file, &marker, sizeof(marker), error);
}

/* A table comes behind its grains. */
static gboolean
finish_table(Writer *writer, GError **error)
{
	if (!writer->has_grains)
		return TRUE;
	if (!put_marker(writer, MARKER_TABLE, TABLE_BYTES / SECTOR_BYTES, error))
		return FALSE;
	writer->directory[writer->table_index] = GUINT32_TO_LE(get_sector(writer));
	writer->has_grains = false;
	if (!ash_appender_add(writer->file, writer->table, sizeof(writer->table), error))
		return FALSE;
	memset(writer->table, 0, sizeof(writer->table));
	return TRUE;
}

static gboolean
put_group(guint64 index, gconstpointer piece, gpointer user_data, GError **error)
{
	const Group *group = piece;
	Writer *writer = user_data;

	for (guint i = 0; i < group->n; i++) {
		guint64 cluster = group->clusters[i];

		if (cluster / TABLE_LENGTH != writer->table_index && !finish_table(writer, error))
			return FALSE;
		writer->table_index = cluster / TABLE_LENGTH;
		writer->table[cluster % TABLE_LENGTH] = GUINT32_TO_LE(get_sector(writer));
		writer->has_grains = true;
		if (!ash_appender_add(writer->file, group->grains[i]->data, group->grains[i]->len, error))
			return FALSE;
	}
	return TRUE;
}

/* Names of content that is nobody's parent and nobody's child. */
static guint32
make_content_id(const AshUuid *uuid)
{
	guint32 id;

	memcpy(&id, uuid->bytes, sizeof(id));
	return MIN(GUINT32_FROM_BE(id), 0xfffffffd);
}

static gboolean
write_start(Writer *writer, const char *name, const AshUuid *uuid, GError **error)
{
	guint64 sectors = writer->map->disk_bytes / SECTOR_BYTES;
	g_autofree char *text = g_strdup_printf(
		"# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n"
		"# Extent description\nRW %" G_GUINT64_FORMAT " SPARSE \"%s\"\n\n"
		"# The Disk Data Base\n#DDB\n\nddb.adapterType = \"lsilogic\"\nddb.geometry.cylinders = \"%" G_GUINT64_FORMAT "\"\n"
		"ddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\nddb.virtualHWVersion = \"10\"\n",
		make_content_id(uuid), sectors, name, MIN(sectors / (255 * 63), 65535));

	g_assert(strlen(text) <= DESCRIPTOR_SECTORS * SECTOR_BYTES);
	return ash_appender_add(writer->file, &writer->header, sizeof(writer->header), error) &&
	       ash_appender_add(writer->file, text, strlen(text), error) &&
	       ash_appender_align(writer->file, OVERHEAD_SECTORS * SECTOR_BYTES, error);
}

/* Directory, footer (the header again, which says where that is), end. */
static gboolean
write_end(Writer *writer, GError **error)
{
	guint64 bytes = writer->directory_length * sizeof(guint32);

	if (!finish_table(writer, error) ||
	    !put_marker(writer, MARKER_DIRECTORY, ash_size_round_up(bytes, SECTOR_BYTES) / SECTOR_BYTES, error))
		return FALSE;
	writer->header.directory_at = GUINT64_TO_LE((guint64) get_sector(writer));
	return ash_appender_add(writer->file, writer->directory, bytes, error) &&
	       ash_appender_align(writer->file, SECTOR_BYTES, error) && put_marker(writer, MARKER_FOOTER, 1, error) &&
	       ash_appender_add(writer->file, &writer->header, sizeof(writer->header), error) &&
	       put_marker(writer, MARKER_END, 0, error);
}

static void
fill_header(Header *header, guint64 disk_bytes)
{
	*header = (Header){
		.magic = { 'K', 'D', 'M', 'V' },
		.version = GUINT32_TO_LE(3),
		/* Line ends can be checked, grains are compressed, there are markers. */
		.flags = GUINT32_TO_LE(1 | 1 << 16 | 1 << 17),
		.capacity = GUINT64_TO_LE(disk_bytes / SECTOR_BYTES),
		.grain = GUINT64_TO_LE((guint64) GRAIN_BYTES / SECTOR_BYTES),
		.descriptor_at = GUINT64_TO_LE((guint64) 1),
		.descriptor = GUINT64_TO_LE((guint64) DESCRIPTOR_SECTORS),
		.table_length = GUINT32_TO_LE(TABLE_LENGTH),
		.directory_at = AT_END,
		.overhead = GUINT64_TO_LE((guint64) OVERHEAD_SECTORS),
		.line_ends = { '\n', ' ', '\r', '\n' },
		.compression = GUINT16_TO_LE(1),
	};
}

gboolean
ash_vmdk_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, const char *name, const AshUuid *uuid, int fd, char **ret_sha256,
	       GError **error)
{
	g_autoptr(AshClusterMap) map = NULL;
	g_autoptr(AshAppender) file = NULL;
	g_auto(Writer) writer = { 0 };
	const AshPieceFuncs funcs = { make_group, put_group, (GDestroyNotify) group_free, &writer };

	if (disk_bytes == 0 || disk_bytes % GRAIN_BYTES != 0 || disk_bytes > MAX_DISK_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "a disk of %" G_GUINT64_FORMAT " bytes cannot be a VMDK", disk_bytes);
	map = ash_cluster_map_new(ctx, raw, disk_bytes, error);
	file = map != NULL ? ash_appender_new(ctx, fd, error) : NULL;
	if (file == NULL)
		return FALSE;
	writer.map = map;
	writer.file = file;
	writer.directory_length = (disk_bytes / GRAIN_BYTES + TABLE_LENGTH - 1) / TABLE_LENGTH;
	writer.directory = g_new0(guint32, writer.directory_length);
	fill_header(&writer.header, disk_bytes);
	if (!write_start(&writer, name, uuid, error) ||
	    !ash_pieces_run(ctx, raw, (map->n_data + GROUP_LENGTH - 1) / GROUP_LENGTH, &funcs, error) || !write_end(&writer, error))
		return FALSE;
	*ret_sha256 = ash_appender_finish_hex(file, error);
	return *ret_sha256 != NULL;
}
