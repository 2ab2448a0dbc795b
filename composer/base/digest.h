/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** SHA-256 (FIPS 180-4), the digest of everything here. */
#define ASH_SHA256_SIZE 32
#define ASH_SHA256_HEX_SIZE 65 /* with NUL */

/**
 * To be called by a program first of all: OpenSSL does not tidy up at exit(3) then. Threads of a pool may still be about to end, and
 * would use what is gone by then.
 */
void ash_digest_prepare(void);

/** An incremental SHA-256. Free with ash_digest_free(). */
typedef struct AshDigest AshDigest;
AshDigest *ash_digest_new(void);
/** An incremental SHA-384 (FIPS 180-4), for formats of others: as any AshDigest, but only ash_digest_finish_hex() ends it. */
AshDigest *ash_digest_new_sha384(void);
void ash_digest_free(AshDigest *digest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshDigest, ash_digest_free)

/** Feeds bytes. */
void ash_digest_update(AshDigest *digest, const void *data, gsize length);
/** Feeds @length zeros. */
void ash_digest_update_zeros(AshDigest *digest, guint64 length);
/** Feeds a string and its NUL, so that ("ab","c") and ("a","bc") differ; NULL counts as "absent". */
void ash_digest_update_string(AshDigest *digest, const char *text);
/** Begins anew, at less cost than ash_digest_new(). */
void ash_digest_reset(AshDigest *digest);
/** The same state, to go on another way. Owned. */
AshDigest *ash_digest_copy(const AshDigest *digest);
/** Finishes into @ret_sum; @digest can only be freed or reset afterwards. */
void ash_digest_finish(AshDigest *digest, guint8 ret_sum[ASH_SHA256_SIZE]);
/** Finishes; lower-case hex. Owned. */
char *ash_digest_finish_hex(AshDigest *digest);

/** One call for a buffer. */
void ash_sha256(const void *data, gsize length, guint8 ret_sum[ASH_SHA256_SIZE]);
/** One call for a buffer; @length -1 for a string. Lower-case hex, owned. */
char *ash_sha256_hex(const void *data, gssize length);
/** SHA-512 (FIPS 180-4), for metadata of others. Lower-case hex, owned. */
char *ash_sha512_hex(const void *data, gsize length);
/** The digest of a whole open file from offset 0, its position untouched; holes are not read. Owned hex; NULL on failure. */
char *ash_sha256_fd_hex(int fd, GError **error);

/** Lower-case hex of @data. Owned. */
char *ash_hex_encode(const void *data, gsize length);
/** True for exactly @digits lower-case hex digits; false for NULL. */
bool ash_hex_is(const char *text, gsize digits);
/** Parses exactly @length bytes of hex; FALSE (no error) if @hex is anything else. */
gboolean ash_hex_decode(const char *hex, guint8 *ret_data, gsize length);

/** A UUID as 16 bytes in the order they are printed (RFC 9562 4). */
typedef struct {
	guint8 bytes[16];
} AshUuid;

#define ASH_UUID_STRING_SIZE 37 /* with NUL */

/** FALSE (no error) if @text is not a UUID. */
gboolean ash_uuid_parse(const char *text, AshUuid *ret_uuid);
void ash_uuid_format(const AshUuid *uuid, char ret_text[ASH_UUID_STRING_SIZE]);
/** Owned string form, lower case. */
char *ash_uuid_to_string(const AshUuid *uuid);
/**
 * A version 4 UUID = HMAC-SHA256 keyed by @seed over @purpose, as systemd-repart derives its own: the same
 * seed and purpose ("disk", "esp", "root-a-fs") always give the same identifier.
 */
AshUuid ash_uuid_derive(const AshUuid *seed, const char *purpose);
/** HMAC-SHA256 keyed by @seed over @purpose, for salts. */
void ash_seed_derive(const AshUuid *seed, const char *purpose, guint8 ret_sum[ASH_SHA256_SIZE]);
