/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "disk/secureboot/detached.h"

/** Options of commands that sign what a machine boots with. Zero-initialise; must stay where it is once it is used. */
typedef struct {
	char *key_name;         /* --secure-boot-key */
	char *certificate_path; /* --secure-boot-certificate */
	char *passphrase_file;  /* --secure-boot-passphrase-file */
	char *import_dir;       /* --import-signed; commands that have it */
	AshKey *key;
	AshCertificate *certificate;
	AshSigner pair;
	AshBootSigner signer;
	AshDetached *detached; /* of @import_dir */
} AshBootSigning;

void ash_boot_signing_clear(AshBootSigning *signing);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshBootSigning, ash_boot_signing_clear)

/** Rows of a table of options. */
#define ASH_BOOT_SIGNING_ENTRIES(signing) \
	{ "secure-boot-key", 0, 0, G_OPTION_ARG_STRING, &(signing)->key_name, \
	  "Sign kernel image, boot loader and root hash for Secure Boot by this RSA key: a file, or a \"pkcs11:\" URI", "KEY" }, \
	{ "secure-boot-certificate", 0, 0, G_OPTION_ARG_FILENAME, &(signing)->certificate_path, \
	  "The X.509 certificate of that key (PEM or DER)", "FILE" }, \
	{ "secure-boot-passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &(signing)->passphrase_file, \
	  "Passphrase or PIN of that key: the first line of this file (default: it is asked for)", "FILE" }

/** A row for commands that take signatures made elsewhere. */
#define ASH_BOOT_IMPORT_ENTRY(signing) \
	{ "import-signed", 0, 0, G_OPTION_ARG_FILENAME, &(signing)->import_dir, \
	  "Take what --export-unsigned has written, and was signed since, from this directory", "DIR" }

/** Loads the key and its certificate, or what was signed elsewhere, if they are given. ASH_ERROR_USAGE if one of them is missing, or they do not go together. */
gboolean ash_boot_signing_load(AshBootSigning *signing, AshContext *ctx, GError **error);

/** Borrowed; NULL if nobody signs. */
const AshBootSigner *ash_boot_signing_get(const AshBootSigning *signing);
