/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/pkcs7.h"
#include "disk/io/content.h"

/**
 * Signatures in PE images, which firmware checks before it starts one (UEFI 2.10 32.5; Microsoft "Windows Authenticode Portable Executable Signature
 * Format" 1.0). SHA-256 only.
 */

/** A signature that an image carries. */
typedef struct {
	AshCertificate *signer;            /* NULL if it cannot be read */
	guint8 covered[ASH_SHA256_SIZE];   /* the digest that it is of */
	bool is_right;                     /* it is of this image, and by the key of @signer */
	char *problem;                     /* why not; else NULL */
} AshAuthenticode;

/**
 * The digest of @image that a signature covers: all but the checksum, the place of the certificate table, and the table. A length that is no multiple of 8
 * counts as padded with zeros. ASH_ERROR_CONFIG if @image is no PE32+ image, or has gaps between its sections, which some programs would hash and others not.
 */
gboolean ash_authenticode_digest(AshContent *image, guint8 ret_digest[ASH_SHA256_SIZE], GError **error);

/** @image without the signatures that it has, with one by @signer. Shares what it can. Same arguments, same bytes. Owned. */
AshContent *ash_authenticode_sign(AshContent *image, const AshSigner *signer, GError **error);

/** The signatures of @image (GPtrArray of AshAuthenticode, owned), in their order. ASH_ERROR_CONFIG as for the digest, or for a broken table. */
GPtrArray *ash_authenticode_list(AshContent *image, GError **error);

/** True if @image carries a signature, whatever it is worth; what is no PE image does not. */
bool ash_authenticode_is_signed(AshContent *image);
