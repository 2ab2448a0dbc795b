/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/names.h"

#include <stdbool.h>

/** How a partition is encrypted. */
typedef enum { ASH_ENCRYPTION_NONE, ASH_ENCRYPTION_LUKS2 } AshEncryptionKind;

/** How a passphrase becomes a key. */
typedef enum { ASH_PBKDF_ARGON2ID, ASH_PBKDF_PBKDF2 } AshPbkdf;

/**
 * Encryption of one partition. It says which kinds of keys open it; the keys themselves are no part of any configuration that we keep.
 * Numbers are 0 until they are said: ash_encryption_fill_defaults() knows what then holds.
 */
typedef struct {
	AshEncryptionKind kind;
	bool passphrase;   /* typed at boot */
	bool key_file;     /* a file of bytes */
	bool recovery_key; /* made by us, written beside the image */
	bool tpm2;         /* the machine's own TPM: the volume is made at its first boot, and none of the other keys is */
	AshPbkdf pbkdf;    /* of the passphrase; the other keys are random and need none that is slow */
	int pbkdf_memory;  /* KiB; argon2id only */
	int pbkdf_iterations;
	int pbkdf_threads; /* argon2id only */
	int key_bits;      /* of AES: 128 or 256 */
	int sector_bytes;  /* 512 or 4096 */
	bool fill;         /* free space is encrypted as well: an onlooker cannot tell it from what is used */
} AshEncryption;

/** What configuration calls them. */
extern const AshNames ash_encryption_kind_names, ash_pbkdf_names;
/** "argon2id", "pbkdf2". Parsing is FALSE (no error) for any other text. */
const char *ash_pbkdf_to_string(AshPbkdf pbkdf);
gboolean ash_pbkdf_parse(const char *text, AshPbkdf *ret_pbkdf);

/** Whether anything but the kind is said. */
bool ash_encryption_is_described(const AshEncryption *encryption);

/** Limits of libcryptsetup, which are those of LUKS2 (Argon2: RFC 9106; PBKDF2: RFC 8018). */
#define ASH_PBKDF_MIN_MEMORY            32          /* KiB */
#define ASH_PBKDF_MAX_MEMORY            (4 << 20)   /* KiB */
#define ASH_PBKDF_MIN_ARGON2_ITERATIONS 4
#define ASH_PBKDF_MIN_PBKDF2_ITERATIONS 1000
#define ASH_PBKDF_MAX_ITERATIONS        G_MAXINT32
#define ASH_PBKDF_MAX_THREADS           4

/**
 * Gives what was not said a value: a passphrase if no key is named, AES-256, sectors of 4096 bytes, and the second of the choices that RFC
 * 9106 section 4 recommends, 64 MiB with 4 threads, in 4 passes (libcryptsetup takes no less), or 1,000,000 rounds of PBKDF2 with SHA-256. They do not depend on the machine
 * that composes.
 */
void ash_encryption_fill_defaults(AshEncryption *encryption);
