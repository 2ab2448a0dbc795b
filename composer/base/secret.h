/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** AshSecret: bytes that nobody else is to know: a passphrase, a key. Overwritten before they are given back. */
typedef struct {
	guint8 *data; /* with a NUL behind it */
	gsize length; /* bytes */
} AshSecret;

/** The longest that is read from a file, in bytes. */
#define ASH_SECRET_MAX_BYTES 65536

/** A copy of @length bytes (-1: a string). Owned. */
AshSecret *ash_secret_new(const void *data, gssize length);
/** @length bytes of the kernel's random numbers (getrandom(2)). Owned; NULL on failure. */
AshSecret *ash_secret_new_random(gsize length, GError **error);
void ash_secret_free(AshSecret *secret);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshSecret, ash_secret_free)

/**
 * The content of the file @path, which may be a pipe; only its first line if @is_text. A plain file that anybody but its owner may read is
 * refused (ASH_ERROR_CONFIG), as is one that is empty or too long. Owned.
 */
AshSecret *ash_secret_load(const char *path, bool is_text, GError **error);

/**
 * 256 random bits as text that people can type on any keyboard: eight groups of eight letters of the "modhex" alphabet, as
 * systemd-cryptenroll(1) --recovery-key makes them. Owned; NULL on failure.
 */
AshSecret *ash_secret_new_recovery_key(GError **error);
/** The same of 32 bytes that are given. Owned. */
AshSecret *ash_secret_format_recovery_key(const guint8 bytes[32]);

/** Writes @secret and a line feed to a new file of mode 0600; ASH_ERROR_USAGE if there is one. */
gboolean ash_secret_save(const AshSecret *secret, int dir_fd, const char *path, GError **error);
