/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/key.h"

/**
 * Private keys in files (PKCS#8 in PEM, mode 0600, RFC 5958; encrypted with a passphrase if there is one) and on tokens
 * ("pkcs11:..." URIs, RFC 7512), for those who sign. What only verifies does not need this.
 */

/**
 * Asks for the passphrase or PIN of @what ("key \"root.pem\""). Owned text (wiped by the caller); NULL and an error if there is none to be
 * had.
 */
typedef struct {
	char *(*ask)(gpointer data, const char *what, GError **error);
	gpointer data;
} AshPassphrase;

/**
 * Loads a key from a file or token; a public key in PEM is fine. @passphrase may be NULL. Files that others can read are refused
 * when they hold a private key in plain text. ASH_ERROR_CONFIG if it cannot be read, with the remedy. Owned.
 */
AshKey *ash_key_file_load(const char *path_or_uri, const AshPassphrase *passphrase, GError **error);

/** Writes the private part, new file only (ASH_ERROR_USAGE if there is one): mode 0600, AES-256 by @passphrase if not NULL. */
gboolean ash_key_file_save(const AshKey *key, int dir_fd, const char *path, const char *passphrase, GError **error);

/** True if @text is a "pkcs11:" URI. */
bool ash_key_file_is_token(const char *text);

/** Overwrites and frees secret text; NULL is fine. */
void ash_key_file_wipe(char *secret);
