/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#define ASH_KIB ((guint64)1024)
#define ASH_MIB (1024 * ASH_KIB)
#define ASH_GIB (1024 * ASH_MIB)

/** Parses "4096", "64K", "512M", "2G", "1T" (binary units, optional "iB") into bytes; FALSE (no error) if malformed or over 2^63-1. */
gboolean ash_size_parse(const char *text, guint64 *ret_bytes);

/** "1.4 MiB", "87 MiB", "512 B": one decimal below ten, none above. Owned. */
char *ash_size_format(guint64 bytes);

/** @value rounded up to a multiple of @unit (> 0); their sum must fit in 64 bits. */
static inline guint64
ash_size_round_up(guint64 value, guint64 unit)
{
	return (value + unit - 1) / unit * unit;
}
