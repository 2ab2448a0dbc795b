/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/lvm/lvm.h"

#include "base/error.h"
#include "base/fd.h"
#include "disk/lvm/format.h"

#include <string.h>
#include <zlib.h>

#define METADATA_OFFSET ((guint64) 4096)
#define METADATA_BYTES  (ASH_LVM_DATA_OFFSET - METADATA_OFFSET)
#define ID_STRING_SIZE  (LVM_ID_BYTES + 6 + 1) /* six hyphens and NUL */
/* Name of the physical volume in the text; and of the machine that made it. */
#define PV_NAME         "pv0"
#define HOST            "ashlar"

/* zlib inverts at both ends. */
static guint32
get_checksum(const void *data, gsize length)
{
	return ~(guint32) crc32(~LVM_CRC_START, data, (uInt) length);
}

/* Letters and digits. */
static void
derive_id(const AshUuid *seed, const char *purpose, char ret_id[LVM_ID_BYTES])
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	guint8 sum[ASH_SHA256_SIZE];

	G_STATIC_ASSERT(ASH_SHA256_SIZE >= LVM_ID_BYTES);
	ash_seed_derive(seed, purpose, sum);
	for (guint i = 0; i < LVM_ID_BYTES; i++)
		ret_id[i] = letters[sum[i] % (sizeof(letters) - 1)];
}

/* As texts have it: 6-4-4-4-4-4-6. */
static void
format_id(const char id[LVM_ID_BYTES], char ret_text[ID_STRING_SIZE])
{
	for (guint i = 0; i < LVM_ID_BYTES; i++) {
		if (i >= 6 && i < 30 && (i - 6) % 4 == 0)
			*ret_text++ = '-';
		*ret_text++ = id[i];
	}
	*ret_text = '\0';
}

static void
derive_id_text(const AshUuid *seed, const char *kind, const AshPartition *of, char ret_text[ID_STRING_SIZE])
{
	g_autofree char *purpose = g_strdup_printf("lvm-%s-%s/%s", kind, of->group, of->label);
	char id[LVM_ID_BYTES];

	derive_id(seed, purpose, id);
	format_id(id, ret_text);
}

static void
derive_pv_id(const AshUuid *seed, const AshPartition *partition, char ret_id[LVM_ID_BYTES])
{
	g_autofree char *purpose = g_strdup_printf("lvm-pv-%s", partition->group);

	derive_id(seed, purpose, ret_id);
}

/* One segment each: extents lie one behind the other. */
static void
add_volume(GString *text, const AshPartition *partition, const AshPartition *volume, const AshUuid *seed, guint64 epoch)
{
	const guint64 first = (volume->offset - partition->offset - ASH_LVM_DATA_OFFSET) / partition->extent_bytes;
	char id[ID_STRING_SIZE];

	derive_id_text(seed, "lv", volume, id);
	g_string_append_printf(text,
			       "%s {\nid = \"%s\"\nstatus = [\"READ\", \"WRITE\", \"VISIBLE\"]\nflags = []\n"
			       "creation_time = %" G_GUINT64_FORMAT "\ncreation_host = \"" HOST "\"\nsegment_count = 1\n\n"
			       "segment1 {\nstart_extent = 0\nextent_count = %" G_GUINT64_FORMAT "\n\ntype = \"striped\"\nstripe_count = 1\n\n"
			       "stripes = [\n\"" PV_NAME "\", %" G_GUINT64_FORMAT "\n]\n}\n}\n\n",
			       volume->label, id, epoch, volume->size / partition->extent_bytes, first);
}

static void
add_physical_volume(GString *text, const AshPartition *partition, const AshUuid *seed)
{
	char id[LVM_ID_BYTES], id_text[ID_STRING_SIZE];

	derive_pv_id(seed, partition, id);
	format_id(id, id_text);
	/* The device is a hint: the identifier counts. */
	g_string_append_printf(text,
			       "physical_volumes {\n\n" PV_NAME " {\nid = \"%s\"\ndevice = \"[unknown]\"\n\nstatus = [\"ALLOCATABLE\"]\nflags = []\n"
			       "dev_size = %" G_GUINT64_FORMAT "\npe_start = %" G_GUINT64_FORMAT "\npe_count = %" G_GUINT64_FORMAT "\n}\n}\n\n",
			       id_text, partition->size / LVM_SECTOR_BYTES, ASH_LVM_DATA_OFFSET / LVM_SECTOR_BYTES,
			       (partition->size - ASH_LVM_DATA_OFFSET) / partition->extent_bytes);
}

/* What vgcfgbackup(8) would save of the group. Owned. */
static GString *
make_text(const AshLayout *layout, const AshPartition *partition, const AshUuid *seed, guint64 epoch)
{
	GString *text = g_string_new(NULL);
	bool has_volumes = false;
	char id[ID_STRING_SIZE];

	derive_id_text(seed, "vg", partition, id);
	g_string_append_printf(text,
			       "%s {\nid = \"%s\"\nseqno = 1\nformat = \"lvm2\"\nstatus = [\"RESIZEABLE\", \"READ\", \"WRITE\"]\nflags = []\n"
			       "extent_size = %" G_GUINT64_FORMAT "\nmax_lv = 0\nmax_pv = 0\nmetadata_copies = 0\n\n",
			       partition->group, id, partition->extent_bytes / LVM_SECTOR_BYTES);
	add_physical_volume(text, partition, seed);
	for (guint i = 0; i < layout->volumes->len; i++) {
		const AshPartition *volume = layout->volumes->pdata[i];

		if (g_strcmp0(volume->group, partition->group) != 0)
			continue;
		if (!has_volumes)
			g_string_append(text, "logical_volumes {\n\n");
		has_volumes = true;
		add_volume(text, partition, volume, seed, epoch);
	}
	if (has_volumes)
		g_string_append(text, "}\n\n");
	g_string_append_printf(text,
			       "}\n# Written with the disk image.\n\ncontents = \"Text Format Volume Group\"\nversion = 1\n\ndescription = \"\"\n\n"
			       "creation_host = \"" HOST "\"\ncreation_time = %" G_GUINT64_FORMAT "\n\n",
			       epoch);
	return text;
}

static gboolean
write_metadata(const GString *text, int fd, guint64 offset, GError **error)
{
	LvmMetadataHeader header = {
		.version = GUINT32_TO_LE(LVM_METADATA_VERSION),
		.start = GUINT64_TO_LE(METADATA_OFFSET),
		.bytes = GUINT64_TO_LE(METADATA_BYTES),
	};
	const gsize bytes = text->len + 1;

	/* The next text goes behind this one, round the area: both must fit at once. */
	if (bytes > (METADATA_BYTES - sizeof(header)) / 2)
		return ash_throw(error, ASH_ERROR_CONFIG, "a volume group with so many logical volumes has no room for its metadata: use fewer");
	memcpy(header.magic, LVM_METADATA_MAGIC, sizeof(header.magic));
	header.text[0].offset = GUINT64_TO_LE(sizeof(header));
	header.text[0].bytes = GUINT64_TO_LE(bytes);
	header.text[0].checksum = GUINT32_TO_LE(get_checksum(text->str, bytes));
	header.checksum = GUINT32_TO_LE(get_checksum((const guint8 *) &header + sizeof(header.checksum), sizeof(header) - sizeof(header.checksum)));
	return ash_fd_write_all(fd, &header, sizeof(header), offset, error) && ash_fd_write_all(fd, text->str, bytes, offset + sizeof(header), error);
}

static gboolean
write_label(const AshPartition *partition, const AshUuid *seed, int fd, GError **error)
{
	LvmLabel label = {
		.sector = GUINT64_TO_LE(1),
		.content_offset = GUINT32_TO_LE(G_STRUCT_OFFSET(LvmLabel, pv_id)),
		.pv_bytes = GUINT64_TO_LE(partition->size),
		.data = { { GUINT64_TO_LE(ASH_LVM_DATA_OFFSET), 0 } },
		.metadata = { { GUINT64_TO_LE(METADATA_OFFSET), GUINT64_TO_LE(METADATA_BYTES) } },
		.extension_version = GUINT32_TO_LE(LVM_EXTENSION_VERSION),
		.extension_flags = GUINT32_TO_LE(LVM_EXTENSION_USED),
	};
	const gsize start = G_STRUCT_OFFSET(LvmLabel, content_offset);

	memcpy(label.id, LVM_LABEL_ID, sizeof(label.id));
	memcpy(label.type, LVM_LABEL_TYPE, sizeof(label.type));
	derive_pv_id(seed, partition, label.pv_id);
	label.checksum = GUINT32_TO_LE(get_checksum((const guint8 *) &label + start, sizeof(label) - start));
	return ash_fd_write_all(fd, &label, sizeof(label), partition->offset + LVM_SECTOR_BYTES, error);
}

gboolean
ash_lvm_write(const AshLayout *layout, const AshPartition *partition, const AshUuid *seed, guint64 epoch, int fd, GError **error)
{
	g_autoptr(GString) text = make_text(layout, partition, seed, epoch);

	return write_metadata(text, fd, partition->offset + METADATA_OFFSET, error) && write_label(partition, seed, fd, error);
}
