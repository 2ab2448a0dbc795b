/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* Small enough to stay in the processor's cache between being read and being hashed. */
#define READ_BYTES ((guint64) 256 * 1024)
#define ZERO_BYTES ((guint64) 16 * 1024)
/* In what struct stat counts, whatever the file system. */
#define STAT_BLOCK_BYTES 512

struct AshDigest {
	EVP_MD_CTX *md;
};

void
ash_digest_prepare(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

static AshDigest *
digest_new(const EVP_MD *algorithm)
{
	AshDigest *digest = g_new0(AshDigest, 1);

	digest->md = EVP_MD_CTX_new();
	/* Only a broken OpenSSL installation can fail here, and nothing could go on without it. */
	bool ready = digest->md != NULL && EVP_DigestInit_ex(digest->md, algorithm, NULL) == 1;
	g_assert(ready);
	return digest;
}

AshDigest *
ash_digest_new(void)
{
	return digest_new(EVP_sha256());
}

AshDigest *
ash_digest_new_sha384(void)
{
	return digest_new(EVP_sha384());
}

void
ash_digest_free(AshDigest *digest)
{
	if (digest == NULL)
		return;
	EVP_MD_CTX_free(digest->md);
	g_free(digest);
}

AshDigest *
ash_digest_copy(const AshDigest *digest)
{
	AshDigest *copy = ash_digest_new();
	bool copied = EVP_MD_CTX_copy_ex(copy->md, digest->md) == 1;

	g_assert(copied);
	return copy;
}

void
ash_digest_reset(AshDigest *digest)
{
	/* No digest named: OpenSSL need not look it up again, a tenth of the time for 4096 bytes. */
	EVP_DigestInit_ex(digest->md, NULL, NULL);
}

void
ash_digest_update(AshDigest *digest, const void *data, gsize length)
{
	EVP_DigestUpdate(digest->md, data, length);
}

void
ash_digest_update_zeros(AshDigest *digest, guint64 length)
{
	static const guint8 zeros[ZERO_BYTES];

	for (; length > 0; length -= MIN(length, ZERO_BYTES))
		ash_digest_update(digest, zeros, (gsize) MIN(length, ZERO_BYTES));
}

void
ash_digest_update_string(AshDigest *digest, const char *text)
{
	guint8 present = text != NULL;

	ash_digest_update(digest, &present, 1);
	if (text != NULL)
		ash_digest_update(digest, text, strlen(text) + 1);
}

void
ash_digest_finish(AshDigest *digest, guint8 ret_sum[ASH_SHA256_SIZE])
{
	EVP_DigestFinal_ex(digest->md, ret_sum, NULL);
}

char *
ash_digest_finish_hex(AshDigest *digest)
{
	guint8 sum[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	EVP_DigestFinal_ex(digest->md, sum, &length);
	return ash_hex_encode(sum, length);
}

void
ash_sha256(const void *data, gsize length, guint8 ret_sum[ASH_SHA256_SIZE])
{
	EVP_Digest(data, length, ret_sum, NULL, EVP_sha256(), NULL);
}

char *
ash_sha256_hex(const void *data, gssize length)
{
	guint8 sum[ASH_SHA256_SIZE];

	ash_sha256(data, length >= 0 ? (gsize) length : strlen(data), sum);
	return ash_hex_encode(sum, sizeof(sum));
}

char *
ash_sha512_hex(const void *data, gsize length)
{
	guint8 sum[SHA512_DIGEST_LENGTH];

	EVP_Digest(data, length, sum, NULL, EVP_sha512(), NULL);
	return ash_hex_encode(sum, sizeof(sum));
}

/* Feeds what is from @from up to @end, or up to where the file turns out to end. */
static gboolean
update_from_fd(AshDigest *digest, int fd, guint64 from, guint64 end, guint8 *buffer, GError **error)
{
	while (from < end) {
		gssize got = pread(fd, buffer, (gsize) MIN(end - from, READ_BYTES), (off_t) from);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ash_throw_errno(error, "cannot read");
		if (got == 0)
			return TRUE;
		ash_digest_update(digest, buffer, (gsize) got);
		from += (guint64) got;
	}
	return TRUE;
}

/* The kernel would make pages of zeros for every hole. */
static gboolean
update_from_sparse(AshDigest *digest, int fd, guint64 size, guint8 *buffer, GError **error)
{
	off_t position = lseek(fd, 0, SEEK_CUR);
	guint64 start, end;

	for (guint64 at = 0; at < size; at = end) {
		if (!ash_fd_find_data(fd, at, size, &start, &end, error))
			return FALSE;
		ash_digest_update_zeros(digest, start - at);
		if (!update_from_fd(digest, fd, start, end, buffer, error))
			return FALSE;
	}
	(void) lseek(fd, position, SEEK_SET);
	return TRUE;
}

char *
ash_sha256_fd_hex(int fd, GError **error)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree guint8 *buffer = g_malloc(READ_BYTES);
	struct stat st;
	gboolean ok;

	if (!ash_fd_stat(fd, "file", &st, error))
		return NULL;
	if (S_ISREG(st.st_mode) && st.st_blocks * STAT_BLOCK_BYTES < st.st_size)
		ok = update_from_sparse(digest, fd, (guint64) st.st_size, buffer, error);
	else
		ok = update_from_fd(digest, fd, 0, G_MAXINT64, buffer, error);
	return ok ? ash_digest_finish_hex(digest) : NULL;
}

char *
ash_hex_encode(const void *data, gsize length)
{
	static const char digits[] = "0123456789abcdef";
	const guint8 *bytes = data;
	char *hex = g_malloc(2 * length + 1);

	for (gsize i = 0; i < length; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * length] = '\0';
	return hex;
}

bool
ash_hex_is(const char *text, gsize digits)
{
	return text != NULL && strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

gboolean
ash_hex_decode(const char *hex, guint8 *ret_data, gsize length)
{
	if (strlen(hex) != 2 * length || strspn(hex, "0123456789abcdefABCDEF") != 2 * length)
		return FALSE;
	for (gsize i = 0; i < length; i++) {
		int high = g_ascii_xdigit_value(hex[2 * i]), low = g_ascii_xdigit_value(hex[2 * i + 1]);
		ret_data[i] = (guint8) (high << 4 | low);
	}
	return TRUE;
}

gboolean
ash_uuid_parse(const char *text, AshUuid *ret_uuid)
{
	g_autoptr(GString) hex = g_string_new(NULL);

	if (strlen(text) != 36)
		return FALSE;
	for (int i = 0; i < 36; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (is_dash != (text[i] == '-'))
			return FALSE;
		if (!is_dash)
			g_string_append_c(hex, text[i]);
	}
	return ash_hex_decode(hex->str, ret_uuid->bytes, sizeof(ret_uuid->bytes));
}

void
ash_uuid_format(const AshUuid *uuid, char ret_text[ASH_UUID_STRING_SIZE])
{
	const guint8 *b = uuid->bytes;

	g_snprintf(ret_text, ASH_UUID_STRING_SIZE,
		   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
		   b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

char *
ash_uuid_to_string(const AshUuid *uuid)
{
	char text[ASH_UUID_STRING_SIZE];

	ash_uuid_format(uuid, text);
	return g_strdup(text);
}

void
ash_seed_derive(const AshUuid *seed, const char *purpose, guint8 ret_sum[ASH_SHA256_SIZE])
{
	HMAC(EVP_sha256(), seed->bytes, sizeof(seed->bytes), (const guint8 *) purpose, strlen(purpose),
	     ret_sum, NULL);
}

AshUuid
ash_uuid_derive(const AshUuid *seed, const char *purpose)
{
	guint8 sum[ASH_SHA256_SIZE];
	AshUuid uuid;

	ash_seed_derive(seed, purpose, sum);
	memcpy(uuid.bytes, sum, sizeof(uuid.bytes));
	uuid.bytes[6] = (uuid.bytes[6] & 0x0f) | 0x40; /* version 4 */
	uuid.bytes[8] = (uuid.bytes[8] & 0x3f) | 0x80; /* variant of RFC 9562 */
	return uuid;
}
