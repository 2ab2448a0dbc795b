/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * The absolute paths of all files and directories of the packages in the database ASH_RPMDB_DIR below @root, in no order. Owned, of
 * char *; NULL if the database cannot be read. librpm may write beside the database.
 */
GPtrArray *ash_rpmfiles_list(const char *root, GError **error);
