/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/treeroot.h"

/** One run of dracut(8), in the sandbox, where the tree is read-only. */
typedef struct {
	GPtrArray *argv;     /* of owned char *, NULL-terminated; the archive that it writes is in ASH_DRACUT_OUTPUT_DIR */
	char *output;        /* name of the archive; owned */
	bool without_kernel; /* the directories of ash_dracut_kernel_dirs are empty for it */
} AshDracutRun;

void ash_dracut_run_clear(AshDracutRun *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshDracutRun, ash_dracut_run_clear)

/** Where kernels and their modules are, from the root; ends with NULL. What is not a real directory is left out. */
extern const char *const ash_dracut_kernel_dirs[];

/** Where the runs have what only they are shown; there while they run. In no sandbox can it be seen, because /dev is another there. */
#define ASH_DRACUT_WORK_DIR "dev/.ashlar-initramfs"

/** The one directory that a run may write to, but for temporary ones, as it sees it. */
#define ASH_DRACUT_OUTPUT_DIR "/run/ashlar-initramfs"

/**
 * Runs all @runs (of const AshDracutRun *) at the same time; their archives are in @output_dir (a path from the root) then. @views
 * (tree/dracutview.h) are shown instead of their files, and the paths of @hidden (tree/dracuthide.h) are not there; both for nobody else. @epoch is
 * SOURCE_DATE_EPOCH (seconds). Archives get mode 0644.
 *
 * ASH_ERROR_SCRIPT with dracut's last lines if one of the runs fails; then whatever the others made is left where it is.
 */
gboolean ash_dracut_run_all(const AshTreeRoot *root, const GPtrArray *runs, const char *output_dir, GHashTable *views,
			    const GPtrArray *hidden, guint64 epoch, GError **error);
