/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/byterange.h"

#include <stdbool.h>
#include <string.h>

#define UNIT "bytes="

/* Digits up to @end; FALSE: there are none, or the number is too large for any file. */
static bool
parse_number(const char *text, const char *end, guint64 *ret)
{
	guint64 number = 0;

	if (text == end)
		return false;
	for (; text < end; text++) {
		if (!g_ascii_isdigit(*text) || number > (G_MAXUINT64 - 9) / 10)
			return false;
		number = number * 10 + (guint64) (*text - '0');
	}
	*ret = number;
	return true;
}

typedef enum { SPEC_MALFORMED, SPEC_OUTSIDE, SPEC_TAKEN } Spec;

/* "-500": the last 500 bytes. */
static Spec
parse_suffix(const char *text, const char *end, guint64 bytes, AshByteRange *ret)
{
	guint64 count;

	if (!parse_number(text, end, &count))
		return SPEC_MALFORMED;
	if (count == 0 || bytes == 0)
		return SPEC_OUTSIDE;
	*ret = (AshByteRange){ .first = bytes - MIN(count, bytes), .last = bytes - 1 };
	return SPEC_TAKEN;
}

/* "0-499", "500-", "-500". */
static Spec
parse_spec(const char *text, const char *end, guint64 bytes, AshByteRange *ret)
{
	const char *dash = memchr(text, '-', (gsize) (end - text));
	guint64 first, last = G_MAXUINT64;

	if (dash == NULL)
		return SPEC_MALFORMED;
	if (dash == text)
		return parse_suffix(text + 1, end, bytes, ret);
	if (!parse_number(text, dash, &first) || (dash + 1 < end && !parse_number(dash + 1, end, &last)) || first > last)
		return SPEC_MALFORMED;
	if (first >= bytes)
		return SPEC_OUTSIDE;
	*ret = (AshByteRange){ .first = first, .last = MIN(last, bytes - 1) };
	return SPEC_TAKEN;
}

static const char *
skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

/* One element of the list at *@at, which goes on behind it. Empty ones do not count (RFC 9110 5.6.1). */
static Spec
next_spec(const char **at, guint64 bytes, AshByteRange *ret, bool *ret_empty)
{
	const char *begin = skip_blanks(*at), *end = begin + strcspn(begin, ",");

	*at = *end == ',' ? end + 1 : end;
	while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*ret_empty = begin == end;
	return *ret_empty ? SPEC_OUTSIDE : parse_spec(begin, end, bytes, ret);
}

AshByteRangeVerdict
ash_byte_range_parse(const char *value, guint64 bytes, GArray **ret_ranges)
{
	g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(AshByteRange));
	guint64 sum = 0;
	guint specs = 0;

	if (value == NULL || g_ascii_strncasecmp(value, UNIT, strlen(UNIT)) != 0)
		return ASH_BYTE_RANGE_WHOLE;
	for (const char *at = value + strlen(UNIT); *at != '\0';) {
		AshByteRange range;
		bool empty;
		const Spec spec = next_spec(&at, bytes, &range, &empty);
		if (spec == SPEC_MALFORMED || (!empty && ++specs > ASH_BYTE_RANGE_MAX))
			return ASH_BYTE_RANGE_WHOLE;
		if (spec != SPEC_TAKEN)
			continue;
		sum += range.last - range.first + 1;
		if (sum > bytes)
			return ASH_BYTE_RANGE_WHOLE;
		g_array_append_val(ranges, range);
	}
	if (specs == 0)
		return ASH_BYTE_RANGE_WHOLE;
	if (ranges->len == 0)
		return ASH_BYTE_RANGE_UNSATISFIABLE;
	*ret_ranges = g_steal_pointer(&ranges);
	return ASH_BYTE_RANGE_PARTS;
}
