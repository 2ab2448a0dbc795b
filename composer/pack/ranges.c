/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/ranges.h"

#include <stdbool.h>

GArray *
ash_ranges_new(void)
{
	return g_array_new(FALSE, FALSE, sizeof(AshRange));
}

static bool
can_join(const AshRange *range, guint object, guint64 offset, guint64 bytes)
{
	const guint64 end = range->offset + range->bytes;

	return range->object == object && offset >= end && offset - end <= ASH_RANGE_GAP_BYTES &&
	       offset + bytes - range->offset <= ASH_RANGE_MAX_BYTES;
}

void
ash_ranges_add(GArray *ranges, guint object, guint64 offset, guint64 bytes)
{
	AshRange *last = ranges->len > 0 ? &g_array_index(ranges, AshRange, ranges->len - 1) : NULL;
	const AshRange range = { .object = object, .offset = offset, .bytes = bytes };

	if (bytes == 0)
		return;
	if (last != NULL && can_join(last, object, offset, bytes))
		last->bytes = offset + bytes - last->offset;
	else
		g_array_append_val(ranges, range);
}

guint64
ash_ranges_sum(const GArray *ranges)
{
	guint64 sum = 0;

	for (guint i = 0; i < ranges->len; i++)
		sum += g_array_index(ranges, AshRange, i).bytes;
	return sum;
}
