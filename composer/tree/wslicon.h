/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * An icon for a distribution that has none: courses of stones, in 16, 32 and 48 pixels with 32 bits each. An ICO file whose images are
 * device-independent bitmaps (BITMAPINFOHEADER; twice the height, for the mask behind the colours). Owned; always the same bytes.
 */
GBytes *ash_wsl_icon_new(void);
