/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Private to disk/erofs/: the inodes of a file system that is read, and what they hold. */

#include "disk/erofs/reader.h"

struct AshErofsReader {
	int fd; /* borrowed */
	guint64 offset;
	AshErofsInfo info;
	guint64 meta;   /* start of the inodes, bytes */
	guint64 shared; /* of shared extended attributes */
	guint64 root_nid;
};

/** An inode as far as reading needs it. */
typedef struct {
	AshErofsStat stat;
	guint layout;
	guint64 data;  /* of whole blocks, bytes from the start of the file system */
	guint64 xattr; /* offset of the extended attributes */
	guint32 xattr_bytes;
	guint64 tail; /* where inline data is */
} AshErofsInode;

/** Reads what must lie inside the file system; @at in bytes from its start. */
gboolean ash_erofs_read_at(AshErofsReader *reader, guint64 at, void *buffer, gsize length, GError **error);

/** The inode number @nid. */
gboolean ash_erofs_inode_read(AshErofsReader *reader, guint64 nid, AshErofsInode *ret_inode, GError **error);

/** FALSE if its data is kept in a way that cannot be read here. */
gboolean ash_erofs_inode_check_layout(const AshErofsInode *inode, GError **error);

/** Reads @length bytes of the inode's data from @at on; the caller has checked them against its size. */
gboolean ash_erofs_inode_read_data(AshErofsReader *reader, const AshErofsInode *inode, guint64 at, void *buffer, gsize length, GError **error);

/** The same of one that is compressed. */
gboolean ash_erofs_inode_unpack(AshErofsReader *reader, const AshErofsInode *inode, guint64 at, guint8 *to, gsize length, GError **error);

/** Owned; NULL without @error if it has none of that name. */
GBytes *ash_erofs_inode_get_xattr(AshErofsReader *reader, const AshErofsInode *inode, const char *name, GError **error);
