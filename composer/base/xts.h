/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * AshXts: AES in XTS mode (IEEE 1619, NIST SP 800-38E) over the sectors of a disk, as dm-crypt's "aes-xts-plain64" has it: the tweak of a
 * sector is the number of its first 512 bytes, little endian. For one thread at a time.
 */
typedef struct AshXts AshXts;

#define ASH_XTS_MAX_SECTOR_BYTES 4096

/** @key: two AES keys of equal length, @key_bytes 32 or 64 together. Owned; ASH_ERROR_INTERNAL if OpenSSL takes no such key. */
AshXts *ash_xts_new(const guint8 *key, gsize key_bytes, GError **error);
void ash_xts_free(AshXts *xts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshXts, ash_xts_free)

/**
 * Encrypts @length bytes in place that lie at byte @offset of the device. Both are multiples of @sector_bytes, a power of two from 512 on
 * to 4096. ASH_ERROR_INTERNAL if OpenSSL fails.
 */
gboolean ash_xts_encrypt(AshXts *xts, guint64 offset, gsize sector_bytes, guint8 *data, gsize length, GError **error);
/** The other way. */
gboolean ash_xts_decrypt(AshXts *xts, guint64 offset, gsize sector_bytes, guint8 *data, gsize length, GError **error);
