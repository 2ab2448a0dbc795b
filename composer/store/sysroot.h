/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"
#include "store/scan.h"
#include "store/store.h"

#include <stdbool.h>

/** What a root with one deployment is made of. All borrowed. */
typedef struct {
	const char *commit;  /* see ash_store_resolve(); of a tree in libostree's layout (tree/ostree.c) */
	const char *osname;  /* of the deployment and its /var */
	const char *remote;  /* where "ostree admin upgrade" looks */
	const char *url;     /* of that remote; NULL: it has to be added (ostree remote add) */
	bool verify;         /* it must be signed with a key that OSTree of the machine trusts */
	const char *ref;     /* at the remote */
	const char *cmdline; /* of the kernel, without ostree= */
	guint timeout;       /* of the boot loader's menu, seconds */
	guint64 epoch;       /* times of what is not the commit's, seconds */
	AshLabelFunc label;  /* by the commit's policy, of names that the booted system has; NULL: no labels */
	gpointer label_data;
} AshSysrootOptions;

/**
 * The physical root of a machine with one deployment of the commit, as "ostree admin init-fs", "os-init", "pull" and "deploy" make it: a repository
 * of mode "bare" whose file objects are the files of the deployment, too (hard links), /etc made of /usr/etc, and in /boot the kernel with
 * libostree's configuration of the boot loader in two forms: a BLS entry, and what its backend for SYSLINUX writes, which is kept up to date from then on.
 * With labels, everything has one (store/sysrootlabels.h).
 * Content is read from the store, which must stay open. ASH_ERROR_CONFIG if the commit is not of a tree for that. Owned; NULL on failure.
 */
AshFsTree *ash_store_make_sysroot(AshStore *store, const AshSysrootOptions *options, GError **error);
