/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/erofs/erofs.h"
#include "disk/erofs/pack.h"
#include "disk/erofs/space.h"
#include "disk/erofs/xattr.h"

/* A file system before a byte is written. Private to disk/erofs/. */

/** One inode to be written. */
typedef struct {
	AshFsNode *node;      /* borrowed: the first name of the inode */
	char *path;           /* of that; owned */
	guint64 size;         /* i_size: bytes */
	bool extended;        /* 64 bytes instead of 32 */
	guint32 xattr_bytes;
	guint32 tail_bytes;   /* of a directory or link, kept beside the inode */
	guint64 slot, block;  /* as in AshErofsPlace */
	guint32 n_slots;
	guint32 n_blocks;
	const AshErofsPacked *packed; /* NULL: not compressed */
	guint32 index_bytes;          /* of that, behind the inode */
	bool has_slot, has_blocks; /* found a place */
} ErofsInode;

struct AshErofs {
	const AshFsTree *tree;
	AshErofsOptions options;
	GArray *inodes; /* of ErofsInode, in walk order; a node's "number" is its index */
	AshErofsPacker *packer; /* NULL: nothing is compressed */
	AshErofsXattrs *xattrs;
	AshErofsSpace *space;
	AshErofsZones zones;
	bool leave_files; /* nobody reads them in what is written */
};

/** Bytes of @inode with all that is beside it. */
guint64 ash_erofs_inode_bytes(const ErofsInode *inode);
/** Of its content: "id" in AshErofsPlace. */
guint64 ash_erofs_inode_id(const ErofsInode *inode);

/** Gives every inode its slots and blocks, and the shared attributes theirs; fills in the zones. */
gboolean ash_erofs_place(AshErofs *erofs, GError **error);
