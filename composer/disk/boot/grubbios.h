/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/io/usedmap.h"
#include "model/fstree.h"
#include "model/layout.h"

/**
 * GRUB for BIOS on a GPT disk (GRUB manual 2.06, "BIOS installation"): its first sector goes into the MBR, beside the protective entry, and its core
 * image into a partition of its own, where a list of blocks finds it. All owned.
 */
typedef struct {
	GBytes *boot;      /* boot.img: 512 bytes */
	GBytes *core;      /* core.img; its first sector loads the others */
	bool reads_entries; /* it has the command blscfg, which makes a menu of loader/entries */
} AshGrubBios;

/** Of @tree, for a disk whose partition number @esp has the configuration. Owned; NULL and ASH_ERROR_CONFIG naming what is missing, or not as it should be. */
AshGrubBios *ash_grub_bios_load(const AshFsTree *tree, int esp, GError **error);
void ash_grub_bios_free(AshGrubBios *bios);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshGrubBios, ash_grub_bios_free)

/** Writes the core image into @partition of the disk @fd. */
gboolean ash_grub_bios_write_core(const AshGrubBios *bios, int fd, AshUsedMap *used, const AshPartition *partition, GError **error);

/** Writes the boot code into the MBR of the disk @fd, which has its partition table already. The BIOS reads the rest from @partition. */
gboolean ash_grub_bios_write_boot(const AshGrubBios *bios, int fd, AshUsedMap *used, const AshPartition *partition, GError **error);

/** What its configuration says of the serial console that @cmdline names (console=ttyS0,115200n8), in lines; "" if that names none. Owned. */
char *ash_grub_bios_format_terminal(const char *cmdline);
