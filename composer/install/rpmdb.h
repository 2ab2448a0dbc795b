/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * Leaves only the database file itself in ASH_RPMDB_DIR below @root: librpm's lock and SQLite's journals go. Its bytes
 * are the same for the same transaction (install times count from SOURCE_DATE_EPOCH since librpm 4.18).
 */
gboolean ash_rpmdb_clean(const char *root, GError **error);
