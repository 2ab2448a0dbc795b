/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/tuftime.h"

#include <string.h>

/* One digit where the pattern has 0, else the character itself. */
static gboolean
has_shape(const char *text)
{
	static const char pattern[] = "0000-00-00T00:00:00Z";

	if (strlen(text) != strlen(pattern))
		return FALSE;
	for (gsize i = 0; pattern[i] != '\0'; i++)
		if (pattern[i] == '0' ? !g_ascii_isdigit(text[i]) : text[i] != pattern[i])
			return FALSE;
	return TRUE;
}

static int
number(const char *digits, int count)
{
	int value = 0;

	for (int i = 0; i < count; i++)
		value = 10 * value + g_ascii_digit_value(digits[i]);
	return value;
}

gboolean
ash_tuf_time_parse(const char *text, gint64 *ret_seconds)
{
	if (!has_shape(text))
		return FALSE;
	g_autoptr(GDateTime) time = g_date_time_new_utc(number(text, 4), number(text + 5, 2), number(text + 8, 2),
							number(text + 11, 2), number(text + 14, 2), number(text + 17, 2));
	if (time == NULL)
		return FALSE;
	*ret_seconds = g_date_time_to_unix(time);
	return TRUE;
}

char *
ash_tuf_time_format(gint64 seconds)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);

	return time != NULL ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("9999-12-31T23:59:59Z");
}
