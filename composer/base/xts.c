/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/xts.h"

#include "base/error.h"

#include <openssl/evp.h>
#include <string.h>

/* dm-crypt counts sectors of this size whatever the size of those that it encrypts. */
#define TWEAK_UNIT_BYTES 512

struct AshXts {
	EVP_CIPHER_CTX *encrypt, *decrypt;
};

static EVP_CIPHER_CTX *
new_context(const EVP_CIPHER *cipher, const guint8 *key, int encrypt)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (context != NULL && EVP_CipherInit_ex(context, cipher, NULL, key, NULL, encrypt) == 1)
		return context;
	EVP_CIPHER_CTX_free(context);
	return NULL;
}

AshXts *
ash_xts_new(const guint8 *key, gsize key_bytes, GError **error)
{
	const EVP_CIPHER *cipher = key_bytes == 64 ? EVP_aes_256_xts() : EVP_aes_128_xts();
	g_autoptr(AshXts) xts = g_new0(AshXts, 1);

	g_return_val_if_fail(key_bytes == 32 || key_bytes == 64, NULL);
	xts->encrypt = new_context(cipher, key, 1);
	xts->decrypt = new_context(cipher, key, 0);
	if (xts->encrypt == NULL || xts->decrypt == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "OpenSSL does not take the key for aes-xts");
	return g_steal_pointer(&xts);
}

void
ash_xts_free(AshXts *xts)
{
	if (xts == NULL)
		return;
	EVP_CIPHER_CTX_free(xts->encrypt);
	EVP_CIPHER_CTX_free(xts->decrypt);
	g_free(xts);
}

static gboolean
run(EVP_CIPHER_CTX *context, guint64 offset, gsize sector_bytes, guint8 *data, gsize length, GError **error)
{
	g_return_val_if_fail(offset % sector_bytes == 0 && length % sector_bytes == 0, FALSE);
	g_return_val_if_fail(sector_bytes >= TWEAK_UNIT_BYTES && sector_bytes <= ASH_XTS_MAX_SECTOR_BYTES, FALSE);
	for (gsize at = 0; at < length; at += sector_bytes) {
		const guint64 number = GUINT64_TO_LE((offset + at) / TWEAK_UNIT_BYTES);
		guint8 tweak[16] = { 0 };
		int written = 0;

		memcpy(tweak, &number, sizeof(number));
		/* The key is kept, the direction too. */
		if (EVP_CipherInit_ex(context, NULL, NULL, NULL, tweak, -1) != 1 ||
		    EVP_CipherUpdate(context, data + at, &written, data + at, (int) sector_bytes) != 1 || written != (int) sector_bytes)
			return ash_throw(error, ASH_ERROR_INTERNAL, "OpenSSL cannot encrypt with aes-xts");
	}
	return TRUE;
}

gboolean
ash_xts_encrypt(AshXts *xts, guint64 offset, gsize sector_bytes, guint8 *data, gsize length, GError **error)
{
	return run(xts->encrypt, offset, sector_bytes, data, length, error);
}

gboolean
ash_xts_decrypt(AshXts *xts, guint64 offset, gsize sector_bytes, guint8 *data, gsize length, GError **error)
{
	return run(xts->decrypt, offset, sector_bytes, data, length, error);
}
