/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** CRC-32C (Castagnoli, RFC 3720 appendix B.4) of @data continuing from @crc, without the final
 * inversion: seed ~0 as file systems do. */
guint32 ash_crc32c(guint32 crc, const void *data, gsize length);
