/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/secrets.h"

#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>

#define KEY_NAME "secrets.key"

/** What some type asks for. */
typedef struct {
	bool any, passphrase, key_file, pcr_key, signer;
} Needs;

void
ash_secrets_clear(AshSecrets *secrets)
{
	g_clear_pointer(&secrets->passphrase, ash_secret_free);
	g_clear_pointer(&secrets->key_file, ash_secret_free);
	g_clear_pointer(&secrets->digest, g_free);
}

static void
add_needs(const AshImageType *type, Needs *needs)
{
	needs->signer = needs->signer || (type->layout != NULL && ash_layout_find(type->layout, ASH_PARTITION_ROOT_VERITY_SIG, 0) != NULL);
	for (guint i = 0; ash_image_type_is_encrypted(type) && i < type->layout->partitions->len; i++) {
		const AshPartition *partition = g_ptr_array_index(type->layout->partitions, i);

		if (partition->encryption.kind == ASH_ENCRYPTION_NONE)
			continue;
		needs->any = needs->any || !partition->encryption.tpm2;
		needs->pcr_key = needs->pcr_key || partition->encryption.tpm2;
		needs->passphrase = needs->passphrase || partition->encryption.passphrase;
		needs->key_file = needs->key_file || partition->encryption.key_file;
	}
}

/* A key that would open nothing was meant to open something. */
static gboolean
check_needs(const AshSecretSource *source, bool has_pcr_key, bool has_signer, const Needs *needs, GError **error)
{
	if (source->passphrase_file != NULL && !needs->passphrase)
		return ash_throw(error, ASH_ERROR_USAGE, "--luks-passphrase-file \"%s\": no image type has a partition that a passphrase opens",
				 source->passphrase_file);
	if (source->key_file != NULL && !needs->key_file)
		return ash_throw(error, ASH_ERROR_USAGE, "--luks-key-file \"%s\": no image type has a partition that a key file opens", source->key_file);
	if (needs->key_file && source->key_file == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "an encrypted partition is opened by a key file: give it with --luks-key-file");
	if (needs->pcr_key && !has_pcr_key)
		return ash_throw(error, ASH_ERROR_USAGE, "the TPM shall open /var for kernel images that a key has signed: give the key with --pcr-key");
	if (needs->signer && !has_signer)
		return ash_throw(error, ASH_ERROR_USAGE,
				 "the root hash is to be signed: give --secure-boot-key and --secure-boot-certificate (with --import-signed the certificate alone)");
	if (source->test_seed != NULL && !needs->any)
		return ash_throw(error, ASH_ERROR_USAGE, "--test-seed is of no use: no image type has an encrypted partition");
	return TRUE;
}

static AshSecret *
ask(const AshPassphrase *passphrase, GError **error)
{
	char *text;

	if (passphrase == NULL)
		return ash_throw_null(error, ASH_ERROR_USAGE,
				      "an encrypted partition is opened by a passphrase: give it with --luks-passphrase-file");
	text = passphrase->ask(passphrase->data, "encrypted partitions", error);
	if (text == NULL)
		return NULL;
	AshSecret *secret = *text != '\0' ? ash_secret_new(text, -1) : ash_throw_null(error, ASH_ERROR_USAGE, "the passphrase is empty");
	ash_key_file_wipe(text);
	return secret;
}

static AshSecret *
load_passphrase(const AshSecretSource *source, const char *spoken, GError **error)
{
	if (source->passphrase_file != NULL)
		return ash_secret_load(source->passphrase_file, true, error);
	return spoken != NULL ? ash_secret_new(spoken, -1) : ask(source->ask, error);
}

/* Random, made once. */
static gboolean
load_digest_key(const char *store_dir, AshUuid *ret_key, GError **error)
{
	g_autofree char *path = g_build_filename(store_dir, KEY_NAME, NULL);
	g_autoptr(AshSecret) key = NULL;

	if (!ash_file_exists(AT_FDCWD, path)) {
		key = ash_secret_new_random(sizeof(ret_key->bytes), error);
		if (key == NULL || !ash_file_save(AT_FDCWD, path, key->data, (gssize) key->length, 0600, error))
			return FALSE;
		g_clear_pointer(&key, ash_secret_free);
	}
	/* Of two builds at once the later one has won. */
	key = ash_secret_load(path, false, error);
	if (key == NULL)
		return FALSE;
	if (key->length != sizeof(ret_key->bytes))
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is not of %zu bytes: remove it", path, sizeof(ret_key->bytes));
	memcpy(ret_key->bytes, key->data, key->length);
	return TRUE;
}

static void
update_secret(AshDigest *digest, const AshSecret *secret)
{
	const guint64 length = secret != NULL ? secret->length : G_MAXUINT64;

	ash_digest_update(digest, &length, sizeof(length));
	if (secret != NULL)
		ash_digest_update(digest, secret->data, secret->length);
}

/* A plain digest of a passphrase would be guessed more quickly than LUKS lets it be. */
static char *
make_digest(const AshSecrets *secrets, const AshUuid *key)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	guint8 sum[ASH_SHA256_SIZE];

	update_secret(digest, secrets->passphrase);
	update_secret(digest, secrets->key_file);
	if (secrets->disk.test_seed != NULL)
		ash_digest_update(digest, secrets->disk.test_seed, sizeof(*secrets->disk.test_seed));
	g_autofree char *plain = ash_digest_finish_hex(digest);
	ash_seed_derive(key, plain, sum);
	explicit_bzero(plain, strlen(plain));
	return ash_hex_encode(sum, sizeof(sum));
}

gboolean
ash_secrets_load(const AshSecretSource *source, const char *spoken, bool has_pcr_key, bool has_signer, const GPtrArray *types,
		 const char *store_dir, AshSecrets *secrets, GError **error)
{
	const AshSecretSource nothing = { NULL };
	Needs needs = { false };
	AshUuid key;

	source = source != NULL ? source : &nothing;
	for (guint i = 0; i < types->len; i++)
		add_needs(g_ptr_array_index(types, i), &needs);
	if (!check_needs(source, has_pcr_key, has_signer, &needs, error))
		return FALSE;
	if (!needs.any)
		return TRUE;
	if (needs.passphrase)
		secrets->passphrase = load_passphrase(source, spoken, error);
	if (needs.key_file)
		secrets->key_file = ash_secret_load(source->key_file, false, error);
	if ((needs.passphrase && secrets->passphrase == NULL) || (needs.key_file && secrets->key_file == NULL) ||
	    !load_digest_key(store_dir, &key, error))
		return FALSE;
	secrets->disk = (AshDiskSecrets) { secrets->passphrase, secrets->key_file, source->test_seed };
	secrets->digest = make_digest(secrets, &key);
	return TRUE;
}
