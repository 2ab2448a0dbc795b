/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** Date and time of metadata, "1985-10-21T01:21:00Z" and nothing else (TUF 1.0 4.2.3). FALSE (no error) if it is not one. */
gboolean ash_tuf_time_parse(const char *text, gint64 *ret_seconds);
/** The same from seconds since 1970. Owned. */
char *ash_tuf_time_format(gint64 seconds);
