/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/squashfs/squashfs.h"

#include "base/error.h"
#include "base/fd.h"
#include "disk/squashfs/tree.h"

#include <sys/stat.h>

#define BLOCK_BYTES    (128 * 1024)
/* What loop devices and dm-verity want the end to be a multiple of. */
#define PADDING_BYTES  4096
#define PIECE_BYTES    (1024 * 1024)
/* As in an erofs: beyond, it becomes little smaller for much more time. */
#define ZSTD_LEVEL     12
/* Blocks that wait for each thread. */
#define BACKLOG        10

/** What the library is asked for. "none" has its metadata compressed all the same: by what every kernel with squashfs has. */
static const struct {
	SQFS_COMPRESSOR id;
	guint16 flags;
	guint32 level;      /* 0: the library's own */
	guint32 file_flags; /* of each file */
} compressions[] = {
	[ASH_ROOT_COMPRESSION_NONE] = { .id = SQFS_COMP_GZIP, .file_flags = SQFS_BLK_DONT_COMPRESS },
	[ASH_ROOT_COMPRESSION_LZ4HC] = { .id = SQFS_COMP_LZ4, .flags = SQFS_COMP_FLAG_LZ4_HC },
	[ASH_ROOT_COMPRESSION_ZSTD] = { .id = SQFS_COMP_ZSTD, .level = ZSTD_LEVEL },
	[ASH_ROOT_COMPRESSION_GZIP] = { .id = SQFS_COMP_GZIP },
	[ASH_ROOT_COMPRESSION_XZ] = { .id = SQFS_COMP_XZ },
};

static void
clear_object(gpointer object)
{
	if (object != NULL)
		sqfs_destroy(object);
}

static void
squashfs_clear(AshSquashfs *squashfs)
{
	clear_object(squashfs->blocks);
	clear_object(squashfs->block_writer);
	clear_object(squashfs->fragments);
	clear_object(squashfs->directories);
	clear_object(squashfs->directory_table);
	clear_object(squashfs->inode_table);
	clear_object(squashfs->xattrs);
	clear_object(squashfs->ids);
	clear_object(squashfs->uncompressor);
	clear_object(squashfs->compressor);
	clear_object(squashfs->file);
	g_clear_pointer(&squashfs->inodes, g_ptr_array_unref);
	g_clear_pointer(&squashfs->references, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshSquashfs, squashfs_clear)

/* The library's numbers, in words. */
gboolean
ash_squashfs_throw(GError **error, int code, const char *what)
{
	switch (code) {
	case SQFS_ERROR_IO:
		return ash_throw_errno(error, "%s", what);
	case SQFS_ERROR_OVERFLOW:
	case SQFS_ERROR_UNSUPPORTED:
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: squashfs cannot hold it", what);
	default:
		return ash_throw(error, ASH_ERROR_INTERNAL, "%s: libsquashfs failed (%d)", what, code);
	}
}

static gboolean
open_compressor(AshSquashfs *squashfs, AshRootCompression compression, GError **error)
{
	sqfs_compressor_config_t config;
	int rc = sqfs_compressor_config_init(&config, compressions[compression].id, BLOCK_BYTES, compressions[compression].flags);

	if (compressions[compression].level != 0)
		config.level = compressions[compression].level;
	if (rc == 0)
		rc = ash_squashfs_compressor_new(&config, &squashfs->compressor);
	config.flags |= SQFS_COMP_FLAG_UNCOMPRESS;
	if (rc == 0)
		rc = sqfs_compressor_create(&config, &squashfs->uncompressor);
	if (rc == SQFS_ERROR_UNSUPPORTED)
		return ash_throw(error, ASH_ERROR_CONFIG, "libsquashfs was built without \"%s\": choose another compression",
				 sqfs_compressor_name_from_id(compressions[compression].id));
	return rc == 0 || ash_squashfs_throw(error, rc, "compression");
}

/* The superblock is written again at the end. */
static gboolean
begin_file(AshSquashfs *squashfs, const AshRootFile *root, GError **error)
{
	guint32 epoch = (guint32) MIN(root->options.epoch, G_MAXUINT32);
	int rc = sqfs_super_init(&squashfs->super, BLOCK_BYTES, epoch, compressions[root->options.compression].id);

	squashfs->file = sqfs_open_file(root->path, SQFS_FILE_OPEN_OVERWRITE);
	if (squashfs->file == NULL)
		return ash_throw_errno(error, "cannot write \"%s\"", root->path);
	if (rc == 0)
		rc = sqfs_super_write(&squashfs->super, squashfs->file);
	if (rc == 0)
		rc = squashfs->compressor->write_options(squashfs->compressor, squashfs->file);
	if (rc > 0)
		squashfs->super.flags |= SQFS_FLAG_COMPRESSOR_OPTIONS;
	return rc >= 0 || ash_squashfs_throw(error, rc, "superblock");
}

static gboolean
open_writers(AshSquashfs *squashfs, guint jobs, GError **error)
{
	sqfs_block_processor_desc_t how = { .size = sizeof(how), .max_block_size = BLOCK_BYTES, .num_workers = MAX(jobs, 1) };
	int rc;

	squashfs->block_writer = sqfs_block_writer_create(squashfs->file, PADDING_BYTES, 0);
	squashfs->fragments = sqfs_frag_table_create(0);
	squashfs->ids = sqfs_id_table_create(0);
	squashfs->xattrs = sqfs_xattr_writer_create(0);
	squashfs->inode_table = sqfs_meta_writer_create(squashfs->file, squashfs->compressor, 0);
	squashfs->directory_table = sqfs_meta_writer_create(squashfs->file, squashfs->compressor, SQFS_META_WRITER_KEEP_IN_MEMORY);
	squashfs->directories = squashfs->directory_table != NULL ? sqfs_dir_writer_create(squashfs->directory_table, 0) : NULL;
	if (squashfs->block_writer == NULL || squashfs->fragments == NULL || squashfs->ids == NULL || squashfs->xattrs == NULL ||
	    squashfs->inode_table == NULL || squashfs->directories == NULL)
		return ash_squashfs_throw(error, SQFS_ERROR_ALLOC, "writers");
	how.max_backlog = how.num_workers * BACKLOG;
	how.cmp = squashfs->compressor;
	how.uncmp = squashfs->uncompressor;
	how.wr = squashfs->block_writer;
	how.tbl = squashfs->fragments;
	how.file = squashfs->file;
	rc = sqfs_block_processor_create_ex(&how, &squashfs->blocks);
	return rc == 0 || ash_squashfs_throw(error, rc, "writer of blocks");
}

static gboolean
append_content(AshSquashfs *squashfs, const AshFsNode *node, GError **error)
{
	ash_autofd int fd = node->size > 0 ? ash_fs_tree_open(squashfs->tree, node, error) : -1;
	int rc = 0;

	if (node->size > 0 && fd < 0)
		return FALSE;
	for (guint64 at = 0; rc == 0 && at < node->size; at += PIECE_BYTES) {
		gsize part = (gsize) MIN(PIECE_BYTES, node->size - at);

		if (!ash_context_check(squashfs->ctx, error) || !ash_fd_read_exact(fd, squashfs->piece, part, at, error))
			return FALSE;
		rc = sqfs_block_processor_append(squashfs->blocks, squashfs->piece, part);
	}
	return rc == 0 || ash_squashfs_throw(error, rc, "content");
}

/* Numbers from 1 on, as entries are walked; a file's inode is made here, with the places of its blocks, which follow while others are read. */
static gboolean
number_node(AshFsNode *node, gpointer user_data, GError **error)
{
	AshSquashfs *squashfs = user_data;
	sqfs_inode_generic_t **inode;
	int rc;

	if (node->hardlink != NULL)
		return TRUE;
	node->number = ++squashfs->n_inodes;
	inode = g_new0(sqfs_inode_generic_t *, 1);
	g_ptr_array_add(squashfs->inodes, inode);
	if (!S_ISREG(node->mode))
		return TRUE;
	rc = sqfs_block_processor_begin_file(squashfs->blocks, inode, NULL, squashfs->file_flags);
	if (rc != 0)
		return ash_squashfs_throw(error, rc, node->name);
	if (!append_content(squashfs, node, error))
		return ash_prefix(error, "\"%s\"", node->name);
	rc = sqfs_block_processor_end_file(squashfs->blocks);
	return rc == 0 || ash_squashfs_throw(error, rc, node->name);
}

static gboolean
write_contents(AshSquashfs *squashfs, AshFsTree *tree, GError **error)
{
	g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
	int rc;

	squashfs->piece = piece;
	if (!ash_fs_tree_walk(tree, number_node, squashfs, error))
		return FALSE;
	rc = sqfs_block_processor_finish(squashfs->blocks);
	return rc == 0 || ash_squashfs_throw(error, rc, "contents");
}

/* In the order that the format wants. */
static gboolean
write_tables(AshSquashfs *squashfs, guint64 root_reference, GError **error)
{
	sqfs_super_t *super = &squashfs->super;
	int rc = sqfs_meta_writer_flush(squashfs->inode_table);

	if (rc == 0)
		rc = sqfs_meta_writer_flush(squashfs->directory_table);
	super->root_inode_ref = root_reference;
	super->inode_count = squashfs->n_inodes;
	super->directory_table_start = squashfs->file->get_size(squashfs->file);
	if (rc == 0)
		rc = sqfs_meta_write_write_to_file(squashfs->directory_table);
	if (rc == 0)
		rc = sqfs_frag_table_write(squashfs->fragments, squashfs->file, super, squashfs->compressor);
	if (rc == 0)
		rc = sqfs_id_table_write(squashfs->ids, squashfs->file, super, squashfs->compressor);
	if (rc == 0)
		rc = sqfs_xattr_writer_flush(squashfs->xattrs, squashfs->file, super, squashfs->compressor);
	super->bytes_used = squashfs->file->get_size(squashfs->file);
	if (rc == 0)
		rc = sqfs_super_write(super, squashfs->file);
	if (rc == 0)
		rc = squashfs->file->truncate(squashfs->file, (super->bytes_used + PADDING_BYTES - 1) / PADDING_BYTES * PADDING_BYTES);
	return rc == 0 || ash_squashfs_throw(error, rc, "tables");
}

gboolean
ash_squashfs_make(AshContext *ctx, const AshRootFile *root, gpointer user_data, GError **error)
{
	g_auto(AshSquashfs) squashfs = { .ctx = ctx, .tree = root->tree, .file_flags = compressions[root->options.compression].file_flags };
	guint64 root_reference = 0;

	squashfs.inodes = g_ptr_array_new_with_free_func((GDestroyNotify) ash_squashfs_inode_free);
	squashfs.references = g_array_new(FALSE, TRUE, sizeof(guint64));
	if (!open_compressor(&squashfs, root->options.compression, error) || !begin_file(&squashfs, root, error) ||
	    !open_writers(&squashfs, (guint) ctx->jobs, error) || !write_contents(&squashfs, root->tree, error))
		return FALSE;
	squashfs.super.inode_table_start = squashfs.file->get_size(squashfs.file);
	g_array_set_size(squashfs.references, squashfs.n_inodes + 1);
	return ash_squashfs_write_tree(&squashfs, &root_reference, error) && write_tables(&squashfs, root_reference, error);
}
