/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** A key for signatures, with its private part or only the public one. Immutable once made. */
typedef struct AshKey AshKey;

typedef enum {
	ASH_KEY_ED25519,    /* RFC 8032, the default */
	ASH_KEY_ECDSA_P256, /* with SHA-256, FIPS 186-5: what tokens and TPMs can do */
	ASH_KEY_RSA,        /* RSASSA-PSS with SHA-256, RFC 8017, 2048 to 8192 bits */
} AshKeyKind;

#define ASH_ED25519_PUBLIC_BYTES 32

/** A new private key (RSA: 3072 bits). Owned; ASH_ERROR_INTERNAL if OpenSSL cannot. */
AshKey *ash_key_generate(AshKeyKind kind, GError **error);
/** A public key of its 32 bytes. Owned; ASH_ERROR_TRUST. */
AshKey *ash_key_new_ed25519(const guint8 bytes[ASH_ED25519_PUBLIC_BYTES], GError **error);
/** A public key from PEM (RFC 7468 SubjectPublicKeyInfo). Owned; ASH_ERROR_TRUST. */
AshKey *ash_key_new_from_public_pem(const char *pem, GError **error);
AshKey *ash_key_ref(AshKey *key);
void ash_key_unref(AshKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshKey, ash_key_unref)

/** What kind of key it is. */
AshKeyKind ash_key_get_kind(const AshKey *key);
/** "ed25519", "ecdsa", "rsa": as on the command line. Static. */
const char *ash_key_kind_to_string(AshKeyKind kind);
/** FALSE (no error) if @text is none of these. */
gboolean ash_key_kind_parse(const char *text, AshKeyKind *ret_kind);
/** True if it can sign. */
bool ash_key_is_private(const AshKey *key);
/** True if both have the same public part, however they were named or written. */
bool ash_key_is_equal(const AshKey *a, const AshKey *b);

/** The public part as SubjectPublicKeyInfo in PEM. Owned. */
char *ash_key_dup_public_pem(const AshKey *key);
/** The SHA-256 in hex of the public part in DER without what says its kind (RSA: RSAPublicKey of RFC 8017 A.1.1), as systemd has it. Owned. */
char *ash_key_dup_fingerprint(const AshKey *key);
/** The 32 bytes of an Ed25519 key as hex; NULL for other kinds. Owned. */
char *ash_key_dup_ed25519_hex(const AshKey *key);

/** The signature of @data: 64 bytes for Ed25519, DER for ECDSA. Owned; ASH_ERROR_USAGE for a public key. */
GBytes *ash_key_sign(const AshKey *key, const void *data, gsize length, GError **error);
/**
 * As ash_key_sign() for RSA, but by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2): what TPMs and firmware check. Owned; ASH_ERROR_USAGE for other keys.
 */
GBytes *ash_key_sign_pkcs1(const AshKey *key, const void *data, gsize length, GError **error);

/** True if @signature is one of @data by @key. Malformed signatures are just not. */
bool ash_key_verify(const AshKey *key, const void *signature, gsize signature_length, const void *data, gsize length);
