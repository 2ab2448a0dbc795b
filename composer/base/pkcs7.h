/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/certificate.h"

/**
 * Signatures as PKCS #7 SignedData (RFC 2315) with SHA-256 and RSASSA-PKCS1-v1_5: what firmware and the kernel check. They name no time: the same
 * key and content give the same bytes.
 */

/** Who signs: a private RSA key, and the certificate of its public part. Borrowed. */
typedef struct {
	const AshKey *key;
	const AshCertificate *certificate;
} AshSigner;

/** Whether @signer can sign, and its certificate is that of its key: ASH_ERROR_USAGE. */
gboolean ash_signer_check(const AshSigner *signer, GError **error);

/** The DER of a signature of @data, which is not in it; nor are attributes or certificates. Owned. */
GBytes *ash_pkcs7_sign_detached(const AshSigner *signer, const void *data, gsize length, GError **error);

/** ASH_ERROR_TRUST unless @der is such a signature of @data by the key of @certificate. */
gboolean ash_pkcs7_verify_detached(GBytes *der, const AshCertificate *certificate, const void *data, gsize length, GError **error);

/**
 * The DER of a signature that holds @value, the DER of a SEQUENCE whose type is the object identifier @oid ("1.3.6..."), the certificate, and the
 * attributes content type and message digest. Owned.
 */
GBytes *ash_pkcs7_sign_value(const AshSigner *signer, const char *oid, GBytes *value, GError **error);

/**
 * Reads such a signature: *@ret_value is its content, *@ret_signer the certificate of who made it, both owned. Trust is the caller's to decide: it is only
 * checked that the key of the certificate has signed. ASH_ERROR_TRUST.
 */
gboolean ash_pkcs7_read(GBytes *der, const char *oid, GBytes **ret_value, AshCertificate **ret_signer, GError **error);
