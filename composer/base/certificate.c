/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/certificate.h"

#include "base/certificateevp.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/keyevp.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define MAX_FILE_BYTES (1024 * 1024)
/* RSA with 2048 bits. */
#define LEAST_SECURITY_BITS 112

struct AshCertificate {
	gatomicrefcount references;
	X509 *x509;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)

AshCertificate *
ash_certificate_new_from_x509(X509 *x509)
{
	AshCertificate *certificate = g_new0(AshCertificate, 1);

	g_atomic_ref_count_init(&certificate->references);
	X509_up_ref(x509);
	certificate->x509 = x509;
	return certificate;
}

X509 *
ash_certificate_get_x509(const AshCertificate *certificate)
{
	return certificate->x509;
}

AshCertificate *
ash_certificate_load(const char *path, GError **error)
{
	gsize length = 0;
	g_autoptr(GError) local = NULL;
	g_autofree char *text = ash_file_load(AT_FDCWD, path, MAX_FILE_BYTES, &length, &local);

	if (text == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "cannot read the certificate: %s", local->message);
	g_autoptr(BIO) bio = BIO_new_mem_buf(text, (int) length);
	const unsigned char *der = (const unsigned char *) text;
	g_autoptr(X509) x509 = memmem(text, length, "-----BEGIN ", 11) != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL)
										: d2i_X509(NULL, &der, (long) length);
	ERR_clear_error();
	if (x509 == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "\"%s\" is no X.509 certificate in PEM or DER; \"openssl req -x509 -new -key KEY -out FILE\" makes one", path);
	return ash_certificate_new_from_x509(x509);
}

AshCertificate *
ash_certificate_ref(AshCertificate *certificate)
{
	g_atomic_ref_count_inc(&certificate->references);
	return certificate;
}

void
ash_certificate_unref(AshCertificate *certificate)
{
	if (certificate == NULL || !g_atomic_ref_count_dec(&certificate->references))
		return;
	X509_free(certificate->x509);
	g_free(certificate);
}

GBytes *
ash_certificate_dup_der(const AshCertificate *certificate)
{
	unsigned char *der = NULL;
	int length = i2d_X509(certificate->x509, &der);
	GBytes *bytes = g_bytes_new(der, length > 0 ? (gsize) length : 0);

	OPENSSL_free(der);
	return bytes;
}

char *
ash_certificate_dup_fingerprint(const AshCertificate *certificate)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	X509_digest(certificate->x509, EVP_sha256(), sum, &length);
	return ash_hex_encode(sum, length);
}

char *
ash_certificate_dup_subject(const AshCertificate *certificate)
{
	g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
	char *text = NULL;

	if (bio == NULL || X509_NAME_print_ex(bio, X509_get_subject_name(certificate->x509), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0)
		return g_strdup("");
	long length = BIO_get_mem_data(bio, &text);
	return g_utf8_make_valid(text, length);
}

bool
ash_certificate_is_of(const AshCertificate *certificate, const AshKey *key)
{
	EVP_PKEY *public = X509_get0_pubkey(certificate->x509);
	bool same = public != NULL && EVP_PKEY_eq(public, ash_key_get_evp(key)) == 1;

	ERR_clear_error();
	return same;
}

static gint64
read_time(const ASN1_TIME *time)
{
	struct tm tm = { 0 };

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (gint64) timegm(&tm) : 0;
}

void
ash_certificate_get_validity(const AshCertificate *certificate, gint64 *ret_from, gint64 *ret_until)
{
	*ret_from = read_time(X509_get0_notBefore(certificate->x509));
	*ret_until = read_time(X509_get0_notAfter(certificate->x509));
}

char *
ash_certificate_dup_weakness(const AshCertificate *certificate)
{
	EVP_PKEY *public = X509_get0_pubkey(certificate->x509);
	bool is_own = (X509_get_extension_flags(certificate->x509) & EXFLAG_SS) != 0;
	int digest = NID_undef;

	ERR_clear_error();
	if (public == NULL)
		return g_strdup("its key cannot be read");
	if (EVP_PKEY_get_security_bits(public) < LEAST_SECURITY_BITS)
		return g_strdup_printf("its key (%s) has %d bits", EVP_PKEY_get0_type_name(public), EVP_PKEY_get_bits(public));
	/* What it says of itself nobody believes for its signature. */
	if (!is_own && X509_get_signature_info(certificate->x509, &digest, NULL, NULL, NULL) == 1 && (digest == NID_sha1 || digest == NID_md5))
		return g_strdup_printf("it is signed with %s", digest == NID_md5 ? "MD5" : "SHA-1");
	ERR_clear_error();
	return NULL;
}
