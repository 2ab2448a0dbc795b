/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/window.h"

#include <stdio.h>
#include <string.h>

#define DAY_MINUTES  1440
#define ALL_DAYS     0x7f
#define MINUTE       60
#define LOOK_AHEAD   (8 * DAY_MINUTES)

static const char *const day_names[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

static int
find_day(const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(day_names); i++)
		if (g_ascii_strcasecmp(name, day_names[i]) == 0)
			return (int) i;
	return -1;
}

/* "Mon..Fri", "Sat,Sun", "Fri..Mon" */
static bool
parse_days(const char *text, guint8 *days)
{
	g_auto(GStrv) parts = g_strsplit(text, ",", -1);

	*days = 0;
	for (guint i = 0; parts[i] != NULL; i++) {
		char *dots = strstr(parts[i], "..");
		if (dots != NULL)
			*dots = '\0';
		const int first = find_day(parts[i]), last = dots != NULL ? find_day(dots + 2) : first;
		if (first < 0 || last < 0)
			return false;
		for (int day = first;; day = (day + 1) % 7) {
			*days |= (guint8) (1 << day);
			if (day == last)
				break;
		}
	}
	return *days != 0;
}

static bool
parse_clock(const char *text, guint most, guint *minutes)
{
	if (strlen(text) != 5 || !g_ascii_isdigit(text[0]) || !g_ascii_isdigit(text[1]) || text[2] != ':' ||
	    !g_ascii_isdigit(text[3]) || !g_ascii_isdigit(text[4]))
		return false;
	const guint hour = (guint) ((text[0] - '0') * 10 + text[1] - '0'), minute = (guint) ((text[3] - '0') * 10 + text[4] - '0');
	*minutes = hour * 60 + minute;
	return minute < 60 && *minutes <= most;
}

static bool
parse_clocks(const char *text, AshNodeWindow *window)
{
	g_auto(GStrv) ends = g_strsplit(text, "-", -1);

	return g_strv_length(ends) == 2 && parse_clock(ends[0], DAY_MINUTES - 1, &window->begin) &&
	       parse_clock(ends[1], DAY_MINUTES, &window->end) && window->begin != window->end;
}

AshNodeWindow *
ash_node_window_parse(const char *text, const char **ret_problem)
{
	g_autoptr(AshNodeWindow) window = g_new0(AshNodeWindow, 1);
	g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
	char **word = words;

	window->text = g_strdup(text);
	window->days = ALL_DAYS;
	if (*word != NULL && strchr(*word, ':') == NULL) {
		*ret_problem = "days are Mon to Sun, as \"Sat,Sun\" or \"Mon..Fri\"";
		if (!parse_days(*word, &window->days))
			return NULL;
		word++;
	}
	*ret_problem = "needs a time as 22:00-05:30";
	if (*word == NULL || !parse_clocks(*word, window))
		return NULL;
	word++;
	*ret_problem = "the time zone is not known";
	window->zone = *word != NULL ? g_time_zone_new_identifier(*word) : g_time_zone_new_local();
	if (window->zone == NULL)
		return NULL;
	*ret_problem = "has words behind the time zone";
	return *word == NULL || word[1] == NULL ? g_steal_pointer(&window) : NULL;
}

void
ash_node_window_free(AshNodeWindow *window)
{
	if (window == NULL)
		return;
	g_clear_pointer(&window->zone, g_time_zone_unref);
	g_free(window->text);
	g_free(window);
}

static bool
has_day(const AshNodeWindow *window, int day)
{
	return (window->days & (1 << (day + 7) % 7)) != 0;
}

bool
ash_node_window_contains(const AshNodeWindow *window, guint64 now)
{
	g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc((gint64) now);
	g_autoptr(GDateTime) local = utc != NULL ? g_date_time_to_timezone(utc, window->zone) : NULL;

	if (local == NULL)
		return false;
	const int day = g_date_time_get_day_of_week(local) - 1;
	const guint minute = (guint) (g_date_time_get_hour(local) * 60 + g_date_time_get_minute(local));
	if (window->begin < window->end)
		return has_day(window, day) && minute >= window->begin && minute < window->end;
	return (has_day(window, day) && minute >= window->begin) || (has_day(window, day - 1) && minute < window->end);
}

static bool
any_contains(const GPtrArray *windows, guint64 now)
{
	for (guint i = 0; i < windows->len; i++)
		if (ash_node_window_contains(windows->pdata[i], now))
			return true;
	return false;
}

bool
ash_node_windows_allow(const GPtrArray *windows, guint64 now, guint64 *ret_next)
{
	const guint64 minute = now - now % MINUTE;

	*ret_next = 0;
	if (windows->len == 0 || any_contains(windows, now))
		return true;
	for (guint64 i = 1; i < LOOK_AHEAD; i++) {
		if (any_contains(windows, minute + i * MINUTE)) {
			*ret_next = minute + i * MINUTE;
			return false;
		}
	}
	return false;
}
