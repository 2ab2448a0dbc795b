/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/ext4/reader.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <et/com_err.h>
#include <ext2fs/ext2fs.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_BYTES (1024 * 1024)
#define MAX_DEPTH  256
#define MAX_NODES  (8 * 1024 * 1024)

struct AshExt4Reader {
	ext2_filsys fs;
	GMutex lock; /* libext2fs knows one caller at a time */
};

typedef struct {
	ext2_filsys fs;
	guint32 source;
	GHashTable *directories; /* numbers of inodes: each has one name only */
	GHashTable *files;       /* number -> first AshFsNode of an inode with several names */
	guint n_nodes;
} Filler;

typedef struct {
	char *name;
	ext2_ino_t number;
} Entry;

static gboolean
throw_ext2(GError **error, errcode_t rc)
{
	return ash_throw(error, ASH_ERROR_CONFIG, "ext4: %s", error_message(rc));
}

AshExt4Reader *
ash_ext4_reader_open(int fd, guint64 offset, GError **error)
{
	g_autofree char *path = ash_file_fd_path(fd);
	g_autofree char *options = g_strdup_printf("offset=%" G_GUINT64_FORMAT, offset);
	AshExt4Reader *reader;
	ext2_filsys fs = NULL;
	errcode_t rc;

	initialize_ext2_error_table();
	rc = ext2fs_open2(path, options, EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0, unix_io_manager, &fs);
	if (rc != 0)
		return throw_ext2(error, rc), NULL;
	reader = g_new0(AshExt4Reader, 1);
	reader->fs = fs;
	g_mutex_init(&reader->lock);
	return reader;
}

void
ash_ext4_reader_free(AshExt4Reader *reader)
{
	if (reader == NULL)
		return;
	ext2fs_close_free(&reader->fs);
	g_mutex_clear(&reader->lock);
	g_free(reader);
}

static void
entry_clear(gpointer data)
{
	g_free(((Entry *) data)->name);
}

static int
add_entry(struct ext2_dir_entry *dirent, int offset, int block_bytes, char *buffer, void *user_data)
{
	gsize length = (gsize) ext2fs_dirent_name_len(dirent);
	Entry entry = { NULL, dirent->inode };

	if (length == 0 || memchr(dirent->name, '/', length) != NULL || memchr(dirent->name, '\0', length) != NULL)
		return 0;
	if ((length == 1 && dirent->name[0] == '.') || (length == 2 && memcmp(dirent->name, "..", 2) == 0))
		return 0;
	entry.name = g_strndup(dirent->name, length);
	g_array_append_val((GArray *) user_data, entry);
	return 0;
}

static errcode_t
read_file(ext2_filsys fs, ext2_ino_t number, char *buffer, guint length)
{
	ext2_file_t file = NULL;
	guint got = 0;
	errcode_t rc = ext2fs_file_open(fs, number, 0, &file);

	if (rc != 0)
		return rc;
	rc = ext2fs_file_read(file, buffer, length, &got);
	(void) ext2fs_file_close(file);
	return rc != 0 ? rc : got == length ? 0 : EXT2_ET_SHORT_READ;
}

static gboolean
fill_target(Filler *filler, AshFsNode *node, ext2_ino_t number, struct ext2_inode *inode, GError **error)
{
	guint length = (guint) EXT2_I_SIZE(inode);
	errcode_t rc = 0;

	if (EXT2_I_SIZE(inode) == 0 || EXT2_I_SIZE(inode) >= PATH_MAX)
		return ash_throw(error, ASH_ERROR_CONFIG, "ext4: a damaged symbolic link");
	node->target = g_malloc0(length + 1);
	if (ext2fs_is_fast_symlink(inode))
		memcpy(node->target, inode->i_block, MIN(length, sizeof(inode->i_block)));
	else
		rc = read_file(filler->fs, number, node->target, length);
	return rc == 0 || throw_ext2(error, rc);
}

static gboolean
fill_capability(Filler *filler, AshFsNode *node, ext2_ino_t number, GError **error)
{
	struct ext2_xattr_handle *handle = NULL;
	errcode_t rc = ext2fs_xattrs_open(filler->fs, number, &handle);
	void *value = NULL;
	gsize length = 0;

	if (rc == 0)
		rc = ext2fs_xattrs_read(handle);
	if (rc == 0 && ext2fs_xattr_get(handle, "security.capability", &value, &length) == 0) {
		ash_fs_node_add_xattr(node, "security.capability", value, length);
		ext2fs_free_mem(&value);
	}
	if (handle != NULL)
		(void) ext2fs_xattrs_close(&handle);
	return rc == 0 || rc == EXT2_ET_MISSING_EA_FEATURE || throw_ext2(error, rc);
}

static gboolean
fill_file(Filler *filler, AshFsNode *node, ext2_ino_t number, const struct ext2_inode *inode, GError **error)
{
	gpointer key = GUINT_TO_POINTER(number);

	node->number = filler->source;
	if (node->size > 0)
		node->content = g_strdup_printf("%u", number);
	if (inode->i_links_count > 1) {
		node->hardlink = g_hash_table_lookup(filler->files, key);
		if (node->hardlink == NULL)
			g_hash_table_insert(filler->files, key, node);
	}
	return fill_capability(filler, node, number, error);
}

static gboolean fill_directory(Filler *filler, AshFsNode *node, ext2_ino_t number, guint depth, GError **error);

static void
set_owner(AshFsNode *node, const struct ext2_inode *inode)
{
	node->uid = inode_uid(*inode);
	node->gid = inode_gid(*inode);
	node->mtime = inode->i_mtime;
}

/* What there is no node for, sockets and the like, is left out. */
static gboolean
fill_entry(Filler *filler, AshFsNode *parent, const Entry *entry, guint depth, GError **error)
{
	struct ext2_inode inode;
	errcode_t rc = ext2fs_read_inode(filler->fs, entry->number, &inode);
	AshFsNode *node;

	if (rc != 0)
		return throw_ext2(error, rc);
	if (!S_ISREG(inode.i_mode) && !S_ISDIR(inode.i_mode) && !S_ISLNK(inode.i_mode))
		return TRUE;
	if (filler->n_nodes++ >= MAX_NODES)
		return ash_throw(error, ASH_ERROR_CONFIG, "ext4: more than %d names", MAX_NODES);
	node = ash_fs_node_new(parent, entry->name, inode.i_mode);
	set_owner(node, &inode);
	if (S_ISDIR(inode.i_mode))
		return fill_directory(filler, node, entry->number, depth + 1, error);
	node->size = EXT2_I_SIZE(&inode);
	return S_ISREG(inode.i_mode) ? fill_file(filler, node, entry->number, &inode, error)
				     : fill_target(filler, node, entry->number, &inode, error);
}

static gboolean
fill_directory(Filler *filler, AshFsNode *node, ext2_ino_t number, guint depth, GError **error)
{
	g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
	errcode_t rc;

	g_array_set_clear_func(entries, entry_clear);
	if (depth > MAX_DEPTH || !g_hash_table_add(filler->directories, GUINT_TO_POINTER(number)))
		return ash_throw(error, ASH_ERROR_CONFIG, "ext4: a directory is in itself, or in two others");
	rc = ext2fs_dir_iterate(filler->fs, number, 0, NULL, add_entry, entries);
	if (rc != 0)
		return throw_ext2(error, rc);
	for (guint i = 0; i < entries->len; i++) {
		if (!fill_entry(filler, node, &g_array_index(entries, Entry, i), depth, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_ext4_reader_fill(AshExt4Reader *reader, AshFsNode *root, guint32 source, GError **error)
{
	g_autoptr(GHashTable) directories = g_hash_table_new(NULL, NULL), files = g_hash_table_new(NULL, NULL);
	Filler filler = { reader->fs, source, directories, files };
	struct ext2_inode inode;
	errcode_t rc = ext2fs_read_inode(reader->fs, EXT2_ROOT_INO, &inode);

	if (rc != 0)
		return throw_ext2(error, rc);
	root->mode = inode.i_mode;
	set_owner(root, &inode);
	return fill_directory(&filler, root, EXT2_ROOT_INO, 0, error);
}

static gboolean
copy_file(ext2_file_t file, int to_fd, GError **error)
{
	g_autofree char *buffer = g_malloc(COPY_BYTES);
	guint64 at = 0;
	guint got = 0;

	do {
		errcode_t rc = ext2fs_file_read(file, buffer, COPY_BYTES, &got);

		if (rc != 0)
			return throw_ext2(error, rc);
		if (!ash_fd_write_all(to_fd, buffer, got, at, error))
			return FALSE;
		at += got;
	} while (got > 0);
	return TRUE;
}

gboolean
ash_ext4_reader_copy(AshExt4Reader *reader, guint32 number, int to_fd, GError **error)
{
	ext2_file_t file = NULL;
	errcode_t rc;
	gboolean ok;

	g_mutex_lock(&reader->lock);
	rc = ext2fs_file_open(reader->fs, number, 0, &file);
	ok = rc == 0 ? copy_file(file, to_fd, error) : throw_ext2(error, rc);
	if (file != NULL)
		(void) ext2fs_file_close(file);
	g_mutex_unlock(&reader->lock);
	return ok;
}
