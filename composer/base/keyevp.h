/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/key.h"

#include <openssl/evp.h>

/**
 * For base/keyfile.c and base/keytoken.c: a key of an OpenSSL key, which is taken whatever happens. ASH_ERROR_CONFIG, naming @what, if it
 * is none of our kinds, or a weak one. Owned.
 */
AshKey *ash_key_new_from_evp(EVP_PKEY *pkey, bool is_private, const char *what, GError **error);

/** Has @free_token(@token) called when the key is freed. */
void ash_key_keep_token(AshKey *key, gpointer token, GDestroyNotify free_token);

/** The newest error of OpenSSL in words, and its queue emptied. Owned. */
char *ash_key_dup_openssl_error(void);

/** The OpenSSL key. Borrowed. */
EVP_PKEY *ash_key_get_evp(const AshKey *key);
