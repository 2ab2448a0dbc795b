/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/wslicon.h"

#include <stdbool.h>

#define FILE_HEADER_SIZE 6u
#define ENTRY_SIZE 16u
#define BITMAP_HEADER_SIZE 40u
#define PIXEL_BITS 32u

static const guint sides[] = { 16, 32, 48 }; /* pixels */

static void
add16(GByteArray *bytes, guint value)
{
	const guint8 part[] = { (guint8) value, (guint8) (value >> 8) };

	g_byte_array_append(bytes, part, sizeof part);
}

static void
add32(GByteArray *bytes, guint value)
{
	add16(bytes, value & 0xffff);
	add16(bytes, value >> 16);
}

/* A line of the mask has one bit a pixel and is a multiple of four bytes. */
static guint
mask_size(guint side)
{
	return side * ((side + 31) / 32 * 4);
}

static guint
image_size(guint side)
{
	return BITMAP_HEADER_SIZE + side * side * PIXEL_BITS / 8 + mask_size(side);
}

/* Four courses; the joints of one are over the middle of the stones of the next. */
static bool
is_joint(guint side, guint x, guint y)
{
	guint course = side / 4, stone = side / 2, shift = y / course % 2 == 0 ? 0 : stone / 2;

	return y % course == course - 1 || (x + shift) % stone == stone - 1;
}

static void
add_image(GByteArray *bytes, guint side)
{
	static const guint8 stone[] = { 0x9c, 0x8a, 0x74, 0xff }, joint[] = { 0x3c, 0x34, 0x2c, 0xff }; /* blue, green, red, alpha */
	guint before = bytes->len;

	add32(bytes, BITMAP_HEADER_SIZE);
	add32(bytes, side);
	add32(bytes, 2 * side);
	add16(bytes, 1);
	add16(bytes, PIXEL_BITS);
	for (guint i = 0; i < 6; i++)
		add32(bytes, 0);
	for (guint y = side; y-- > 0;)
		for (guint x = 0; x < side; x++)
			g_byte_array_append(bytes, is_joint(side, x, y) ? joint : stone, sizeof stone);
	while (bytes->len < before + image_size(side))
		add32(bytes, 0);
}

GBytes *
ash_wsl_icon_new(void)
{
	GByteArray *bytes = g_byte_array_new();
	guint at = FILE_HEADER_SIZE + ENTRY_SIZE * G_N_ELEMENTS(sides);

	add16(bytes, 0);
	add16(bytes, 1);
	add16(bytes, G_N_ELEMENTS(sides));
	for (gsize i = 0; i < G_N_ELEMENTS(sides); i++) {
		add16(bytes, sides[i] | sides[i] << 8);
		add16(bytes, 0);
		add16(bytes, 1);
		add16(bytes, PIXEL_BITS);
		add32(bytes, image_size(sides[i]));
		add32(bytes, at);
		at += image_size(sides[i]);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(sides); i++)
		add_image(bytes, sides[i]);
	return g_byte_array_free_to_bytes(bytes);
}
