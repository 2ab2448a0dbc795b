/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/imagetype.h"
#include "model/spec.h"

#include <stdbool.h>

/** Where the lock is kept in a composed system, from its root. */
#define ASH_TREE_LOCK_PATH "usr/lib/ashlar/packages.lock"

/** GRUB for the EFI system partition, in trees for OSTree, from their root; its configuration is beside it on the partition. */
#define ASH_TREE_GRUB_PATH "usr/lib/ashlar/grubx64.efi"

/** What was done: for those who explain a build. Free the members with ash_tree_report_clear(). */
typedef struct {
	bool initramfs_ran;    /* dracut(8) ran; false if an earlier initramfs was used, or the tree has none */
	char *initramfs_note;  /* why, as half a sentence: "\"/usr/bin/bash\" has changed"; NULL if the tree has none */
} AshTreeReport;

void ash_tree_report_clear(AshTreeReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshTreeReport, ash_tree_report_clear)

/** What a staging root is to become; everything is borrowed. */
typedef struct {
	const char *root_path;     /* absolute; packages are installed */
	const AshSpec *spec;
	const AshImageType *type;  /* its kind, services, initramfs and wsl members count */
	const char *version;       /* IMAGE_VERSION in os-release */
	guint64 epoch;             /* seconds: every date that is written into the tree */
	const char *lock_text;     /* NULL: none is kept */
	const char *data_dir;      /* our own data files: dracut/90ashlar */
	const char *initramfs_dir; /* kept initramfs are here, made when needed (base/inputcache.h); NULL: none are used or kept */
	AshTreeReport *report;     /* filled; NULL: nobody asks */
} AshTreeRequest;

/**
 * Turns a staging root into the tree of a system, by a table of steps (tree.c); in a worker only, because programs of the
 * tree are run in the sandbox. The same root and request always give the same contents; times of files and of
 * directories are the committer's to clamp.
 *
 * Trees of atomic systems are read-only: /etc is the lower layer of an overlay, /var is emptied (what was in it is made at
 * boot by tmpfiles.d lines), and home, root, srv, opt and mnt are links into /var. So are trees for OSTree, in which /etc is at /usr/etc besides. Others keep all of these. In those of traditional systems
 * /etc/fstab and /etc/kernel/cmdline get their content when a disk is made.
 *
 * ASH_ERROR_CONFIG: the kickstart or image type asks for what no package in the tree can do; ASH_ERROR_SCRIPT: a %post
 * script or a program of the tree failed.
 */
gboolean ash_tree_apply(AshContext *ctx, const AshTreeRequest *request, GError **error);
