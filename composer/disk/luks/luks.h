/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "base/secret.h"
#include "disk/io/usedmap.h"
#include "model/encryption.h"

/**
 * AshLuks: a LUKS2 volume (LUKS2 On-Disk Format Specification 1.1) made offline: libcryptsetup writes header and keyslots, we encrypt what is
 * behind them as dm-crypt would. No device mapper, no AF_ALG socket, no device.
 */
typedef struct AshLuks AshLuks;

/** Header and keyslots take so much at the start of the partition, in bytes: two headers of 16 KiB, 32 keyslots with room to change them. */
#define ASH_LUKS_DATA_OFFSET ((guint64) 16 * 1024 * 1024)

/** A keyslot. */
typedef enum {
	ASH_LUKS_PASSPHRASE,   /* made slow to guess by the PBKDF of the encryption */
	ASH_LUKS_KEY_FILE,     /* random: PBKDF2 with the least number of rounds */
	ASH_LUKS_RECOVERY_KEY, /* random, and marked by a token "systemd-recovery" */
} AshLuksKeyKind;

typedef struct {
	AshLuksKeyKind kind;
	const AshSecret *secret; /* borrowed */
} AshLuksKey;

/** What a volume is made of; all borrowed. */
typedef struct {
	AshUuid uuid;
	const char *label;          /* at most 47 bytes are taken; may be NULL */
	const AshEncryption *how;   /* kind ASH_ENCRYPTION_LUKS2, defaults filled in */
	const AshLuksKey *keys;     /* at least one */
	guint n_keys;
	const guint8 *test_key;     /* the volume key, how->key_bits / 4 bytes: only to have the same bytes twice; NULL: random */
} AshLuksOptions;

/**
 * Makes header and keyslots in memory, as slots 0, 1 ... in the order of the keys. Salts are random, so no two are the same. Owned. ASH_ERROR_CONFIG for
 * a key or number that libcryptsetup refuses, ASH_ERROR_INTERNAL with its words for all else.
 */
AshLuks *ash_luks_new(const AshLuksOptions *options, GError **error);
void ash_luks_free(AshLuks *luks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshLuks, ash_luks_free)

/** A range of bytes of the decrypted volume. */
typedef struct {
	guint64 offset, length;
} AshLuksRange;

/**
 * Turns a partition of @bytes at @offset of the plain file @fd into the volume: what is in it from ASH_LUKS_DATA_OFFSET on is encrypted where it
 * is, in @ranges (of AshLuksRange, sorted, multiples of 4096, NULL: all of it), holes in them included; the rest stays as it is. Header and
 * keyslots come last. Works on all of ctx->jobs threads; what is encrypted is noted in @used (may be NULL).
 */
gboolean ash_luks_seal(AshContext *ctx, const AshLuks *luks, int fd, guint64 offset, guint64 bytes, const GArray *ranges,
		       AshUsedMap *used, GError **error);
