/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/reader.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/erofs/format.h"
#include "disk/erofs/inode.h"
#include "disk/io/crc32c.h"

#include <string.h>
#include <sys/stat.h>

#define MAX_SYMLINKS        40
#define MAX_TARGET_BYTES    4096
#define MAX_PATH_BYTES      (64 * ASH_KIB)
#define MAX_DIRECTORY_BYTES (256 * ASH_MIB)

static gboolean
check_superblock(const ErofsSuperblock *sb, const guint8 *block, GError **error)
{
	g_autofree guint8 *copy = NULL;

	if (GUINT32_FROM_LE(sb->magic) != EROFS_MAGIC)
		return ash_throw(error, ASH_ERROR_CONFIG, "not an EROFS file system");
	if (sb->block_bits != EROFS_BLOCK_BITS)
		return ash_throw(
		    error, ASH_ERROR_CONFIG,
		    "EROFS: blocks are not of 4096 bytes, which is all that is known here");
	if ((GUINT32_FROM_LE(sb->feature_compat) & EROFS_COMPAT_SB_CHKSUM) == 0)
		return TRUE;
	copy = g_memdup2(block, EROFS_BLOCK - EROFS_SUPER_OFFSET);
	memset(copy + G_STRUCT_OFFSET(ErofsSuperblock, checksum), 0, sizeof(sb->checksum));
	if (ash_crc32c(~0u, copy, EROFS_BLOCK - EROFS_SUPER_OFFSET) !=
	    GUINT32_FROM_LE(sb->checksum))
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "EROFS: the superblock's checksum is wrong");
	return TRUE;
}

AshErofsReader *
ash_erofs_open(int fd, guint64 offset, guint64 room, GError **error)
{
	g_autoptr(AshErofsReader) reader = g_new0(AshErofsReader, 1);
	guint8 block[EROFS_BLOCK - EROFS_SUPER_OFFSET];
	ErofsSuperblock sb;

	if (room < EROFS_BLOCK)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "not an EROFS file system: too small");
	if (!ash_fd_read_exact(fd, block, sizeof(block), offset + EROFS_SUPER_OFFSET, error))
		return NULL;
	memcpy(&sb, block, sizeof(sb));
	if (!check_superblock(&sb, block, error))
		return NULL;
	reader->fd = fd;
	reader->offset = offset;
	reader->info.bytes = (guint64) GUINT32_FROM_LE(sb.blocks) * EROFS_BLOCK;
	reader->info.epoch = GUINT64_FROM_LE(sb.build_time);
	reader->info.inodes = GUINT64_FROM_LE(sb.inodes);
	memcpy(reader->info.uuid.bytes, sb.uuid, sizeof(sb.uuid));
	memcpy(reader->info.label, sb.volume_name, sizeof(sb.volume_name));
	reader->meta = (guint64) GUINT32_FROM_LE(sb.meta_block) * EROFS_BLOCK;
	reader->shared = (guint64) GUINT32_FROM_LE(sb.xattr_block) * EROFS_BLOCK;
	reader->root_nid = GUINT16_FROM_LE(sb.root_nid);
	if (reader->info.bytes > room || reader->info.bytes == 0)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "EROFS: the file system is larger than its partition");
	return g_steal_pointer(&reader);
}

void
ash_erofs_close(AshErofsReader *reader)
{
	g_free(reader);
}

const AshErofsInfo *
ash_erofs_get_info(const AshErofsReader *reader)
{
	return &reader->info;
}

/** Entries of one directory block. */
typedef struct {
	guint8 data[EROFS_BLOCK];
	gsize length;
	guint n;
} DirBlock;

static gboolean
read_dir_block(AshErofsReader *reader, const AshErofsInode *directory, guint64 at, DirBlock *block,
	       GError **error)
{
	ErofsDirent first;
	guint16 names;

	block->length = (gsize) MIN(EROFS_BLOCK, directory->stat.size - at);
	if (block->length < sizeof(first))
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: a directory is damaged");
	if (!ash_erofs_inode_read_data(reader, directory, at, block->data, block->length, error))
		return FALSE;
	memcpy(&first, block->data, sizeof(first));
	names = GUINT16_FROM_LE(first.name_offset);
	if (names < sizeof(first) || names % sizeof(first) != 0 || names > block->length)
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: a directory is damaged");
	block->n = names / sizeof(first);
	return TRUE;
}

/* The @index-th name of a block; owned. */
static char *
get_entry(const DirBlock *block, guint index, guint64 *ret_nid, GError **error)
{
	ErofsDirent entry, next;
	gsize start, end = block->length;

	memcpy(&entry, block->data + index * sizeof(entry), sizeof(entry));
	start = GUINT16_FROM_LE(entry.name_offset);
	if (index + 1 < block->n) {
		memcpy(&next, block->data + (index + 1) * sizeof(next), sizeof(next));
		end = GUINT16_FROM_LE(next.name_offset);
	}
	if (start < block->n * sizeof(entry) || end > block->length || start >= end)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "EROFS: a directory is damaged");
	end = start + strnlen((const char *) block->data + start, end - start);
	if (end == start || end - start > EROFS_NAME_MAX ||
	    memchr(block->data + start, '/', end - start) != NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "EROFS: a directory holds an impossible name");
	*ret_nid = GUINT64_FROM_LE(entry.nid);
	return g_strndup((const char *) block->data + start, end - start);
}

/* Calls @func for every entry until it returns true. */
static gboolean
each_entry(AshErofsReader *reader, const AshErofsInode *directory, AshErofsEntryFunc func, gpointer user_data,
	   GError **error)
{
	DirBlock block;

	if (!S_ISDIR(directory->stat.mode))
		return ash_throw(error, ASH_ERROR_CONFIG, "not a directory");
	if (directory->stat.size > MIN(MAX_DIRECTORY_BYTES, reader->info.bytes))
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: a directory is too large");
	for (guint64 at = 0; at < directory->stat.size; at += EROFS_BLOCK) {
		if (!read_dir_block(reader, directory, at, &block, error))
			return FALSE;
		for (guint i = 0; i < block.n; i++) {
			guint64 nid = 0;
			g_autofree char *name = get_entry(&block, i, &nid, error);

			if (name == NULL)
				return FALSE;
			if (func(name, nid, user_data))
				return TRUE;
		}
	}
	return TRUE;
}

typedef struct {
	const char *name;
	guint64 nid;
	bool found;
} Search;

static bool
match_entry(const char *name, guint64 nid, gpointer user_data)
{
	Search *search = user_data;

	search->found = strcmp(name, search->name) == 0;
	search->nid = nid;
	return search->found;
}

static char *
read_target(AshErofsReader *reader, const AshErofsInode *inode, GError **error)
{
	g_autofree char *target = NULL;

	if (!S_ISLNK(inode->stat.mode) || inode->stat.size == 0 ||
	    inode->stat.size > MAX_TARGET_BYTES)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "not a symbolic link, or a damaged one");
	target = g_malloc0(inode->stat.size + 1);
	if (!ash_erofs_inode_read_data(reader, inode, 0, target, inode->stat.size, error))
		return NULL;
	return g_steal_pointer(&target);
}

/** A walk along a path. */
typedef struct {
	GString *rest; /* what is still to be walked */
	AshErofsInode inode;   /* where we are */
	guint links;
	bool follow;
} Walk;

/* Takes the first element off @rest; NULL at the end. Owned. */
static char *
take_element(GString *rest)
{
	gsize start = strspn(rest->str, "/");
	gsize length = strcspn(rest->str + start, "/");
	char *element = length > 0 ? g_strndup(rest->str + start, length) : NULL;

	g_string_erase(rest, 0, (gssize) (start + length));
	return element;
}

/* Goes to @element of the current directory, or puts a link's target in front of what is left. */
static gboolean
walk_element(AshErofsReader *reader, Walk *walk, const char *element, GError **error)
{
	Search search = {.name = element};
	g_autofree char *target = NULL;
	AshErofsInode next;

	if (!each_entry(reader, &walk->inode, match_entry, &search, error))
		return FALSE;
	if (!search.found)
		return ash_throw(error, ASH_ERROR_CONFIG, "no such file");
	if (!ash_erofs_inode_read(reader, search.nid, &next, error))
		return FALSE;
	if (!S_ISLNK(next.stat.mode) ||
	    (!walk->follow && strspn(walk->rest->str, "/") == walk->rest->len)) {
		walk->inode = next;
		return TRUE;
	}
	target = read_target(reader, &next, error);
	if (target == NULL)
		return FALSE;
	if (++walk->links > MAX_SYMLINKS || walk->rest->len + strlen(target) > MAX_PATH_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "too many symbolic links");
	g_string_prepend_c(walk->rest, '/');
	g_string_prepend(walk->rest, target);
	return target[0] != '/' || ash_erofs_inode_read(reader, reader->root_nid, &walk->inode, error);
}

static gboolean
find(AshErofsReader *reader, const char *path, bool follow, AshErofsInode *ret_inode, GError **error)
{
	g_autoptr(GString) rest = g_string_new(path);
	Walk walk = {.rest = rest, .follow = follow};

	if (!ash_erofs_inode_read(reader, reader->root_nid, &walk.inode, error))
		return FALSE;
	for (;;) {
		g_autofree char *element = take_element(rest);

		if (element == NULL)
			break;
		if (strcmp(element, ".") == 0)
			continue;
		if (!walk_element(reader, &walk, element, error))
			return ash_prefix(error, "\"/%s\"", path[0] == '/' ? path + 1 : path);
	}
	*ret_inode = walk.inode;
	return TRUE;
}

gboolean
ash_erofs_stat(AshErofsReader *reader, const char *path, bool follow, AshErofsStat *ret_stat,
	       GError **error)
{
	AshErofsInode inode;

	if (!find(reader, path, follow, &inode, error))
		return FALSE;
	*ret_stat = inode.stat;
	return TRUE;
}

bool
ash_erofs_has(AshErofsReader *reader, const char *path)
{
	AshErofsInode inode;

	return find(reader, path, true, &inode, NULL);
}

static bool
add_name(const char *name, guint64 nid, gpointer user_data)
{
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		g_ptr_array_add(user_data, g_strdup(name));
	return false;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

char **
ash_erofs_list(AshErofsReader *reader, const char *path, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	AshErofsInode inode;

	if (!find(reader, path, true, &inode, error) ||
	    !each_entry(reader, &inode, add_name, names, error))
		return NULL;
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

GBytes *
ash_erofs_load(AshErofsReader *reader, const char *path, guint64 max, GError **error)
{
	g_autofree guint8 *data = NULL;
	AshErofsInode inode;

	if (!find(reader, path, true, &inode, error))
		return NULL;
	if (!ash_erofs_inode_check_layout(&inode, error))
		return ash_prefix(error, "\"%s\"", path), NULL;
	if (!S_ISREG(inode.stat.mode) || inode.stat.size > max ||
	    (inode.layout != EROFS_LAYOUT_COMPRESSED && inode.stat.size > reader->info.bytes))
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "\"%s\" is no regular file, or too large", path);
	data = g_try_malloc(inode.stat.size + 1);
	if (data == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "no memory to load \"%s\"", path);
	if (!ash_erofs_inode_read_data(reader, &inode, 0, data, inode.stat.size, error))
		return ash_prefix(error, "\"%s\"", path), NULL;
	return g_bytes_new_take(g_steal_pointer(&data), inode.stat.size);
}

char *
ash_erofs_read_link(AshErofsReader *reader, const char *path, GError **error)
{
	AshErofsInode inode;

	return find(reader, path, false, &inode, error) ? read_target(reader, &inode, error) : NULL;
}

GBytes *
ash_erofs_get_xattr(AshErofsReader *reader, const char *path, const char *name, GError **error)
{
	AshErofsInode inode;

	return find(reader, path, false, &inode, error) ? ash_erofs_inode_get_xattr(reader, &inode, name, error) : NULL;
}

guint64
ash_erofs_get_root(const AshErofsReader *reader)
{
	return reader->root_nid;
}

gboolean
ash_erofs_stat_nid(AshErofsReader *reader, guint64 nid, AshErofsStat *ret_stat, GError **error)
{
	AshErofsInode inode;

	if (!ash_erofs_inode_read(reader, nid, &inode, error))
		return FALSE;
	*ret_stat = inode.stat;
	return TRUE;
}

gboolean
ash_erofs_each_entry(AshErofsReader *reader, guint64 nid, AshErofsEntryFunc func, gpointer user_data, GError **error)
{
	AshErofsInode inode;

	return ash_erofs_inode_read(reader, nid, &inode, error) && each_entry(reader, &inode, func, user_data, error);
}

gboolean
ash_erofs_read_nid(AshErofsReader *reader, guint64 nid, guint64 at, void *buffer, gsize length, GError **error)
{
	AshErofsInode inode;

	if (!ash_erofs_inode_read(reader, nid, &inode, error))
		return FALSE;
	if (!S_ISREG(inode.stat.mode) || at > inode.stat.size || length > inode.stat.size - at)
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: no regular file, or shorter than that");
	return ash_erofs_inode_read_data(reader, &inode, at, buffer, length, error);
}

char *
ash_erofs_read_link_nid(AshErofsReader *reader, guint64 nid, GError **error)
{
	AshErofsInode inode;

	return ash_erofs_inode_read(reader, nid, &inode, error) ? read_target(reader, &inode, error) : NULL;
}

GBytes *
ash_erofs_get_xattr_nid(AshErofsReader *reader, guint64 nid, const char *name, GError **error)
{
	AshErofsInode inode;

	return ash_erofs_inode_read(reader, nid, &inode, error) ? ash_erofs_inode_get_xattr(reader, &inode, name, error) : NULL;
}
