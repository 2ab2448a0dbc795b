/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/xattr.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/size.h"
#include "disk/erofs/format.h"

#include <stdbool.h>
#include <string.h>

/* What the header of an inode's attributes can count. */
#define MAX_SHARED G_MAXUINT8

/** One name and value as it is on disk, and who has it. */
typedef struct {
	GBytes *bytes; /* a multiple of 4 */
	guint64 id;
	guint n;       /* inodes that have it */
	bool shared;
	guint32 offset; /* in the area, if shared */
} Entry;

struct AshErofsXattrs {
	GHashTable *entries; /* GBytes -> Entry */
	GPtrArray *order;    /* of Entry, as they came: owned */
	guint32 area_bytes;
};

/** Extended attribute namespaces (erofs.rst, "Extended attributes"); an ACL has no name of its own. */
static const struct {
	const char *prefix;
	guint8 index;
	bool whole;
} namespaces[] = {
	{ "user.", 1, false },
	{ "system.posix_acl_access", 2, true },
	{ "system.posix_acl_default", 3, true },
	{ "trusted.", 4, false },
	{ "security.", 6, false },
};

static void
entry_free(Entry *entry)
{
	g_bytes_unref(entry->bytes);
	g_free(entry);
}

AshErofsXattrs *
ash_erofs_xattrs_new(void)
{
	AshErofsXattrs *xattrs = g_new0(AshErofsXattrs, 1);

	xattrs->entries = g_hash_table_new(g_bytes_hash, g_bytes_equal);
	xattrs->order = g_ptr_array_new_with_free_func((GDestroyNotify) entry_free);
	return xattrs;
}

void
ash_erofs_xattrs_free(AshErofsXattrs *xattrs)
{
	if (xattrs == NULL)
		return;
	g_hash_table_unref(xattrs->entries);
	g_ptr_array_unref(xattrs->order);
	g_free(xattrs);
}

const char *
ash_erofs_xattr_prefix(guint8 index)
{
	for (guint i = 0; i < G_N_ELEMENTS(namespaces); i++)
		if (namespaces[i].index == index)
			return namespaces[i].prefix;
	return NULL;
}

/* The rest of @name behind its namespace's prefix, or NULL. */
static const char *
split_name(const char *name, guint8 *ret_index)
{
	for (guint i = 0; i < G_N_ELEMENTS(namespaces); i++) {
		gsize length = strlen(namespaces[i].prefix);

		if (strncmp(name, namespaces[i].prefix, length) != 0 || (namespaces[i].whole && name[length] != '\0'))
			continue;
		*ret_index = namespaces[i].index;
		return name + length;
	}
	return NULL;
}

/* The attribute as it is on disk, padded; owned, NULL if it cannot be. */
static GBytes *
encode(const AshFsXattr *xattr)
{
	ErofsXattrEntry entry = { .value_bytes = GUINT16_TO_LE((guint16) xattr->length) };
	const char *suffix = split_name(xattr->name, &entry.name_index);
	gsize suffix_bytes = suffix != NULL ? strlen(suffix) : 0, length;
	guint8 *data;

	if (suffix == NULL || suffix_bytes > G_MAXUINT8 || xattr->length > G_MAXUINT16)
		return NULL;
	entry.name_bytes = (guint8) suffix_bytes;
	length = ash_size_round_up(sizeof(entry) + suffix_bytes + xattr->length, EROFS_XATTR_ALIGN);
	data = g_malloc0(length);
	memcpy(data, &entry, sizeof(entry));
	memcpy(data + sizeof(entry), suffix, suffix_bytes);
	if (xattr->length > 0)
		memcpy(data + sizeof(entry) + suffix_bytes, xattr->value, xattr->length);
	return g_bytes_new_take(data, length);
}

static Entry *
find_entry(const AshErofsXattrs *xattrs, const AshFsXattr *xattr)
{
	g_autoptr(GBytes) bytes = encode(xattr);

	return g_hash_table_lookup(xattrs->entries, bytes);
}

static Entry *
add_entry(AshErofsXattrs *xattrs, GBytes *bytes)
{
	Entry *entry = g_new0(Entry, 1);
	gsize length;
	const void *data = g_bytes_get_data(bytes, &length);
	guint8 sum[ASH_SHA256_SIZE];

	ash_sha256(data, length, sum);
	memcpy(&entry->id, sum, sizeof(entry->id));
	entry->id = GUINT64_FROM_LE(entry->id);
	entry->bytes = g_bytes_ref(bytes);
	g_hash_table_insert(xattrs->entries, entry->bytes, entry);
	g_ptr_array_add(xattrs->order, entry);
	return entry;
}

gboolean
ash_erofs_xattrs_add(AshErofsXattrs *xattrs, const AshFsNode *node, GError **error)
{
	for (guint i = 0; node->xattrs != NULL && i < node->xattrs->len; i++) {
		g_autoptr(GBytes) bytes = encode(&g_array_index(node->xattrs, AshFsXattr, i));
		Entry *entry;

		if (bytes == NULL)
			return ash_throw(error, ASH_ERROR_CONFIG, "EROFS cannot hold one of its extended attributes");
		entry = g_hash_table_lookup(xattrs->entries, bytes);
		if (entry == NULL)
			entry = add_entry(xattrs, bytes);
		entry->n++;
	}
	return TRUE;
}

static bool
overlaps(const AshErofsXattrs *xattrs, const Entry *wanted, guint32 offset)
{
	guint64 end = offset + g_bytes_get_size(wanted->bytes);

	for (guint i = 0; i < xattrs->order->len; i++) {
		const Entry *entry = xattrs->order->pdata[i];

		if (entry->shared && offset < entry->offset + g_bytes_get_size(entry->bytes) && entry->offset < end)
			return true;
	}
	return false;
}

static void
share(AshErofsXattrs *xattrs, Entry *entry, guint32 offset)
{
	entry->shared = true;
	entry->offset = offset;
	xattrs->area_bytes = MAX(xattrs->area_bytes, offset + (guint32) g_bytes_get_size(entry->bytes));
}

/* What was shared stays so, where it was, as long as anything has it: else inodes would change that did not. */
static void
keep_shared(AshErofsXattrs *xattrs, const AshErofsLayout *previous)
{
	const GArray *old = ash_erofs_layout_get_shared(previous);
	guint64 room = (guint64) ash_erofs_layout_get_zones(previous)->shared_blocks * EROFS_BLOCK;
	g_autoptr(GHashTable) by_id = g_hash_table_new(g_int64_hash, g_int64_equal);

	for (guint i = 0; i < xattrs->order->len; i++) {
		Entry *entry = xattrs->order->pdata[i];
		g_hash_table_insert(by_id, &entry->id, entry);
	}
	for (guint i = 0; i < old->len; i++) {
		const AshErofsShared *shared = &g_array_index(old, AshErofsShared, i);
		Entry *entry = g_hash_table_lookup(by_id, &shared->id);

		if (entry == NULL || entry->shared || shared->offset % EROFS_XATTR_ALIGN != 0 ||
		    shared->offset + g_bytes_get_size(entry->bytes) > room || overlaps(xattrs, entry, shared->offset))
			continue;
		share(xattrs, entry, shared->offset);
	}
}

void
ash_erofs_xattrs_settle(AshErofsXattrs *xattrs, const AshErofsLayout *previous)
{
	if (previous != NULL)
		keep_shared(xattrs, previous);
	for (guint i = 0; i < xattrs->order->len; i++) {
		Entry *entry = xattrs->order->pdata[i];

		/* An identifier takes four bytes. */
		if (entry->n > 1 && !entry->shared && xattrs->area_bytes < G_MAXINT32)
			share(xattrs, entry, xattrs->area_bytes);
	}
}

gboolean
ash_erofs_xattrs_measure(const AshErofsXattrs *xattrs, const AshFsNode *node, guint32 *ret_bytes, GError **error)
{
	guint64 total = EROFS_XATTR_HEADER;
	guint n_shared = 0;

	for (guint i = 0; node->xattrs != NULL && i < node->xattrs->len; i++) {
		const Entry *entry = find_entry(xattrs, &g_array_index(node->xattrs, AshFsXattr, i));

		if (entry->shared && n_shared < MAX_SHARED) {
			n_shared++;
			total += sizeof(guint32);
		} else {
			total += g_bytes_get_size(entry->bytes);
		}
	}
	if ((total - EROFS_XATTR_HEADER) / EROFS_XATTR_ALIGN >= G_MAXUINT16)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "its extended attributes are larger than the 256 KiB that EROFS holds");
	*ret_bytes = node->xattrs != NULL && node->xattrs->len > 0 ? (guint32) total : 0;
	return TRUE;
}

void
ash_erofs_xattrs_put(const AshErofsXattrs *xattrs, const AshFsNode *node, guint8 *at)
{
	guint8 *ids = at + EROFS_XATTR_HEADER, *header = at;
	guint n_shared = 0;

	for (guint i = 0; i < node->xattrs->len; i++)
		n_shared += find_entry(xattrs, &g_array_index(node->xattrs, AshFsXattr, i))->shared;
	n_shared = MIN(n_shared, MAX_SHARED);
	header[4] = (guint8) n_shared; /* h_shared_count, behind the name filter */
	at = ids + n_shared * sizeof(guint32);
	for (guint i = 0; i < node->xattrs->len; i++) {
		const Entry *entry = find_entry(xattrs, &g_array_index(node->xattrs, AshFsXattr, i));
		gsize length;
		const void *data = g_bytes_get_data(entry->bytes, &length);

		if (entry->shared && n_shared > 0) {
			guint32 id = GUINT32_TO_LE(entry->offset / EROFS_XATTR_ALIGN);

			memcpy(ids, &id, sizeof(id));
			ids += sizeof(id);
			n_shared--;
		} else {
			memcpy(at, data, length);
			at += length;
		}
	}
}

guint32
ash_erofs_xattrs_get_area_bytes(const AshErofsXattrs *xattrs)
{
	return xattrs->area_bytes;
}

void
ash_erofs_xattrs_put_area(const AshErofsXattrs *xattrs, guint8 *at)
{
	for (guint i = 0; i < xattrs->order->len; i++) {
		const Entry *entry = xattrs->order->pdata[i];
		gsize length;
		const void *data = g_bytes_get_data(entry->bytes, &length);

		if (entry->shared)
			memcpy(at + entry->offset, data, length);
	}
}

void
ash_erofs_xattrs_save(const AshErofsXattrs *xattrs, AshErofsLayout *layout)
{
	for (guint i = 0; i < xattrs->order->len; i++) {
		const Entry *entry = xattrs->order->pdata[i];

		if (entry->shared)
			ash_erofs_layout_add_shared(layout, (AshErofsShared) { entry->id, entry->offset });
	}
}
