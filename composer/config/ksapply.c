/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/ksapply.h"

#include "base/error.h"

#include <string.h>

/* "file:line: part: "/var": image type "x": ..." */
static char *
place_of(const AshKsApply *apply)
{
	const AshVolumeSpec *volume = apply->volume;

	return g_strdup_printf("%s: %s: \"%s\": image type \"%s\"", volume->origin,
			       ash_volume_kind_to_string(volume->kind),
			       volume->mount_point != NULL ? volume->mount_point : volume->name, apply->type->name);
}

gboolean
ash_ks_apply_refuse(const AshKsApply *apply, GError **error, const char *format, ...)
{
	g_autofree char *place = place_of(apply);
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	return ash_throw(error, ASH_ERROR_CONFIG, "%s %s", place, text);
}

void
ash_ks_apply_note(const AshKsApply *apply, const char *format, ...)
{
	g_autofree char *place = place_of(apply);
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	g_ptr_array_add(apply->notices, g_strdup_printf("%s %s", place, text));
}

/* What a machine that composes must not decide, and what LUKS2 has better. */
static gboolean
check_encryption(const AshEncryptionSpec *said, const char *place, const char *passphrase, GError **error)
{
	if (g_strcmp0(said->luks_version, "luks1") == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s is encrypted with LUKS2: remove --luks-version=luks1", place);
	if (said->cipher != NULL && strcmp(said->cipher, "aes-xts-plain64") != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s is encrypted with aes-xts-plain64: remove --cipher=%s", place, said->cipher);
	if (g_strcmp0(said->pbkdf, "argon2i") == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s has no argon2i: say --pbkdf=argon2id", place);
	if (said->pbkdf_time != -1)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s does not measure the machine that composes: say --pbkdf-iterations in place of --pbkdf-time", place);
	if (said->passphrase != NULL && g_strcmp0(said->passphrase, passphrase) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s has one passphrase for all that is encrypted: --passphrase is another here", place);
	return TRUE;
}

/* Limits are those of the writer (model/encryption.h). */
static gboolean
check_costs(const AshEncryption *encryption, const char *place, GError **error)
{
	bool argon = encryption->pbkdf == ASH_PBKDF_ARGON2ID;
	int least = argon ? ASH_PBKDF_MIN_ARGON2_ITERATIONS : ASH_PBKDF_MIN_PBKDF2_ITERATIONS;

	if (!argon && encryption->pbkdf_memory != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: --pbkdf-memory goes with --pbkdf=argon2id", place);
	if (encryption->pbkdf_memory != 0 &&
	    (encryption->pbkdf_memory < ASH_PBKDF_MIN_MEMORY || encryption->pbkdf_memory > ASH_PBKDF_MAX_MEMORY))
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: --pbkdf-memory takes %d to %d KiB", place, ASH_PBKDF_MIN_MEMORY,
				 ASH_PBKDF_MAX_MEMORY);
	if (encryption->pbkdf_iterations != 0 && encryption->pbkdf_iterations < least)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: --pbkdf-iterations takes %d at least", place, least);
	return TRUE;
}

bool
ash_ks_apply_can_encrypt(const AshKsApply *apply, const AshPartition *partition)
{
	if (partition->role == ASH_PARTITION_ROOT)
		return apply->type->system == ASH_SYSTEM_TRADITIONAL;
	return partition->role != ASH_PARTITION_ESP && partition->role != ASH_PARTITION_XBOOTLDR;
}

gboolean
ash_ks_apply_encryption(const AshKsApply *apply, AshPartition *partition, const AshEncryptionSpec *said, const char *origin, const char *command,
			GError **error)
{
	AshEncryption *encryption = &partition->encryption;
	g_autofree char *place = g_strdup_printf("%s: %s: image type \"%s\"", origin, command, apply->type->name);

	if (!check_encryption(said, place, apply->passphrase, error))
		return FALSE;
	encryption->kind = ASH_ENCRYPTION_LUKS2;
	encryption->passphrase = true;
	if (said->pbkdf != NULL && ash_pbkdf_parse(said->pbkdf, &encryption->pbkdf)) {
		encryption->pbkdf_memory = 0;
		encryption->pbkdf_iterations = 0;
	}
	if (said->pbkdf_memory > 0)
		encryption->pbkdf_memory = said->pbkdf_memory;
	if (said->pbkdf_iterations > 0)
		encryption->pbkdf_iterations = said->pbkdf_iterations;
	g_string_append_printf(apply->changes, "%s luks2 %s %d %d\n", partition->label, ash_pbkdf_to_string(encryption->pbkdf),
			       encryption->pbkdf_memory, encryption->pbkdf_iterations);
	return check_costs(encryption, place, error);
}
