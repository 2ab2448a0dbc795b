/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/secureboot/bootsigner.h"

#include "disk/secureboot/authenticode.h"

#include <string.h>

static AshContent *
sign_image(const AshBootSigner *signer, const char *name, AshContent *image, GError **error)
{
	return ash_authenticode_sign(image, signer->data, error);
}

static GBytes *
sign_root_hash(const AshBootSigner *signer, const char *root_hash, GError **error)
{
	return ash_pkcs7_sign_detached(signer->data, root_hash, strlen(root_hash), error);
}

gboolean
ash_boot_signer_init_key(AshBootSigner *ret, const AshSigner *key, GError **error)
{
	if (!ash_signer_check(key, error))
		return FALSE;
	*ret = (AshBootSigner) {
		.sign_image = sign_image,
		.sign_root_hash = sign_root_hash,
		.certificate = key->certificate,
		.data = key,
		.identity = ash_certificate_dup_fingerprint(key->certificate),
	};
	return TRUE;
}
