/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * A stretch of time that comes again each week: "[DAYS] HH:MM-HH:MM [ZONE]", for example "Sat,Sun 01:00-05:30 Europe/Vienna" or
 * "Mon..Fri 22:00-04:00". Days are Mon Tue Wed Thu Fri Sat Sun, lists of them and ranges; without, every day. A window whose end is
 * not after its begin lasts into the next day, and its days are those on which it begins. ZONE is a name of the time zone
 * database, or "UTC"; without, it is the machine's. Seconds are not told apart: the end belongs to the window no more.
 */
typedef struct {
	guint8 days;       /* bit 0: Monday */
	guint begin, end;  /* minutes since midnight; end may be 1440 */
	GTimeZone *zone;
	char *text;
} AshNodeWindow;

/** Owned; NULL (no error) and *@ret_problem (static) if @text is none. */
AshNodeWindow *ash_node_window_parse(const char *text, const char **ret_problem);
void ash_node_window_free(AshNodeWindow *window);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshNodeWindow, ash_node_window_free)

/** True if @now (seconds since 1970) is in the window. */
bool ash_node_window_contains(const AshNodeWindow *window, guint64 now);

/** True if @now is in one of @windows (of AshNodeWindow), or there are none. *@ret_next: else, when the next begins (0: within 8 days none). */
bool ash_node_windows_allow(const GPtrArray *windows, guint64 now, guint64 *ret_next);
