/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/pkcs7.h"

#include "base/certificateevp.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/keyevp.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pkcs7.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PKCS7, PKCS7_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ASN1_OBJECT, ASN1_OBJECT_free)

/* Only what is in the list of signers counts, whoever issued their certificates and for what. */
#define VERIFY_FLAGS (PKCS7_NOVERIFY | PKCS7_BINARY)

gboolean
ash_signer_check(const AshSigner *signer, GError **error)
{
	if (ash_key_get_kind(signer->key) != ASH_KEY_RSA || !ash_key_is_private(signer->key))
		return ash_throw(error, ASH_ERROR_USAGE, "the key is not a private RSA key, and firmware checks no other (\"openssl genrsa 2048\")");
	if (!ash_certificate_is_of(signer->certificate, signer->key)) {
		g_autofree char *subject = ash_certificate_dup_subject(signer->certificate);
		return ash_throw(error, ASH_ERROR_USAGE, "the certificate \"%s\" is not of this key", subject);
	}
	return TRUE;
}

static gboolean
throw_openssl(GError **error, const char *what)
{
	g_autofree char *problem = ash_key_dup_openssl_error();

	return ash_throw(error, ASH_ERROR_INTERNAL, "cannot %s: %s", what, problem);
}

/* SignedData without content yet, and its one signer, which belongs to it. */
static PKCS7 *
new_signed(const AshSigner *signer, PKCS7_SIGNER_INFO **ret_info)
{
	X509 *x509 = ash_certificate_get_x509(signer->certificate);
	g_autoptr(PKCS7) signed_data = PKCS7_new();
	PKCS7_SIGNER_INFO *info = PKCS7_SIGNER_INFO_new();

	/* The public part is all that is asked for: the kind of key. */
	if (signed_data == NULL || info == NULL || PKCS7_set_type(signed_data, NID_pkcs7_signed) != 1 ||
	    PKCS7_SIGNER_INFO_set(info, x509, X509_get0_pubkey(x509), EVP_sha256()) != 1 || PKCS7_add_signer(signed_data, info) != 1) {
		PKCS7_SIGNER_INFO_free(info);
		return NULL;
	}
	*ret_info = info;
	return g_steal_pointer(&signed_data);
}

static gboolean
set_signature(PKCS7_SIGNER_INFO *info, const AshSigner *signer, const void *data, gsize length, GError **error)
{
	g_autoptr(GBytes) signature = ash_key_sign_pkcs1(signer->key, data, length, error);
	gsize size;

	if (signature == NULL)
		return FALSE;
	const void *bytes = g_bytes_get_data(signature, &size);
	return ASN1_OCTET_STRING_set(info->enc_digest, bytes, (int) size) == 1 || throw_openssl(error, "make a signature");
}

static GBytes *
encode(PKCS7 *signed_data, GError **error)
{
	unsigned char *der = NULL;
	int length = i2d_PKCS7(signed_data, &der);

	if (length <= 0)
		return throw_openssl(error, "encode a signature"), NULL;
	GBytes *bytes = g_bytes_new(der, (gsize) length);
	OPENSSL_free(der);
	return bytes;
}

GBytes *
ash_pkcs7_sign_detached(const AshSigner *signer, const void *data, gsize length, GError **error)
{
	PKCS7_SIGNER_INFO *info = NULL;
	g_autoptr(PKCS7) signed_data = new_signed(signer, &info);

	if (signed_data == NULL || PKCS7_content_new(signed_data, NID_pkcs7_data) != 1 || PKCS7_set_detached(signed_data, 1) != 1)
		return throw_openssl(error, "make a signature"), NULL;
	return set_signature(info, signer, data, length, error) ? encode(signed_data, error) : NULL;
}

static PKCS7 *
decode(GBytes *der, GError **error)
{
	gsize length;
	const unsigned char *data = g_bytes_get_data(der, &length);
	PKCS7 *signed_data = length > 0 && length <= G_MAXINT32 ? d2i_PKCS7(NULL, &data, (long) length) : NULL;

	if (signed_data != NULL && PKCS7_type_is_signed(signed_data) && signed_data->d.sign != NULL)
		return signed_data;
	ERR_clear_error();
	PKCS7_free(signed_data);
	return ash_throw_null(error, ASH_ERROR_TRUST, "it is no signature in PKCS #7 (DER)");
}

gboolean
ash_pkcs7_verify_detached(GBytes *der, const AshCertificate *certificate, const void *data, gsize length, GError **error)
{
	g_autoptr(PKCS7) signed_data = decode(der, error);
	g_autoptr(BIO) bio = BIO_new_mem_buf(data, (int) length);
	STACK_OF(X509) *others = sk_X509_new_null();

	if (signed_data == NULL || bio == NULL || others == NULL || sk_X509_push(others, ash_certificate_get_x509(certificate)) == 0) {
		sk_X509_free(others);
		return signed_data == NULL ? FALSE : throw_openssl(error, "check a signature");
	}
	/* NOINTERN: certificates that the signature brings along are nobody we know. */
	bool good = PKCS7_get_detached(signed_data) && PKCS7_verify(signed_data, others, NULL, bio, NULL, VERIFY_FLAGS | PKCS7_NOINTERN) == 1;
	sk_X509_free(others);
	ERR_clear_error();
	if (good)
		return TRUE;
	g_autofree char *subject = ash_certificate_dup_subject(certificate);
	return ash_throw(error, ASH_ERROR_TRUST, "it is no signature of this by \"%s\"", subject);
}

/* What is in the SEQUENCE: the digest does not cover its head (RFC 2315 9.3). */
static gboolean
skip_head(GBytes *value, const unsigned char **ret_data, gsize *ret_length, GError **error)
{
	gsize size;
	const unsigned char *start = g_bytes_get_data(value, &size), *data = start;
	long length = 0;
	int tag = 0, class = 0;

	if (size == 0 || (ASN1_get_object(&data, &length, &tag, &class, (long) size) & 0x80) != 0 || tag != V_ASN1_SEQUENCE ||
	    (gsize) (data - start) + (gsize) length != size) {
		ERR_clear_error();
		return ash_throw(error, ASH_ERROR_TRUST, "its content is no sequence");
	}
	*ret_data = data;
	*ret_length = (gsize) length;
	return TRUE;
}

static bool
set_content(PKCS7 *signed_data, const ASN1_OBJECT *type, GBytes *value)
{
	PKCS7 *content = PKCS7_new();
	ASN1_STRING *text = ASN1_STRING_new();
	gsize length;
	const void *data = g_bytes_get_data(value, &length);

	if (content == NULL || text == NULL || ASN1_STRING_set(text, data, (int) length) != 1 ||
	    (content->d.other = ASN1_TYPE_new()) == NULL) {
		ASN1_STRING_free(text);
		PKCS7_free(content);
		return false;
	}
	content->type = OBJ_dup(type);
	ASN1_TYPE_set(content->d.other, V_ASN1_SEQUENCE, text);
	PKCS7_free(signed_data->d.sign->contents);
	signed_data->d.sign->contents = content;
	return true;
}

static gboolean
sign_attributes(PKCS7_SIGNER_INFO *info, const AshSigner *signer, const ASN1_OBJECT *type, const guint8 digest[ASH_SHA256_SIZE],
		GError **error)
{
	unsigned char *der = NULL;

	if (PKCS7_add_attrib_content_type(info, OBJ_dup(type)) != 1 || PKCS7_add1_attrib_digest(info, digest, ASH_SHA256_SIZE) != 1)
		return throw_openssl(error, "make a signature");
	int length = ASN1_item_i2d((ASN1_VALUE *) info->auth_attr, &der, ASN1_ITEM_rptr(PKCS7_ATTR_SIGN));
	gboolean ok = length > 0 ? set_signature(info, signer, der, (gsize) length, error) : throw_openssl(error, "make a signature");
	OPENSSL_free(der);
	return ok;
}

GBytes *
ash_pkcs7_sign_value(const AshSigner *signer, const char *oid, GBytes *value, GError **error)
{
	g_autoptr(ASN1_OBJECT) type = OBJ_txt2obj(oid, 1);
	PKCS7_SIGNER_INFO *info = NULL;
	g_autoptr(PKCS7) signed_data = new_signed(signer, &info);
	guint8 digest[ASH_SHA256_SIZE];
	const unsigned char *data;
	gsize length;

	if (!skip_head(value, &data, &length, error))
		return NULL;
	if (type == NULL || signed_data == NULL || !set_content(signed_data, type, value) ||
	    PKCS7_add_certificate(signed_data, ash_certificate_get_x509(signer->certificate)) != 1)
		return throw_openssl(error, "make a signature"), NULL;
	ash_sha256(data, length, digest);
	return sign_attributes(info, signer, type, digest, error) ? encode(signed_data, error) : NULL;
}

/* The one signer's certificate, if it is there. Borrowed. */
static X509 *
find_signer(PKCS7 *signed_data)
{
	STACK_OF(PKCS7_SIGNER_INFO) *infos = PKCS7_get_signer_info(signed_data);
	PKCS7_SIGNER_INFO *info = infos != NULL && sk_PKCS7_SIGNER_INFO_num(infos) == 1 ? sk_PKCS7_SIGNER_INFO_value(infos, 0) : NULL;

	return info != NULL ? PKCS7_cert_from_signer_info(signed_data, info) : NULL;
}

/* The content's DER, head included. Owned; NULL if it is of another type. */
static GBytes *
dup_value(PKCS7 *signed_data, const char *oid)
{
	const PKCS7 *content = signed_data->d.sign->contents;
	char text[64] = "";

	if (content == NULL || content->type == NULL || OBJ_obj2txt(text, sizeof(text), content->type, 1) <= 0 || strcmp(text, oid) != 0 ||
	    content->d.other == NULL || content->d.other->type != V_ASN1_SEQUENCE)
		return NULL;
	const ASN1_STRING *sequence = content->d.other->value.sequence;
	return g_bytes_new(ASN1_STRING_get0_data(sequence), (gsize) ASN1_STRING_length(sequence));
}

gboolean
ash_pkcs7_read(GBytes *der, const char *oid, GBytes **ret_value, AshCertificate **ret_signer, GError **error)
{
	g_autoptr(PKCS7) signed_data = decode(der, error);
	g_autoptr(GBytes) value = signed_data != NULL ? dup_value(signed_data, oid) : NULL;
	const unsigned char *data;
	gsize length;

	if (signed_data == NULL)
		return FALSE;
	X509 *signer = find_signer(signed_data);
	if (value == NULL || signer == NULL)
		return ash_throw(error, ASH_ERROR_TRUST, "the signature is of another kind, or has not one signer and its certificate");
	if (!skip_head(value, &data, &length, error))
		return FALSE;
	g_autoptr(BIO) bio = BIO_new_mem_buf(data, (int) length);
	bool good = bio != NULL && PKCS7_verify(signed_data, NULL, NULL, bio, NULL, VERIFY_FLAGS) == 1;
	ERR_clear_error();
	if (!good)
		return ash_throw(error, ASH_ERROR_TRUST, "the signature is not right: its content was changed, or it is not of its certificate's key");
	*ret_signer = ash_certificate_new_from_x509(signer);
	*ret_value = g_steal_pointer(&value);
	return TRUE;
}
