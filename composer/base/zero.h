/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <string.h>

/** Whether @data has @length zeros and nothing else; true if it is empty. */
static inline bool
ash_is_zero(const guint8 *data, gsize length)
{
	return length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}
