/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/keyfile.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/keyevp.h"
#include "base/keytoken.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_KEY_FILE_BYTES (64 * 1024)
#define PASSPHRASE_BYTES   1024
/* scrypt (RFC 7914) as "openssl pkcs8 -scrypt" has it: 16 MiB and some 50 ms for each guess. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_SIG, X509_SIG_free)

void
ash_key_file_wipe(char *secret)
{
	if (secret == NULL)
		return;
	OPENSSL_cleanse(secret, strlen(secret));
	g_free(secret);
}

bool
ash_key_file_is_token(const char *text)
{
	return g_str_has_prefix(text, "pkcs11:");
}

typedef struct {
	const AshPassphrase *passphrase;
	const char *path;
	bool asked;
	GError **error;
} Asking;

/* pem_password_cb: only called for what is encrypted. */
static int
ask_for_pem(char *buffer, int size, int writing, void *data)
{
	Asking *asking = data;

	/* OpenSSL tries one decoder after the other. */
	if (*asking->error != NULL)
		return -1;
	asking->asked = true;
	if (asking->passphrase == NULL) {
		ash_throw(asking->error, ASH_ERROR_CONFIG, "\"%s\" is encrypted; a passphrase is needed", asking->path);
		return -1;
	}
	char *text = asking->passphrase->ask(asking->passphrase->data, asking->path, asking->error);
	if (text == NULL)
		return -1;
	gsize length = MIN(strlen(text), (gsize) size);
	memcpy(buffer, text, length);
	ash_key_file_wipe(text);
	return (int) length;
}

static AshKey *
parse_private(const char *text, const char *path, const AshPassphrase *passphrase, GError **error)
{
	g_autoptr(BIO) bio = BIO_new_mem_buf(text, -1);
	g_autoptr(GError) local = NULL;
	Asking asking = { passphrase, path, false, &local };
	EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, ask_for_pem, &asking) : NULL;

	if (pkey != NULL)
		return ash_key_new_from_evp(pkey, true, path, error);
	ERR_clear_error();
	if (local != NULL) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	return ash_throw_null(error, ASH_ERROR_CONFIG,
			      asking.asked ? "\"%s\": wrong passphrase"
					   : "\"%s\" is no key in PEM; \"ashlar key generate\" makes one",
			      path);
}

/* A private key that others may read is no secret. */
static gboolean
check_mode(const char *path, GError **error)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return ash_throw_errno(error, "cannot look at \"%s\"", path);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is a private key that others can read (mode %04o); \"chmod 600\" it",
				 path, st.st_mode & 07777);
	return TRUE;
}

static AshKey *
parse(const char *text, const char *path, const AshPassphrase *passphrase, GError **error)
{
	if (strstr(text, "-----BEGIN PUBLIC KEY-----") != NULL) {
		AshKey *key = ash_key_new_from_public_pem(text, error);
		if (key == NULL)
			ash_prefix(error, "\"%s\"", path);
		return key;
	}
	if (strstr(text, "-----BEGIN PRIVATE KEY-----") != NULL && !check_mode(path, error))
		return NULL;
	return parse_private(text, path, passphrase, error);
}

AshKey *
ash_key_file_load(const char *path_or_uri, const AshPassphrase *passphrase, GError **error)
{
	if (ash_key_file_is_token(path_or_uri))
		return ash_key_token_load(path_or_uri, passphrase, error);
	g_autoptr(GError) local = NULL;
	char *text = ash_file_load(AT_FDCWD, path_or_uri, MAX_KEY_FILE_BYTES, NULL, &local);
	if (text == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "cannot read the key: %s", local->message);
	AshKey *key = parse(text, path_or_uri, passphrase, error);
	ash_key_file_wipe(text);
	return key;
}

/* PBES2 of scrypt and AES-256-CBC (RFC 8018, RFC 7914): the default of OpenSSL 3.0 has 2048 rounds of PBKDF2 only. */
static X509_SIG *
encrypt(PKCS8_PRIV_KEY_INFO *info, const char *passphrase)
{
	X509_ALGOR *scheme = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);

	if (scheme == NULL)
		return NULL;
	X509_SIG *encrypted = PKCS8_set0_pbe(passphrase, (int) strlen(passphrase), info, scheme);
	if (encrypted == NULL)
		X509_ALGOR_free(scheme);
	return encrypted;
}

static bool
write_pem(BIO *bio, EVP_PKEY *pkey, const char *passphrase)
{
	g_autoptr(PKCS8_PRIV_KEY_INFO) info = EVP_PKEY2PKCS8(pkey);

	if (info == NULL)
		return false;
	if (passphrase == NULL)
		return PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, info) == 1;
	g_autoptr(X509_SIG) encrypted = encrypt(info, passphrase);
	return encrypted != NULL && PEM_write_bio_PKCS8(bio, encrypted) == 1;
}

/* O_EXCL: a key that is there is never replaced; it could be the only copy. */
static gboolean
write_new(int dir_fd, const char *path, const char *text, gsize length, GError **error)
{
	ash_autofd int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" exists; a key is never overwritten", path);
	if (fd < 0)
		return ash_throw_errno(error, "cannot create \"%s\"", path);
	if (!ash_fd_write_all(fd, text, length, 0, error) || (fsync(fd) != 0 && !ash_throw_errno(error, "cannot sync \"%s\"", path))) {
		unlinkat(dir_fd, path, 0);
		return FALSE;
	}
	return TRUE;
}

gboolean
ash_key_file_save(const AshKey *key, int dir_fd, const char *path, const char *passphrase, GError **error)
{
	g_autoptr(BIO) bio = BIO_new(BIO_s_secmem());
	char *text;

	if (passphrase != NULL && (passphrase[0] == '\0' || strlen(passphrase) > PASSPHRASE_BYTES))
		return ash_throw(error, ASH_ERROR_USAGE, "a passphrase has 1 to %d bytes", PASSPHRASE_BYTES);
	if (bio == NULL || !write_pem(bio, ash_key_get_evp(key), passphrase)) {
		g_autofree char *problem = ash_key_dup_openssl_error();
		return ash_throw(error, ASH_ERROR_INTERNAL, "cannot write the key \"%s\": %s", path, problem);
	}
	long length = BIO_get_mem_data(bio, &text);
	return write_new(dir_fd, path, text, (gsize) length, error);
}
