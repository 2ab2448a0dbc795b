/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/imagetype.h"

/** Image type files (ashlar.imgtype(5)): TOML 1.0, one file per type, keys in the table of
 * imgtypekeys.c. */

/**
 * Loads an image type: @name_or_path with a "/" or ending in ".toml" is a file, else it is
 * DATA_DIR/imgtypes/NAME.toml. Owned; NULL and ASH_ERROR_CONFIG "file:line: key: ..." on failure.
 */
AshImageType *ash_imgtype_load(const char *name_or_path, const char *data_dir, GError **error);

/** As ash_imgtype_load(), from memory; @file is the name in errors and of the type. "base" is
 * looked for below @data_dir. */
AshImageType *ash_imgtype_parse(const char *text, gsize length, const char *file,
				const char *data_dir, GError **error);

/** Files of these formats (@names; NULL: no change) are written of a disk instead of those that the type says. ASH_ERROR_USAGE. */
gboolean ash_imgtype_set_formats(AshImageType *type, const char *const *names, GError **error);

/** Names of the image types in DATA_DIR/imgtypes, sorted. Owned; NULL and ASH_ERROR_CONFIG if the
 * folder cannot be read. */
char **ash_imgtype_list(const char *data_dir, GError **error);
