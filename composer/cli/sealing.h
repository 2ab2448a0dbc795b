/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/bootsigning.h"
#include "cli/command.h"
#include "cli/passphrase.h"
#include "compose/secrets.h"

/** Options of commands that write images which keys open, or have signed. Zero-initialise; must stay where it is once it is used. */
typedef struct {
	char *passphrase_file; /* --luks-passphrase-file */
	char *key_file;        /* --luks-key-file */
	char *test_seed;       /* --test-seed */
	char *pcr_key_name;    /* --pcr-key */
	AshKey *pcr_key;       /* loaded; NULL: none */
	AshBootSigning boot;
	AshUuid seed;
	AshPassphraseSource terminal;
	AshPassphrase ask;
	AshSecretSource source;
} AshSealing;

void ash_sealing_clear(AshSealing *sealing);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshSealing, ash_sealing_clear)

/** A row of a table of options. */
#define ASH_PCR_KEY_ENTRY(name) \
	{ "pcr-key", 0, 0, G_OPTION_ARG_STRING, (name), "Sign the measurements of the kernel image for TPMs by this RSA key: a file, or a \"pkcs11:\" URI", "KEY" }

/** Rows of a table of options. */
#define ASH_SEALING_ENTRIES(sealing) \
	{ "luks-passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &(sealing)->passphrase_file, \
	  "Passphrase of encrypted partitions: the first line of this file (default: it is asked for)", "FILE" }, \
	{ "luks-key-file", 0, 0, G_OPTION_ARG_FILENAME, &(sealing)->key_file, "Key of encrypted partitions: this whole file", "FILE" }, \
	ASH_PCR_KEY_ENTRY(&(sealing)->pcr_key_name), \
	ASH_BOOT_SIGNING_ENTRIES(&(sealing)->boot), \
	{ "test-seed", 0, 0, G_OPTION_ARG_STRING, &(sealing)->test_seed, \
	  "For tests: derive secret keys from this, which then are none", "UUID" }

/** The key of --pcr-key; its passphrase or PIN is the first line of @passphrase_file, or asked for if that is NULL. Owned; NULL and an error. */
AshKey *ash_sealing_load_pcr_key(const char *name, const char *passphrase_file, AshContext *ctx, GError **error);

/** Checks the options and loads the keys. Borrowed, for ash_build_run() and its like; NULL and ASH_ERROR_USAGE if one is wrong. */
const AshSecretSource *ash_sealing_prepare(AshSealing *sealing, AshCommandEnv *env, GError **error);
