/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/grubbios.h"

#include "base/error.h"
#include "base/fd.h"
#include "model/imagetype.h"

#include <string.h>
#include <sys/stat.h>

#define SECTOR_BYTES 512
/* What diskboot.img can load below GRUB's own scratch memory (include/grub/offsets.h: from 0x8200 to 0x78000). */
#define MAX_CORE_BYTES (0x78000 - 0x8000)

/* Fields of boot.img (include/grub/i386/pc/boot.h). Its code ends where the disk's signature and the partition entries begin. */
#define BOOT_KERNEL_SECTOR 0x5c
#define BOOT_DRIVE_CHECK   0x66
#define BOOT_CODE_BYTES    0x1b8
/* In place of a jump over it: what a BIOS says is the boot drive is made a hard disk, if it says anything else. */
#define NOP_NOP            "\x90\x90"

/* The list of blocks at the end of core.img's first sector: 64 bits of first sector, 16 of their number, 16 of the segment. */
#define BLOCK_START   (SECTOR_BYTES - 12)
#define BLOCK_LENGTH  (SECTOR_BYTES - 4)
#define BLOCK_SEGMENT (SECTOR_BYTES - 2)
#define FIRST_SEGMENT 0x820

void
ash_grub_bios_free(AshGrubBios *bios)
{
	if (bios == NULL)
		return;
	g_clear_pointer(&bios->boot, g_bytes_unref);
	g_clear_pointer(&bios->core, g_bytes_unref);
	g_free(bios);
}

static guint16
get16(const guint8 *at)
{
	return (guint16) (at[0] | at[1] << 8);
}

static void
put64(guint8 *at, guint64 value)
{
	value = GUINT64_TO_LE(value);
	memcpy(at, &value, sizeof(value));
}

/* They are what we take them for, before fields of them are changed. */
static gboolean
check_images(const AshGrubBios *bios, GError **error)
{
	gsize boot_bytes, core_bytes;
	const guint8 *boot = g_bytes_get_data(bios->boot, &boot_bytes);
	const guint8 *core = g_bytes_get_data(bios->core, &core_bytes);

	if (boot_bytes != SECTOR_BYTES || boot[510] != 0x55 || boot[511] != 0xaa || boot[0] != 0xeb)
		return ash_throw(error, ASH_ERROR_CONFIG, "GRUB for BIOS: \"/" ASH_GRUB_BIOS_DIR "/boot.img\" is no boot sector");
	if (core_bytes <= SECTOR_BYTES || core_bytes > MAX_CORE_BYTES || get16(core + BLOCK_SEGMENT) != FIRST_SEGMENT ||
	    get16(core + BLOCK_LENGTH) != (core_bytes - 1) / SECTOR_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "GRUB for BIOS: its core image is too large, or none that a disk can be booted from");
	return TRUE;
}

AshGrubBios *
ash_grub_bios_load(const AshFsTree *tree, int esp, GError **error)
{
	g_autoptr(AshGrubBios) bios = g_new0(AshGrubBios, 1);
	g_autofree char *core = g_strdup_printf(ASH_GRUB_BIOS_FORMAT, esp);

	if (ash_fs_tree_resolve(tree, core) == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "the commit has no \"/%s\": it was not composed for an image type that boots by BIOS with its boot partition as number %d", core,
				      esp);
	bios->boot = ash_fs_tree_load(tree, ASH_GRUB_BIOS_DIR "/boot.img", error);
	bios->core = bios->boot != NULL ? ash_fs_tree_load(tree, core, error) : NULL;
	bios->reads_entries = ash_fs_tree_resolve(tree, ASH_GRUB_BIOS_DIR "/blscfg.mod") != NULL;
	return bios->core != NULL && check_images(bios, error) ? g_steal_pointer(&bios) : NULL;
}

static gboolean
put(int fd, AshUsedMap *used, guint64 offset, const guint8 *data, gsize length, GError **error)
{
	if (!ash_fd_write_all(fd, data, length, offset, error))
		return FALSE;
	ash_used_map_add(used, offset, data, length);
	return TRUE;
}

gboolean
ash_grub_bios_write_core(const AshGrubBios *bios, int fd, AshUsedMap *used, const AshPartition *partition, GError **error)
{
	gsize length;
	const guint8 *data = g_bytes_get_data(bios->core, &length);
	g_autofree guint8 *core = g_memdup2(data, length);

	/* All in one piece, behind its own first sector. */
	put64(core + BLOCK_START, partition->offset / SECTOR_BYTES + 1);
	return put(fd, used, partition->offset, core, length, error);
}

gboolean
ash_grub_bios_write_boot(const AshGrubBios *bios, int fd, AshUsedMap *used, const AshPartition *partition, GError **error)
{
	guint8 code[BOOT_CODE_BYTES];

	memcpy(code, g_bytes_get_data(bios->boot, NULL), sizeof(code));
	put64(code + BOOT_KERNEL_SECTOR, partition->offset / SECTOR_BYTES);
	memcpy(code + BOOT_DRIVE_CHECK, NOP_NOP, 2);
	return put(fd, used, 0, code, sizeof(code), error);
}

/* "0,115200n8" -> 0 and 115200; FALSE if it is no number of a serial line. */
static bool
parse_console(const char *text, guint *ret_unit, guint *ret_speed)
{
	g_auto(GStrv) parts = g_strsplit(text, ",", 2);
	guint64 unit, speed = 0;

	if (parts[0] == NULL || !g_ascii_string_to_unsigned(parts[0], 10, 0, 3, &unit, NULL))
		return false;
	if (parts[1] != NULL)
		speed = g_ascii_strtoull(parts[1], NULL, 10);
	*ret_unit = (guint) unit;
	/* As the kernel has it: Documentation/admin-guide/serial-console.rst. */
	*ret_speed = speed > 0 && speed <= 4000000 ? (guint) speed : 9600;
	return true;
}

char *
ash_grub_bios_format_terminal(const char *cmdline)
{
	static const char serial[] = "console=ttyS";
	g_auto(GStrv) words = g_strsplit_set(cmdline, " \t", -1);
	guint unit, speed;

	for (guint i = 0; words[i] != NULL; i++)
		if (g_str_has_prefix(words[i], serial) && parse_console(words[i] + strlen(serial), &unit, &speed))
			return g_strdup_printf("serial --unit=%u --speed=%u\nterminal_input console serial\nterminal_output console serial\n", unit, speed);
	return g_strdup("");
}
