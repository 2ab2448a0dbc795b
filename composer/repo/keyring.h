/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/repoconf.h"

/**
 * Checks the detached OpenPGP signature (RFC 9580 10.4) at @signature_path over @data_path against exactly the
 * keys in @conf->gpgkeys, by gpgv on a private key ring made in @work_dir: no user key ring, no agent, no trust
 * database takes part. All paths are absolute.
 *
 * ASH_ERROR_CONFIG if no key is named, a key cannot be read or gpgv is missing; ASH_ERROR_TRUST for a bad signature, one
 * by another key, or one whose key is expired or revoked.
 */
gboolean ash_keyring_verify(AshContext *ctx, const AshRepoConf *conf, const char *work_dir, const char *signature_path,
			    const char *data_path, GError **error);

/** The binary packets of a key file, ASCII armor (RFC 9580 6.2; several blocks may follow one another) taken off. NULL (no error) if it is neither. */
GByteArray *ash_keyring_dearmor(const char *text, gsize length);
