/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Private to disk/squashfs/: a file system while it is written. */

#include "base/context.h"
#include "model/fstree.h"

#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/compressor.h>
#include <sqfs/dir_writer.h>
#include <sqfs/error.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/block.h>
#include <sqfs/meta_writer.h>
#include <sqfs/super.h>
#include <sqfs/xattr_writer.h>

/** The library's objects, in the order of the file. */
typedef struct {
	AshContext *ctx;
	const AshFsTree *tree;
	guint32 file_flags;      /* SQFS_BLK_FLAGS of each file */
	guint8 *piece;           /* buffer for reading */
	guint32 n_inodes;
	GPtrArray *inodes;       /* of sqfs_inode_generic_t **, by number less one; NULL in them until made */
	GArray *references;      /* of guint64, by number: where an inode is in its table */
	sqfs_super_t super;
	sqfs_file_t *file;
	sqfs_compressor_t *compressor, *uncompressor;
	sqfs_block_writer_t *block_writer;
	sqfs_block_processor_t *blocks;
	sqfs_frag_table_t *fragments;
	sqfs_meta_writer_t *inode_table, *directory_table;
	sqfs_dir_writer_t *directories;
	sqfs_id_table_t *ids;
	sqfs_xattr_writer_t *xattrs;
} AshSquashfs;

/**
 * As sqfs_compressor_create(), but what it cannot make smaller it leaves alone, as the interface has it: the library's LZ4 (1.2, 1.3) gives
 * some blocks back larger, which unsquashfs(1) refuses.
 */
int ash_squashfs_compressor_new(const sqfs_compressor_config_t *config, sqfs_compressor_t **ret_compressor);

/** FALSE, always: what libsquashfs's @code means for @what. */
gboolean ash_squashfs_throw(GError **error, int code, const char *what);

void ash_squashfs_inode_free(sqfs_inode_generic_t **inode);

/** Inodes and directories, once contents have their places; *@ret_reference is that of the root. */
gboolean ash_squashfs_write_tree(AshSquashfs *squashfs, guint64 *ret_reference, GError **error);
