/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** A header with more ranges than this is ignored, as RFC 9110 14.2 allows. */
#define ASH_BYTE_RANGE_MAX 32

/** First and last byte of a part, both of it. */
typedef struct {
	guint64 first, last;
} AshByteRange;

typedef enum {
	ASH_BYTE_RANGE_WHOLE,         /* no ranges, or none that count: 200 */
	ASH_BYTE_RANGE_PARTS,         /* 206 */
	ASH_BYTE_RANGE_UNSATISFIABLE, /* 416 */
} AshByteRangeVerdict;

/**
 * What the value of a Range header (RFC 9110 14.1.2, 14.2) asks for of @bytes bytes; NULL: there is none. *@ret_ranges (owned, of AshByteRange,
 * in the order asked for) is set with ASH_BYTE_RANGE_PARTS only. Other units, what is malformed, too many ranges, and ranges that come to more
 * than the whole file are answered with the whole file.
 */
AshByteRangeVerdict ash_byte_range_parse(const char *value, guint64 bytes, GArray **ret_ranges);
