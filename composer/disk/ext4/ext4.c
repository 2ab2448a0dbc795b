/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/ext4/ext4.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/size.h"
#include "base/zero.h"
#include "disk/ext4/dir.h"

#include <et/com_err.h>
#include <ext2fs/ext2fs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define BLOCK_BYTES 4096
#define INODE_BYTES 256
/* One inode per so many bytes. */
#define BYTES_PER_INODE      16384
#define COPY_BYTES           (1024 * 1024)
#define LOST_AND_FOUND       "lost+found"
#define LOST_AND_FOUND_BYTES 16384
/* Names of one inode; a directory with more in it has none of its links counted (feature dir_nlink). */
#define MAX_LINKS 65000

/** A file system being written. */
typedef struct {
	AshContext *ctx;
	const AshFsTree *tree;
	ext2_filsys fs;
	guint64 epoch;
} Writer;

static gboolean
throw_ext2(GError **error, errcode_t rc, const char *what)
{
	bool full = rc == EXT2_ET_BLOCK_ALLOC_FAIL || rc == EXT2_ET_INODE_ALLOC_FAIL;

	if (full)
		return ash_throw(
		    error, ASH_ERROR_CONFIG,
		    "%s: the ext4 file system is too small for its content: raise its size", what);
	if (rc == EXT2_ET_EA_NO_SPACE)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: ext4 has no room for its extended attributes: shorten them", what);
	if (rc == EMLINK)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: a file of ext4 has %d names at most", what, MAX_LINKS);
	return ash_throw(error, rc == ENOSPC ? ASH_ERROR_NO_SPACE : ASH_ERROR_INTERNAL, "%s: %s",
			 what, error_message(rc));
}

static gboolean
throw_node(GError **error, errcode_t rc, const AshFsNode *node)
{
	g_autofree char *path = ash_fs_node_dup_path(node);
	g_autofree char *what = g_strdup_printf("\"/%s\"", path);

	return throw_ext2(error, rc, what);
}

static guint64
count_nodes(const AshFsNode *node)
{
	guint64 count = 1;

	for (guint i = 0; node->children != NULL && i < node->children->len; i++)
		count += count_nodes(node->children->pdata[i]);
	return count;
}

/* mke2fs's own ratio, but of a tree of small files a quarter more than it has: they will not stay the only ones. */
static guint64
choose_inodes(const AshFsTree *tree, guint64 bytes)
{
	guint64 count = tree != NULL ? count_nodes(tree->root) : 0;

	return CLAMP(MAX(bytes / BYTES_PER_INODE, count + count / 4), 64, G_MAXUINT32 / 2);
}

static void
describe(struct ext2_super_block *param, const AshFsTree *tree, guint64 bytes)
{
	param->s_rev_level = EXT2_DYNAMIC_REV;
	param->s_log_block_size = 2;
	param->s_log_cluster_size = 2;
	param->s_inode_size = INODE_BYTES;
	param->s_log_groups_per_flex = 4;
	param->s_inodes_count = (guint32) choose_inodes(tree, bytes);
	param->s_feature_compat = EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_DIR_INDEX |
				  EXT2_FEATURE_COMPAT_RESIZE_INODE;
	param->s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
				    EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG;
	param->s_feature_ro_compat =
	    EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
	    EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
	    EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
	ext2fs_blocks_count_set(param, bytes / BLOCK_BYTES);
}

static void
fill_superblock(Writer *writer, const AshExt4Options *options)
{
	struct ext2_super_block *super = writer->fs->super;

	/* libext2fs takes 0 for "look at the clock". */
	writer->fs->now = (time_t) writer->epoch;
	super->s_mkfs_time = (guint32) writer->epoch;
	super->s_lastcheck = (guint32) writer->epoch;
	super->s_wtime = (guint32) writer->epoch;
	super->s_checkinterval = 0;
	super->s_max_mnt_count = -1;
	super->s_kbytes_written = 1;
	super->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
	super->s_checksum_type = EXT2_CRC32C_CHKSUM;
	super->s_def_hash_version = EXT2_HASH_HALF_MD4;
	super->s_flags |= EXT2_FLAGS_SIGNED_HASH;
	super->s_min_extra_isize = 32;
	super->s_want_extra_isize = 32;
	memcpy(super->s_uuid, options->uuid.bytes, sizeof(super->s_uuid));
	memcpy(super->s_hash_seed, options->hash_seed.bytes, sizeof(options->hash_seed.bytes));
	memcpy(super->s_volume_name, options->label,
	       MIN(strlen(options->label), sizeof(super->s_volume_name)));
	ext2fs_init_csum_seed(writer->fs);
}

/* Empty tables: the file is zero where they are, so that marking them zeroed is enough. */
static errcode_t
allocate_tables(ext2_filsys fs)
{
	errcode_t rc = ext2fs_allocate_tables(fs);

	for (dgrp_t i = 0; rc == 0 && i < fs->group_desc_count; i++) {
		ext2fs_bg_flags_set(fs, i, EXT2_BG_INODE_ZEROED);
		ext2fs_group_desc_csum_set(fs, i);
	}
	return rc;
}

static errcode_t
make_reserved_inodes(ext2_filsys fs)
{
	ext2fs_inode_alloc_stats2(fs, EXT2_BAD_INO, 1, 0);
	for (ext2_ino_t i = EXT2_ROOT_INO + 1; i < EXT2_FIRST_INODE(fs->super); i++)
		ext2fs_inode_alloc_stats2(fs, i, 1, 0);
	ext2fs_mark_ib_dirty(fs);
	return ext2fs_update_bb_inode(fs, NULL);
}

/* As every fsck wants it: with room for entries before there is trouble. */
static errcode_t
make_lost_and_found(ext2_filsys fs)
{
	ext2_ino_t ino = 0;
	errcode_t rc;

	fs->umask = 077;
	rc = ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, LOST_AND_FOUND);
	fs->umask = 0;
	if (rc == 0)
		rc = ext2fs_lookup(fs, EXT2_ROOT_INO, LOST_AND_FOUND, strlen(LOST_AND_FOUND), NULL,
				   &ino);
	for (guint have = BLOCK_BYTES; rc == 0 && have < LOST_AND_FOUND_BYTES; have += BLOCK_BYTES)
		rc = ext2fs_expand_dir(fs, ino);
	return rc;
}

static errcode_t
make_skeleton(ext2_filsys fs)
{
	int journal_blocks = ext2fs_default_journal_size(ext2fs_blocks_count(fs->super));
	errcode_t rc = allocate_tables(fs);

	if (rc == 0)
		rc = ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, NULL);
	if (rc == 0)
		rc = make_lost_and_found(fs);
	if (rc == 0)
		rc = make_reserved_inodes(fs);
	if (rc == 0)
		rc = ext2fs_create_resize_inode(fs);
	if (rc == 0)
		rc = ext2fs_add_journal_inode(fs, (blk_t) MAX(journal_blocks, 1024),
					      EXT2_MKJOURNAL_LAZYINIT);
	return rc;
}

/* Seconds beyond 32 bits go to the two low bits of the extra field (ext4 "Inode Timestamps"). */
static void
set_time(guint32 *field, guint32 *extra, gint64 seconds)
{
	*field = (guint32) seconds;
	*extra = (guint32) ((seconds - (gint32) seconds) >> 32) & 3;
}

static errcode_t
set_attributes(Writer *writer, ext2_ino_t ino, const AshFsNode *node)
{
	struct ext2_inode_large inode;
	errcode_t rc = ext2fs_read_inode_full(writer->fs, ino, EXT2_INODE(&inode), sizeof(inode));

	if (rc != 0)
		return rc;
	inode.i_mode = (guint16) node->mode;
	if (!S_ISDIR(node->mode))
		inode.i_links_count = (guint16) node->nlink;
	else if (node->nlink > MAX_LINKS)
		inode.i_links_count = 1;
	inode.i_uid = (guint16) node->uid;
	ext2fs_set_i_uid_high(inode, node->uid >> 16);
	inode.i_gid = (guint16) node->gid;
	ext2fs_set_i_gid_high(inode, node->gid >> 16);
	if (node->immutable)
		inode.i_flags |= EXT2_IMMUTABLE_FL;
	inode.i_extra_isize = sizeof(inode) - EXT2_GOOD_OLD_INODE_SIZE;
	set_time(&inode.i_mtime, &inode.i_mtime_extra, node->mtime);
	set_time(&inode.i_ctime, &inode.i_ctime_extra, (gint64) writer->epoch);
	set_time(&inode.i_atime, &inode.i_atime_extra, node->mtime);
	set_time(&inode.i_crtime, &inode.i_crtime_extra, (gint64) writer->epoch);
	return ext2fs_write_inode_full(writer->fs, ino, EXT2_INODE(&inode), sizeof(inode));
}

static errcode_t
set_xattrs(Writer *writer, ext2_ino_t ino, const AshFsNode *node)
{
	struct ext2_xattr_handle *handle = NULL;
	errcode_t rc, close_rc;

	if (node->xattrs == NULL || node->xattrs->len == 0)
		return 0;
	rc = ext2fs_xattrs_open(writer->fs, ino, &handle);
	if (rc != 0)
		return rc;
	rc = ext2fs_xattrs_read(handle);
	for (guint i = 0; rc == 0 && i < node->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);

		rc = ext2fs_xattr_set(handle, xattr->name, xattr->value, xattr->length);
	}
	close_rc = ext2fs_xattrs_close(&handle);
	return rc != 0 ? rc : close_rc;
}

/* Blocks from @at on, up to @length, that are all zero, or none of which is: their bytes. */
static guint
measure_run(const guint8 *buffer, guint at, guint length, bool *ret_zero)
{
	guint end = at;

	*ret_zero = ash_is_zero(buffer + at, MIN(BLOCK_BYTES, length - at));
	while (end < length && ash_is_zero(buffer + end, MIN(BLOCK_BYTES, length - end)) == *ret_zero)
		end += MIN(BLOCK_BYTES, length - end);
	return end - at;
}

/* Blocks of zeros become holes, whatever the file had where it comes from: the bytes of an image must not depend on that. */
static errcode_t
write_part(ext2_file_t file, const guint8 *buffer, guint length)
{
	errcode_t rc = 0;

	for (guint at = 0, run; rc == 0 && at < length; at += run) {
		bool is_zero;
		guint put = 0;

		run = measure_run(buffer, at, length, &is_zero);
		if (is_zero) {
			rc = ext2fs_file_llseek(file, run, EXT2_SEEK_CUR, NULL);
			continue;
		}
		rc = ext2fs_file_write(file, buffer + at, run, &put);
		if (rc == 0 && put != run)
			rc = EXT2_ET_BLOCK_ALLOC_FAIL;
	}
	return rc;
}

static gboolean
copy_content(Writer *writer, int from_fd, ext2_file_t file, const AshFsNode *node, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(COPY_BYTES);
	__u64 have = 0;
	errcode_t rc = 0;

	for (guint64 at = 0; rc == 0 && at < node->size;) {
		guint part = (guint) MIN(node->size - at, COPY_BYTES);

		if (!ash_context_check(writer->ctx, error) ||
		    !ash_fd_read_exact(from_fd, buffer, part, at, error))
			return FALSE;
		rc = write_part(file, buffer, part);
		at += part;
	}
	/* A hole at the end. */
	if (rc == 0)
		rc = ext2fs_file_get_lsize(file, &have);
	if (rc == 0 && have != node->size)
		rc = ext2fs_file_set_size2(file, (ext2_off64_t) node->size);
	return rc == 0 || throw_node(error, rc, node);
}

static gboolean
write_content(Writer *writer, ext2_ino_t ino, const AshFsNode *node, GError **error)
{
	ash_autofd int from_fd = -1;
	ext2_file_t file = NULL;
	gboolean copied;
	errcode_t rc;

	if (node->size == 0)
		return TRUE;
	from_fd = ash_fs_tree_open(writer->tree, node, error);
	if (from_fd < 0)
		return FALSE;
	rc = ext2fs_file_open(writer->fs, ino, EXT2_FILE_WRITE, &file);
	if (rc != 0)
		return throw_node(error, rc, node);
	copied = copy_content(writer, from_fd, file, node, error);
	rc = ext2fs_file_close(file);
	if (copied && rc != 0)
		return throw_node(error, rc, node);
	return copied;
}

static errcode_t
make_file(Writer *writer, ext2_ino_t ino, const AshFsNode *node)
{
	struct ext2_inode inode = {.i_mode = (guint16) node->mode,
				   .i_links_count = (guint16) node->nlink};
	ext2_extent_handle_t handle = NULL;
	errcode_t rc;

	/* Opening an empty inode's extents makes the root of the extent tree. */
	rc = ext2fs_extent_open2(writer->fs, ino, &inode, &handle);
	if (rc != 0)
		return rc;
	ext2fs_extent_free(handle);
	rc = ext2fs_write_new_inode(writer->fs, ino, &inode);
	if (rc == 0)
		ext2fs_inode_alloc_stats2(writer->fs, ino, 1, 0);
	return rc;
}

/* As new_encode_dev() and old_encode_dev() of Linux: the second, where it is enough, for the oldest readers. */
static void
set_device(struct ext2_inode *inode, dev_t device)
{
	guint32 high = major(device), low = minor(device);

	if (high < 256 && low < 256)
		inode->i_block[0] = high << 8 | low;
	else
		inode->i_block[1] = (low & 0xff) | high << 8 | (low & ~0xffu) << 12;
}

/* Devices, fifos and sockets: an inode and no blocks. */
static errcode_t
make_special(Writer *writer, ext2_ino_t ino, const AshFsNode *node)
{
	struct ext2_inode inode = {.i_mode = (guint16) node->mode,
				   .i_links_count = (guint16) node->nlink};
	errcode_t rc;

	if (S_ISCHR(node->mode) || S_ISBLK(node->mode))
		set_device(&inode, (dev_t) node->rdev);
	rc = ext2fs_write_new_inode(writer->fs, ino, &inode);
	if (rc == 0)
		ext2fs_inode_alloc_stats2(writer->fs, ino, 1, 0);
	return rc;
}

/* Names follow when all inodes of a directory are there. */
static errcode_t
make_inode(Writer *writer, ext2_ino_t directory, AshFsNode *node)
{
	ext2_filsys fs = writer->fs;
	ext2_ino_t ino = 0;
	errcode_t rc = ext2fs_new_inode(fs, directory, (int) node->mode, NULL, &ino);

	if (rc != 0)
		return rc;
	if (!S_ISDIR(node->mode) && node->nlink > MAX_LINKS)
		return EMLINK;
	node->number = ino;
	if (S_ISREG(node->mode))
		return make_file(writer, ino, node);
	if (S_ISDIR(node->mode))
		return ext2fs_mkdir(fs, directory, ino, NULL);
	if (S_ISLNK(node->mode))
		return ext2fs_symlink(fs, directory, ino, NULL, node->target);
	return make_special(writer, ino, node);
}

static bool
is_lost_and_found(const Writer *writer, const AshFsNode *node)
{
	return node->parent == writer->tree->root && strcmp(node->name, LOST_AND_FOUND) == 0;
}

static gboolean write_children(Writer *writer, const AshFsNode *node, GError **error);

static gboolean
write_node(Writer *writer, AshFsNode *node, GError **error)
{
	errcode_t rc;

	if (node->hardlink != NULL || is_lost_and_found(writer, node))
		return TRUE;
	rc = make_inode(writer, node->parent->number, node);
	if (rc != 0)
		return throw_node(error, rc, node);
	if (S_ISREG(node->mode) && !write_content(writer, node->number, node, error))
		return FALSE;
	if (S_ISDIR(node->mode) && !write_children(writer, node, error))
		return FALSE;
	rc = set_attributes(writer, node->number, node);
	if (rc == 0)
		rc = set_xattrs(writer, node->number, node);
	return rc == 0 || throw_node(error, rc, node);
}

static errcode_t
find_lost_and_found(ext2_filsys fs, ext2_ino_t *ret_ino)
{
	return ext2fs_lookup(fs, EXT2_ROOT_INO, LOST_AND_FOUND, strlen(LOST_AND_FOUND), NULL, ret_ino);
}

/* The numbers of inodes are in their nodes. */
static errcode_t
write_names(Writer *writer, const AshFsNode *node)
{
	g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(AshExt4Entry));
	AshExt4Entry lost = { LOST_AND_FOUND, 0, S_IFDIR };
	errcode_t rc = 0;

	if (node->parent == NULL) {
		rc = find_lost_and_found(writer->fs, &lost.ino);
		g_array_append_val(entries, lost);
	}
	for (guint i = 0; rc == 0 && i < node->children->len; i++) {
		const AshFsNode *child = node->children->pdata[i];
		const AshFsNode *inode = child->hardlink != NULL ? child->hardlink : child;
		const AshExt4Entry entry = { child->name, inode->number, inode->mode };

		if (!is_lost_and_found(writer, child))
			g_array_append_val(entries, entry);
	}
	if (rc != 0)
		return rc;
	return ash_ext4_dir_write(writer->fs, node->number, node->parent != NULL ? node->parent->number : EXT2_ROOT_INO, entries);
}

static gboolean
write_children(Writer *writer, const AshFsNode *node, GError **error)
{
	errcode_t rc;

	for (guint i = 0; i < node->children->len; i++) {
		if (!write_node(writer, node->children->pdata[i], error))
			return FALSE;
	}
	rc = write_names(writer, node);
	return rc == 0 || throw_node(error, rc, node);
}

/* Where fsck(8) puts things: ours, but for the label that the tree may have for it. */
static errcode_t
finish_lost_and_found(Writer *writer)
{
	const AshFsNode *node = writer->tree != NULL ? ash_fs_tree_lookup(writer->tree, LOST_AND_FOUND) : NULL;
	const AshFsNode lost = {.name = (char *) LOST_AND_FOUND,
				.mode = S_IFDIR | 0700,
				.mtime = (gint64) writer->epoch,
				.xattrs = node != NULL ? node->xattrs : NULL};
	ext2_ino_t ino = 0;
	errcode_t rc = find_lost_and_found(writer->fs, &ino);

	if (rc == 0)
		rc = set_attributes(writer, ino, &lost);
	return rc == 0 ? set_xattrs(writer, ino, &lost) : rc;
}

static gboolean
write_tree(Writer *writer, GError **error)
{
	const AshFsNode plain_root = {
	    .name = (char *) "", .mode = S_IFDIR | 0755, .mtime = (gint64) writer->epoch};
	const AshFsNode *root = writer->tree != NULL ? writer->tree->root : &plain_root;
	errcode_t rc;

	if (writer->tree != NULL) {
		writer->tree->root->number = EXT2_ROOT_INO;
		if (!write_children(writer, root, error))
			return FALSE;
	}
	rc = set_attributes(writer, EXT2_ROOT_INO, root);
	if (rc == 0)
		rc = set_xattrs(writer, EXT2_ROOT_INO, root);
	if (rc == 0)
		rc = finish_lost_and_found(writer);
	return rc == 0 || throw_node(error, rc, root);
}

static gboolean
open_writer(Writer *writer, const AshExt4Options *options, int fd, guint64 offset, guint64 bytes,
	    GError **error)
{
	struct ext2_super_block param = {0};
	g_autofree char *path = ash_file_fd_path(fd);
	g_autofree char *io_option = g_strdup_printf("offset=%" G_GUINT64_FORMAT, offset);
	errcode_t rc;

	describe(&param, writer->tree, bytes);
	rc = ext2fs_initialize(path, EXT2_FLAG_EXCLUSIVE | EXT2_FLAG_64BITS, &param,
			       unix_io_manager, &writer->fs);
	if (rc != 0)
		return throw_ext2(error, rc, "ext4");
	rc = io_channel_set_options(writer->fs->io, io_option);
	if (rc != 0)
		return throw_ext2(error, rc, "ext4");
	fill_superblock(writer, options);
	return TRUE;
}

gboolean
ash_ext4_write(AshContext *ctx, const AshFsTree *tree, const AshExt4Options *options, int fd,
	       guint64 offset, guint64 bytes, GError **error)
{
	Writer writer = {.ctx = ctx, .tree = tree, .epoch = MAX(options->epoch, 1)};
	gboolean written = FALSE;
	errcode_t rc;

	if (bytes < ASH_EXT4_MIN_BYTES || bytes % BLOCK_BYTES != 0)
		return ash_throw(
		    error, ASH_ERROR_CONFIG,
		    "an ext4 file system needs at least 16 MiB, in blocks of 4096 bytes");
	if (open_writer(&writer, options, fd, offset, bytes, error)) {
		rc = make_skeleton(writer.fs);
		written = rc == 0 ? write_tree(&writer, error) : throw_ext2(error, rc, "ext4");
	}
	if (!written) {
		if (writer.fs != NULL)
			ext2fs_free(writer.fs);
		return FALSE;
	}
	/* Not synced here: the whole disk file is, once, when it is complete. */
	rc = ext2fs_close2(writer.fs, EXT2_FLAG_FLUSH_NO_SYNC);
	if (rc != 0)
		ext2fs_free(writer.fs);
	return rc == 0 || throw_ext2(error, rc, "ext4");
}

static void
add_up(const AshFsNode *node, guint64 *bytes)
{
	/* The inode and its share of tables, a name, and whole blocks of content. */
	*bytes += BLOCK_BYTES + (S_ISREG(node->mode) && node->hardlink == NULL
				     ? ash_size_round_up(node->size, BLOCK_BYTES)
				     : 0);
	for (guint i = 0; node->children != NULL && i < node->children->len; i++)
		add_up(node->children->pdata[i], bytes);
}

guint64
ash_ext4_estimate(const AshFsTree *tree)
{
	guint64 bytes = 0;

	if (tree != NULL)
		add_up(tree->root, &bytes);
	/* Tables and journal grow with the file system: a tenth, and what even an empty one has. */
	return ASH_EXT4_MIN_BYTES + bytes + bytes / 8;
}
