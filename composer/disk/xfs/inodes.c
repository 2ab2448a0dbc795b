/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/xfs/inodes.h"

#include "base/error.h"
#include "base/fd.h"
#include "disk/io/crc32c.h"
#include "disk/xfs/format.h"

#include <string.h>
#include <sys/stat.h>

typedef struct {
	int fd;
	const GPtrArray *nodes;
	gint64 epoch;
	guint32 block_bytes, ag_blocks, ag_count, inode_bytes;
	guint block_log, inode_log;
} Xfs;

static void
put(guint8 *at, gsize bytes, guint64 value)
{
	for (gsize i = bytes; i > 0; i--, value >>= 8)
		at[i - 1] = (guint8) value;
}

static gboolean
throw_damaged(GError **error, const char *what)
{
	return ash_throw(error, ASH_ERROR_INTERNAL, "mkfs.xfs made something else than was asked for: %s", what);
}

static gboolean
read_superblock(Xfs *xfs, GError **error)
{
	guint8 sb[SECTOR_BYTES];

	if (!ash_fd_read_exact(xfs->fd, sb, sizeof(sb), 0, error))
		return FALSE;
	xfs->block_bytes = (guint32) ash_xfs_get(sb + SB_BLOCK_BYTES, 4);
	xfs->ag_blocks = (guint32) ash_xfs_get(sb + SB_AG_BLOCKS, 4);
	xfs->ag_count = (guint32) ash_xfs_get(sb + SB_AG_COUNT, 4);
	xfs->inode_bytes = (guint32) ash_xfs_get(sb + SB_INODE_BYTES, 2);
	xfs->block_log = sb[SB_BLOCK_LOG];
	xfs->inode_log = sb[SB_INODE_LOG];
	if (memcmp(sb, "XFSB", 4) != 0 || xfs->block_bytes < 1024 || xfs->block_bytes > 65536 || xfs->block_bytes != 1u << xfs->block_log ||
	    xfs->inode_bytes < 512 || xfs->inode_bytes > 2048 || xfs->inode_bytes != 1u << xfs->inode_log)
		return throw_damaged(error, "superblock");
	return TRUE;
}

static void
set_time(guint8 *inode, gsize field, gint64 seconds)
{
	put(inode + field, 8, (guint64) (CLAMP(seconds, BIGTIME_START, BIGTIME_LAST) - BIGTIME_START) * SECOND);
}

/* "security." and the like are flags of an entry. */
static const struct {
	const char *prefix;
	guint8 flag;
} namespaces[] = { { "user.", 0 }, { "trusted.", 1 << 1 }, { "security.", 1 << 2 } };

static gboolean
add_attribute(GByteArray *area, const AshFsXattr *xattr)
{
	for (guint i = 0; i < G_N_ELEMENTS(namespaces); i++) {
		gsize prefix = strlen(namespaces[i].prefix), length = strlen(xattr->name) - MIN(strlen(xattr->name), prefix);
		const guint8 entry[ATTR_ENTRY_BYTES] = { (guint8) length, (guint8) xattr->length, namespaces[i].flag };

		if (!g_str_has_prefix(xattr->name, namespaces[i].prefix))
			continue;
		if (length > ATTR_MAX || xattr->length > ATTR_MAX)
			return FALSE;
		g_byte_array_append(area, entry, sizeof(entry));
		g_byte_array_append(area, (const guint8 *) xattr->name + prefix, (guint) length);
		g_byte_array_append(area, xattr->value, (guint) xattr->length);
		return TRUE;
	}
	return FALSE;
}

/* Bytes that the data fork has in the inode. */
static gsize
measure_data(const guint8 *inode)
{
	if (inode[INODE_FORMAT] == FORMAT_DEVICE)
		return DEVICE_BYTES;
	return inode[INODE_FORMAT] == FORMAT_LOCAL ? ash_xfs_get(inode + INODE_SIZE, 8) : ash_xfs_get(inode + INODE_EXTENTS, 4) * EXTENT_BYTES;
}

/* They lie at the end of the inode, so that data has most of the room; but behind a device at once. */
static bool
place_attributes(const Xfs *xfs, guint8 *inode, const GByteArray *area)
{
	gsize room = xfs->inode_bytes - INODE_HEADER_BYTES, taken = (area->len + FORK_UNIT - 1) / FORK_UNIT * FORK_UNIT;
	gsize data = (measure_data(inode) + FORK_UNIT - 1) / FORK_UNIT * FORK_UNIT, start;

	if (taken >= room || data > room - taken)
		return false;
	start = inode[INODE_FORMAT] == FORMAT_DEVICE ? DEVICE_BYTES : room - taken;
	inode[INODE_FORK] = (guint8) (start / FORK_UNIT);
	inode[INODE_ATTR_FORMAT] = FORMAT_LOCAL;
	memcpy(inode + INODE_HEADER_BYTES + start, area->data, area->len);
	return true;
}

static gboolean
set_attributes(const Xfs *xfs, guint8 *inode, const AshFsNode *node, GError **error)
{
	g_autoptr(GByteArray) area = g_byte_array_new();
	g_autofree char *path = NULL;
	bool ok = true;

	if (node->xattrs == NULL || node->xattrs->len == 0)
		return TRUE;
	g_byte_array_set_size(area, ATTR_HEADER_BYTES);
	for (guint i = 0; ok && i < node->xattrs->len; i++)
		ok = add_attribute(area, &g_array_index(node->xattrs, AshFsXattr, i));
	memset(area->data, 0, ATTR_HEADER_BYTES);
	put(area->data, 2, area->len);
	area->data[2] = (guint8) node->xattrs->len;
	if (ok && node->xattrs->len <= ATTR_MAX && place_attributes(xfs, inode, area))
		return TRUE;
	path = ash_fs_node_dup_path(node);
	return ash_throw(error, ASH_ERROR_CONFIG, "\"/%s\": its attributes do not fit into an inode of XFS: take \"ext4\"", path);
}

static gboolean
set_node(const Xfs *xfs, guint8 *inode, const AshFsNode *node, GError **error)
{
	put(inode + INODE_MODE, 2, node->mode);
	put(inode + INODE_UID, 4, node->uid);
	put(inode + INODE_GID, 4, node->gid);
	set_time(inode, INODE_MTIME, node->mtime);
	set_time(inode, INODE_ATIME, node->mtime);
	return set_attributes(xfs, inode, node, error);
}

static gboolean
finish_inode(const Xfs *xfs, guint64 offset, GError **error)
{
	guint8 inode[2048];
	guint32 number, crc;

	if (!ash_fd_read_exact(xfs->fd, inode, xfs->inode_bytes, offset, error))
		return FALSE;
	number = (guint32) ash_xfs_get(inode + INODE_UID, 4);
	if (memcmp(inode, "IN", 2) != 0 || inode[INODE_VERSION] != 3 || number > xfs->nodes->len ||
	    (ash_xfs_get(inode + INODE_FLAGS2, 8) & FLAG2_BIGTIME) == 0)
		return throw_damaged(error, "inode");
	for (guint i = 0; i < 3; i++)
		set_time(inode, (const gsize[]) { INODE_MTIME, INODE_CTIME, INODE_CRTIME }[i], xfs->epoch);
	if (number > 0 && !set_node(xfs, inode, g_ptr_array_index(xfs->nodes, number - 1), error))
		return FALSE;
	memset(inode + INODE_CRC, 0, 4);
	crc = GUINT32_TO_LE(~ash_crc32c(~0u, inode, xfs->inode_bytes));
	memcpy(inode + INODE_CRC, &crc, sizeof(crc));
	return ash_fd_write_all(xfs->fd, inode, xfs->inode_bytes, offset, error);
}

/* The offset in the file of block @block of group @ag. */
static guint64
find_block(const Xfs *xfs, guint32 ag, guint32 block)
{
	return ((guint64) ag * xfs->ag_blocks + block) * xfs->block_bytes;
}

static gboolean
finish_chunk(const Xfs *xfs, guint32 ag, const guint8 *record, GError **error)
{
	guint64 start = ash_xfs_get(record, 4), free_mask = ash_xfs_get(record + CHUNK_FREE, 8);

	for (guint i = 0; i < CHUNK_INODES; i++) {
		if ((free_mask >> i & 1) == 0 && !finish_inode(xfs, find_block(xfs, ag, 0) + ((start + i) << xfs->inode_log), error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
read_tree_block(const Xfs *xfs, guint32 ag, guint32 block, guint8 *buffer, GError **error)
{
	if (block >= xfs->ag_blocks || !ash_fd_read_exact(xfs->fd, buffer, xfs->block_bytes, find_block(xfs, ag, block), error))
		return throw_damaged(error, "place of a tree of inodes");
	return memcmp(buffer, "IAB3", 4) == 0 || throw_damaged(error, "tree of inodes");
}

/* The first leaf, and those to its right. */
static gboolean
finish_group(const Xfs *xfs, guint32 ag, GError **error)
{
	g_autofree guint8 *block = g_malloc(xfs->block_bytes);
	gsize pointers = TREE_HEADER_BYTES + (xfs->block_bytes - TREE_HEADER_BYTES) / (2 * TREE_KEY_BYTES) * TREE_KEY_BYTES;
	guint8 agi[SECTOR_BYTES];
	guint32 next;

	if (!ash_fd_read_exact(xfs->fd, agi, sizeof(agi), find_block(xfs, ag, 0) + AGI_SECTOR * SECTOR_BYTES, error))
		return FALSE;
	if (memcmp(agi, "XAGI", 4) != 0)
		return throw_damaged(error, "header of inodes");
	next = (guint32) ash_xfs_get(agi + AGI_ROOT, 4);
	for (guint level = (guint) ash_xfs_get(agi + AGI_LEVEL, 4); level > 1; level--) {
		if (!read_tree_block(xfs, ag, next, block, error))
			return FALSE;
		next = (guint32) ash_xfs_get(block + pointers, 4);
	}
	for (; next != NO_BLOCK; next = (guint32) ash_xfs_get(block + TREE_RIGHT, 4)) {
		if (!read_tree_block(xfs, ag, next, block, error))
			return FALSE;
		for (guint i = 0, n = (guint) ash_xfs_get(block + TREE_RECORDS, 2); i < n; i++)
			if (!finish_chunk(xfs, ag, block + TREE_HEADER_BYTES + (gsize) i * TREE_RECORD_BYTES, error))
				return FALSE;
	}
	return TRUE;
}

gboolean
ash_xfs_finish_inodes(int fd, const GPtrArray *nodes, gint64 epoch, GError **error)
{
	Xfs xfs = { .fd = fd, .nodes = nodes, .epoch = epoch };

	if (!read_superblock(&xfs, error))
		return FALSE;
	for (guint32 ag = 0; ag < xfs.ag_count; ag++)
		if (!finish_group(&xfs, ag, error))
			return FALSE;
	return TRUE;
}
