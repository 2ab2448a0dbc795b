/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/package.h"

/**
 * The lock: what was resolved, as sorted, diff-friendly text, one line per package:
 *
 *     # ashlar lock 1
 *     variant vm
 *     repo demo sha256:REPOMD
 *     package bash-5.2.15-2.x86_64 sha256:HEX demo user
 *
 * One lock file can hold several variants (an image type's package set), each under its "variant" line.
 */
typedef struct {
	char *variant;
	GPtrArray *repos;    /* of AshLockRepo */
	AshPackageSet *set;  /* only what the text holds is filled in */
} AshLock;

typedef struct {
	char *id;
	char *repomd_sha256;
} AshLockRepo;

AshLock *ash_lock_new(const char *variant);
void ash_lock_free(AshLock *lock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshLock, ash_lock_free)
/** Adds a repository by the digest of its repomd.xml; strings are copied. */
void ash_lock_add_repo(AshLock *lock, const char *id, const char *repomd_sha256);

/** Adds what a lock keeps of @package (borrowed: copied): NEVRA, digest, repository and reason. */
void ash_lock_add_package(AshLock *lock, const AshPackage *package);

/** The deterministic text of all @locks (of AshLock), sorted by variant. Owned. */
char *ash_lock_format(GPtrArray *locks);
/** Parses such a text; errors are "file:line: ...". An array of AshLock, owned. */
GPtrArray *ash_lock_parse(const char *text, const char *file, GError **error);
/** Borrowed lock of @variant, or NULL. */
AshLock *ash_lock_find(GPtrArray *locks, const char *variant);
/** SHA-256 hex of the lock's package lines: the digest that goes into the commit. Owned. */
char *ash_lock_dup_digest(const AshLock *lock);
/**
 * What differs in the packages of two locks, one line each, sorted by NEVRA: "+ NEVRA", "- NEVRA",
 * "~ NEVRA: digest" (or repository, or reason). Empty string if nothing does. Owned.
 */
char *ash_lock_diff(const AshLock *from, const AshLock *to);
