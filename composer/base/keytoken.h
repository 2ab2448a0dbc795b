/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/keyfile.h"

/**
 * A private key that stays on its token, by its PKCS#11 URI (RFC 7512): through OpenSSL's provider "pkcs11" where that is installed, else its
 * engine. "module-path=" in the URI names the token's library for the engine; the provider has its own configuration.
 * @passphrase (may be NULL) is asked for the PIN if the URI has none. ASH_ERROR_CONFIG. Owned.
 */
AshKey *ash_key_token_load(const char *uri, const AshPassphrase *passphrase, GError **error);
