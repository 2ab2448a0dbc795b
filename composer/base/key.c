/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/key.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/keyevp.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define RSA_NEW_BITS   3072
#define RSA_LEAST_BITS 2048
/* Verification takes time by the square of this. */
#define RSA_MOST_BITS 8192

struct AshKey {
	gatomicrefcount references;
	AshKeyKind kind;
	bool is_private;
	EVP_PKEY *pkey;
	gpointer token;
	GDestroyNotify free_token;
};

typedef struct {
	const char *name;
	int type; /* EVP_PKEY_... */
} KeyKind;

static const KeyKind kinds[] = {
	[ASH_KEY_ED25519] = { "ed25519", EVP_PKEY_ED25519 },
	[ASH_KEY_ECDSA_P256] = { "ecdsa", EVP_PKEY_EC },
	[ASH_KEY_RSA] = { "rsa", EVP_PKEY_RSA },
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_MD_CTX, EVP_MD_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free)

const char *
ash_key_kind_to_string(AshKeyKind kind)
{
	return kinds[kind].name;
}

gboolean
ash_key_kind_parse(const char *text, AshKeyKind *ret_kind)
{
	for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (strcmp(kinds[i].name, text) == 0) {
			*ret_kind = (AshKeyKind) i;
			return TRUE;
		}
	return FALSE;
}

char *
ash_key_dup_openssl_error(void)
{
	char text[256] = "unknown error";
	unsigned long code = ERR_peek_last_error();

	if (code != 0)
		ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return g_strdup(text);
}

static gboolean
find_kind(EVP_PKEY *pkey, AshKeyKind *ret_kind)
{
	for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (EVP_PKEY_get_base_id(pkey) == kinds[i].type) {
			*ret_kind = (AshKeyKind) i;
			return TRUE;
		}
	return FALSE;
}

static bool
is_p256(EVP_PKEY *pkey)
{
	char group[64] = "";
	gsize length;

	return EVP_PKEY_get_group_name(pkey, group, sizeof(group), &length) == 1 &&
	       (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0);
}

AshKey *
ash_key_new_from_evp(EVP_PKEY *pkey, bool is_private, const char *what, GError **error)
{
	g_autoptr(EVP_PKEY) owned = pkey;
	AshKeyKind kind;

	if (!find_kind(pkey, &kind) || (kind == ASH_KEY_ECDSA_P256 && !is_p256(pkey)))
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "\"%s\": a key of a kind that is not used here; use Ed25519, ECDSA P-256 or RSA", what);
	int bits = EVP_PKEY_get_bits(pkey);
	if (kind == ASH_KEY_RSA && (bits < RSA_LEAST_BITS || bits > RSA_MOST_BITS))
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\": an RSA key of %d bits; %d to %d are taken", what, bits,
				      RSA_LEAST_BITS, RSA_MOST_BITS);
	AshKey *key = g_new0(AshKey, 1);
	g_atomic_ref_count_init(&key->references);
	key->kind = kind;
	key->is_private = is_private;
	key->pkey = g_steal_pointer(&owned);
	return key;
}

void
ash_key_keep_token(AshKey *key, gpointer token, GDestroyNotify free_token)
{
	key->token = token;
	key->free_token = free_token;
}

EVP_PKEY *
ash_key_get_evp(const AshKey *key)
{
	return key->pkey;
}

AshKey *
ash_key_generate(AshKeyKind kind, GError **error)
{
	EVP_PKEY *pkey = NULL;

	if (kind == ASH_KEY_RSA)
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) RSA_NEW_BITS);
	else if (kind == ASH_KEY_ECDSA_P256)
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	else
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (pkey == NULL) {
		g_autofree char *problem = ash_key_dup_openssl_error();
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "cannot generate a key: %s", problem);
	}
	return ash_key_new_from_evp(pkey, true, "new key", error);
}

AshKey *
ash_key_new_ed25519(const guint8 bytes[ASH_ED25519_PUBLIC_BYTES], GError **error)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, ASH_ED25519_PUBLIC_BYTES);

	if (pkey == NULL) {
		ERR_clear_error();
		return ash_throw_null(error, ASH_ERROR_TRUST, "not an Ed25519 public key");
	}
	return ash_key_new_from_evp(pkey, false, "Ed25519 key", error);
}

AshKey *
ash_key_new_from_public_pem(const char *pem, GError **error)
{
	g_autoptr(BIO) bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

	if (pkey == NULL) {
		ERR_clear_error();
		return ash_throw_null(error, ASH_ERROR_TRUST, "not a public key in PEM");
	}
	AshKey *key = ash_key_new_from_evp(pkey, false, "public key", error);
	if (key == NULL && error != NULL && *error != NULL)
		(*error)->code = ASH_ERROR_TRUST;
	return key;
}

AshKey *
ash_key_ref(AshKey *key)
{
	g_atomic_ref_count_inc(&key->references);
	return key;
}

void
ash_key_unref(AshKey *key)
{
	if (key == NULL || !g_atomic_ref_count_dec(&key->references))
		return;
	EVP_PKEY_free(key->pkey);
	if (key->free_token != NULL)
		key->free_token(key->token);
	g_free(key);
}

AshKeyKind
ash_key_get_kind(const AshKey *key)
{
	return key->kind;
}

bool
ash_key_is_private(const AshKey *key)
{
	return key->is_private;
}

bool
ash_key_is_equal(const AshKey *a, const AshKey *b)
{
	return a == b || (a->kind == b->kind && EVP_PKEY_eq(a->pkey, b->pkey) == 1);
}

char *
ash_key_dup_public_pem(const AshKey *key)
{
	g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
	char *text;

	/* Only lack of memory can fail here. */
	bool written = bio != NULL && PEM_write_bio_PUBKEY(bio, key->pkey) == 1;
	g_assert(written);
	long length = BIO_get_mem_data(bio, &text);
	return g_strndup(text, (gsize) length);
}

char *
ash_key_dup_ed25519_hex(const AshKey *key)
{
	guint8 bytes[ASH_ED25519_PUBLIC_BYTES];
	size_t length = sizeof(bytes);

	if (key->kind != ASH_KEY_ED25519 || EVP_PKEY_get_raw_public_key(key->pkey, bytes, &length) != 1)
		return NULL;
	return ash_hex_encode(bytes, length);
}

/* What Ed25519 hashes, it hashes itself. */
static const EVP_MD *
digest_of(const AshKey *key)
{
	return key->kind == ASH_KEY_ED25519 ? NULL : EVP_sha256();
}

static bool
set_padding(const AshKey *key, EVP_PKEY_CTX *context, int salt_length)
{
	return key->kind != ASH_KEY_RSA || (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
					    EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt_length) == 1);
}

GBytes *
ash_key_sign(const AshKey *key, const void *data, gsize length, GError **error)
{
	g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters = NULL;
	size_t size = 0;

	if (!key->is_private)
		return ash_throw_null(error, ASH_ERROR_USAGE, "a public key cannot sign; give the private one");
	if (context != NULL && EVP_DigestSignInit(context, &parameters, digest_of(key), NULL, key->pkey) == 1 &&
	    set_padding(key, parameters, RSA_PSS_SALTLEN_DIGEST) && EVP_DigestSign(context, NULL, &size, data, length) == 1) {
		g_autofree guint8 *signature = g_malloc(size);
		if (EVP_DigestSign(context, signature, &size, data, length) == 1)
			return g_bytes_new_take(g_steal_pointer(&signature), size);
	}
	g_autofree char *problem = ash_key_dup_openssl_error();
	return ash_throw_null(error, ASH_ERROR_INTERNAL, "cannot sign with the %s key: %s", kinds[key->kind].name, problem);
}

GBytes *
ash_key_sign_pkcs1(const AshKey *key, const void *data, gsize length, GError **error)
{
	g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters = NULL;
	size_t size = 0;

	if (!key->is_private || key->kind != ASH_KEY_RSA)
		return ash_throw_null(error, ASH_ERROR_USAGE, "a private RSA key is needed");
	if (context != NULL && EVP_DigestSignInit(context, &parameters, EVP_sha256(), NULL, key->pkey) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PADDING) == 1 && EVP_DigestSign(context, NULL, &size, data, length) == 1) {
		g_autofree guint8 *signature = g_malloc(size);
		if (EVP_DigestSign(context, signature, &size, data, length) == 1)
			return g_bytes_new_take(g_steal_pointer(&signature), size);
	}
	g_autofree char *problem = ash_key_dup_openssl_error();
	return ash_throw_null(error, ASH_ERROR_INTERNAL, "cannot sign with the RSA key: %s", problem);
}

char *
ash_key_dup_fingerprint(const AshKey *key)
{
	unsigned char *der = NULL;
	int length = i2d_PublicKey(key->pkey, &der);
	char *hex = length > 0 ? ash_sha256_hex(der, length) : NULL;

	OPENSSL_free(der);
	return hex;
}

bool
ash_key_verify(const AshKey *key, const void *signature, gsize signature_length, const void *data, gsize length)
{
	g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters = NULL;

	bool ok = context != NULL && signature_length > 0 &&
		  EVP_DigestVerifyInit(context, &parameters, digest_of(key), NULL, key->pkey) == 1 &&
		  set_padding(key, parameters, RSA_PSS_SALTLEN_AUTO) &&
		  EVP_DigestVerify(context, signature, signature_length, data, length) == 1;
	ERR_clear_error();
	return ok;
}
