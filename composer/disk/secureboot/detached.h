/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/secureboot/bootsigner.h"

/**
 * Signing elsewhere, where the key is: what has to be signed goes into a directory, and comes back with signatures. PE images keep their names
 * (ASH_SIGNED_UKI, ...); the signature of the text in ASH_SIGNED_ROOT_HASH is a file of its own beside it.
 */
#define ASH_DETACHED_SIGNATURE ASH_SIGNED_ROOT_HASH ".p7s"
#define ASH_DETACHED_MANIFEST  "manifest.json"

/** A directory of such files. */
typedef struct AshDetached AshDetached;

/** Makes @dir, and is a signer that writes images there as they are, without signature. Owned. */
AshDetached *ash_detached_new_export(const char *dir, GError **error);

/**
 * A signer that takes its signatures from @dir. What it is given must have the digest of what is there, and there must be a sound signature: ASH_ERROR_TRUST. Who
 * signed images is for the firmware to judge; root hashes must be by @certificate (borrowed; NULL: there are none). ASH_ERROR_CONFIG if @dir has nothing. Owned.
 */
AshDetached *ash_detached_new_import(const char *dir, const AshCertificate *certificate, GError **error);

void ash_detached_free(AshDetached *detached);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshDetached, ash_detached_free)

/** Borrowed. */
const AshBootSigner *ash_detached_get_signer(const AshDetached *detached);

/** Whose files an export has. */
typedef struct {
	const char *name, *version, *type, *commit;
	const char *root_hash; /* hex, to be signed; NULL: it is not */
} AshDetachedSubject;

/** Writes the text of the root hash, and the manifest: what each file is, and its digests. Nothing else is to be exported then. */
gboolean ash_detached_finish_export(AshDetached *detached, const AshDetachedSubject *subject, GError **error);

/** Names of the files that have been exported to be signed. Borrowed strings, NULL-terminated; owned array. */
const char **ash_detached_list(const AshDetached *detached);
