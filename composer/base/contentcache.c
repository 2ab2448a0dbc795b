/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/contentcache.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/shared.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define FORMAT "ashlar content cache 1\n"
#define FILE_MAX ((gsize) 8 * 1024 * 1024) /* bytes; beyond it only this run's are kept */

/* Of this machine only, so in its own byte order. An inode number may come again, but not with the time at which it was made. */
typedef struct {
	guint64 dev, ino, size;
	gint64 made, made_nanoseconds;
	gint64 changed, changed_nanoseconds; /* the content: mtime */
} Key;

typedef struct {
	Key key;
	guint8 sum[ASH_SHA256_SIZE];
} Entry;

G_STATIC_ASSERT(sizeof(Entry) == 7 * 8 + ASH_SHA256_SIZE);

struct AshContentCache {
	int dir_fd;
	char *name;
	GHashTable *entries; /* set of Entry, owned; NULL: not read yet */
	GArray *used;        /* of Entry: those of this run */
	bool is_changed;
};

static guint
hash_key(gconstpointer data)
{
	const Key *key = data;

	return (guint) (key->ino ^ (key->ino >> 32)) ^ (guint) key->made_nanoseconds;
}

static gboolean
equal_keys(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(Key)) == 0;
}

AshContentCache *
ash_content_cache_new(int dir_fd, const char *name)
{
	AshContentCache *cache = g_new0(AshContentCache, 1);

	cache->dir_fd = dir_fd;
	cache->name = g_strdup(name);
	cache->used = g_array_new(FALSE, FALSE, sizeof(Entry));
	return cache;
}

void
ash_content_cache_free(AshContentCache *cache)
{
	if (cache == NULL)
		return;
	g_clear_pointer(&cache->entries, g_hash_table_unref);
	g_array_unref(cache->used);
	g_free(cache->name);
	g_free(cache);
}

/* The file: FORMAT, the digest of the entries, the entries. */
static void
load(AshContentCache *cache)
{
	const gsize head = strlen(FORMAT) + ASH_SHA256_SIZE;
	guint8 sum[ASH_SHA256_SIZE];
	gsize length = 0;
	g_autofree char *data = ash_file_load(cache->dir_fd, cache->name, FILE_MAX, &length, NULL);

	cache->entries = g_hash_table_new_full(hash_key, equal_keys, g_free, NULL);
	if (data == NULL || length < head || (length - head) % sizeof(Entry) != 0 || !g_str_has_prefix(data, FORMAT))
		return;
	ash_sha256(data + head, length - head, sum);
	if (memcmp(sum, data + strlen(FORMAT), sizeof(sum)) != 0)
		return;
	for (gsize at = head; at < length; at += sizeof(Entry))
		g_hash_table_add(cache->entries, g_memdup2(data + at, sizeof(Entry)));
}

/* By its name in /proc, as the mark of what is open for nothing cannot be read otherwise. */
static bool
is_marked(int fd)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return getxattr(path, ASH_SHARED_XATTR, NULL, 0) >= 0;
}

static bool
make_key(int fd, Key *ret_key)
{
	struct statx info;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &info) < 0 || (info.stx_mask & STATX_BTIME) == 0 ||
	    !is_marked(fd))
		return false;
	*ret_key = (Key){
		.dev = (guint64) info.stx_dev_major << 32 | info.stx_dev_minor,
		.ino = info.stx_ino,
		.size = info.stx_size,
		.made = info.stx_btime.tv_sec,
		.made_nanoseconds = info.stx_btime.tv_nsec,
		.changed = info.stx_mtime.tv_sec,
		.changed_nanoseconds = info.stx_mtime.tv_nsec,
	};
	return true;
}

static char *
find(AshContentCache *cache, const Key *key)
{
	if (cache->entries == NULL)
		load(cache);
	const Entry *known = g_hash_table_lookup(cache->entries, key);
	if (known == NULL)
		return NULL;
	g_array_append_vals(cache->used, known, 1);
	return ash_hex_encode(known->sum, sizeof(known->sum));
}

char *
ash_content_cache_find(AshContentCache *cache, int fd)
{
	Key key;

	return make_key(fd, &key) ? find(cache, &key) : NULL;
}

char *
ash_content_cache_digest(AshContentCache *cache, int fd)
{
	Entry entry = { .sum = { 0 } };

	if (!make_key(fd, &entry.key))
		return ash_sha256_fd_hex(fd, NULL);
	g_autofree char *known = find(cache, &entry.key);
	if (known != NULL)
		return g_steal_pointer(&known);
	g_autofree char *hex = ash_sha256_fd_hex(fd, NULL);
	if (hex == NULL || !ash_hex_decode(hex, entry.sum, sizeof(entry.sum)))
		return NULL;
	g_hash_table_add(cache->entries, g_memdup2(&entry, sizeof(entry)));
	g_array_append_val(cache->used, entry);
	cache->is_changed = true;
	return g_steal_pointer(&hex);
}

/* All that is known, or what was asked for this time. */
static GByteArray *
list_entries(const AshContentCache *cache)
{
	g_autoptr(GByteArray) list = g_byte_array_new();
	GHashTableIter iter;
	gpointer entry;

	if (g_hash_table_size(cache->entries) * sizeof(Entry) > FILE_MAX / 2) {
		g_byte_array_append(list, (const guint8 *) cache->used->data, cache->used->len * (guint) sizeof(Entry));
		return g_steal_pointer(&list);
	}
	g_hash_table_iter_init(&iter, cache->entries);
	while (g_hash_table_iter_next(&iter, &entry, NULL))
		g_byte_array_append(list, entry, sizeof(Entry));
	return g_steal_pointer(&list);
}

void
ash_content_cache_save(AshContentCache *cache)
{
	guint8 sum[ASH_SHA256_SIZE];

	if (!cache->is_changed)
		return;
	g_autoptr(GByteArray) list = list_entries(cache), text = g_byte_array_new();
	ash_sha256(list->data, list->len, sum);
	g_byte_array_append(text, (const guint8 *) FORMAT, (guint) strlen(FORMAT));
	g_byte_array_append(text, sum, sizeof(sum));
	g_byte_array_append(text, list->data, list->len);
	(void) !ash_file_write(cache->dir_fd, cache->name, text->data, (gssize) text->len, 0644, NULL);
	cache->is_changed = false;
}
