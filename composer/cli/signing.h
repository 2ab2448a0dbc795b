/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/key.h"
#include "cli/command.h"
#include "tuf/repository.h"

/** Options of commands that sign metadata: which keys, and how long it is valid. Zero-initialise. */
typedef struct {
	char *key_dir;         /* --key-dir */
	char **keys;           /* --key: files and "pkcs11:" URIs */
	char **days;           /* --days: ROLE=N */
	char *passphrase_file; /* --passphrase-file */
	AshTufValidity validity; /* from @days */
	GPtrArray *loaded;       /* of AshKey */
} AshSigning;

void ash_signing_clear(AshSigning *signing);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshSigning, ash_signing_clear)

/** Rows of a table of options. */
#define ASH_SIGNING_ENTRIES(signing) \
	{ "key", 'k', 0, G_OPTION_ARG_STRING_ARRAY, &(signing)->keys, \
	  "A key to sign with: a file, or a \"pkcs11:\" URI; may be given several times", "KEY" }, \
	{ "key-dir", 0, 0, G_OPTION_ARG_FILENAME, &(signing)->key_dir, "Sign with all keys (*.pem, *.key) in this directory", "DIR" }, \
	{ "passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &(signing)->passphrase_file, \
	  "Passphrase or PIN of keys: the first line of this file", "FILE" }, \
	{ "days", 0, 0, G_OPTION_ARG_STRING_ARRAY, &(signing)->days, \
	  "How long new metadata is valid (targets=90, snapshot=14, timestamp=7)", "ROLE=N" }

/** Reads --days and loads the keys. ASH_ERROR_USAGE if there are none. */
gboolean ash_signing_load(AshSigning *signing, AshContext *ctx, GError **error);

/** Seconds since 1970. */
gint64 ash_signing_now(void);
