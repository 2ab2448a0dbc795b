/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/inode.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/erofs/format.h"
#include "disk/erofs/xattr.h"

#include <string.h>

static bool
xattr_is_named(const ErofsXattrEntry *entry, const guint8 *suffix, const char *name)
{
	const char *prefix = ash_erofs_xattr_prefix(entry->name_index);
	gsize length = prefix != NULL ? strlen(prefix) : 0;

	return prefix != NULL && strncmp(name, prefix, length) == 0 &&
	       strlen(name) == length + entry->name_bytes &&
	       memcmp(name + length, suffix, entry->name_bytes) == 0;
}

/* One that others have, too. */
static GBytes *
load_shared(AshErofsReader *reader, guint32 id, const char *name, GError **error)
{
	guint64 at = reader->shared + (guint64) id * EROFS_XATTR_ALIGN;
	guint8 suffix[G_MAXUINT8 + 1];
	ErofsXattrEntry entry;
	g_autofree guint8 *value = NULL;
	gsize length;

	if (!ash_erofs_read_at(reader, at, &entry, sizeof(entry), error) ||
	    !ash_erofs_read_at(reader, at + sizeof(entry), suffix, entry.name_bytes, error))
		return NULL;
	if (!xattr_is_named(&entry, suffix, name))
		return NULL;
	length = GUINT16_FROM_LE(entry.value_bytes);
	value = g_malloc(length + 1);
	if (!ash_erofs_read_at(reader, at + sizeof(entry) + entry.name_bytes, value, length, error))
		return NULL;
	return g_bytes_new_take(g_steal_pointer(&value), length);
}

static GBytes *
search_shared(AshErofsReader *reader, const guint8 *data, gsize length, const char *name, GError **error)
{
	gsize n = data[4];

	if (EROFS_XATTR_HEADER + n * sizeof(guint32) > length)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "EROFS: extended attributes are damaged");
	for (gsize i = 0; i < n; i++) {
		g_autoptr(GError) local = NULL;
		guint32 id;
		GBytes *value;

		memcpy(&id, data + EROFS_XATTR_HEADER + i * sizeof(id), sizeof(id));
		value = load_shared(reader, GUINT32_FROM_LE(id), name, &local);
		if (value != NULL)
			return value;
		if (local != NULL) {
			g_propagate_error(error, g_steal_pointer(&local));
			return NULL;
		}
	}
	return NULL;
}

static GBytes *
search_xattrs(const guint8 *data, gsize length, const char *name, GError **error)
{
	gsize at = EROFS_XATTR_HEADER + (gsize) data[4] * 4; /* shared ids come first */

	while (at + sizeof(ErofsXattrEntry) <= length) {
		ErofsXattrEntry entry;
		gsize value;

		memcpy(&entry, data + at, sizeof(entry));
		value = at + sizeof(entry) + entry.name_bytes;
		at = ash_size_round_up(value + GUINT16_FROM_LE(entry.value_bytes),
				       EROFS_XATTR_ALIGN);
		if (at > length)
			return ash_throw_null(error, ASH_ERROR_CONFIG,
					      "EROFS: extended attributes are damaged");
		if (xattr_is_named(&entry, data + value - entry.name_bytes, name))
			return g_bytes_new(data + value, GUINT16_FROM_LE(entry.value_bytes));
	}
	return NULL;
}

GBytes *
ash_erofs_inode_get_xattr(AshErofsReader *reader, const AshErofsInode *inode, const char *name, GError **error)
{
	g_autofree guint8 *data = NULL;
	g_autoptr(GError) local = NULL;
	GBytes *value;

	if (inode->xattr_bytes == 0)
		return NULL;
	data = g_malloc0(inode->xattr_bytes);
	if (!ash_erofs_read_at(reader, inode->xattr, data, inode->xattr_bytes, error))
		return NULL;
	value = search_shared(reader, data, inode->xattr_bytes, name, &local);
	if (local != NULL)
		g_propagate_error(error, g_steal_pointer(&local));
	else if (value == NULL)
		value = search_xattrs(data, inode->xattr_bytes, name, error);
	return value;
}
