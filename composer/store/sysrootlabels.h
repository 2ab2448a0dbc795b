/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SELinux labels of a root with a deployment: for store/sysroot.c only. */

#include "model/fstree.h"
#include "store/scan.h"

/** Nodes of one tree, each below the one before it or beside it. All borrowed. */
typedef struct {
	AshFsNode *root, *lost_and_found, *boot, *ostree; /* "/", "/lost+found", "/boot", "/ostree" of the file system */
	AshFsNode *deployment, *etc, *var, *origin;       /* "/", "/etc" and "/var" of the booted system, and what says where it is from */
} AshSysrootParts;

/**
 * Labels what is not the commit's, by the names that the booted system has. What only libostree knows, the repository and all
 * around the deployment, has the label of "/": no policy has a name for it, and the kernel gives what libostree makes there the
 * label of the directory that it is in. File objects and their other names in the deployment and in /boot keep the labels of the
 * commit, which are a part of their checksums.
 */
void ash_sysroot_label(const AshSysrootParts *parts, AshLabelFunc label, gpointer label_data);
