/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/reader.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/erofs/format.h"
#include "disk/io/crc32c.h"

#include <lz4.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#define MAX_SYMLINKS        40
#define MAX_TARGET_BYTES    4096
#define MAX_PATH_BYTES      (64 * ASH_KIB)
/* What is decompressed at a time, before and after. */
#define MAX_EXTENT_BYTES    ASH_MIB
#define MAX_DIRECTORY_BYTES (256 * ASH_MIB)

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
} Inode;

static gboolean
read_at(AshErofsReader *reader, guint64 at, void *buffer, gsize length, GError **error)
{
	if (at > reader->info.bytes || length > reader->info.bytes - at)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "EROFS: something lies outside the file system");
	return ash_fd_read_exact(reader->fd, buffer, length, reader->offset + at, error);
}

static gboolean
check_superblock(const ErofsSuperblock *sb, const guint8 *block, GError **error)
{
	g_autofree guint8 *copy = NULL;

	if (GUINT32_FROM_LE(sb->magic) != EROFS_MAGIC)
		return ash_throw(error, ASH_ERROR_CONFIG, "not an EROFS file system");
	if (sb->block_bits != EROFS_BLOCK_BITS)
		return ash_throw(
		    error, ASH_ERROR_CONFIG,
		    "EROFS: blocks are not of 4096 bytes, which is all that is known here");
	if ((GUINT32_FROM_LE(sb->feature_compat) & EROFS_COMPAT_SB_CHKSUM) == 0)
		return TRUE;
	copy = g_memdup2(block, EROFS_BLOCK - EROFS_SUPER_OFFSET);
	memset(copy + G_STRUCT_OFFSET(ErofsSuperblock, checksum), 0, sizeof(sb->checksum));
	if (ash_crc32c(~0u, copy, EROFS_BLOCK - EROFS_SUPER_OFFSET) !=
	    GUINT32_FROM_LE(sb->checksum))
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "EROFS: the superblock's checksum is wrong");
	return TRUE;
}

AshErofsReader *
ash_erofs_open(int fd, guint64 offset, guint64 room, GError **error)
{
	g_autoptr(AshErofsReader) reader = g_new0(AshErofsReader, 1);
	guint8 block[EROFS_BLOCK - EROFS_SUPER_OFFSET];
	ErofsSuperblock sb;

	if (room < EROFS_BLOCK)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "not an EROFS file system: too small");
	if (!ash_fd_read_exact(fd, block, sizeof(block), offset + EROFS_SUPER_OFFSET, error))
		return NULL;
	memcpy(&sb, block, sizeof(sb));
	if (!check_superblock(&sb, block, error))
		return NULL;
	reader->fd = fd;
	reader->offset = offset;
	reader->info.bytes = (guint64) GUINT32_FROM_LE(sb.blocks) * EROFS_BLOCK;
	reader->info.epoch = GUINT64_FROM_LE(sb.build_time);
	reader->info.inodes = GUINT64_FROM_LE(sb.inodes);
	memcpy(reader->info.uuid.bytes, sb.uuid, sizeof(sb.uuid));
	memcpy(reader->info.label, sb.volume_name, sizeof(sb.volume_name));
	reader->meta = (guint64) GUINT32_FROM_LE(sb.meta_block) * EROFS_BLOCK;
	reader->shared = (guint64) GUINT32_FROM_LE(sb.xattr_block) * EROFS_BLOCK;
	reader->root_nid = GUINT16_FROM_LE(sb.root_nid);
	if (reader->info.bytes > room || reader->info.bytes == 0)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "EROFS: the file system is larger than its partition");
	return g_steal_pointer(&reader);
}

void
ash_erofs_close(AshErofsReader *reader)
{
	g_free(reader);
}

const AshErofsInfo *
ash_erofs_get_info(const AshErofsReader *reader)
{
	return &reader->info;
}

static void
parse_extended(const ErofsInodeExtended *raw, Inode *inode)
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
parse_compact(const AshErofsReader *reader, const ErofsInodeCompact *raw, Inode *inode)
{
	inode->stat.mode = GUINT16_FROM_LE(raw->mode);
	inode->stat.size = GUINT32_FROM_LE(raw->size);
	inode->stat.uid = GUINT16_FROM_LE(raw->uid);
	inode->stat.gid = GUINT16_FROM_LE(raw->gid);
	inode->stat.nlink = GUINT16_FROM_LE(raw->nlink);
	inode->stat.mtime = (gint64) reader->info.epoch;
	inode->data = (guint64) GUINT32_FROM_LE(raw->block) * EROFS_BLOCK;
}

static gboolean
read_inode(AshErofsReader *reader, guint64 nid, Inode *ret_inode, GError **error)
{
	union {
		ErofsInodeExtended extended;
		ErofsInodeCompact compact;
	} raw = {0};
	Inode inode = {.stat.nid = nid};
	guint64 at;
	guint16 format, count;

	if (nid > reader->info.bytes / EROFS_SLOT)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "EROFS: an inode lies outside the file system");
	at = reader->meta + nid * EROFS_SLOT;
	if (!read_at(reader, at, &raw, sizeof(raw.compact), error))
		return FALSE;
	/* Both kinds begin with format and number of xattr units. */
	format = GUINT16_FROM_LE(raw.compact.format);
	count = GUINT16_FROM_LE(raw.compact.xattr_count);
	if ((format & 1) != 0) {
		if (!read_at(reader, at, &raw, sizeof(raw.extended), error))
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

static gboolean
check_layout(const Inode *inode, GError **error)
{
	if (inode->layout <= EROFS_LAYOUT_INLINE)
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "EROFS: chunked data, or compressed with a compact index, cannot be read here");
}

/** Some neighbouring clusters of a compressed file. */
typedef struct {
	guint64 first, n; /* clusters of 4096 bytes of the file */
	guint64 block;    /* of its data */
	guint n_blocks;
	bool plain;
} Extent;

static gboolean
read_entry(AshErofsReader *reader, const Inode *inode, guint64 cluster, ErofsIndex *entry, GError **error)
{
	guint64 header = ash_size_round_up(inode->tail, EROFS_INDEX_ALIGN);

	if (!read_at(reader, header + sizeof(ErofsMapHeader) + EROFS_INDEX_GAP + cluster * sizeof(*entry), entry,
		     sizeof(*entry), error))
		return FALSE;
	entry->advise = GUINT16_FROM_LE(entry->advise);
	entry->block = GUINT32_FROM_LE(entry->block);
	return entry->offset == 0 || ash_throw(error, ASH_ERROR_CONFIG, "EROFS: extents that do not begin with a block "
					       "cannot be read here");
}

/* The extent that @cluster is in. */
static gboolean
find_extent(AshErofsReader *reader, const Inode *inode, guint64 cluster, Extent *extent, GError **error)
{
	guint64 n_clusters = (inode->stat.size + EROFS_BLOCK - 1) / EROFS_BLOCK;
	ErofsIndex entry;
	guint kind;

	if (!read_entry(reader, inode, cluster, &entry, error))
		return FALSE;
	if ((entry.advise & EROFS_CLUSTER_MASK) == EROFS_CLUSTER_FOLLOWER) {
		guint back = entry.block & 0xffff;

		back = (back & EROFS_INDEX_COUNT) != 0 ? 1 : back;
		if (back == 0 || back > cluster)
			return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: the index of a file is damaged");
		cluster -= back;
		if (!read_entry(reader, inode, cluster, &entry, error))
			return FALSE;
	}
	kind = entry.advise & EROFS_CLUSTER_MASK;
	if (kind > EROFS_CLUSTER_HEAD)
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: the index of a file is damaged");
	*extent = (Extent) { cluster, 1, entry.block, 1, kind == EROFS_CLUSTER_PLAIN };
	while (!extent->plain && cluster + extent->n < n_clusters && extent->n < MAX_EXTENT_BYTES / EROFS_BLOCK) {
		if (!read_entry(reader, inode, cluster + extent->n, &entry, error))
			return FALSE;
		if ((entry.advise & EROFS_CLUSTER_MASK) != EROFS_CLUSTER_FOLLOWER)
			break;
		if (extent->n++ == 1)
			extent->n_blocks = entry.block & (EROFS_INDEX_COUNT - 1);
	}
	return TRUE;
}

/* The compressed bytes, without the zeros in front. */
static gboolean
unpack(guint algorithm, const guint8 *data, gsize length, guint8 *to, gsize wanted, GError **error)
{
	gsize got = 0;

	while (length > 0 && *data == 0) {
		data++;
		length--;
	}
	if (algorithm == EROFS_ALGORITHM_LZ4)
		got = (gsize) LZ4_decompress_safe((const char *) data, (char *) to, (int) length, (int) wanted);
	else if (algorithm == EROFS_ALGORITHM_ZSTD)
		got = ZSTD_decompress(to, wanted, data, length);
	return got == wanted || ash_throw(error, ASH_ERROR_CONFIG, "EROFS: compressed data is damaged");
}

/* The bytes of @extent, @wanted of them, into @to. */
static gboolean
read_extent(AshErofsReader *reader, const Inode *inode, const Extent *extent, guint8 *to, gsize wanted, GError **error)
{
	guint64 header = ash_size_round_up(inode->tail, EROFS_INDEX_ALIGN);
	guint64 at = extent->block * EROFS_BLOCK;
	gsize length = (gsize) extent->n_blocks * EROFS_BLOCK;
	g_autofree guint8 *data = NULL;
	ErofsMapHeader map;

	if (extent->plain)
		return read_at(reader, at, to, wanted, error);
	if (length == 0 || length > MAX_EXTENT_BYTES || !read_at(reader, header, &map, sizeof(map), NULL) ||
	    (map.cluster_bits & 7) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: the index of a file is damaged");
	data = g_malloc(length);
	return read_at(reader, at, data, length, error) && unpack(map.algorithms & 15, data, length, to, wanted, error);
}

static gboolean
read_compressed(AshErofsReader *reader, const Inode *inode, guint64 at, guint8 *to, gsize length, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(MAX_EXTENT_BYTES);

	for (guint64 end = at + length; at < end;) {
		Extent extent = { 0 };
		guint64 start, extent_end;

		if (!find_extent(reader, inode, at / EROFS_BLOCK, &extent, error))
			return FALSE;
		start = extent.first * EROFS_BLOCK;
		extent_end = MIN(start + extent.n * EROFS_BLOCK, inode->stat.size);
		if (at >= extent_end)
			return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: the index of a file is damaged");
		if (!read_extent(reader, inode, &extent, buffer, (gsize) (extent_end - start), error))
			return FALSE;
		memcpy(to, buffer + (at - start), (gsize) (MIN(end, extent_end) - at));
		to += MIN(end, extent_end) - at;
		at = MIN(end, extent_end);
	}
	return TRUE;
}

/* Reads @length bytes of the inode's data from @at on; the caller has checked them against its
 * size. */
static gboolean
read_data(AshErofsReader *reader, const Inode *inode, guint64 at, void *buffer, gsize length,
	  GError **error)
{
	guint64 whole = inode->stat.size;

	if (!check_layout(inode, error))
		return FALSE;
	if (inode->layout == EROFS_LAYOUT_COMPRESSED)
		return read_compressed(reader, inode, at, buffer, length, error);
	if (inode->layout == EROFS_LAYOUT_INLINE)
		whole -= inode->stat.size % EROFS_BLOCK;
	if (at < whole) {
		gsize part = (gsize) MIN(length, whole - at);

		/* Both are far below 2^63: their sum is a number. */
		if (inode->data > reader->info.bytes || at > reader->info.bytes)
			return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: something lies outside the file system");
		if (!read_at(reader, inode->data + at, buffer, part, error))
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
	return read_at(reader, inode->tail + (at - whole), buffer, length, error);
}

/** Entries of one directory block. */
typedef struct {
	guint8 data[EROFS_BLOCK];
	gsize length;
	guint n;
} DirBlock;

static gboolean
read_dir_block(AshErofsReader *reader, const Inode *directory, guint64 at, DirBlock *block,
	       GError **error)
{
	ErofsDirent first;
	guint16 names;

	block->length = (gsize) MIN(EROFS_BLOCK, directory->stat.size - at);
	if (block->length < sizeof(first))
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: a directory is damaged");
	if (!read_data(reader, directory, at, block->data, block->length, error))
		return FALSE;
	memcpy(&first, block->data, sizeof(first));
	names = GUINT16_FROM_LE(first.name_offset);
	if (names < sizeof(first) || names % sizeof(first) != 0 || names > block->length)
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: a directory is damaged");
	block->n = names / sizeof(first);
	return TRUE;
}

/* The @index-th name of a block; owned. */
static char *
get_entry(const DirBlock *block, guint index, guint64 *ret_nid, GError **error)
{
	ErofsDirent entry, next;
	gsize start, end = block->length;

	memcpy(&entry, block->data + index * sizeof(entry), sizeof(entry));
	start = GUINT16_FROM_LE(entry.name_offset);
	if (index + 1 < block->n) {
		memcpy(&next, block->data + (index + 1) * sizeof(next), sizeof(next));
		end = GUINT16_FROM_LE(next.name_offset);
	}
	if (start < block->n * sizeof(entry) || end > block->length || start >= end)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "EROFS: a directory is damaged");
	end = start + strnlen((const char *) block->data + start, end - start);
	if (end == start || end - start > EROFS_NAME_MAX ||
	    memchr(block->data + start, '/', end - start) != NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "EROFS: a directory holds an impossible name");
	*ret_nid = GUINT64_FROM_LE(entry.nid);
	return g_strndup((const char *) block->data + start, end - start);
}

/* Calls @func for every entry until it returns true. */
static gboolean
each_entry(AshErofsReader *reader, const Inode *directory, AshErofsEntryFunc func, gpointer user_data,
	   GError **error)
{
	DirBlock block;

	if (!S_ISDIR(directory->stat.mode))
		return ash_throw(error, ASH_ERROR_CONFIG, "not a directory");
	if (directory->stat.size > MIN(MAX_DIRECTORY_BYTES, reader->info.bytes))
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: a directory is too large");
	for (guint64 at = 0; at < directory->stat.size; at += EROFS_BLOCK) {
		if (!read_dir_block(reader, directory, at, &block, error))
			return FALSE;
		for (guint i = 0; i < block.n; i++) {
			guint64 nid = 0;
			g_autofree char *name = get_entry(&block, i, &nid, error);

			if (name == NULL)
				return FALSE;
			if (func(name, nid, user_data))
				return TRUE;
		}
	}
	return TRUE;
}

typedef struct {
	const char *name;
	guint64 nid;
	bool found;
} Search;

static bool
match_entry(const char *name, guint64 nid, gpointer user_data)
{
	Search *search = user_data;

	search->found = strcmp(name, search->name) == 0;
	search->nid = nid;
	return search->found;
}

static char *
read_target(AshErofsReader *reader, const Inode *inode, GError **error)
{
	g_autofree char *target = NULL;

	if (!S_ISLNK(inode->stat.mode) || inode->stat.size == 0 ||
	    inode->stat.size > MAX_TARGET_BYTES)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "not a symbolic link, or a damaged one");
	target = g_malloc0(inode->stat.size + 1);
	if (!read_data(reader, inode, 0, target, inode->stat.size, error))
		return NULL;
	return g_steal_pointer(&target);
}

/** A walk along a path. */
typedef struct {
	GString *rest; /* what is still to be walked */
	Inode inode;   /* where we are */
	guint links;
	bool follow;
} Walk;

/* Takes the first element off @rest; NULL at the end. Owned. */
static char *
take_element(GString *rest)
{
	gsize start = strspn(rest->str, "/");
	gsize length = strcspn(rest->str + start, "/");
	char *element = length > 0 ? g_strndup(rest->str + start, length) : NULL;

	g_string_erase(rest, 0, (gssize) (start + length));
	return element;
}

/* Goes to @element of the current directory, or puts a link's target in front of what is left. */
static gboolean
walk_element(AshErofsReader *reader, Walk *walk, const char *element, GError **error)
{
	Search search = {.name = element};
	g_autofree char *target = NULL;
	Inode next;

	if (!each_entry(reader, &walk->inode, match_entry, &search, error))
		return FALSE;
	if (!search.found)
		return ash_throw(error, ASH_ERROR_CONFIG, "no such file");
	if (!read_inode(reader, search.nid, &next, error))
		return FALSE;
	if (!S_ISLNK(next.stat.mode) ||
	    (!walk->follow && strspn(walk->rest->str, "/") == walk->rest->len)) {
		walk->inode = next;
		return TRUE;
	}
	target = read_target(reader, &next, error);
	if (target == NULL)
		return FALSE;
	if (++walk->links > MAX_SYMLINKS || walk->rest->len + strlen(target) > MAX_PATH_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "too many symbolic links");
	g_string_prepend_c(walk->rest, '/');
	g_string_prepend(walk->rest, target);
	return target[0] != '/' || read_inode(reader, reader->root_nid, &walk->inode, error);
}

static gboolean
find(AshErofsReader *reader, const char *path, bool follow, Inode *ret_inode, GError **error)
{
	g_autoptr(GString) rest = g_string_new(path);
	Walk walk = {.rest = rest, .follow = follow};

	if (!read_inode(reader, reader->root_nid, &walk.inode, error))
		return FALSE;
	for (;;) {
		g_autofree char *element = take_element(rest);

		if (element == NULL)
			break;
		if (strcmp(element, ".") == 0)
			continue;
		if (!walk_element(reader, &walk, element, error))
			return ash_prefix(error, "\"/%s\"", path[0] == '/' ? path + 1 : path);
	}
	*ret_inode = walk.inode;
	return TRUE;
}

gboolean
ash_erofs_stat(AshErofsReader *reader, const char *path, bool follow, AshErofsStat *ret_stat,
	       GError **error)
{
	Inode inode;

	if (!find(reader, path, follow, &inode, error))
		return FALSE;
	*ret_stat = inode.stat;
	return TRUE;
}

bool
ash_erofs_has(AshErofsReader *reader, const char *path)
{
	Inode inode;

	return find(reader, path, true, &inode, NULL);
}

static bool
add_name(const char *name, guint64 nid, gpointer user_data)
{
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		g_ptr_array_add(user_data, g_strdup(name));
	return false;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

char **
ash_erofs_list(AshErofsReader *reader, const char *path, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	Inode inode;

	if (!find(reader, path, true, &inode, error) ||
	    !each_entry(reader, &inode, add_name, names, error))
		return NULL;
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

GBytes *
ash_erofs_load(AshErofsReader *reader, const char *path, guint64 max, GError **error)
{
	g_autofree guint8 *data = NULL;
	Inode inode;

	if (!find(reader, path, true, &inode, error))
		return NULL;
	if (!check_layout(&inode, error))
		return ash_prefix(error, "\"%s\"", path), NULL;
	if (!S_ISREG(inode.stat.mode) || inode.stat.size > max ||
	    (inode.layout != EROFS_LAYOUT_COMPRESSED && inode.stat.size > reader->info.bytes))
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "\"%s\" is no regular file, or too large", path);
	data = g_try_malloc(inode.stat.size + 1);
	if (data == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "no memory to load \"%s\"", path);
	if (!read_data(reader, &inode, 0, data, inode.stat.size, error))
		return ash_prefix(error, "\"%s\"", path), NULL;
	return g_bytes_new_take(g_steal_pointer(&data), inode.stat.size);
}

char *
ash_erofs_read_link(AshErofsReader *reader, const char *path, GError **error)
{
	Inode inode;

	return find(reader, path, false, &inode, error) ? read_target(reader, &inode, error) : NULL;
}

/** Prefixes of the namespaces by their index. */
static const char *const prefixes[] = {
    [1] = "user.",
    [2] = "system.posix_acl_access",
    [3] = "system.posix_acl_default",
    [4] = "trusted.",
    [6] = "security.",
};

static bool
xattr_is_named(const ErofsXattrEntry *entry, const guint8 *suffix, const char *name)
{
	const char *prefix =
	    entry->name_index < G_N_ELEMENTS(prefixes) ? prefixes[entry->name_index] : NULL;
	gsize length = prefix != NULL ? strlen(prefix) : 0;

	return prefix != NULL && strncmp(name, prefix, length) == 0 &&
	       strlen(name) == length + entry->name_bytes &&
	       memcmp(name + length, suffix, entry->name_bytes) == 0;
}

/* One that others have, too. */
static GBytes *
load_shared(AshErofsReader *reader, guint32 id, const char *name, GError **error)
{
	guint64 at = reader->shared + (guint64) id * EROFS_XATTR_ALIGN;
	guint8 suffix[G_MAXUINT8 + 1];
	ErofsXattrEntry entry;
	g_autofree guint8 *value = NULL;
	gsize length;

	if (!read_at(reader, at, &entry, sizeof(entry), error) ||
	    !read_at(reader, at + sizeof(entry), suffix, entry.name_bytes, error))
		return NULL;
	if (!xattr_is_named(&entry, suffix, name))
		return NULL;
	length = GUINT16_FROM_LE(entry.value_bytes);
	value = g_malloc(length + 1);
	if (!read_at(reader, at + sizeof(entry) + entry.name_bytes, value, length, error))
		return NULL;
	return g_bytes_new_take(g_steal_pointer(&value), length);
}

static GBytes *
search_shared(AshErofsReader *reader, const guint8 *data, gsize length, const char *name, GError **error)
{
	gsize n = data[4];

	if (EROFS_XATTR_HEADER + n * sizeof(guint32) > length)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "EROFS: extended attributes are damaged");
	for (gsize i = 0; i < n; i++) {
		g_autoptr(GError) local = NULL;
		guint32 id;
		GBytes *value;

		memcpy(&id, data + EROFS_XATTR_HEADER + i * sizeof(id), sizeof(id));
		value = load_shared(reader, GUINT32_FROM_LE(id), name, &local);
		if (value != NULL)
			return value;
		if (local != NULL) {
			g_propagate_error(error, g_steal_pointer(&local));
			return NULL;
		}
	}
	return NULL;
}

static GBytes *
search_xattrs(const guint8 *data, gsize length, const char *name, GError **error)
{
	gsize at = EROFS_XATTR_HEADER + (gsize) data[4] * 4; /* shared ids come first */

	while (at + sizeof(ErofsXattrEntry) <= length) {
		ErofsXattrEntry entry;
		gsize value;

		memcpy(&entry, data + at, sizeof(entry));
		value = at + sizeof(entry) + entry.name_bytes;
		at = ash_size_round_up(value + GUINT16_FROM_LE(entry.value_bytes),
				       EROFS_XATTR_ALIGN);
		if (at > length)
			return ash_throw_null(error, ASH_ERROR_CONFIG,
					      "EROFS: extended attributes are damaged");
		if (xattr_is_named(&entry, data + value - entry.name_bytes, name))
			return g_bytes_new(data + value, GUINT16_FROM_LE(entry.value_bytes));
	}
	return NULL;
}

static GBytes *
get_xattr(AshErofsReader *reader, const Inode *inode, const char *name, GError **error)
{
	g_autofree guint8 *data = NULL;
	g_autoptr(GError) local = NULL;
	GBytes *value;

	if (inode->xattr_bytes == 0)
		return NULL;
	data = g_malloc0(inode->xattr_bytes);
	if (!read_at(reader, inode->xattr, data, inode->xattr_bytes, error))
		return NULL;
	value = search_shared(reader, data, inode->xattr_bytes, name, &local);
	if (local != NULL)
		g_propagate_error(error, g_steal_pointer(&local));
	else if (value == NULL)
		value = search_xattrs(data, inode->xattr_bytes, name, error);
	return value;
}

GBytes *
ash_erofs_get_xattr(AshErofsReader *reader, const char *path, const char *name, GError **error)
{
	Inode inode;

	return find(reader, path, false, &inode, error) ? get_xattr(reader, &inode, name, error) : NULL;
}

guint64
ash_erofs_get_root(const AshErofsReader *reader)
{
	return reader->root_nid;
}

gboolean
ash_erofs_stat_nid(AshErofsReader *reader, guint64 nid, AshErofsStat *ret_stat, GError **error)
{
	Inode inode;

	if (!read_inode(reader, nid, &inode, error))
		return FALSE;
	*ret_stat = inode.stat;
	return TRUE;
}

gboolean
ash_erofs_each_entry(AshErofsReader *reader, guint64 nid, AshErofsEntryFunc func, gpointer user_data, GError **error)
{
	Inode inode;

	return read_inode(reader, nid, &inode, error) && each_entry(reader, &inode, func, user_data, error);
}

gboolean
ash_erofs_read_nid(AshErofsReader *reader, guint64 nid, guint64 at, void *buffer, gsize length, GError **error)
{
	Inode inode;

	if (!read_inode(reader, nid, &inode, error))
		return FALSE;
	if (!S_ISREG(inode.stat.mode) || at > inode.stat.size || length > inode.stat.size - at)
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: no regular file, or shorter than that");
	return read_data(reader, &inode, at, buffer, length, error);
}

char *
ash_erofs_read_link_nid(AshErofsReader *reader, guint64 nid, GError **error)
{
	Inode inode;

	return read_inode(reader, nid, &inode, error) ? read_target(reader, &inode, error) : NULL;
}

GBytes *
ash_erofs_get_xattr_nid(AshErofsReader *reader, guint64 nid, const char *name, GError **error)
{
	Inode inode;

	return read_inode(reader, nid, &inode, error) ? get_xattr(reader, &inode, name, error) : NULL;
}
