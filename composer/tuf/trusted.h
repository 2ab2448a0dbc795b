/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/metadata.h"

/** The trusted state of a client (tuf/client.h): files in a directory, exactly as they came, and what they say. */
typedef struct {
	int dir_fd;
	AshTufMetadata *metadata[ASH_TUF_N_ROLES]; /* NULL: none is trusted */
	GBytes *raw[ASH_TUF_N_ROLES];
} AshTufTrusted;

void ash_tuf_trusted_clear(AshTufTrusted *trusted);

/** "root.json". Owned. */
char *ash_tuf_trusted_dup_name(AshTufRole role);

/**
 * Reads the files of all roles and keeps those that are signed as the root among them wants; the root by itself. What is not counts as
 * absent. Expiry is not looked at. Fails only if the directory cannot be read.
 */
gboolean ash_tuf_trusted_load(AshTufTrusted *trusted, GError **error);

/** Trusts @metadata (taken) of @raw for its role from now on, on disk first. */
gboolean ash_tuf_trusted_set(AshTufTrusted *trusted, AshTufMetadata *metadata, GBytes *raw, GError **error);

/** Trusts nothing for a role any more, on disk first. */
gboolean ash_tuf_trusted_drop(AshTufTrusted *trusted, AshTufRole role, GError **error);

/**
 * Trusts the next root. If it takes a key from timestamp or snapshot metadata, these go first (TUF 1.0 5.3.11): were they kept, versions that
 * a stolen key raised could never be undone; were they removed afterwards, a power cut between would keep them.
 */
gboolean ash_tuf_trusted_set_root(AshTufTrusted *trusted, AshTufMetadata *root, GBytes *raw, GError **error);

/** A file of a delegated role. *@ret_raw is NULL if there is none. */
gboolean ash_tuf_trusted_load_delegated(const AshTufTrusted *trusted, const char *role, GBytes **ret_raw, GError **error);
gboolean ash_tuf_trusted_save_delegated(const AshTufTrusted *trusted, const char *role, GBytes *raw, GError **error);
/** Its name as a path of a URL, which is also one that a file may have; ".json" is not part of it. Owned. */
char *ash_tuf_trusted_escape(const char *role);
