/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * AshOutdir: where artifacts are written before they are shown. All of them, or none, end up in the output
 * directory: they are made in DIR/.ashlar-XXXXXX and renamed together at the end. What a killed build left of that kind is
 * removed by the next one.
 */
typedef struct AshOutdir AshOutdir;

/** Makes the output directory @dir, if needed, and the hidden one in it. Owned; NULL on failure. */
AshOutdir *ash_outdir_new(const char *dir, GError **error);
/** Removes the hidden directory with what is still in it, and lets go of replaced artifacts. */
void ash_outdir_free(AshOutdir *outdir);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshOutdir, ash_outdir_free)

/** Lets go of the file @fd, too, which the caller closes before ash_outdir_free(): see base/letgo.h. */
void ash_outdir_let_go(AshOutdir *outdir, int fd);

/** The hidden directory: write here. Borrowed. */
const char *ash_outdir_get_path(const AshOutdir *outdir);

/**
 * Syncs every one of @artifacts (of AshArtifact), which their writers do not, then renames them into the output directory,
 * replacing older ones, and sets their paths.
 */
gboolean ash_outdir_publish(AshOutdir *outdir, GPtrArray *artifacts, GError **error);
