/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/waves.h"

#include "base/error.h"

#include <string.h>

/* Nothing is planned further ahead than ten years: what is beyond is a slip of the keyboard. */
#define MOST_AHEAD ((guint64) 10 * 366 * 24 * 3600)

static guint64
unit_seconds(char unit)
{
	static const struct {
		char unit;
		guint64 seconds;
	} units[] = { { 'm', 60 }, { 'h', 3600 }, { 'd', 24 * 3600 }, { 'w', 7 * 24 * 3600 } };

	for (gsize i = 0; i < G_N_ELEMENTS(units); i++)
		if (units[i].unit == unit)
			return units[i].seconds;
	return 0;
}

static bool
parse_delay(const char *text, guint64 *ret_seconds)
{
	char *end = NULL;
	const guint64 number = g_ascii_isdigit(*text) ? g_ascii_strtoull(text, &end, 10) : 0;
	const guint64 unit = end != NULL && *end != '\0' && end[1] == '\0' ? unit_seconds(*end) : 0;

	if (unit == 0 || number > MOST_AHEAD / unit)
		return false;
	*ret_seconds = number * unit;
	return true;
}

/* GLib wants seconds; people do not. */
static GDateTime *
parse_iso8601(const char *text)
{
	GDateTime *time = g_date_time_new_from_iso8601(text, NULL);
	const char *colon = strchr(text, ':');

	if (time != NULL || colon == NULL || strlen(colon) < 3)
		return time;
	g_autofree char *longer = g_strdup_printf("%.*s:00%s", (int) (colon + 3 - text), text, colon + 3);
	return g_date_time_new_from_iso8601(longer, NULL);
}

static bool
parse_time(const char *text, guint64 now, guint64 *ret_start)
{
	guint64 delay;

	if (strcmp(text, "now") == 0) {
		*ret_start = now;
		return true;
	}
	if (*text == '+') {
		if (!parse_delay(text + 1, &delay))
			return false;
		*ret_start = now + delay;
		return true;
	}
	/* Without a zone it would be another moment elsewhere: no zone is given, so GLib refuses such a time. */
	g_autoptr(GDateTime) time = parse_iso8601(text);
	if (time == NULL || g_date_time_to_unix(time) < 0 || (guint64) g_date_time_to_unix(time) > now + MOST_AHEAD)
		return false;
	*ret_start = (guint64) g_date_time_to_unix(time);
	return true;
}

static bool
parse_share(const char *text, guint64 *ret_percent)
{
	guint64 percent = 0;
	gsize digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 3 || (text[digits] != '\0' && strcmp(text + digits, "%") != 0))
		return false;
	for (gsize i = 0; i < digits; i++)
		percent = percent * 10 + (guint64) (text[i] - '0');
	*ret_percent = percent;
	return percent >= 1 && percent <= 100;
}

static gboolean
add_wave(GPtrArray *waves, const char *part, guint64 now, GError **error)
{
	const AshWave *before = waves->len > 0 ? g_ptr_array_index(waves, waves->len - 1) : NULL;
	const char *at = strchr(part, '@');
	g_autofree char *share = g_strndup(part, at != NULL ? (gsize) (at - part) : strlen(part));
	AshWave wave = { 0 };

	if (!parse_share(share, &wave.percent))
		return ash_throw(error, ASH_ERROR_USAGE, "wave \"%s\": \"%s\" is not a share of 1 to 100 per cent", part, share);
	if (at == NULL || !parse_time(at + 1, now, &wave.start))
		return ash_throw(error, ASH_ERROR_USAGE,
				 "wave \"%s\" has no time: write \"%s@now\", \"%s@+6h\" (m, h, d, w) or \"%s@2026-11-24T06:00Z\"", part, share,
				 share, share);
	if (before != NULL && wave.percent <= before->percent)
		return ash_throw(error, ASH_ERROR_USAGE, "wave \"%s\" has no larger share than the one before it", part);
	if (before != NULL && wave.start < before->start)
		return ash_throw(error, ASH_ERROR_USAGE, "wave \"%s\" begins before the one before it", part);
	g_ptr_array_add(waves, g_memdup2(&wave, sizeof(wave)));
	return TRUE;
}

GPtrArray *
ash_waves_parse(const char *text, guint64 now, GError **error)
{
	g_autoptr(GPtrArray) waves = g_ptr_array_new_with_free_func(g_free);
	g_auto(GStrv) parts = g_strsplit(text, ",", -1);

	if (strcmp(text, "all") == 0)
		return g_steal_pointer(&waves);
	if (parts[0] == NULL)
		return ash_throw_null(error, ASH_ERROR_USAGE, "no waves are given: write \"5@now,25@+6h,100@+2d\", or \"all\"");
	for (char **part = parts; *part != NULL; part++)
		if (!add_wave(waves, g_strstrip(*part), now, error))
			return NULL;
	return g_steal_pointer(&waves);
}

char *
ash_waves_describe(const GPtrArray *waves)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; waves != NULL && i < waves->len; i++) {
		const AshWave *wave = g_ptr_array_index(waves, i);
		g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64) wave->start);
		g_autofree char *start = time != NULL ? g_date_time_format(time, "%Y-%m-%d %H:%MZ") : g_strdup("never");
		g_string_append_printf(text, "%s%" G_GUINT64_FORMAT " %% from %s", i > 0 ? ", " : "", wave->percent, start);
	}
	return g_strdup(text->len > 0 ? text->str : "all nodes");
}
