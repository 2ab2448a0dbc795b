/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/io/crc32c.h"

#define POLYNOMIAL_REVERSED 0x82f63b78u

guint32
ash_crc32c(guint32 crc, const void *data, gsize length)
{
	const guint8 *bytes = data;

	/* Bit by bit: only ever used for one superblock. */
	for (gsize i = 0; i < length; i++) {
		crc ^= bytes[i];
		for (guint bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL_REVERSED : 0);
	}
	return crc;
}
