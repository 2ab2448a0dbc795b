/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/uki/pcr.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define PCR 11
/* The only one in which secrets are to be had. */
#define PHASE "enter-initrd"
/* From this version on the stub measures .uname and .sbat as well. */
#define STUB_WITH_MORE 254
#define STUB_MAGIC     "#### LoaderInfo: systemd-stub "

/* TPM 2.0 part 2, 6.5.2 and 6.3: TPM_CC_PolicyPCR; one selection, of TPM_ALG_SHA256, three bytes of bits of which number 11 is set. */
static const guint8 policy_command[] = { 0x00, 0x00, 0x01, 0x7f };
static const guint8 policy_selection[] = { 0x00, 0x00, 0x00, 0x01, 0x00, 0x0b, 0x03, 0x00, 1 << (PCR - 8), 0x00 };

static void
extend(guint8 pcr[ASH_SHA256_SIZE], const guint8 sum[ASH_SHA256_SIZE])
{
	guint8 both[2 * ASH_SHA256_SIZE];

	memcpy(both, pcr, ASH_SHA256_SIZE);
	memcpy(both + ASH_SHA256_SIZE, sum, ASH_SHA256_SIZE);
	ash_sha256(both, sizeof(both), pcr);
}

static void
extend_data(guint8 pcr[ASH_SHA256_SIZE], const void *data, gsize length)
{
	guint8 sum[ASH_SHA256_SIZE];

	ash_sha256(data, length, sum);
	extend(pcr, sum);
}

/* Name with its NUL, then content; nothing for a section that is not there. */
static gboolean
extend_section(guint8 pcr[ASH_SHA256_SIZE], const char *name, AshContent *content, GError **error)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	guint8 sum[ASH_SHA256_SIZE];

	if (content == NULL || ash_content_get_size(content) == 0)
		return TRUE;
	if (!ash_content_update_digest(content, digest, error))
		return ash_prefix(error, "section \"%s\"", name);
	ash_digest_finish(digest, sum);
	extend_data(pcr, name, strlen(name) + 1);
	extend(pcr, sum);
	return TRUE;
}

static gboolean
extend_bytes(guint8 pcr[ASH_SHA256_SIZE], const char *name, GBytes *bytes, GError **error)
{
	g_autoptr(AshContent) content = bytes != NULL ? ash_content_new_from_bytes(bytes) : NULL;

	return extend_section(pcr, name, content, error);
}

static gboolean
extend_text(guint8 pcr[ASH_SHA256_SIZE], const char *name, const char *text, GError **error)
{
	g_autoptr(GBytes) bytes = text != NULL ? g_bytes_new(text, strlen(text)) : NULL;

	return extend_bytes(pcr, name, bytes, error);
}

/* The number in "systemd-stub 252.39-1"; 0 if the stub does not say. */
static int
get_stub_version(GBytes *stub, const GArray *sections)
{
	g_autofree char *magic = ash_uki_get_text(stub, sections, ".sdmagic");

	return magic != NULL && g_str_has_prefix(magic, STUB_MAGIC) ? atoi(magic + strlen(STUB_MAGIC)) : 0;
}

/* In the order that the stub has for them, whatever theirs in the image is. */
gboolean
ash_pcr_predict(const AshUkiParts *parts, guint8 ret_value[ASH_SHA256_SIZE], GError **error)
{
	g_autoptr(GArray) sections = ash_uki_list(parts->stub, error);
	guint8 pcr[ASH_SHA256_SIZE] = { 0 };
	int version;

	if (sections == NULL)
		return FALSE;
	version = get_stub_version(parts->stub, sections);
	if (version == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "the stub does not say its version in a section \".sdmagic\": only systemd-stub is known");
	if (!extend_section(pcr, ".linux", parts->linux_, error) || !extend_bytes(pcr, ".osrel", parts->osrel, error) ||
	    !extend_text(pcr, ".cmdline", parts->cmdline, error) || !extend_section(pcr, ".initrd", parts->initrd, error))
		return FALSE;
	if (version >= STUB_WITH_MORE) {
		g_autoptr(GBytes) sbat = ash_uki_get(parts->stub, sections, ".sbat");

		if (!extend_text(pcr, ".uname", parts->uname, error) || !extend_bytes(pcr, ".sbat", sbat, error))
			return FALSE;
	}
	if (!extend_bytes(pcr, ".pcrpkey", parts->pcrpkey, error))
		return FALSE;
	extend_data(pcr, PHASE, strlen(PHASE));
	memcpy(ret_value, pcr, sizeof(pcr));
	return TRUE;
}

void
ash_pcr_make_policy(const guint8 value[ASH_SHA256_SIZE], guint8 ret_policy[ASH_SHA256_SIZE])
{
	static const guint8 start[ASH_SHA256_SIZE] = { 0 };
	g_autoptr(AshDigest) digest = ash_digest_new();
	guint8 values[ASH_SHA256_SIZE];

	ash_sha256(value, ASH_SHA256_SIZE, values);
	ash_digest_update(digest, start, sizeof(start));
	ash_digest_update(digest, policy_command, sizeof(policy_command));
	ash_digest_update(digest, policy_selection, sizeof(policy_selection));
	ash_digest_update(digest, values, sizeof(values));
	ash_digest_finish(digest, ret_policy);
}

static char *
format_signature(const AshKey *key, const guint8 policy[ASH_SHA256_SIZE], GError **error)
{
	g_autoptr(GBytes) signature = ash_key_sign_pkcs1(key, policy, ASH_SHA256_SIZE, error);
	g_autofree char *fingerprint = ash_key_dup_fingerprint(key);
	g_autofree char *policy_hex = ash_hex_encode(policy, ASH_SHA256_SIZE);
	gsize length;

	if (signature == NULL)
		return NULL;
	const guint8 *data = g_bytes_get_data(signature, &length);
	g_autofree char *base64 = g_base64_encode(data, length);
	return g_strdup_printf("{\"sha256\":[{\"pcrs\":[%d],\"pkfp\":\"%s\",\"pol\":\"%s\",\"sig\":\"%s\"}]}\n", PCR, fingerprint, policy_hex, base64);
}

gboolean
ash_pcr_sign(AshUkiParts *parts, const AshKey *key, GBytes **ret_public, GBytes **ret_signature, GError **error)
{
	guint8 value[ASH_SHA256_SIZE], policy[ASH_SHA256_SIZE];
	g_autoptr(GBytes) public = NULL;
	char *pem, *text;

	if (ash_key_get_kind(key) != ASH_KEY_RSA || !ash_key_is_private(key))
		return ash_throw(error, ASH_ERROR_CONFIG, "the key for PCR signatures must be a private one of kind RSA: systemd takes no other");
	pem = ash_key_dup_public_pem(key);
	public = g_bytes_new_take(pem, strlen(pem));
	parts->pcrpkey = public;
	if (!ash_pcr_predict(parts, value, error))
		return FALSE;
	ash_pcr_make_policy(value, policy);
	text = format_signature(key, policy, error);
	if (text == NULL)
		return FALSE;
	*ret_public = g_steal_pointer(&public);
	*ret_signature = g_bytes_new_take(text, strlen(text));
	parts->pcrsig = *ret_signature;
	return TRUE;
}
