/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/bootsigning.h"

#include "base/error.h"
#include "cli/passphrase.h"

void
ash_boot_signing_clear(AshBootSigning *signing)
{
	g_clear_pointer(&signing->key_name, g_free);
	g_clear_pointer(&signing->certificate_path, g_free);
	g_clear_pointer(&signing->passphrase_file, g_free);
	g_clear_pointer(&signing->import_dir, g_free);
	g_clear_pointer(&signing->signer.identity, g_free);
	g_clear_pointer(&signing->detached, ash_detached_free);
	g_clear_pointer(&signing->certificate, ash_certificate_unref);
	g_clear_pointer(&signing->key, ash_key_unref);
}

static gboolean
check(const AshBootSigning *signing, GError **error)
{
	if (signing->import_dir != NULL && signing->key_name != NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--import-signed and --secure-boot-key exclude each other");
	if (signing->key_name != NULL && signing->certificate_path == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--secure-boot-key needs the certificate of the key: add --secure-boot-certificate FILE");
	if (signing->key_name == NULL && signing->certificate_path != NULL && signing->import_dir == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--secure-boot-certificate needs the key: add --secure-boot-key KEY");
	if (signing->key_name == NULL && signing->passphrase_file != NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--secure-boot-passphrase-file goes with --secure-boot-key");
	return TRUE;
}

static gboolean
load_key(AshBootSigning *signing, AshContext *ctx, GError **error)
{
	AshPassphraseSource source;

	ash_passphrase_source_init(&source, ctx, signing->passphrase_file);
	source.option = "--secure-boot-passphrase-file";
	signing->key = ash_key_file_load(signing->key_name, &source.ask, error);
	if (signing->key == NULL)
		return ash_prefix(error, "--secure-boot-key");
	signing->pair = (AshSigner) { signing->key, signing->certificate };
	return ash_boot_signer_init_key(&signing->signer, &signing->pair, error) || ash_prefix(error, "--secure-boot-key \"%s\"", signing->key_name);
}

static gboolean
load_import(AshBootSigning *signing, GError **error)
{
	signing->detached = ash_detached_new_import(signing->import_dir, signing->certificate, error);
	return signing->detached != NULL || ash_prefix(error, "--import-signed");
}

gboolean
ash_boot_signing_load(AshBootSigning *signing, AshContext *ctx, GError **error)
{
	if (!check(signing, error))
		return FALSE;
	if (signing->certificate_path != NULL) {
		signing->certificate = ash_certificate_load(signing->certificate_path, error);
		if (signing->certificate == NULL)
			return ash_prefix(error, "--secure-boot-certificate");
	}
	return signing->import_dir != NULL ? load_import(signing, error) : signing->key_name == NULL || load_key(signing, ctx, error);
}

const AshBootSigner *
ash_boot_signing_get(const AshBootSigning *signing)
{
	if (signing->detached != NULL)
		return ash_detached_get_signer(signing->detached);
	return signing->key != NULL ? &signing->signer : NULL;
}
