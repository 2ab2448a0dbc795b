/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/treeroot.h"

/** Where dracut's modules are, from the root: directories of two digits and the name. */
#define ASH_DRACUT_MODULES_DIR "usr/lib/dracut/modules.d"
/** Ours, in the tree while dracut runs only. */
#define ASH_DRACUT_OWN_MODULE_DIR ASH_DRACUT_MODULES_DIR "/90ashlar"

/** ASH_ERROR_CONFIG if dracut of this tree lacks one of @modules (NULL-terminated names); "ashlar", which is ours, is always there. */
gboolean ash_dracut_check_modules(const AshTreeRoot *root, char **modules, GError **error);

/**
 * True if an initramfs with @modules, and with what they depend on, can be made in two runs: without a kernel, and of
 * nothing but it. That is so if none of them looks at the kernel but in its installkernel(), which the second run calls; for the few that
 * do, our own module does the same there. Read from their scripts, so an unknown module that names the kernel's things
 * elsewhere makes it false.
 */
bool ash_dracut_is_separable(const AshTreeRoot *root, char **modules);
