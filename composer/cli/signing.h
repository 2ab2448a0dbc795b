/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/key.h"
#include "cli/command.h"
#include "tuf/repository.h"

/** Options of commands that sign metadata: which keys, and how long it is valid. */
typedef struct {
	char *key_dir;  /* --key-dir */
	char **keys;    /* --key: files and "pkcs11:" URIs */
	char **expires; /* --expires: ROLE=DAYS */
	AshTufValidity validity; /* from @expires */
	GPtrArray *loaded;       /* of AshKey */
} AshSigning;

void ash_signing_clear(AshSigning *signing);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshSigning, ash_signing_clear)

/** Rows of a table of options; an array of GOptionEntry must have room for ASH_SIGNING_OPTIONS more. */
#define ASH_SIGNING_OPTIONS 3
#define ASH_SIGNING_ENTRIES(signing) \
	{ "key-dir", 0, 0, G_OPTION_ARG_FILENAME, &(signing)->key_dir, "Sign with the private keys in this directory (*.pem)", "DIR" }, \
	{ "key", 0, 0, G_OPTION_ARG_STRING_ARRAY, &(signing)->keys, \
	  "Sign with this key, a PEM file or a \"pkcs11:\" URI; may be given several times", "KEY" }, \
	{ "expires", 0, 0, G_OPTION_ARG_STRING_ARRAY, &(signing)->expires, \
	  "How long new metadata is valid (default: timestamp=7, snapshot=14, targets=90)", "ROLE=DAYS" }

/** Reads --expires and loads the keys. ASH_ERROR_USAGE if there are none. */
gboolean ash_signing_load(AshSigning *signing, GError **error);

/**
 * For a new release directory: makes those of DIR/root.pem, targets.pem, snapshot.pem and timestamp.pem that are missing in --key-dir, Ed25519 without
 * passphrase. ASH_ERROR_USAGE without --key-dir.
 */
gboolean ash_signing_make_keys(const AshSigning *signing, GError **error);

/** Begins metadata in the release directory @path, with those keys for their roles. ASH_ERROR_USAGE if there is some. */
gboolean ash_signing_create(const AshSigning *signing, const char *path, GError **error);

/** Seconds since 1970. */
gint64 ash_signing_now(void);
