/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/squashfs/reader.h"

#include "base/error.h"
#include "base/fd.h"

#include <limits.h>
#include <sqfs/compressor.h>
#include <sqfs/data_reader.h>
#include <sqfs/dir.h>
#include <sqfs/dir_reader.h>
#include <sqfs/error.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/super.h>
#include <sqfs/xattr.h>
#include <sqfs/xattr_reader.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_BYTES (1024 * 1024)
#define MAX_DEPTH  256
#define MAX_NODES  (8 * 1024 * 1024)
#define CAPABILITY "capability"
#define NO_XATTRS  0xffffffffu

/** What the library takes for a file: a part of one. */
typedef struct {
	sqfs_file_t base;
	int fd;
	guint64 offset, length; /* bytes */
} Window;

struct AshSquashfsReader {
	GMutex lock; /* the library knows one caller at a time */
	Window window;
	sqfs_super_t super;
	sqfs_compressor_t *uncompressor;
	sqfs_id_table_t *ids;
	sqfs_dir_reader_t *directories;
	sqfs_data_reader_t *data;
	sqfs_xattr_reader_t *xattrs; /* NULL: none */
	GPtrArray *files;            /* of sqfs_inode_generic_t, those with content */
};

typedef struct {
	AshSquashfsReader *reader;
	guint32 source;
	GHashTable *directories; /* inode numbers: each has one name only */
	GHashTable *linked;      /* inode number to the first AshFsNode of one with several names */
	guint n_nodes;
} Filler;

typedef struct {
	char *name;
	sqfs_inode_generic_t *inode;
} Entry;

static gboolean
throw_sqfs(GError **error, int code)
{
	switch (code) {
	case SQFS_ERROR_IO:
	case SQFS_ERROR_OUT_OF_BOUNDS:
	case SQFS_ERROR_CORRUPTED:
		return ash_throw(error, ASH_ERROR_CONFIG, "squashfs: damaged, or cut short");
	case SQFS_ERROR_COMPRESSOR:
		return ash_throw(error, ASH_ERROR_CONFIG, "squashfs: a damaged block");
	case SQFS_ERROR_UNSUPPORTED:
		return ash_throw(error, ASH_ERROR_CONFIG, "squashfs: compressed by what libsquashfs was built without");
	default:
		return ash_throw(error, ASH_ERROR_CONFIG, "squashfs: it cannot be read (%d)", code);
	}
}

static int
window_read(sqfs_file_t *base, sqfs_u64 offset, void *buffer, size_t size)
{
	const Window *window = (const Window *) base;

	if (offset > window->length || size > window->length - offset)
		return SQFS_ERROR_OUT_OF_BOUNDS;
	return ash_fd_read_exact(window->fd, buffer, size, window->offset + offset, NULL) ? 0 : SQFS_ERROR_IO;
}

static int
window_write(sqfs_file_t *base, sqfs_u64 offset, const void *buffer, size_t size)
{
	return SQFS_ERROR_IO;
}

static sqfs_u64
window_get_size(const sqfs_file_t *base)
{
	return ((const Window *) base)->length;
}

static int
window_truncate(sqfs_file_t *base, sqfs_u64 size)
{
	return SQFS_ERROR_IO;
}

/* It is a part of the reader. */
static void
window_destroy(sqfs_object_t *base)
{
}

static void
clear_object(gpointer object)
{
	if (object != NULL)
		sqfs_destroy(object);
}

static void
free_inode(gpointer inode)
{
	sqfs_free(inode);
}

static int
open_tables(AshSquashfsReader *reader)
{
	sqfs_file_t *file = &reader->window.base;
	sqfs_compressor_config_t config;
	int rc = sqfs_super_read(&reader->super, file);

	if (rc == 0)
		rc = sqfs_compressor_config_init(&config, (SQFS_COMPRESSOR) reader->super.compression_id, reader->super.block_size,
						 SQFS_COMP_FLAG_UNCOMPRESS);
	if (rc == 0)
		rc = sqfs_compressor_create(&config, &reader->uncompressor);
	if (rc != 0)
		return rc;
	reader->ids = sqfs_id_table_create(0);
	reader->directories = sqfs_dir_reader_create(&reader->super, reader->uncompressor, file, 0);
	reader->data = sqfs_data_reader_create(file, reader->super.block_size, reader->uncompressor, 0);
	if (reader->ids == NULL || reader->directories == NULL || reader->data == NULL)
		return SQFS_ERROR_ALLOC;
	rc = sqfs_id_table_read(reader->ids, file, &reader->super, reader->uncompressor);
	if (rc == 0)
		rc = sqfs_data_reader_load_fragment_table(reader->data, &reader->super);
	if (rc != 0 || (reader->super.flags & SQFS_FLAG_NO_XATTRS) != 0)
		return rc;
	reader->xattrs = sqfs_xattr_reader_create(0);
	return reader->xattrs != NULL ? sqfs_xattr_reader_load(reader->xattrs, &reader->super, file, reader->uncompressor) : SQFS_ERROR_ALLOC;
}

AshSquashfsReader *
ash_squashfs_reader_open(int fd, guint64 offset, guint64 length, GError **error)
{
	g_autoptr(AshSquashfsReader) reader = g_new0(AshSquashfsReader, 1);
	int rc;

	g_mutex_init(&reader->lock);
	reader->files = g_ptr_array_new_with_free_func(free_inode);
	reader->window = (Window) { .fd = fd, .offset = offset, .length = length };
	reader->window.base.base.destroy = window_destroy;
	reader->window.base.read_at = window_read;
	reader->window.base.write_at = window_write;
	reader->window.base.get_size = window_get_size;
	reader->window.base.truncate = window_truncate;
	rc = open_tables(reader);
	return rc == 0 || throw_sqfs(error, rc) ? g_steal_pointer(&reader) : NULL;
}

void
ash_squashfs_reader_free(AshSquashfsReader *reader)
{
	if (reader == NULL)
		return;
	clear_object(reader->xattrs);
	clear_object(reader->data);
	clear_object(reader->directories);
	clear_object(reader->ids);
	clear_object(reader->uncompressor);
	g_ptr_array_unref(reader->files);
	g_mutex_clear(&reader->lock);
	g_free(reader);
}

static void
entry_clear(gpointer data)
{
	Entry *entry = data;

	g_free(entry->name);
	if (entry->inode != NULL)
		sqfs_free(entry->inode);
}

/* The library knows where it is in one directory only: so all of one is read before the next. */
static int
read_entries(AshSquashfsReader *reader, const sqfs_inode_generic_t *directory, GArray *ret_entries)
{
	int rc = sqfs_dir_reader_open_dir(reader->directories, directory, 0);

	while (rc == 0) {
		sqfs_dir_entry_t *found = NULL;
		Entry entry = { NULL, NULL };
		gsize length;

		rc = sqfs_dir_reader_read(reader->directories, &found);
		if (rc != 0)
			break;
		length = (gsize) found->size + 1;
		if (memchr(found->name, '/', length) != NULL || memchr(found->name, '\0', length) != NULL)
			rc = SQFS_ERROR_CORRUPTED;
		else
			rc = sqfs_dir_reader_get_inode(reader->directories, &entry.inode);
		entry.name = g_strndup((const char *) found->name, length);
		sqfs_free(found);
		g_array_append_val(ret_entries, entry);
		if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0)
			rc = SQFS_ERROR_CORRUPTED;
	}
	return rc > 0 ? 0 : rc;
}

/* Of all attributes this one alone says what a file may do. */
static int
fill_capability(AshSquashfsReader *reader, AshFsNode *node, const sqfs_inode_generic_t *inode)
{
	sqfs_u32 index = NO_XATTRS;
	sqfs_xattr_id_t list;
	int rc = sqfs_inode_get_xattr_index(inode, &index);

	if (rc != 0 || index == NO_XATTRS || reader->xattrs == NULL)
		return rc;
	rc = sqfs_xattr_reader_get_desc(reader->xattrs, index, &list);
	if (rc == 0)
		rc = sqfs_xattr_reader_seek_kv(reader->xattrs, &list);
	for (sqfs_u32 i = 0; rc == 0 && i < list.count; i++) {
		sqfs_xattr_entry_t *key = NULL;
		sqfs_xattr_value_t *value = NULL;

		rc = sqfs_xattr_reader_read_key(reader->xattrs, &key);
		if (rc == 0)
			rc = sqfs_xattr_reader_read_value(reader->xattrs, key, &value);
		if (rc == 0 && strcmp((const char *) key->key, "security." CAPABILITY) == 0)
			ash_fs_node_add_xattr(node, "security." CAPABILITY, value->value, value->size);
		sqfs_free(key);
		sqfs_free(value);
	}
	return rc;
}

static guint32
count_links(const sqfs_inode_generic_t *inode)
{
	return inode->base.type == SQFS_INODE_EXT_FILE ? inode->data.file_ext.nlink : 1;
}

/* Takes the inode out of @entry where its content will be wanted. */
static gboolean
fill_file(Filler *filler, AshFsNode *node, Entry *entry, GError **error)
{
	AshSquashfsReader *reader = filler->reader;
	gpointer key = GUINT_TO_POINTER(entry->inode->base.inode_number);
	sqfs_u64 size = 0;
	int rc = sqfs_inode_get_file_size(entry->inode, &size);

	node->number = filler->source;
	node->size = size;
	if (rc == 0)
		rc = fill_capability(reader, node, entry->inode);
	if (rc != 0)
		return throw_sqfs(error, rc);
	if (count_links(entry->inode) > 1) {
		node->hardlink = g_hash_table_lookup(filler->linked, key);
		if (node->hardlink == NULL)
			g_hash_table_insert(filler->linked, key, node);
	}
	if (size > 0) {
		node->content = g_strdup_printf("%u", reader->files->len);
		g_ptr_array_add(reader->files, g_steal_pointer(&entry->inode));
	}
	return TRUE;
}

static gboolean
fill_target(AshFsNode *node, const sqfs_inode_generic_t *inode, GError **error)
{
	guint32 length = inode->data.slink.target_size;

	if (length == 0 || length >= PATH_MAX)
		return ash_throw(error, ASH_ERROR_CONFIG, "squashfs: a damaged symbolic link");
	node->target = g_strndup((const char *) inode->extra, length);
	node->size = length;
	return TRUE;
}

static int
set_owner(const AshSquashfsReader *reader, AshFsNode *node, const sqfs_inode_generic_t *inode)
{
	int rc = sqfs_id_table_index_to_id(reader->ids, inode->base.uid_idx, &node->uid);

	node->mtime = inode->base.mod_time;
	return rc != 0 ? rc : sqfs_id_table_index_to_id(reader->ids, inode->base.gid_idx, &node->gid);
}

static gboolean fill_directory(Filler *filler, AshFsNode *node, const sqfs_inode_generic_t *inode, guint depth, GError **error);

/* What there is no node for, sockets and the like, is left out. */
static gboolean
fill_entry(Filler *filler, AshFsNode *parent, Entry *entry, guint depth, GError **error)
{
	guint32 mode = entry->inode->base.mode;
	AshFsNode *node;
	int rc;

	if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode))
		return TRUE;
	if (filler->n_nodes++ >= MAX_NODES)
		return ash_throw(error, ASH_ERROR_CONFIG, "squashfs: more than %d names", MAX_NODES);
	node = ash_fs_node_new(parent, entry->name, mode);
	rc = set_owner(filler->reader, node, entry->inode);
	if (rc != 0)
		return throw_sqfs(error, rc);
	if (S_ISDIR(mode))
		return fill_directory(filler, node, entry->inode, depth + 1, error);
	return S_ISREG(mode) ? fill_file(filler, node, entry, error) : fill_target(node, entry->inode, error);
}

static gboolean
fill_directory(Filler *filler, AshFsNode *node, const sqfs_inode_generic_t *inode, guint depth, GError **error)
{
	g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
	int rc;

	g_array_set_clear_func(entries, entry_clear);
	if (depth > MAX_DEPTH || !g_hash_table_add(filler->directories, GUINT_TO_POINTER(inode->base.inode_number)))
		return ash_throw(error, ASH_ERROR_CONFIG, "squashfs: a directory is in itself, or in two others");
	rc = read_entries(filler->reader, inode, entries);
	if (rc != 0)
		return throw_sqfs(error, rc);
	for (guint i = 0; i < entries->len; i++) {
		if (!fill_entry(filler, node, &g_array_index(entries, Entry, i), depth, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_squashfs_reader_fill(AshSquashfsReader *reader, AshFsNode *root, guint32 source, GError **error)
{
	g_autoptr(GHashTable) directories = g_hash_table_new(NULL, NULL), linked = g_hash_table_new(NULL, NULL);
	Filler filler = { reader, source, directories, linked };
	sqfs_inode_generic_t *inode = NULL;
	int rc = sqfs_dir_reader_get_root_inode(reader->directories, &inode);
	gboolean filled;

	if (rc == 0)
		rc = set_owner(reader, root, inode);
	if (rc == 0 && !S_ISDIR(inode->base.mode))
		rc = SQFS_ERROR_CORRUPTED;
	if (rc == 0)
		root->mode = inode->base.mode;
	filled = rc == 0 ? fill_directory(&filler, root, inode, 0, error) : throw_sqfs(error, rc);
	sqfs_free(inode);
	return filled;
}

static gboolean
copy_file(AshSquashfsReader *reader, const sqfs_inode_generic_t *inode, int to_fd, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(COPY_BYTES);
	guint64 at = 0;

	for (;;) {
		sqfs_s32 got = sqfs_data_reader_read(reader->data, inode, at, buffer, COPY_BYTES);

		if (got < 0)
			return throw_sqfs(error, got);
		if (got == 0)
			return TRUE;
		if (!ash_fd_write_all(to_fd, buffer, (gsize) got, at, error))
			return FALSE;
		at += (guint64) got;
	}
}

gboolean
ash_squashfs_reader_copy(AshSquashfsReader *reader, guint64 number, int to_fd, GError **error)
{
	gboolean copied;

	g_return_val_if_fail(number < reader->files->len, FALSE);
	g_mutex_lock(&reader->lock);
	copied = copy_file(reader, g_ptr_array_index(reader->files, number), to_fd, error);
	g_mutex_unlock(&reader->lock);
	return copied;
}
