/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/xfs/reader.h"

#include "base/error.h"
#include "base/fd.h"
#include "disk/xfs/format.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH  256
#define MAX_NODES  (8 * 1024 * 1024)
/* Of one file; and of one directory, in bytes. */
#define MAX_EXTENTS   (1024 * 1024)
#define MAX_DIRECTORY ((guint64) 1 << 32)
#define COPY_BLOCKS   256
#define MAX_INODE     2048
/* Types of entries, fewer inodes in a chunk, a UUID of its own for metadata, times from 1901 on. */
#define KNOWN_FEATURES 0xf
#define TYPES          0x1
/* A block of a tree of extents. */
#define MAP_HEADER_BYTES 72
#define MAP_RIGHT        16
#define NO_FS_BLOCK      G_MAXUINT64
/* A directory in its inode, and the blocks of a larger one. */
#define SHORT_PARENT     2
#define DIR_HEADER_BYTES 64
#define DIR_TAIL_BYTES   8
#define DIR_UNIT         8
#define DIR_FREE         0xffff
/* A target in a block. */
#define LINK_HEADER_BYTES 56
#define ATTR_SECURE       (1 << 2)
#define CAPABILITY        "capability"

struct AshXfsReader {
	int fd;
	guint64 offset, length;
	guint32 block_bytes, ag_blocks, ag_count, inode_bytes, dir_bytes;
	guint block_log, ag_block_log, inodes_log;
	guint64 root;
};

/** Blocks of a file that lie together. */
typedef struct {
	guint64 at;    /* block of the file */
	guint64 block; /* of the file system: group and block in it */
	guint32 n;
	bool unwritten; /* reads as zeros */
} Extent;

typedef struct {
	guint64 number;
	guint8 bytes[MAX_INODE];
} Inode;

typedef struct {
	char *name;
	guint64 number;
} Entry;

typedef struct {
	const AshXfsReader *reader;
	guint32 source;
	GHashTable *directories; /* inode numbers: each has one name only */
	GHashTable *linked;      /* inode number to the first AshFsNode of one with several names */
	guint n_nodes;
} Filler;

static gboolean
throw_damaged(GError **error, const char *what)
{
	return ash_throw(error, ASH_ERROR_CONFIG, "XFS: damaged: %s", what);
}

static gboolean
read_at(const AshXfsReader *reader, guint64 at, void *buffer, gsize bytes, GError **error)
{
	if (at > reader->length || bytes > reader->length - at)
		return throw_damaged(error, "something lies beyond its end");
	return ash_fd_read_exact(reader->fd, buffer, bytes, reader->offset + at, error);
}

static gboolean
take_superblock(AshXfsReader *reader, const guint8 *sb, GError **error)
{
	guint dir_log = sb[SB_DIR_BLOCK_LOG];

	if (memcmp(sb, "XFSB", 4) != 0 || (ash_xfs_get(sb + SB_VERSION, 2) & 0xf) != 5)
		return ash_throw(error, ASH_ERROR_CONFIG, "XFS: not of version 5 (with checksums)");
	if ((ash_xfs_get(sb + SB_INCOMPAT, 4) & ~(guint64) KNOWN_FEATURES) != 0 || (ash_xfs_get(sb + SB_INCOMPAT, 4) & TYPES) == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "XFS: features that are not read (incompat 0x%x)", (guint) ash_xfs_get(sb + SB_INCOMPAT, 4));
	reader->block_bytes = (guint32) ash_xfs_get(sb + SB_BLOCK_BYTES, 4);
	reader->ag_blocks = (guint32) ash_xfs_get(sb + SB_AG_BLOCKS, 4);
	reader->ag_count = (guint32) ash_xfs_get(sb + SB_AG_COUNT, 4);
	reader->inode_bytes = (guint32) ash_xfs_get(sb + SB_INODE_BYTES, 2);
	reader->block_log = sb[SB_BLOCK_LOG];
	reader->inodes_log = sb[SB_INODES_LOG];
	reader->ag_block_log = sb[SB_AG_BLOCK_LOG];
	reader->root = ash_xfs_get(sb + SB_ROOT, 8);
	if (reader->block_log < 10 || reader->block_log > 16 || reader->block_bytes != 1u << reader->block_log || reader->inode_bytes < 512 ||
	    reader->inode_bytes > MAX_INODE || reader->inodes_log > 7 || reader->inode_bytes << reader->inodes_log != reader->block_bytes ||
	    reader->ag_block_log > 31 || reader->ag_blocks > 1u << reader->ag_block_log || dir_log > 16 - reader->block_log)
		return throw_damaged(error, "superblock");
	reader->dir_bytes = reader->block_bytes << dir_log;
	return TRUE;
}

AshXfsReader *
ash_xfs_reader_open(int fd, guint64 offset, guint64 length, GError **error)
{
	g_autoptr(AshXfsReader) reader = g_new0(AshXfsReader, 1);
	guint8 sb[SECTOR_BYTES];

	reader->fd = fd;
	reader->offset = offset;
	reader->length = length;
	if (!read_at(reader, 0, sb, sizeof(sb), error) || !take_superblock(reader, sb, error))
		return NULL;
	return g_steal_pointer(&reader);
}

void
ash_xfs_reader_free(AshXfsReader *reader)
{
	g_free(reader);
}

/* Reads @n blocks from @block on, which must lie in one group. */
static gboolean
read_blocks(const AshXfsReader *reader, guint64 block, guint64 n, void *buffer, GError **error)
{
	guint64 ag = block >> reader->ag_block_log, in_ag = block & ((G_GUINT64_CONSTANT(1) << reader->ag_block_log) - 1);

	if (ag >= reader->ag_count || in_ag >= reader->ag_blocks || n > reader->ag_blocks - in_ag)
		return throw_damaged(error, "a block's number");
	return read_at(reader, (ag * reader->ag_blocks + in_ag) << reader->block_log, buffer, n << reader->block_log, error);
}

static gboolean
read_inode(const AshXfsReader *reader, guint64 number, Inode *ret_inode, GError **error)
{
	guint64 block = number >> reader->inodes_log, index = number & ((1u << reader->inodes_log) - 1);
	g_autofree guint8 *buffer = g_malloc(reader->block_bytes);

	if (!read_blocks(reader, block, 1, buffer, error))
		return FALSE;
	ret_inode->number = number;
	memcpy(ret_inode->bytes, buffer + index * reader->inode_bytes, reader->inode_bytes);
	if (memcmp(ret_inode->bytes, "IN", 2) != 0 || ret_inode->bytes[INODE_VERSION] != 3 ||
	    ash_xfs_get(ret_inode->bytes + INODE_NUMBER, 8) != number)
		return throw_damaged(error, "an inode");
	return TRUE;
}

/* Where the data fork of an inode is, and its room in bytes. */
static const guint8 *
get_fork(const AshXfsReader *reader, const Inode *inode, gsize *ret_room)
{
	gsize room = reader->inode_bytes - INODE_HEADER_BYTES, split = (gsize) inode->bytes[INODE_FORK] * FORK_UNIT;

	*ret_room = split > 0 ? MIN(split, room) : room;
	return inode->bytes + INODE_HEADER_BYTES;
}

/* In 128 bits: a flag, 54 bits of the block in the file, 52 of the block on the disk, 21 of how many. */
static gboolean
add_extents(GArray *extents, const guint8 *records, gsize n, GError **error)
{
	if (extents->len + n > MAX_EXTENTS)
		return ash_throw(error, ASH_ERROR_CONFIG, "XFS: a file in more than %d pieces", MAX_EXTENTS);
	for (gsize i = 0; i < n; i++) {
		guint64 high = ash_xfs_get(records + i * EXTENT_BYTES, 8), low = ash_xfs_get(records + i * EXTENT_BYTES + 8, 8);
		const Extent extent = {
			.at = (high & G_MAXINT64) >> 9,
			.block = (high & 0x1ff) << 43 | low >> 21,
			.n = (guint32) (low & 0x1fffff),
			.unwritten = high >> 63 != 0,
		};

		const Extent *last = extents->len > 0 ? &g_array_index(extents, Extent, extents->len - 1) : NULL;

		/* In order, so that no more is read of a file than it is long. */
		if (extent.n == 0 || (last != NULL && extent.at < last->at + last->n))
			return throw_damaged(error, "the extents of an inode");
		g_array_append_val(extents, extent);
	}
	return TRUE;
}

static gboolean
read_map_block(const AshXfsReader *reader, guint64 block, guint level, guint8 *buffer, GError **error)
{
	if (!read_blocks(reader, block, 1, buffer, error))
		return FALSE;
	if (memcmp(buffer, "BMA3", 4) != 0 || ash_xfs_get(buffer + 4, 2) != level ||
	    ash_xfs_get(buffer + 6, 2) > (reader->block_bytes - MAP_HEADER_BYTES) / EXTENT_BYTES)
		return throw_damaged(error, "a tree of extents");
	return TRUE;
}

/* The root in the inode: down to the first leaf, and then to the right. */
static gboolean
walk_map(const AshXfsReader *reader, const guint8 *fork, gsize room, GArray *extents, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(reader->block_bytes);
	guint level = (guint) ash_xfs_get(fork, 2);
	guint64 block = ash_xfs_get(fork + 4 + (room - 4) / EXTENT_BYTES * 8, 8);

	if (level == 0 || level > 8 || room < 4 + EXTENT_BYTES)
		return throw_damaged(error, "a tree of extents");
	while (level-- > 1) {
		if (!read_map_block(reader, block, level, buffer, error))
			return FALSE;
		block = ash_xfs_get(buffer + MAP_HEADER_BYTES + (reader->block_bytes - MAP_HEADER_BYTES) / EXTENT_BYTES * 8, 8);
	}
	while (block != NO_FS_BLOCK) {
		if (!read_map_block(reader, block, 0, buffer, error))
			return FALSE;
		/* One without any would be a way around the limit. */
		if (ash_xfs_get(buffer + 6, 2) == 0)
			return throw_damaged(error, "a tree of extents");
		if (!add_extents(extents, buffer + MAP_HEADER_BYTES, ash_xfs_get(buffer + 6, 2), error))
			return FALSE;
		block = ash_xfs_get(buffer + MAP_RIGHT, 8);
	}
	return TRUE;
}

static GArray *
load_extents(const AshXfsReader *reader, const Inode *inode, GError **error)
{
	g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(Extent));
	guint64 n = ash_xfs_get(inode->bytes + INODE_EXTENTS, 4);
	gsize room;
	const guint8 *fork = get_fork(reader, inode, &room);
	gboolean loaded;

	if (inode->bytes[INODE_FORMAT] == FORMAT_TREE)
		loaded = walk_map(reader, fork, room, extents, error);
	else if (inode->bytes[INODE_FORMAT] == FORMAT_EXTENTS && n <= room / EXTENT_BYTES)
		loaded = add_extents(extents, fork, n, error);
	else
		loaded = throw_damaged(error, "the extents of an inode");
	return loaded ? g_steal_pointer(&extents) : NULL;
}

static void
entry_clear(gpointer data)
{
	g_free(((Entry *) data)->name);
}

static gboolean
add_entry(GArray *entries, const guint8 *name, gsize length, guint64 number, GError **error)
{
	Entry entry = { NULL, number };

	if (length == 0 || memchr(name, '/', length) != NULL || memchr(name, '\0', length) != NULL)
		return throw_damaged(error, "a name");
	if ((length == 1 && name[0] == '.') || (length == 2 && memcmp(name, "..", 2) == 0))
		return TRUE;
	entry.name = g_strndup((const char *) name, length);
	g_array_append_val(entries, entry);
	return TRUE;
}

/* Count, count of large numbers, parent; then for each: length, two bytes of a cookie, name, type, number. */
static gboolean
list_short(const AshXfsReader *reader, const Inode *inode, GArray *entries, GError **error)
{
	gsize room, size = (gsize) MIN(ash_xfs_get(inode->bytes + INODE_SIZE, 8), MAX_INODE);
	const guint8 *fork = get_fork(reader, inode, &room);
	gsize wide = fork[1] > 0 ? 8 : 4, at = SHORT_PARENT + wide;

	room = MIN(room, size);
	for (guint i = 0; i < fork[0]; i++) {
		gsize length = at < room ? fork[at] : 0;

		if (at + 3 + length + 1 + wide > room)
			return throw_damaged(error, "a directory in its inode");
		if (!add_entry(entries, fork + at + 3, length, ash_xfs_get(fork + at + 3 + length + 1, wide), error))
			return FALSE;
		at += 3 + length + 1 + wide;
	}
	return TRUE;
}

/* Number, length, name, type, two bytes of its own place, in units of 8; or what is free. */
static gboolean
list_dir_block(const AshXfsReader *reader, const guint8 *block, GArray *entries, GError **error)
{
	gsize end = reader->dir_bytes, at = DIR_HEADER_BYTES, bytes;

	if (memcmp(block, "XDB3", 4) == 0) {
		guint64 indexed = ash_xfs_get(block + end - DIR_TAIL_BYTES, 4) * 8;

		if (indexed > end - DIR_TAIL_BYTES - DIR_HEADER_BYTES)
			return throw_damaged(error, "a directory");
		end -= DIR_TAIL_BYTES + indexed;
	} else if (memcmp(block, "XDD3", 4) != 0) {
		return throw_damaged(error, "a directory");
	}
	for (; at + DIR_UNIT <= end; at += bytes) {
		if (ash_xfs_get(block + at, 2) == DIR_FREE) {
			bytes = ash_xfs_get(block + at + 2, 2);
		} else {
			bytes = (8 + 1 + (gsize) block[at + 8] + 1 + 2 + DIR_UNIT - 1) / DIR_UNIT * DIR_UNIT;
			if (bytes > end - at)
				return throw_damaged(error, "a directory");
			if (!add_entry(entries, block + at + 9, block[at + 8], ash_xfs_get(block + at, 8), error))
				return FALSE;
		}
		if (bytes == 0 || bytes % DIR_UNIT != 0 || bytes > end - at)
			return throw_damaged(error, "a directory");
	}
	return TRUE;
}

/* A block of a directory may be several of the file system, in pieces: so they are put together first. */
static gboolean
list_blocks(const AshXfsReader *reader, const Inode *inode, GArray *entries, GError **error)
{
	g_autoptr(GArray) extents = load_extents(reader, inode, error);
	guint64 size = ash_xfs_get(inode->bytes + INODE_SIZE, 8);
	g_autofree guint8 *buffer = g_malloc(reader->dir_bytes);
	guint per_block = reader->dir_bytes >> reader->block_log, have = 0;

	if (extents == NULL)
		return FALSE;
	if (size > MAX_DIRECTORY)
		return throw_damaged(error, "a directory's size");
	for (guint i = 0; i < extents->len; i++) {
		const Extent *extent = &g_array_index(extents, Extent, i);

		for (guint32 j = 0; j < extent->n && (extent->at + j) << reader->block_log < size; j++) {
			if ((extent->at + j) % per_block != have)
				return throw_damaged(error, "a directory with a hole in a block");
			if (!read_blocks(reader, extent->block + j, 1, buffer + ((gsize) have << reader->block_log), error))
				return FALSE;
			have = (have + 1) % per_block;
			if (have == 0 && !list_dir_block(reader, buffer, entries, error))
				return FALSE;
		}
	}
	return TRUE;
}

/* Of all attributes this one alone says what a file may do. */
static gboolean
fill_capability(const AshXfsReader *reader, AshFsNode *node, const Inode *inode, GError **error)
{
	gsize start = INODE_HEADER_BYTES + (gsize) inode->bytes[INODE_FORK] * FORK_UNIT, at = start + ATTR_HEADER_BYTES;
	const guint8 *bytes = inode->bytes;

	if (bytes[INODE_FORK] == 0)
		return TRUE;
	if (bytes[INODE_ATTR_FORMAT] != FORMAT_LOCAL)
		return ash_throw(error, ASH_ERROR_CONFIG, "XFS: attributes that lie outside of their inode are not read");
	if (at > reader->inode_bytes)
		return throw_damaged(error, "attributes");
	for (guint i = 0; i < bytes[start + 2]; i++) {
		gsize length = at + ATTR_ENTRY_BYTES <= reader->inode_bytes ? bytes[at] : MAX_INODE, value = at + ATTR_ENTRY_BYTES + length;

		if (value > reader->inode_bytes || bytes[at + 1] > reader->inode_bytes - value)
			return throw_damaged(error, "attributes");
		if ((bytes[at + 2] & ATTR_SECURE) != 0 && length == strlen(CAPABILITY) && memcmp(bytes + value - length, CAPABILITY, length) == 0)
			ash_fs_node_add_xattr(node, "security." CAPABILITY, bytes + value, bytes[at + 1]);
		at = value + bytes[at + 1];
	}
	return TRUE;
}

static gboolean
fill_file(Filler *filler, AshFsNode *node, const Inode *inode, GError **error)
{
	gpointer key = GSIZE_TO_POINTER(inode->number);

	node->number = filler->source;
	node->size = ash_xfs_get(inode->bytes + INODE_SIZE, 8);
	if (node->size > 0)
		node->content = g_strdup_printf("%" G_GUINT64_FORMAT, inode->number);
	if (ash_xfs_get(inode->bytes + INODE_LINKS, 4) > 1) {
		node->hardlink = g_hash_table_lookup(filler->linked, key);
		if (node->hardlink == NULL)
			g_hash_table_insert(filler->linked, key, node);
	}
	return fill_capability(filler->reader, node, inode, error);
}

static gboolean
fill_target(const AshXfsReader *reader, AshFsNode *node, const Inode *inode, GError **error)
{
	guint64 length = ash_xfs_get(inode->bytes + INODE_SIZE, 8);
	g_autofree guint8 *block = g_malloc(reader->block_bytes);
	g_autoptr(GArray) extents = NULL;
	gsize room;
	const guint8 *fork = get_fork(reader, inode, &room);

	if (length == 0 || length > reader->block_bytes - LINK_HEADER_BYTES || length >= PATH_MAX)
		return throw_damaged(error, "a symbolic link");
	node->size = length;
	if (inode->bytes[INODE_FORMAT] == FORMAT_LOCAL) {
		node->target = length <= room ? g_strndup((const char *) fork, length) : NULL;
		return node->target != NULL || throw_damaged(error, "a symbolic link");
	}
	extents = load_extents(reader, inode, error);
	if (extents == NULL)
		return FALSE;
	if (extents->len != 1)
		return throw_damaged(error, "a symbolic link");
	if (!read_blocks(reader, g_array_index(extents, Extent, 0).block, 1, block, error))
		return FALSE;
	if (memcmp(block, "XSLM", 4) != 0)
		return throw_damaged(error, "a symbolic link");
	node->target = g_strndup((const char *) block + LINK_HEADER_BYTES, length);
	return TRUE;
}

static void
set_owner(AshFsNode *node, const Inode *inode)
{
	guint64 time = ash_xfs_get(inode->bytes + INODE_MTIME, 8);
	bool big = (ash_xfs_get(inode->bytes + INODE_FLAGS2, 8) & FLAG2_BIGTIME) != 0;

	node->uid = (guint32) ash_xfs_get(inode->bytes + INODE_UID, 4);
	node->gid = (guint32) ash_xfs_get(inode->bytes + INODE_GID, 4);
	node->mtime = big ? (gint64) (time / SECOND) + BIGTIME_START : (gint32) (time >> 32);
}

static gboolean fill_directory(Filler *filler, AshFsNode *node, const Inode *inode, guint depth, GError **error);

/* What there is no node for, sockets and the like, is left out. */
static gboolean
fill_entry(Filler *filler, AshFsNode *parent, const Entry *entry, guint depth, GError **error)
{
	g_autofree Inode *inode = g_new0(Inode, 1);
	AshFsNode *node;
	guint32 mode;

	if (!read_inode(filler->reader, entry->number, inode, error))
		return FALSE;
	mode = (guint32) ash_xfs_get(inode->bytes + INODE_MODE, 2);
	if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode))
		return TRUE;
	if (filler->n_nodes++ >= MAX_NODES)
		return ash_throw(error, ASH_ERROR_CONFIG, "XFS: more than %d names", MAX_NODES);
	node = ash_fs_node_new(parent, entry->name, mode);
	set_owner(node, inode);
	if (S_ISDIR(mode))
		return fill_directory(filler, node, inode, depth + 1, error);
	return S_ISREG(mode) ? fill_file(filler, node, inode, error) : fill_target(filler->reader, node, inode, error);
}

static gboolean
fill_directory(Filler *filler, AshFsNode *node, const Inode *inode, guint depth, GError **error)
{
	g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
	bool is_short = inode->bytes[INODE_FORMAT] == FORMAT_LOCAL;

	g_array_set_clear_func(entries, entry_clear);
	if (depth > MAX_DEPTH || !g_hash_table_add(filler->directories, GSIZE_TO_POINTER(inode->number)))
		return ash_throw(error, ASH_ERROR_CONFIG, "XFS: a directory is in itself, or in two others");
	if (!(is_short ? list_short(filler->reader, inode, entries, error) : list_blocks(filler->reader, inode, entries, error)))
		return FALSE;
	for (guint i = 0; i < entries->len; i++) {
		if (!fill_entry(filler, node, &g_array_index(entries, Entry, i), depth, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_xfs_reader_fill(AshXfsReader *reader, AshFsNode *root, guint32 source, GError **error)
{
	g_autoptr(GHashTable) directories = g_hash_table_new(NULL, NULL), linked = g_hash_table_new(NULL, NULL);
	Filler filler = { reader, source, directories, linked };
	g_autofree Inode *inode = g_new0(Inode, 1);

	if (!read_inode(reader, reader->root, inode, error))
		return FALSE;
	root->mode = (guint32) ash_xfs_get(inode->bytes + INODE_MODE, 2);
	set_owner(root, inode);
	return S_ISDIR(root->mode) ? fill_directory(&filler, root, inode, 0, error) : throw_damaged(error, "the root");
}

static gboolean
copy_extent(const AshXfsReader *reader, const Extent *extent, guint64 size, int to_fd, GError **error)
{
	g_autofree guint8 *buffer = g_malloc((gsize) COPY_BLOCKS << reader->block_log);

	for (guint32 i = 0, n; i < extent->n; i += n) {
		guint64 at = (extent->at + i) << reader->block_log;

		n = MIN(extent->n - i, COPY_BLOCKS);
		if (at >= size)
			return TRUE;
		if (!read_blocks(reader, extent->block + i, n, buffer, error) ||
		    !ash_fd_write_all(to_fd, buffer, (gsize) MIN(size - at, (guint64) n << reader->block_log), at, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_xfs_reader_copy(AshXfsReader *reader, guint64 number, int to_fd, GError **error)
{
	g_autofree Inode *inode = g_new0(Inode, 1);
	g_autoptr(GArray) extents = NULL;
	guint64 size;

	if (!read_inode(reader, number, inode, error))
		return FALSE;
	extents = load_extents(reader, inode, error);
	if (extents == NULL)
		return FALSE;
	size = ash_xfs_get(inode->bytes + INODE_SIZE, 8);
	for (guint i = 0; i < extents->len; i++) {
		const Extent *extent = &g_array_index(extents, Extent, i);

		if (!extent->unwritten && !copy_extent(reader, extent, size, to_fd, error))
			return FALSE;
	}
	/* Holes, at the end too. */
	return ftruncate(to_fd, (off_t) size) == 0 || ash_throw_errno(error, "cannot make a file of %" G_GUINT64_FORMAT " bytes", size);
}
