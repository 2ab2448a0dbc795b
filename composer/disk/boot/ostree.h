/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"
#include "model/fstree.h"

/** GRUB, as the tree of a system for OSTree has it (tree/grub.c). */
#define ASH_OSTREE_GRUB_PATH "usr/lib/ashlar/grubx64.efi"

/**
 * Adds the files of an EFI system partition (AshVfatFile) for a root with OSTree deployments: GRUB, which shows the menu that libostree keeps
 * in /boot of the file system @root_fs. Nothing of it changes with a deployment. ASH_ERROR_CONFIG if @tree has no GRUB.
 */
gboolean ash_ostree_add_esp(GPtrArray *list, const AshFsTree *tree, const AshUuid *root_fs, GError **error);
