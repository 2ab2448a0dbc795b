/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/verity/signature.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/zero.h"

#include <string.h>

/* Where ashlar-roothash puts it. */
#define ROOT_HASH_SIGNATURE "/run/ashlar/roothash.p7s"

void
ash_verity_sig_free(AshVeritySig *sig)
{
	if (sig == NULL)
		return;
	g_free(sig->root_hash);
	g_free(sig->fingerprint);
	g_clear_pointer(&sig->signature, g_bytes_unref);
	g_free(sig);
}

static char *
encode_base64(GBytes *bytes)
{
	gsize length;
	const guchar *data = g_bytes_get_data(bytes, &length);

	return g_base64_encode(data, length);
}

GBytes *
ash_verity_sig_make(const char *root_hash, const AshBootSigner *signer, GError **error)
{
	if (signer->certificate == NULL)
		return ash_throw_null(error, ASH_ERROR_USAGE, "a signature of the root hash needs a certificate: add --secure-boot-certificate FILE");
	g_autoptr(GBytes) der = signer->sign_root_hash(signer, root_hash, error);
	if (der == NULL)
		return ash_prefix(error, "signing the root hash"), NULL;
	g_autofree char *fingerprint = ash_certificate_dup_fingerprint(signer->certificate);
	g_autofree char *signature = encode_base64(der);
	g_autofree char *text = g_strdup_printf("{\"rootHash\":\"%s\",\"certificateFingerprint\":\"%s\",\"signature\":\"%s\"}", root_hash, fingerprint,
						signature);
	if (strlen(text) > ASH_VERITY_SIG_BYTES)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the signature of the root hash is too large (%zu bytes)", strlen(text));
	char *padded = g_malloc0(ASH_VERITY_SIG_BYTES);
	memcpy(padded, text, strlen(text));
	return g_bytes_new_take(padded, ASH_VERITY_SIG_BYTES);
}

/* systemd-veritysetup-generator(8). The signature itself would be too long, and has to be made after what is signed with the command line. */
const char *
ash_verity_sig_cmdline(const AshSecureBoot *how)
{
	return how->verity_by_kernel ? "systemd.verity_root_options=root-hash-signature=" ROOT_HASH_SIGNATURE : NULL;
}

static bool
is_digest(const char *text)
{
	guint8 digest[ASH_SHA256_SIZE];

	return text != NULL && ash_hex_decode(text, digest, sizeof(digest));
}

AshVeritySig *
ash_verity_sig_parse(const char *data, gsize length, GError **error)
{
	gsize used = strnlen(data, length), signature_bytes = 0;
	JsonObject *object = NULL;

	if (used > 0 && ash_is_zero((const guint8 *) data + used, length - used))
		object = ash_json_parse_object(data, (gssize) used, "verity signature", NULL);
	if (object == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "it is no signature of a root hash: no JSON object");
	g_autoptr(AshVeritySig) sig = g_new0(AshVeritySig, 1);
	const char *base64 = ash_json_get_string_optional(object, "signature");
	sig->root_hash = g_strdup(ash_json_get_string_optional(object, "rootHash"));
	sig->fingerprint = g_strdup(ash_json_get_string_optional(object, "certificateFingerprint"));
	guchar *signature = base64 != NULL ? g_base64_decode(base64, &signature_bytes) : NULL;
	sig->signature = g_bytes_new_take(signature, signature_bytes);
	json_object_unref(object);
	if (is_digest(sig->root_hash) && is_digest(sig->fingerprint) && signature_bytes > 0)
		return g_steal_pointer(&sig);
	return ash_throw_null(error, ASH_ERROR_CONFIG, "it is no signature of a root hash: \"rootHash\", \"certificateFingerprint\" or \"signature\" is missing or wrong");
}
