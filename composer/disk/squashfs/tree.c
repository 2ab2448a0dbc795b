/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/squashfs/tree.h"

#include "base/error.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define NO_XATTRS 0xffffffffu

/* What the library makes, it frees; g_malloc() is malloc(3), as its own is. */
void
ash_squashfs_inode_free(sqfs_inode_generic_t **inode)
{
	sqfs_free(*inode);
	g_free(inode);
}

static gboolean
throw_node(GError **error, int code, const AshFsNode *node)
{
	g_autofree char *path = ash_fs_node_dup_path(node);
	g_autofree char *what = g_strdup_printf("\"/%s\"", path);

	return ash_squashfs_throw(error, code, what);
}

/* As new_encode_dev() of Linux. */
static guint32
encode_device(dev_t device)
{
	guint32 low = minor(device);

	return (low & 0xff) | (guint32) major(device) << 8 | (low & ~0xffu) << 12;
}

static const struct {
	guint32 type; /* of the mode */
	guint16 inode_type;
} types[] = {
	{ S_IFLNK, SQFS_INODE_SLINK }, { S_IFBLK, SQFS_INODE_BDEV }, { S_IFCHR, SQFS_INODE_CDEV },
	{ S_IFIFO, SQFS_INODE_FIFO },  { S_IFSOCK, SQFS_INODE_SOCKET },
};

/* Of all that is neither a file nor a directory: its first fields are the same, and the library's for extended ones, too. */
static sqfs_inode_generic_t *
make_special(const AshFsNode *node)
{
	gsize length = S_ISLNK(node->mode) ? strlen(node->target) : 0;
	sqfs_inode_generic_t *inode = g_malloc0(sizeof(*inode) + length + 1);

	for (guint i = 0; i < G_N_ELEMENTS(types); i++)
		if (types[i].type == (node->mode & S_IFMT))
			inode->base.type = types[i].inode_type;
	inode->data.ipc.nlink = node->nlink;
	if (S_ISLNK(node->mode)) {
		inode->data.slink.target_size = (guint32) length;
		inode->payload_bytes_available = inode->payload_bytes_used = (guint32) length;
		memcpy(inode->extra, node->target, length);
	} else if (S_ISCHR(node->mode) || S_ISBLK(node->mode)) {
		inode->data.dev.devno = encode_device((dev_t) node->rdev);
	}
	return inode;
}

/* Those of an inode, or NO_XATTRS. */
static gboolean
add_xattrs(AshSquashfs *squashfs, const AshFsNode *node, guint32 *ret_index, GError **error)
{
	int rc;

	*ret_index = NO_XATTRS;
	if (node->xattrs == NULL || node->xattrs->len == 0)
		return TRUE;
	rc = sqfs_xattr_writer_begin(squashfs->xattrs, 0);
	for (guint i = 0; rc == 0 && i < node->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);

		rc = sqfs_xattr_writer_add(squashfs->xattrs, xattr->name, xattr->value, xattr->length);
		if (rc == SQFS_ERROR_UNSUPPORTED) {
			g_autofree char *path = ash_fs_node_dup_path(node);

			return ash_throw(error, ASH_ERROR_CONFIG, "\"/%s\": squashfs has no place for the attribute \"%s\": take \"erofs\"", path,
					 xattr->name);
		}
	}
	if (rc == 0)
		rc = sqfs_xattr_writer_end(squashfs->xattrs, ret_index);
	return rc == 0 || throw_node(error, rc, node);
}

static int
set_owner(AshSquashfs *squashfs, const AshFsNode *node, sqfs_inode_generic_t *inode)
{
	int rc = sqfs_id_table_id_to_index(squashfs->ids, node->uid, &inode->base.uid_idx);

	return rc != 0 ? rc : sqfs_id_table_id_to_index(squashfs->ids, node->gid, &inode->base.gid_idx);
}

/* Only extended inodes of files know how many names they have. */
static int
set_links(const AshFsNode *node, sqfs_inode_generic_t *inode)
{
	int rc = 0;

	if (!S_ISREG(node->mode))
		return 0;
	if (node->nlink > 1)
		rc = sqfs_inode_make_extended(inode);
	if (inode->base.type == SQFS_INODE_EXT_FILE)
		inode->data.file_ext.nlink = node->nlink;
	return rc;
}

/* @inode has what its kind needs. */
static gboolean
write_inode(AshSquashfs *squashfs, const AshFsNode *node, sqfs_inode_generic_t *inode, guint32 xattrs, GError **error)
{
	guint64 block = 0;
	guint32 offset = 0;
	int rc = set_owner(squashfs, node, inode);

	inode->base.mode = (guint16) node->mode;
	inode->base.mod_time = (guint32) CLAMP(node->mtime, 0, (gint64) G_MAXUINT32);
	inode->base.inode_number = node->number;
	if (rc == 0)
		rc = set_links(node, inode);
	if (rc == 0 && xattrs != NO_XATTRS)
		rc = sqfs_inode_set_xattr_index(inode, xattrs);
	/* That may have made it an extended one. */
	if (rc == 0)
		rc = set_links(node, inode);
	sqfs_meta_writer_get_position(squashfs->inode_table, &block, &offset);
	g_array_index(squashfs->references, guint64, node->number) = block << 16 | offset;
	if (rc == 0)
		rc = sqfs_meta_writer_write_inode(squashfs->inode_table, inode);
	return rc == 0 || throw_node(error, rc, node);
}

static gboolean
write_leaf(AshSquashfs *squashfs, const AshFsNode *node, GError **error)
{
	sqfs_inode_generic_t **inode = g_ptr_array_index(squashfs->inodes, node->number - 1);
	guint32 xattrs;

	if (*inode == NULL)
		*inode = make_special(node);
	return add_xattrs(squashfs, node, &xattrs, error) && write_inode(squashfs, node, *inode, xattrs, error);
}

/* Entries point to inodes that are written already. */
static gboolean
write_entries(AshSquashfs *squashfs, const AshFsNode *node, GError **error)
{
	int rc = sqfs_dir_writer_begin(squashfs->directories, 0);

	for (guint i = 0; rc == 0 && i < node->children->len; i++) {
		const AshFsNode *child = g_ptr_array_index(node->children, i);
		const AshFsNode *inode = child->hardlink != NULL ? child->hardlink : child;

		rc = sqfs_dir_writer_add_entry(squashfs->directories, child->name, inode->number,
					       g_array_index(squashfs->references, guint64, inode->number), (guint16) inode->mode);
	}
	if (rc == 0)
		rc = sqfs_dir_writer_end(squashfs->directories);
	return rc == 0 || throw_node(error, rc, node);
}

static gboolean write_directory(AshSquashfs *squashfs, const AshFsNode *node, GError **error);

/* In the order of the walk, so that the first name of a file, which has the inode, comes before the others. */
static gboolean
write_children(AshSquashfs *squashfs, const AshFsNode *node, GError **error)
{
	for (guint i = 0; i < node->children->len; i++) {
		const AshFsNode *child = g_ptr_array_index(node->children, i);

		if (child->hardlink != NULL)
			continue;
		if (!(S_ISDIR(child->mode) ? write_directory(squashfs, child, error) : write_leaf(squashfs, child, error)))
			return FALSE;
	}
	return TRUE;
}

static gboolean
write_directory(AshSquashfs *squashfs, const AshFsNode *node, GError **error)
{
	sqfs_inode_generic_t **inode = g_ptr_array_index(squashfs->inodes, node->number - 1);
	/* Above the root is nothing: the number behind all others. */
	guint32 parent = node->parent != NULL ? node->parent->number : squashfs->n_inodes + 1, xattrs;

	if (!write_children(squashfs, node, error) || !write_entries(squashfs, node, error) || !add_xattrs(squashfs, node, &xattrs, error))
		return FALSE;
	*inode = sqfs_dir_writer_create_inode(squashfs->directories, node->nlink, xattrs, parent);
	if (*inode == NULL)
		return throw_node(error, SQFS_ERROR_ALLOC, node);
	/* The library counts every entry as a link to its directory; other file systems count directories only. */
	if ((*inode)->base.type == SQFS_INODE_EXT_DIR)
		(*inode)->data.dir_ext.nlink = node->nlink;
	else
		(*inode)->data.dir.nlink = node->nlink;
	return write_inode(squashfs, node, *inode, NO_XATTRS, error);
}

gboolean
ash_squashfs_write_tree(AshSquashfs *squashfs, guint64 *ret_reference, GError **error)
{
	const AshFsNode *root = squashfs->tree->root;

	if (!write_directory(squashfs, root, error))
		return FALSE;
	*ret_reference = g_array_index(squashfs->references, guint64, root->number);
	return TRUE;
}
