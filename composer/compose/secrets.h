/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/keyfile.h"
#include "disk/luks/seal.h"
#include "model/imagetype.h"

/** Where the keys of encrypted partitions come from; all borrowed. */
typedef struct {
	const char *passphrase_file;  /* its first line; NULL: what the kickstart says, or else it is asked for */
	const char *key_file;         /* all its bytes; NULL: none */
	const AshUuid *test_seed;     /* as in AshDiskSecrets */
	const AshPassphrase *ask;     /* for a new passphrase, twice; NULL: nobody is there */
} AshSecretSource;

/** The keys themselves, as long as images are written. */
typedef struct {
	AshSecret *passphrase, *key_file;
	AshDiskSecrets disk; /* borrows them */
	char *digest;        /* keyed with a random key of the store: tells other keys, says nothing of them; NULL: nothing is encrypted */
} AshSecrets;

void ash_secrets_clear(AshSecrets *secrets);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshSecrets, ash_secrets_clear)

/**
 * Loads, or asks for, what the encrypted partitions of @types (of AshImageType) need, into the zeroed *@secrets, which stays where it is. @source may be NULL; @spoken
 * is a passphrase that the kickstart has, or NULL; @has_pcr_key: there is a key for PCR signatures; @has_signer: somebody signs root hashes. The key of the digest is in @store_dir, mode 0600. ASH_ERROR_USAGE for a key that is missing, or
 * given and needed by none.
 */
gboolean ash_secrets_load(const AshSecretSource *source, const char *spoken, bool has_pcr_key, bool has_signer, const GPtrArray *types,
			  const char *store_dir, AshSecrets *secrets, GError **error);
