/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"

/**
 * Makes an area of @bytes (a multiple of 4096) for swapping at byte @offset of the plain file @fd, as mkswap(8) does: version 1 with pages of
 * 4096 bytes (linux/swap.h, union swap_header). @label: at most 15 bytes are taken.
 */
gboolean ash_swap_write(const AshUuid *uuid, const char *label, int fd, guint64 offset, guint64 bytes, GError **error);
