/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/filesystem/probe.h"

#include "base/digest.h"
#include "base/fd.h"
#include "disk/erofs/reader.h"
#include "disk/verity/verity.h"
#include "model/hashlevels.h"

#include <string.h>

/* As much as any of these formats needs to be known by. */
#define HEAD_BYTES 8192

typedef struct {
	int fd;
	guint64 offset, length;
	const guint8 *head;
} Source;

typedef void (*DescribeFunc)(const Source *source, AshProbe *probe);

static guint32
get32(const guint8 *at)
{
	return at[0] | (guint32) at[1] << 8 | (guint32) at[2] << 16 | (guint32) at[3] << 24;
}

static char *
get_uuid(const guint8 *at)
{
	AshUuid uuid;

	memcpy(uuid.bytes, at, sizeof(uuid.bytes));
	return ash_uuid_to_string(&uuid);
}

/* A fixed-width field of somebody else's bytes. */
static char *
get_text(const void *at, gsize length)
{
	g_autofree char *raw = g_strndup(at, length);
	g_autofree char *text = g_utf8_make_valid(raw, -1);

	g_strchomp(text);
	return text[0] != '\0' ? g_steal_pointer(&text) : NULL;
}

static void
describe_erofs(const Source *source, AshProbe *probe)
{
	g_autoptr(AshErofsReader) reader =
	    ash_erofs_open(source->fd, source->offset, source->length, NULL);
	const AshErofsInfo *info = reader != NULL ? ash_erofs_get_info(reader) : NULL;

	if (info == NULL)
		return;
	probe->label = get_text(info->label, strlen(info->label));
	probe->uuid = ash_uuid_to_string(&info->uuid);
	probe->used = info->bytes;
}

static void
describe_ext4(const Source *source, AshProbe *probe)
{
	const guint8 *super = source->head + 1024;
	guint32 shift = get32(super + 24);
	guint64 blocks = get32(super + 4);
	guint64 free_blocks = get32(super + 12);

	/* The high halves count with the 64-bit feature only; no disk of ours is that large. */
	if (shift <= 6 && free_blocks <= blocks)
		probe->used = (blocks - free_blocks) << (10 + shift);
	probe->label = get_text(super + 120, 16);
	probe->uuid = get_uuid(super + 104);
}

static void
describe_vfat(const Source *source, AshProbe *probe)
{
	guint32 id = get32(source->head + 67);

	probe->label = get_text(source->head + 71, 11);
	probe->uuid = g_strdup_printf("%04X-%04X", id >> 16, id & 0xffff);
}

static void
describe_verity(const Source *source, AshProbe *probe)
{
	AshVeritySuperblock sb;

	if (!ash_verity_read_superblock(source->fd, source->offset, &sb, NULL))
		return;
	probe->uuid = ash_uuid_to_string(&sb.uuid);
	probe->used = ash_hash_area_bytes(sb.data_bytes);
}

static void
describe_luks2(const Source *source, AshProbe *probe)
{
	probe->label = get_text(source->head + 24, 48);
	probe->uuid = get_text(source->head + 168, 40);
}

/* union swap_header of linux/swap.h. */
static void
describe_swap(const Source *source, AshProbe *probe)
{
	probe->uuid = get_uuid(source->head + 1036);
	probe->label = get_text(source->head + 1052, 16);
}

/* lvm2: lib/format_text/layout.h, pv_header. */
static void
describe_lvm2(const Source *source, AshProbe *probe)
{
	probe->uuid = get_text(source->head + 544, 32);
}

static void
describe_squashfs(const Source *source, AshProbe *probe)
{
	probe->used = get32(source->head + 40) | (guint64) get32(source->head + 44) << 32;
}

static guint64
get_be64(const guint8 *at)
{
	guint64 value;

	memcpy(&value, at, sizeof(value));
	return GUINT64_FROM_BE(value);
}

/* struct xfs_dsb of the XFS algorithms and data structures, "Superblocks". */
static void
describe_xfs(const Source *source, AshProbe *probe)
{
	guint64 block_bytes = get_be64(source->head) & G_MAXUINT32, blocks = get_be64(source->head + 8), free_blocks = get_be64(source->head + 144);

	if (block_bytes <= 65536 && free_blocks <= blocks && blocks <= G_MAXUINT64 / 65536)
		probe->used = (blocks - free_blocks) * block_bytes;
	probe->uuid = get_uuid(source->head + 32);
	probe->label = get_text(source->head + 108, 12);
}

static const struct {
	gsize at;
	const char *magic;
	gsize length;
	const char *content;
	DescribeFunc describe;
} formats[] = {
    {1024, "\xe2\xe1\xf5\xe0", 4, "erofs", describe_erofs},
    {1024 + 56, "\x53\xef", 2, "ext4", describe_ext4},
    {82, "FAT32   ", 8, "vfat", describe_vfat},
    {0, "verity\0\0", 8, "verity", describe_verity},
    {0, "LUKS\xba\xbe\0\2", 8, "luks2", describe_luks2},
    {4086, "SWAPSPACE2", 10, "swap", describe_swap},
    {0, "hsqs", 4, "squashfs", describe_squashfs},
    {0, "XFSB", 4, "xfs", describe_xfs},
    {512 + 24, "LVM2 001", 8, "lvm2", describe_lvm2},
};

void
ash_probe_clear(AshProbe *probe)
{
	g_clear_pointer(&probe->label, g_free);
	g_clear_pointer(&probe->uuid, g_free);
}

void
ash_probe_read(int fd, guint64 offset, guint64 length, AshProbe *ret_probe)
{
	guint8 head[HEAD_BYTES] = {0};
	Source source = {fd, offset, length, head};

	*ret_probe = (AshProbe){0};
	if (!ash_fd_read_exact(fd, head, (gsize) MIN(sizeof(head), length), offset, NULL))
		return;
	for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
		if (memcmp(head + formats[i].at, formats[i].magic, formats[i].length) != 0)
			continue;
		ret_probe->content = formats[i].content;
		if (formats[i].describe != NULL)
			formats[i].describe(&source, ret_probe);
		return;
	}
	if (head[0] == 0 && memcmp(head, head + 1, sizeof(head) - 1) == 0)
		ret_probe->content = "zero";
}
