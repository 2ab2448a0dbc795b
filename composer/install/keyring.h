/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"

#include <glib.h>
#include <rpm/rpmkeyring.h>

/**
 * A keyring with exactly the OpenPGP keys (and their subkeys) of these files, armored or binary, several in one file
 * allowed. @files: absolute paths or file: URLs. @what names the repository in errors. @digest is fed with the files'
 * lengths and contents, in order. Owned (rpmKeyringFree);
 * NULL and ASH_ERROR_CONFIG if a file is missing, ASH_ERROR_TRUST if it is no key.
 */
rpmKeyring ash_keyring_load(const char *const *files, const char *what, AshDigest *digest, GError **error);
