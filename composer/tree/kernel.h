/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/treeroot.h"

/** Where kernels and their modules are, from the root: a directory for each version. */
#define ASH_KERNEL_MODULES_DIR "usr/lib/modules"

/** The version of the one kernel of the tree; NULL and ASH_ERROR_CONFIG if there is none, or more than one. Owned. */
char *ash_kernel_find(const AshTreeRoot *root, GError **error);
