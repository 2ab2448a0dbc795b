/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/bootentry.h"
#include "model/fstree.h"

/** The menu of a GRUB that reads no entries itself, from the root of the boot partition; our plugin of kernel-install(8) keeps it. */
#define ASH_GRUB_MENU "loader/grub-menu.cfg"

/** GRUB for UEFI and shim, as the packages of their distribution have signed them. All owned. */
typedef struct {
	GBytes *shim, *grub;
	GBytes *mok_manager; /* of shim; NULL: there is none */
	char *prefix;        /* the directory of its configuration, from the root of the partition that it is loaded from: "EFI/debian" */
	bool reads_entries;  /* it has the command blscfg, which makes a menu of loader/entries */
} AshGrubFiles;

/** Of the packages in @tree. Owned; NULL and ASH_ERROR_CONFIG naming what is missing. */
AshGrubFiles *ash_grub_files_load(const AshFsTree *tree, GError **error);
void ash_grub_files_free(AshGrubFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshGrubFiles, ash_grub_files_free)

/** Bytes of the images. */
guint64 ash_grub_files_measure(const AshGrubFiles *files);

/** Its configuration, grub.cfg: it waits @timeout seconds. Owned. */
char *ash_grub_format_config(const AshGrubFiles *files, guint timeout);

/** @entry as it is in ASH_GRUB_MENU. Owned. */
char *ash_grub_format_entry(const AshBootEntry *entry);
