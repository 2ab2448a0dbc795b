/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <rpm/header.h>

/** Is shown one installed package; @header is librpm's and goes when it returns. */
typedef void (*AshRpmHeaderFunc)(Header header, gpointer user_data);

/** Shows every package in the database of the system below the directory @root, in no order. ASH_ERROR_CONFIG if it cannot be read. */
gboolean ash_rpm_headers_read(const char *root, AshRpmHeaderFunc func, gpointer user_data, GError **error);
