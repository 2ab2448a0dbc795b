/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/dir.h"

#include "base/size.h"
#include "disk/erofs/format.h"

#include <string.h>
#include <sys/stat.h>

/** A directory entry before it is packed. */
typedef struct {
	const char *name;
	const AshFsNode *node;
} Entry;

static int
compare_entries(gconstpointer a, gconstpointer b)
{
	return strcmp(((const Entry *) a)->name, ((const Entry *) b)->name);
}

/* All entries with "." and "..", which are sorted among the rest: the kernel searches by bisection.
 */
static GArray *
list_entries(const AshFsNode *directory)
{
	GArray *entries =
	    g_array_sized_new(FALSE, FALSE, sizeof(Entry), directory->children->len + 2);
	Entry self = {".", directory};
	Entry parent = {"..", directory->parent != NULL ? directory->parent : directory};

	g_array_append_val(entries, self);
	g_array_append_val(entries, parent);
	for (guint i = 0; i < directory->children->len; i++) {
		const AshFsNode *child = directory->children->pdata[i];
		Entry entry = {child->name, child};

		g_array_append_val(entries, entry);
	}
	g_array_sort(entries, compare_entries);
	return entries;
}

/* How many entries from @first on fit one block, and the bytes they take. */
static guint
count_in_block(const GArray *entries, guint first, guint32 *ret_bytes)
{
	guint32 bytes = 0;
	guint n = 0;

	for (guint i = first; i < entries->len; i++, n++) {
		guint32 more =
		    sizeof(ErofsDirent) + (guint32) strlen(g_array_index(entries, Entry, i).name);

		if (bytes + more > EROFS_BLOCK)
			break;
		bytes += more;
	}
	*ret_bytes = bytes;
	return n;
}

/* All blocks but the last are full ones, padded with zeros. */
guint64
ash_erofs_dir_measure(const AshFsNode *directory)
{
	g_autoptr(GArray) entries = list_entries(directory);
	guint64 size = 0;
	guint32 bytes = 0;

	for (guint first = 0; first < entries->len;
	     first += count_in_block(entries, first, &bytes)) {
		(void) count_in_block(entries, first, &bytes);
		size = ash_size_round_up(size, EROFS_BLOCK) + bytes;
	}
	return size;
}

/* As the kernel's own directory entries have them, whatever the file system. */
static guint8
get_type(const AshFsNode *node)
{
	switch (node->mode & S_IFMT) {
	case S_IFDIR:
		return EROFS_TYPE_DIRECTORY;
	case S_IFCHR:
		return EROFS_TYPE_CHAR;
	case S_IFBLK:
		return EROFS_TYPE_BLOCK;
	case S_IFIFO:
		return EROFS_TYPE_FIFO;
	case S_IFSOCK:
		return EROFS_TYPE_SOCKET;
	case S_IFLNK:
		return EROFS_TYPE_SYMLINK;
	default:
		return EROFS_TYPE_REGULAR;
	}
}

/* One block's entries, then their names. */
static void
pack_block(const GArray *entries, guint first, guint n, AshErofsNumberFunc number, gpointer user_data, guint8 *at)
{
	guint16 name_offset = (guint16) (n * sizeof(ErofsDirent));

	for (guint i = 0; i < n; i++) {
		const Entry *entry = &g_array_index(entries, Entry, first + i);
		ErofsDirent dirent = {
		    .nid = GUINT64_TO_LE(number(entry->node, user_data)),
		    .name_offset = GUINT16_TO_LE(name_offset),
		    .type = get_type(entry->node),
		};
		gsize length = strlen(entry->name);

		memcpy(at + i * sizeof(dirent), &dirent, sizeof(dirent));
		memcpy(at + name_offset, entry->name, length);
		name_offset += length;
	}
}

guint8 *
ash_erofs_dir_pack(const AshFsNode *directory, AshErofsNumberFunc number, gpointer user_data)
{
	g_autoptr(GArray) entries = list_entries(directory);
	guint8 *data = g_malloc0(ash_size_round_up(ash_erofs_dir_measure(directory), EROFS_BLOCK));
	guint8 *at = data;
	guint n;

	for (guint first = 0; first < entries->len; first += n, at += EROFS_BLOCK) {
		guint32 bytes = 0;

		n = count_in_block(entries, first, &bytes);
		pack_block(entries, first, n, number, user_data, at);
	}
	return data;
}
