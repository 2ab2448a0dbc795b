/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/package.h"

#include <rpm/header.h>
#include <rpm/rpmio.h>

/**
 * AshVerifier: whom to trust for the packages of each repository, and the check of one package by it. While one
 * exists, librpm's log of this process is its own; several may exist at once. Immutable: any number of threads.
 */
typedef struct AshVerifier AshVerifier;

/**
 * Loads the keys of @confs (an array of AshRepoConf). ASH_ERROR_CONFIG for a key file that cannot be read or a repository
 * without keys; ASH_ERROR_TRUST for one that holds no key.
 */
AshVerifier *ash_verifier_new(GPtrArray *confs, GError **error);
void ash_verifier_free(AshVerifier *verifier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshVerifier, ash_verifier_free)

/**
 * The digest (SHA-256, hex, borrowed) of what decides whether a package of @repo_id is good: gpgcheck, and the content
 * of its key files in order. NULL if there is no such repository.
 */
const char *ash_verifier_get_trust(const AshVerifier *verifier, const char *repo_id);

/**
 * Checks signatures and digests of the RPM file @fd (read from its start), and that its header says the NEVRA of @package. On
 * success @fd is at the start of the payload. *@ret_header is the caller's (headerFree). ASH_ERROR_TRUST names package, file
 * and reason.
 */
gboolean ash_verifier_check(const AshVerifier *verifier, const AshPackage *package, FD_t fd, Header *ret_header,
			    GError **error);

/** Opens @package's file for ash_verifier_check() (Fclose); NULL and ASH_ERROR_FETCH naming both. */
FD_t ash_verifier_open(const AshPackage *package, GError **error);

/**
 * The header of an RPM file (or of the start of one, up to its payload) that was checked before; digests are not looked
 * at. Owned (headerFree); NULL and ASH_ERROR_TRUST if it is none.
 */
Header ash_verifier_read_header(FD_t fd, const char *path, const char *nevra, GError **error);
