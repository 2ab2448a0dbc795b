/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshCpioAligner: archives as the kernel takes an initramfs ("newc" of cpio(5); Documentation/driver-api/early-userspace/buffer-format), written
 * again so that what a file holds begins at a multiple of ASH_CPIO_ALIGNMENT: there a delta finds it in a file system, where files begin at
 * blocks. Names are made longer by NUL bytes for that, as that format allows; nothing else changes.
 */
typedef struct AshCpioAligner AshCpioAligner;

/** Sections of a kernel image begin at multiples of it, and deltas are looked for at them (pack/anchors.h). */
#define ASH_CPIO_ALIGNMENT 512

/** Takes the next bytes. */
typedef gboolean (*AshCpioSink)(const void *data, gsize length, gpointer user_data, GError **error);

AshCpioAligner *ash_cpio_aligner_new(AshCpioSink sink, gpointer user_data);
void ash_cpio_aligner_free(AshCpioAligner *aligner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshCpioAligner, ash_cpio_aligner_free)

/**
 * The next bytes; *@ret_used: how many of them were taken. That is fewer than @length if after the end of an archive and the zeros behind it comes
 * what does not begin as one. ASH_ERROR_CONFIG if an archive is damaged.
 */
gboolean ash_cpio_aligner_feed(AshCpioAligner *aligner, const void *data, gsize length, gsize *ret_used, GError **error);

/** True if there was an archive, and all are whole. */
bool ash_cpio_aligner_is_done(const AshCpioAligner *aligner);
