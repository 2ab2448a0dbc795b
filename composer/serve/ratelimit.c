/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/ratelimit.h"

#include <string.h>

/* IPv4 addresses mapped into IPv6 and plain ones are the same host. */
typedef struct {
	guint8 bytes[8];
	bool is_v4;
} Key;

typedef struct {
	Key key;
	double tokens;
	gint64 time; /* when @tokens was right, microseconds */
	GList link;  /* in AshRateLimit.recent */
} Bucket;

struct AshRateLimit {
	double per_microsecond, burst;
	guint max;
	GHashTable *buckets; /* of Bucket, by its key */
	GQueue recent;       /* of Bucket: the quietest first */
};

static guint
key_hash(gconstpointer data)
{
	const Key *key = data;
	guint64 value;

	memcpy(&value, key->bytes, sizeof(value));
	return (guint) (value ^ value >> 32) * 2654435761u;
}

static gboolean
key_equal(gconstpointer a, gconstpointer b)
{
	const Key *one = a, *other = b;

	return one->is_v4 == other->is_v4 && memcmp(one->bytes, other->bytes, sizeof(one->bytes)) == 0;
}

static Key
make_key(GInetAddress *address)
{
	static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff };
	const guint8 *bytes = g_inet_address_to_bytes(address);
	const gsize size = g_inet_address_get_native_size(address);
	Key key = { .is_v4 = size == 4 };

	if (size == 16 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		key.is_v4 = true;
		bytes += sizeof(mapped);
	}
	memcpy(key.bytes, bytes, key.is_v4 ? 4 : 8);
	return key;
}

AshRateLimit *
ash_rate_limit_new(guint per_minute, guint burst, guint max_addresses)
{
	AshRateLimit *limit = g_new0(AshRateLimit, 1);

	limit->per_microsecond = (double) per_minute / 60 / G_USEC_PER_SEC;
	limit->burst = burst;
	limit->max = max_addresses;
	limit->buckets = g_hash_table_new_full(key_hash, key_equal, NULL, g_free);
	g_queue_init(&limit->recent);
	return limit;
}

void
ash_rate_limit_free(AshRateLimit *limit)
{
	if (limit == NULL)
		return;
	g_hash_table_unref(limit->buckets);
	g_free(limit);
}

static Bucket *
find_bucket(AshRateLimit *limit, const Key *key, gint64 now)
{
	Bucket *bucket = g_hash_table_lookup(limit->buckets, key);

	if (bucket != NULL) {
		g_queue_unlink(&limit->recent, &bucket->link);
		g_queue_push_tail_link(&limit->recent, &bucket->link);
		return bucket;
	}
	if (g_hash_table_size(limit->buckets) >= limit->max) {
		Bucket *quietest = g_queue_pop_head_link(&limit->recent)->data;
		g_hash_table_remove(limit->buckets, &quietest->key);
	}
	bucket = g_new0(Bucket, 1);
	*bucket = (Bucket){ .key = *key, .tokens = limit->burst, .time = now, .link.data = bucket };
	g_hash_table_insert(limit->buckets, &bucket->key, bucket);
	g_queue_push_tail_link(&limit->recent, &bucket->link);
	return bucket;
}

bool
ash_rate_limit_allow(AshRateLimit *limit, GInetAddress *address, gint64 now, guint *ret_seconds)
{
	const Key key = make_key(address);
	Bucket *bucket = find_bucket(limit, &key, now);

	bucket->tokens = MIN(limit->burst, bucket->tokens + (double) (now - bucket->time) * limit->per_microsecond);
	bucket->time = now;
	if (bucket->tokens >= 1) {
		bucket->tokens -= 1;
		return true;
	}
	*ret_seconds = (guint) ((1 - bucket->tokens) / limit->per_microsecond / G_USEC_PER_SEC) + 1;
	return false;
}
