/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** What the first bytes of a partition say. Strings owned, NULL where unknown. */
typedef struct {
	const char *content; /* static: "erofs", "ext4", "vfat", "verity", "luks2", "swap", "squashfs", "xfs",
				"zero", or NULL */
	char *label;
	char *uuid;
	guint64 used; /* bytes; 0 if unknown */
} AshProbe;

void ash_probe_clear(AshProbe *probe);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshProbe, ash_probe_clear)

/** Recognises the content of the @length bytes at @offset of @fd by magic numbers; never trusts it
 * further. */
void ash_probe_read(int fd, guint64 offset, guint64 length, AshProbe *ret_probe);
