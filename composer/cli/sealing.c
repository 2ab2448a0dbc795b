/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/sealing.h"

#include "base/error.h"

void
ash_sealing_clear(AshSealing *sealing)
{
	g_clear_pointer(&sealing->passphrase_file, g_free);
	g_clear_pointer(&sealing->key_file, g_free);
	g_clear_pointer(&sealing->test_seed, g_free);
	g_clear_pointer(&sealing->pcr_key_name, g_free);
	g_clear_pointer(&sealing->pcr_key, ash_key_unref);
	ash_boot_signing_clear(&sealing->boot);
}

static char *
ask(gpointer data, const char *what, GError **error)
{
	return ash_passphrase_choose(data, what, error);
}

AshKey *
ash_sealing_load_pcr_key(const char *name, const char *passphrase_file, AshContext *ctx, GError **error)
{
	AshPassphraseSource source;
	g_autoptr(AshKey) key = NULL;

	ash_passphrase_source_init(&source, ctx, passphrase_file);
	key = ash_key_file_load(name, &source.ask, error);
	if (key == NULL)
		return ash_prefix(error, "--pcr-key"), NULL;
	if (ash_key_get_kind(key) != ASH_KEY_RSA || !ash_key_is_private(key))
		return ash_throw_null(error, ASH_ERROR_USAGE,
				      "--pcr-key \"%s\" is not a private RSA key, and TPM policies of systemd take no other (\"openssl genrsa 2048\")", name);
	return g_steal_pointer(&key);
}

const AshSecretSource *
ash_sealing_prepare(AshSealing *sealing, AshCommandEnv *env, GError **error)
{
	if (sealing->test_seed != NULL && !ash_uuid_parse(sealing->test_seed, &sealing->seed))
		return ash_throw_null(error, ASH_ERROR_USAGE, "--test-seed \"%s\" is not a UUID", sealing->test_seed);
	if (sealing->test_seed != NULL)
		ash_progress_message(env->ctx->progress,
				     "warning: --test-seed: whoever knows the seed can read the encrypted partitions; this image is for tests only");
	if (sealing->pcr_key_name != NULL)
		sealing->pcr_key = ash_sealing_load_pcr_key(sealing->pcr_key_name, NULL, env->ctx, error);
	if (sealing->pcr_key_name != NULL && sealing->pcr_key == NULL)
		return NULL;
	if (!ash_boot_signing_load(&sealing->boot, env->ctx, error))
		return NULL;
	ash_passphrase_source_init(&sealing->terminal, env->ctx, NULL);
	sealing->terminal.option = "--luks-passphrase-file";
	sealing->ask = (AshPassphrase) { ask, &sealing->terminal };
	sealing->source = (AshSecretSource) {
		.passphrase_file = sealing->passphrase_file,
		.key_file = sealing->key_file,
		.test_seed = sealing->test_seed != NULL ? &sealing->seed : NULL,
		.ask = &sealing->ask,
	};
	return &sealing->source;
}
