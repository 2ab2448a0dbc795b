/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/boot/bootentry.h"
#include "disk/boot/grubbios.h"
#include "model/fstree.h"

/** The menu of a GRUB that reads no entries itself, from the root of the boot partition; our plugin of kernel-install(8) keeps it. */
#define ASH_GRUB_MENU "loader/grub-menu.cfg"

/** GRUB for UEFI and shim, as the packages of their distribution have signed them, and for BIOS. All owned. */
typedef struct {
	GBytes *shim, *grub; /* NULL, with all else of UEFI: the disk boots by BIOS only */
	GBytes *mok_manager; /* of shim; NULL: there is none */
	char *prefix;        /* the directory of its configuration, from the root of the partition that it is loaded from: "EFI/debian" */
	bool reads_entries;  /* it has the command blscfg, which makes a menu of loader/entries */
	AshGrubBios *bios;   /* NULL: the disk does not boot by BIOS */
} AshGrubFiles;

/**
 * Of the packages in @tree. @bios_esp: partition number of the configuration of GRUB for BIOS, as AshImageType has it; if it is not 0, shim and GRUB for
 * UEFI may be missing. Owned; NULL and ASH_ERROR_CONFIG naming what is missing.
 */
AshGrubFiles *ash_grub_files_load(const AshFsTree *tree, int bios_esp, GError **error);
void ash_grub_files_free(AshGrubFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshGrubFiles, ash_grub_files_free)

/** Bytes of the images. */
guint64 ash_grub_files_measure(const AshGrubFiles *files);

/**
 * Whether shim would start GRUB for UEFI and MokManager once they are signed: since 15.3 it takes no image without a section ".sbat" (shim, SBAT.md).
 * ASH_ERROR_CONFIG naming the one that has none.
 */
gboolean ash_grub_files_check_generations(const AshGrubFiles *files, GError **error);

/** Whether one of them has to be given a menu, because it reads no entries. */
bool ash_grub_files_need_menu(const AshGrubFiles *files);

/** The configuration, grub.cfg, of one that @reads_entries or not: it waits @timeout seconds. @terminal: lines of its own, or "". Owned. */
char *ash_grub_format_config(bool reads_entries, guint timeout, const char *terminal);

/** @entry as it is in ASH_GRUB_MENU. Owned. */
char *ash_grub_format_entry(const AshBootEntry *entry);
