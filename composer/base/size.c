/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/size.h"

#include <stdbool.h>
#include <string.h>

static const char units[] = "KMGTP";

/* The shift of a suffix such as "", "B", "K", "KiB"; -1 if it is none. */
static int
suffix_shift(const char *suffix)
{
	if (*suffix == '\0' || strcmp(suffix, "B") == 0)
		return 0;
	const char *unit = strchr(units, g_ascii_toupper(*suffix));
	if (unit == NULL || (suffix[1] != '\0' && strcmp(suffix + 1, "iB") != 0))
		return -1;
	return 10 * (int) (unit - units + 1);
}

gboolean
ash_size_parse(const char *text, guint64 *ret_bytes)
{
	char *end;

	if (!g_ascii_isdigit(*text))
		return FALSE;
	guint64 value = g_ascii_strtoull(text, &end, 10);
	while (*end == ' ')
		end++;
	int shift = suffix_shift(end);
	if (shift < 0 || value > (guint64) G_MAXINT64 >> shift)
		return FALSE;
	*ret_bytes = value << shift;
	return TRUE;
}

char *
ash_size_format(guint64 bytes)
{
	double value = (double) bytes;
	int unit = -1;

	while (value >= 1023.5 && unit < (int) sizeof(units) - 2) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		return g_strdup_printf("%d B", (int) bytes);
	return g_strdup_printf(value < 9.95 ? "%.1f %ciB" : "%.0f %ciB", value, units[unit]);
}
