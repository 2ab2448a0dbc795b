/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/encryption.h"

static const char *const kinds[] = { [ASH_ENCRYPTION_NONE] = "none", [ASH_ENCRYPTION_LUKS2] = "luks2" };
const AshNames ash_encryption_kind_names = ASH_NAMES(kinds);
static const char *const pbkdfs[] = { [ASH_PBKDF_ARGON2ID] = "argon2id", [ASH_PBKDF_PBKDF2] = "pbkdf2" };
const AshNames ash_pbkdf_names = ASH_NAMES(pbkdfs);

static const struct {
	int memory, iterations, threads;
} defaults[] = {
	[ASH_PBKDF_ARGON2ID] = { 64 * 1024, 4, 4 },
	[ASH_PBKDF_PBKDF2] = { 0, 1000000, 0 },
};

const char *
ash_pbkdf_to_string(AshPbkdf pbkdf)
{
	return pbkdfs[pbkdf];
}

gboolean
ash_pbkdf_parse(const char *text, AshPbkdf *ret_pbkdf)
{
	guint index = 0;

	if (!ash_names_find(&ash_pbkdf_names, text, &index))
		return FALSE;
	*ret_pbkdf = (AshPbkdf) index;
	return TRUE;
}

bool
ash_encryption_is_described(const AshEncryption *encryption)
{
	const int numbers = encryption->pbkdf_memory | encryption->pbkdf_iterations | encryption->pbkdf_threads | encryption->key_bits |
			    encryption->sector_bytes;

	return encryption->tpm2 || encryption->passphrase || encryption->key_file || encryption->recovery_key || encryption->fill || numbers != 0 ||
	       encryption->pbkdf != ASH_PBKDF_ARGON2ID;
}

static void
set_default(int *field, int value)
{
	if (*field == 0)
		*field = value;
}

void
ash_encryption_fill_defaults(AshEncryption *encryption)
{
	if (!encryption->tpm2 && !encryption->passphrase && !encryption->key_file && !encryption->recovery_key)
		encryption->passphrase = true;
	set_default(&encryption->key_bits, 256);
	set_default(&encryption->sector_bytes, 4096);
	set_default(&encryption->pbkdf_memory, defaults[encryption->pbkdf].memory);
	set_default(&encryption->pbkdf_iterations, defaults[encryption->pbkdf].iterations);
	set_default(&encryption->pbkdf_threads, defaults[encryption->pbkdf].threads);
}
