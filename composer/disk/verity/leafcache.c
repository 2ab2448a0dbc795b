/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/verity/leafcache.h"

#include "base/fd.h"
#include "base/file.h"
#include "disk/verity/verity.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define FORMAT "ashlar leaf cache 1\n"
#define HEAD (strlen(FORMAT) + ASH_SHA256_SIZE)
#define FILE_MAX ((gsize) 256 * 1024 * 1024) /* bytes: 32 GiB of files; beyond half of it only what this run needs is kept */

/* In the file and in memory: this, then the hashes. */
typedef struct {
	guint8 content[ASH_SHA256_SIZE]; /* first: the key */
	guint32 n;                       /* little endian */
	guint8 is_used;                  /* by this run; 0 in the file */
	guint8 padding[3];
} Entry;

G_STATIC_ASSERT(sizeof(Entry) == ASH_SHA256_SIZE + 8);

struct AshLeafCache {
	char *path;          /* NULL: not kept */
	char *loaded;        /* the file */
	GHashTable *entries; /* set of Entry: of what was loaded, or of added */
	GPtrArray *added;    /* owned */
	gsize bytes, used_bytes;
};

static guint
hash_content(gconstpointer data)
{
	guint hash;

	memcpy(&hash, data, sizeof(hash));
	return hash;
}

static gboolean
equal_contents(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, ASH_SHA256_SIZE) == 0;
}

static gsize
entry_bytes(const Entry *entry)
{
	return sizeof(Entry) + (gsize) GUINT32_FROM_LE(entry->n) * ASH_SHA256_SIZE;
}

static bool
is_whole(const char *data, gsize length)
{
	guint8 sum[ASH_SHA256_SIZE];

	if (length < HEAD || memcmp(data, FORMAT, strlen(FORMAT)) != 0)
		return false;
	ash_sha256(data + HEAD, length - HEAD, sum);
	return memcmp(sum, data + strlen(FORMAT), sizeof(sum)) == 0;
}

static void
load(AshLeafCache *cache)
{
	gsize length = 0;

	cache->loaded = ash_file_load(AT_FDCWD, cache->path, FILE_MAX, &length, NULL);
	if (cache->loaded == NULL || !is_whole(cache->loaded, length))
		return;
	for (gsize at = HEAD; length - at >= sizeof(Entry);) {
		Entry *entry = (Entry *) (cache->loaded + at);

		if (length - at < entry_bytes(entry))
			return;
		at += entry_bytes(entry);
		cache->bytes += entry_bytes(entry);
		g_hash_table_add(cache->entries, entry);
	}
	/* For those who remove what nobody uses. */
	(void) !utimensat(AT_FDCWD, cache->path, NULL, 0);
}

AshLeafCache *
ash_leaf_cache_open(const char *dir, const guint8 *salt, gsize salt_bytes)
{
	AshLeafCache *cache = g_new0(AshLeafCache, 1);

	cache->entries = g_hash_table_new(hash_content, equal_contents);
	cache->added = g_ptr_array_new_with_free_func(g_free);
	if (dir != NULL && ash_file_mkdirs(AT_FDCWD, dir, 0755, NULL)) {
		g_autofree char *name = ash_hex_encode(salt, salt_bytes);
		cache->path = g_build_filename(dir, name, NULL);
		load(cache);
	}
	return cache;
}

void
ash_leaf_cache_free(AshLeafCache *cache)
{
	if (cache == NULL)
		return;
	g_hash_table_unref(cache->entries);
	g_ptr_array_unref(cache->added);
	g_free(cache->loaded);
	g_free(cache->path);
	g_free(cache);
}

static guint64
count_blocks(const AshFsNode *node)
{
	return (node->size + ASH_VERITY_BLOCK_BYTES - 1) / ASH_VERITY_BLOCK_BYTES;
}

const guint8 *
ash_leaf_cache_find(AshLeafCache *cache, const AshFsNode *node)
{
	guint8 content[ASH_SHA256_SIZE];

	if (node->content == NULL || !ash_hex_decode(node->content, content, sizeof(content)))
		return NULL;
	Entry *entry = g_hash_table_lookup(cache->entries, content);
	if (entry == NULL || GUINT32_FROM_LE(entry->n) != count_blocks(node))
		return NULL;
	if (!entry->is_used)
		cache->used_bytes += entry_bytes(entry);
	entry->is_used = 1;
	return (const guint8 *) (entry + 1);
}

void
ash_leaf_cache_add(AshLeafCache *cache, const AshFsNode *node, const guint8 *leaves)
{
	guint64 n = count_blocks(node);
	Entry head = { .n = GUINT32_TO_LE((guint32) n), .is_used = 1 };

	if (cache->path == NULL || node->content == NULL || n > FILE_MAX / ASH_SHA256_SIZE ||
	    !ash_hex_decode(node->content, head.content, sizeof(head.content)) ||
	    g_hash_table_contains(cache->entries, head.content))
		return;
	Entry *entry = g_malloc(entry_bytes(&head));
	*entry = head;
	memcpy(entry + 1, leaves, (gsize) n * ASH_SHA256_SIZE);
	g_ptr_array_add(cache->added, entry);
	g_hash_table_add(cache->entries, entry);
	cache->bytes += entry_bytes(entry);
	cache->used_bytes += entry_bytes(entry);
}

void
ash_leaf_cache_save(AshLeafCache *cache)
{
	bool only_used = cache->bytes > FILE_MAX / 2;
	GHashTableIter iter;
	gpointer key;

	if (cache->added->len == 0 || cache->used_bytes > FILE_MAX / 2)
		return;
	g_autoptr(GByteArray) text = g_byte_array_sized_new((guint) (HEAD + (only_used ? cache->used_bytes : cache->bytes)));
	g_byte_array_append(text, (const guint8 *) FORMAT, (guint) strlen(FORMAT));
	g_byte_array_set_size(text, (guint) HEAD);
	g_hash_table_iter_init(&iter, cache->entries);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		Entry *entry = key;

		if (only_used && !entry->is_used)
			continue;
		entry->is_used = 0;
		g_byte_array_append(text, key, (guint) entry_bytes(entry));
	}
	ash_sha256(text->data + HEAD, text->len - HEAD, text->data + strlen(FORMAT));
	(void) !ash_file_write(AT_FDCWD, cache->path, text->data, (gssize) text->len, 0644, NULL);
}
