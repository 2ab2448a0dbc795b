/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/sealing.h"

#include "base/error.h"

void
ash_sealing_clear(AshSealing *sealing)
{
	g_clear_pointer(&sealing->passphrase_file, g_free);
	g_clear_pointer(&sealing->key_file, g_free);
	g_clear_pointer(&sealing->test_seed, g_free);
}

static char *
ask(gpointer data, const char *what, GError **error)
{
	return ash_passphrase_choose(data, what, error);
}

const AshSecretSource *
ash_sealing_prepare(AshSealing *sealing, AshCommandEnv *env, GError **error)
{
	if (sealing->test_seed != NULL && !ash_uuid_parse(sealing->test_seed, &sealing->seed))
		return ash_throw_null(error, ASH_ERROR_USAGE, "--test-seed \"%s\" is not a UUID", sealing->test_seed);
	if (sealing->test_seed != NULL)
		ash_progress_message(env->ctx->progress,
				     "warning: --test-seed: whoever knows the seed can read the encrypted partitions; this image is for tests only");
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
