/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/treeindex.h"

#include "base/digest.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREES_DIR "trees"
#define MAGIC "ASHTREE1"
#define MAGIC_SIZE (sizeof MAGIC - 1)

/* Deeper than any tree that can be committed: PATH_MAX is 4096. */
#define DEPTH_MAX 2048

typedef struct {
	GByteArray *data;
	guint32 count;
	guint depth;
} Writer;

/* What is left of the data; ok turns false at the first thing that is not there. */
typedef struct {
	const guint8 *at, *end;
	bool ok;
} Reader;

char *
ash_tree_index_name(const char *dirtree_checksum, const char *dirmeta_checksum)
{
	return g_strconcat(dirtree_checksum, ".", dirmeta_checksum, NULL);
}

static void
put_u16(GByteArray *data, guint value)
{
	guint16 little = GUINT16_TO_LE((guint16) value);

	g_byte_array_append(data, (const guint8 *) &little, sizeof(little));
}

static void
put_u32(GByteArray *data, guint32 value)
{
	guint32 little = GUINT32_TO_LE(value);

	g_byte_array_append(data, (const guint8 *) &little, sizeof(little));
}

static void
put_u64(GByteArray *data, guint64 value)
{
	guint64 little = GUINT64_TO_LE(value);

	g_byte_array_append(data, (const guint8 *) &little, sizeof(little));
}

static void
put_string(GByteArray *data, const char *text)
{
	g_byte_array_append(data, (const guint8 *) text, (guint) strlen(text) + 1);
}

static void
put_xattrs(GByteArray *data, const GArray *xattrs)
{
	put_u16(data, xattrs != NULL ? xattrs->len : 0);
	for (guint i = 0; xattrs != NULL && i < xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(xattrs, AshFsXattr, i);
		put_string(data, xattr->name);
		put_u32(data, (guint32) xattr->length);
		g_byte_array_append(data, xattr->value, (guint) xattr->length);
	}
}

static void
put_content(GByteArray *data, const AshFsNode *node)
{
	guint8 sum[ASH_SHA256_SIZE] = { 0 };

	put_u64(data, node->size);
	if (node->size == 0)
		return;
	ash_hex_decode(node->content, sum, sizeof(sum));
	g_byte_array_append(data, sum, sizeof(sum));
}

static void
put_node(Writer *writer, const AshFsNode *node)
{
	/* Every name of an inode says all of it: the order of names may be another one when this is read. */
	const AshFsNode *inode = node->hardlink != NULL ? node->hardlink : node;

	put_u16(writer->data, writer->depth);
	put_u32(writer->data, inode->mode);
	put_u32(writer->data, inode->uid);
	put_u32(writer->data, inode->gid);
	put_string(writer->data, node->name);
	put_xattrs(writer->data, inode->xattrs);
	if (S_ISLNK(inode->mode))
		put_string(writer->data, inode->target);
	if (S_ISREG(inode->mode))
		put_content(writer->data, inode);
	writer->count++;
	writer->depth++;
	for (guint i = 0; node->children != NULL && i < node->children->len; i++)
		put_node(writer, g_ptr_array_index(node->children, i));
	writer->depth--;
}

static GByteArray *
format_tree(const AshFsTree *tree)
{
	Writer writer = { .data = g_byte_array_new() };
	guint8 sum[ASH_SHA256_SIZE];
	guint32 count;

	g_byte_array_append(writer.data, (const guint8 *) MAGIC, MAGIC_SIZE);
	put_u32(writer.data, 0);
	put_node(&writer, tree->root);
	count = GUINT32_TO_LE(writer.count);
	memcpy(writer.data->data + MAGIC_SIZE, &count, sizeof(count));
	ash_sha256(writer.data->data, writer.data->len, sum);
	g_byte_array_append(writer.data, sum, sizeof(sum));
	return writer.data;
}

static bool
write_index(int dir_fd, const char *temporary, const char *name, const GByteArray *data)
{
	ash_autofd int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	return fd >= 0 && ash_fd_write_all(fd, data->data, data->len, 0, NULL) &&
	       renameat(dir_fd, temporary, dir_fd, name) == 0;
}

bool
ash_tree_index_exists(AshStore *store, const char *name)
{
	g_autofree char *path = g_strconcat(TREES_DIR "/", name, NULL);

	return ash_file_exists(store->dir_fd, path);
}

void
ash_tree_index_save(AshStore *store, const char *name, const AshFsTree *tree)
{
	ash_autofd int dir_fd = ash_file_open_dir(store->dir_fd, TREES_DIR, true, NULL);
	g_autofree char *temporary = g_strdup_printf("%08x.tmp", g_random_int());
	g_autoptr(GByteArray) data = NULL;

	if (dir_fd < 0)
		return;
	data = format_tree(tree);
	if (!write_index(dir_fd, temporary, name, data))
		unlinkat(dir_fd, temporary, 0);
}

/* NULL, and ok false, if there is less. */
static const guint8 *
get_bytes(Reader *reader, gsize length)
{
	const guint8 *bytes = reader->at;

	if (!reader->ok || (gsize) (reader->end - reader->at) < length) {
		reader->ok = false;
		return NULL;
	}
	reader->at += length;
	return bytes;
}

static guint
get_u16(Reader *reader)
{
	guint16 value = 0;
	const guint8 *bytes = get_bytes(reader, sizeof(value));

	if (bytes != NULL)
		memcpy(&value, bytes, sizeof(value));
	return GUINT16_FROM_LE(value);
}

static guint32
get_u32(Reader *reader)
{
	guint32 value = 0;
	const guint8 *bytes = get_bytes(reader, sizeof(value));

	if (bytes != NULL)
		memcpy(&value, bytes, sizeof(value));
	return GUINT32_FROM_LE(value);
}

static guint64
get_u64(Reader *reader)
{
	guint64 value = 0;
	const guint8 *bytes = get_bytes(reader, sizeof(value));

	if (bytes != NULL)
		memcpy(&value, bytes, sizeof(value));
	return GUINT64_FROM_LE(value);
}

static const char *
get_string(Reader *reader)
{
	const guint8 *nul = reader->ok ? memchr(reader->at, 0, (gsize) (reader->end - reader->at)) : NULL;
	const char *text = (const char *) reader->at;

	reader->ok = nul != NULL;
	if (nul == NULL)
		return "";
	reader->at = nul + 1;
	return text;
}

static void
get_xattrs(Reader *reader, AshFsNode *node)
{
	guint count = get_u16(reader);

	for (guint i = 0; i < count && reader->ok; i++) {
		const char *name = get_string(reader);
		gsize length = get_u32(reader);
		const guint8 *value = get_bytes(reader, length);
		if (reader->ok)
			ash_fs_node_add_xattr(node, name, value, length);
	}
}

static void
get_content(Reader *reader, AshFsNode *node)
{
	const guint8 *sum;

	node->size = get_u64(reader);
	if (node->size == 0)
		return;
	sum = get_bytes(reader, ASH_SHA256_SIZE);
	if (sum != NULL)
		node->content = ash_hex_encode(sum, ASH_SHA256_SIZE);
}

/* @path holds the last directory of each depth. */
static bool
get_node(Reader *reader, AshFsTree *tree, AshFsNode *path[DEPTH_MAX])
{
	guint depth = get_u16(reader);
	guint32 mode = get_u32(reader), uid = get_u32(reader), gid = get_u32(reader);
	const char *name = get_string(reader);
	AshFsNode *node = tree->root;

	if (!reader->ok || depth >= DEPTH_MAX || (depth > 0 && path[depth - 1] == NULL) ||
	    (depth == 0 && (path[0] != NULL || !S_ISDIR(mode))))
		return false;
	if (depth > 0)
		node = ash_fs_node_new(path[depth - 1], name, mode);
	node->mode = mode;
	node->uid = uid;
	node->gid = gid;
	get_xattrs(reader, node);
	if (S_ISLNK(mode)) {
		node->target = g_strdup(get_string(reader));
		node->size = strlen(node->target);
	}
	if (S_ISREG(mode))
		get_content(reader, node);
	path[depth] = S_ISDIR(mode) ? node : NULL;
	/* Nothing may follow below a directory that was left. */
	if (depth + 1 < DEPTH_MAX)
		path[depth + 1] = NULL;
	return reader->ok;
}

static bool
parse_tree(const guint8 *data, gsize length, AshFsTree *tree)
{
	g_autofree AshFsNode **path = g_new0(AshFsNode *, DEPTH_MAX);
	guint8 sum[ASH_SHA256_SIZE];

	if (length < MAGIC_SIZE + sizeof(guint32) + sizeof(sum) || memcmp(data, MAGIC, MAGIC_SIZE) != 0)
		return false;
	length -= sizeof(sum);
	ash_sha256(data, length, sum);
	if (memcmp(data + length, sum, sizeof(sum)) != 0)
		return false;
	Reader reader = { .at = data + MAGIC_SIZE, .end = data + length, .ok = true };
	guint32 count = get_u32(&reader);
	for (guint32 i = 0; i < count; i++)
		if (!get_node(&reader, tree, path))
			return false;
	return count > 0 && reader.at == reader.end;
}

bool
ash_tree_index_load(AshStore *store, const char *name, AshFsTree *tree)
{
	g_autofree char *path = g_strconcat(TREES_DIR "/", name, NULL);
	ash_autofd int fd = openat(store->dir_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	g_autofree guint8 *data = NULL;
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0 || info.st_size > G_MAXINT32)
		return false;
	data = g_malloc((gsize) info.st_size + 1);
	return ash_fd_read_exact(fd, data, (gsize) info.st_size, 0, NULL) &&
	       parse_tree(data, (gsize) info.st_size, tree);
}

static bool
has_tree(AshStore *store, const char *name)
{
	char object[2 + 1 + 62 + sizeof ".dirtree"];

	if (strlen(name) != 2 * (ASH_SHA256_HEX_SIZE - 1) + 1)
		return false;
	g_snprintf(object, sizeof(object), "%.2s/%.62s.dirtree", name, name + 2);
	return ash_file_exists(store->objects_fd, object);
}

void
ash_tree_index_clean(AshStore *store)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(store->dir_fd, TREES_DIR, NULL);
	struct dirent *entry;

	while (stream != NULL && (entry = ash_fd_next_entry(stream)) != NULL) {
		/* If it is being written, it will be made another time. */
		if (entry->d_name[0] != '.' && !has_tree(store, entry->d_name))
			unlinkat(dirfd(stream), entry->d_name, 0);
	}
}
