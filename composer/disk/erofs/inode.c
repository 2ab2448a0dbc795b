/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/inode.h"

#include "base/error.h"
#include "base/fd.h"
#include "disk/erofs/format.h"

gboolean
ash_erofs_read_at(AshErofsReader *reader, guint64 at, void *buffer, gsize length, GError **error)
{
	if (at > reader->info.bytes || length > reader->info.bytes - at)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "EROFS: something lies outside the file system");
	return ash_fd_read_exact(reader->fd, buffer, length, reader->offset + at, error);
}

static void
parse_extended(const ErofsInodeExtended *raw, AshErofsInode *inode)
{
	inode->stat.mode = GUINT16_FROM_LE(raw->mode);
	inode->stat.size = GUINT64_FROM_LE(raw->size);
	inode->stat.uid = GUINT32_FROM_LE(raw->uid);
	inode->stat.gid = GUINT32_FROM_LE(raw->gid);
	inode->stat.nlink = GUINT32_FROM_LE(raw->nlink);
	inode->stat.mtime = (gint64) GUINT64_FROM_LE(raw->mtime);
	inode->data = (guint64) GUINT32_FROM_LE(raw->block) * EROFS_BLOCK;
}

static void
parse_compact(const AshErofsReader *reader, const ErofsInodeCompact *raw, AshErofsInode *inode)
{
	inode->stat.mode = GUINT16_FROM_LE(raw->mode);
	inode->stat.size = GUINT32_FROM_LE(raw->size);
	inode->stat.uid = GUINT16_FROM_LE(raw->uid);
	inode->stat.gid = GUINT16_FROM_LE(raw->gid);
	inode->stat.nlink = GUINT16_FROM_LE(raw->nlink);
	inode->stat.mtime = (gint64) reader->info.epoch;
	inode->data = (guint64) GUINT32_FROM_LE(raw->block) * EROFS_BLOCK;
}

gboolean
ash_erofs_inode_read(AshErofsReader *reader, guint64 nid, AshErofsInode *ret_inode, GError **error)
{
	union {
		ErofsInodeExtended extended;
		ErofsInodeCompact compact;
	} raw = {0};
	AshErofsInode inode = {.stat.nid = nid};
	guint64 at;
	guint16 format, count;

	if (nid > reader->info.bytes / EROFS_SLOT)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "EROFS: an inode lies outside the file system");
	at = reader->meta + nid * EROFS_SLOT;
	if (!ash_erofs_read_at(reader, at, &raw, sizeof(raw.compact), error))
		return FALSE;
	/* Both kinds begin with format and number of xattr units. */
	format = GUINT16_FROM_LE(raw.compact.format);
	count = GUINT16_FROM_LE(raw.compact.xattr_count);
	if ((format & 1) != 0) {
		if (!ash_erofs_read_at(reader, at, &raw, sizeof(raw.extended), error))
			return FALSE;
		parse_extended(&raw.extended, &inode);
		inode.xattr = at + sizeof(raw.extended);
	} else {
		parse_compact(reader, &raw.compact, &inode);
		inode.xattr = at + sizeof(raw.compact);
	}
	inode.layout = (format >> 1) & 7;
	inode.xattr_bytes = count > 0 ? EROFS_XATTR_HEADER + (count - 1u) * EROFS_XATTR_ALIGN : 0;
	inode.tail = inode.xattr + inode.xattr_bytes;
	*ret_inode = inode;
	return TRUE;
}

gboolean
ash_erofs_inode_check_layout(const AshErofsInode *inode, GError **error)
{
	if (inode->layout <= EROFS_LAYOUT_INLINE)
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "EROFS: chunked data, or compressed with a compact index, cannot be read here");
}

gboolean
ash_erofs_inode_read_data(AshErofsReader *reader, const AshErofsInode *inode, guint64 at, void *buffer, gsize length, GError **error)
{
	guint64 whole = inode->stat.size;

	if (!ash_erofs_inode_check_layout(inode, error))
		return FALSE;
	if (inode->layout == EROFS_LAYOUT_COMPRESSED)
		return ash_erofs_inode_unpack(reader, inode, at, buffer, length, error);
	if (inode->layout == EROFS_LAYOUT_INLINE)
		whole -= inode->stat.size % EROFS_BLOCK;
	if (at < whole) {
		gsize part = (gsize) MIN(length, whole - at);

		/* Both are far below 2^63: their sum is a number. */
		if (inode->data > reader->info.bytes || at > reader->info.bytes)
			return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: something lies outside the file system");
		if (!ash_erofs_read_at(reader, inode->data + at, buffer, part, error))
			return FALSE;
		at += part;
		length -= part;
		buffer = (guint8 *) buffer + part;
	}
	if (length == 0)
		return TRUE;
	if (inode->tail / EROFS_BLOCK !=
	    (inode->tail + (inode->stat.size - whole) - 1) / EROFS_BLOCK)
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: inline data crosses a block");
	return ash_erofs_read_at(reader, inode->tail + (at - whole), buffer, length, error);
}
