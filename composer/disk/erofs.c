/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/crc32c.h"
#include "disk/erofs-format.h"
#include "disk/filecopy.h"

#include <string.h>
#include <unistd.h>

/* The inode zone begins in the second block; the root comes first, as its number must fit 16 bits.
 */
#define INODE_ZONE ((guint64) EROFS_BLOCK)
/* Ends of directories and link targets up to this go beside their inode: longer ones would waste
 * more by padding. */
#define INLINE_MAX 2048

/** One inode to be written. */
typedef struct {
	AshFsNode *node; /* borrowed: the first name of the inode */
	guint64 offset;  /* of the inode in the file system, bytes */
	guint64 size;    /* i_size: bytes */
	guint32 xattr_bytes;
	guint32 tail_bytes; /* kept beside the inode */
	guint32 block;      /* first data block */
} Inode;

/** The whole file system before a byte is written. */
typedef struct {
	const AshFsTree *tree;
	GArray *inodes; /* of Inode, in walk order; a node's "number" is its index */
	guint64 data_start; /* behind all metadata */
	guint64 end;
} Plan;

/** Extended attribute namespaces (erofs.rst, "Extended attributes"); an ACL has no name of its own.
 */
static const struct {
	const char *prefix;
	guint8 index;
	bool whole;
} namespaces[] = {
    {"user.", 1, false},
    {"system.posix_acl_access", 2, true},
    {"system.posix_acl_default", 3, true},
    {"trusted.", 4, false},
    {"security.", 6, false},
};

static void
plan_free(Plan *plan)
{
	g_array_unref(plan->inodes);
	g_free(plan);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

static Inode *
get_inode(const Plan *plan, const AshFsNode *node)
{
	const AshFsNode *first = node->hardlink != NULL ? node->hardlink : node;

	return &g_array_index(plan->inodes, Inode, first->number);
}

static guint64
get_nid(const Plan *plan, const AshFsNode *node)
{
	return get_inode(plan, node)->offset / EROFS_SLOT;
}

static gboolean
throw_node(const AshFsNode *node, GError **error, const char *what)
{
	g_autofree char *path = ash_fs_node_dup_path(node);

	return ash_throw(error, ASH_ERROR_CONFIG, "\"/%s\": %s", path, what);
}

/* The rest of @name behind its namespace's prefix, or NULL. */
static const char *
split_xattr_name(const char *name, guint8 *ret_index)
{
	for (guint i = 0; i < G_N_ELEMENTS(namespaces); i++) {
		gsize length = strlen(namespaces[i].prefix);

		if (strncmp(name, namespaces[i].prefix, length) != 0 ||
		    (namespaces[i].whole && name[length] != '\0'))
			continue;
		*ret_index = namespaces[i].index;
		return name + length;
	}
	return NULL;
}

static gboolean
measure_xattrs(const AshFsNode *node, guint32 *ret_bytes, GError **error)
{
	guint64 total = EROFS_XATTR_HEADER;

	if (node->xattrs == NULL || node->xattrs->len == 0) {
		*ret_bytes = 0;
		return TRUE;
	}
	for (guint i = 0; i < node->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);
		guint8 index = 0;
		const char *suffix = split_xattr_name(xattr->name, &index);

		if (suffix == NULL || strlen(suffix) > G_MAXUINT8 || xattr->length > G_MAXUINT16)
			return throw_node(node, error,
					  "EROFS cannot hold one of its extended attributes");
		total += ash_size_round_up(sizeof(ErofsXattrEntry) + strlen(suffix) + xattr->length,
					   EROFS_XATTR_ALIGN);
	}
	if ((total - EROFS_XATTR_HEADER) / EROFS_XATTR_ALIGN >= G_MAXUINT16)
		return throw_node(
		    node, error,
		    "its extended attributes are larger than the 256 KiB that EROFS holds");
	*ret_bytes = (guint32) total;
	return TRUE;
}

/** A directory entry before it is packed. */
typedef struct {
	const char *name;
	const AshFsNode *node;
} Entry;

static int
compare_entries(gconstpointer a, gconstpointer b)
{
	return strcmp(((const Entry *) a)->name, ((const Entry *) b)->name);
}

/* All entries with "." and "..", which are sorted among the rest: the kernel searches by bisection.
 */
static GArray *
list_entries(const AshFsNode *directory)
{
	GArray *entries =
	    g_array_sized_new(FALSE, FALSE, sizeof(Entry), directory->children->len + 2);
	Entry self = {".", directory};
	Entry parent = {"..", directory->parent != NULL ? directory->parent : directory};

	g_array_append_val(entries, self);
	g_array_append_val(entries, parent);
	for (guint i = 0; i < directory->children->len; i++) {
		const AshFsNode *child = directory->children->pdata[i];
		Entry entry = {child->name, child};

		g_array_append_val(entries, entry);
	}
	g_array_sort(entries, compare_entries);
	return entries;
}

/* How many entries from @first on fit one block, and the bytes they take. */
static guint
count_in_block(const GArray *entries, guint first, guint32 *ret_bytes)
{
	guint32 bytes = 0;
	guint n = 0;

	for (guint i = first; i < entries->len; i++, n++) {
		guint32 more =
		    sizeof(ErofsDirent) + (guint32) strlen(g_array_index(entries, Entry, i).name);

		if (bytes + more > EROFS_BLOCK)
			break;
		bytes += more;
	}
	*ret_bytes = bytes;
	return n;
}

/* All blocks but the last are full ones, padded with zeros. */
static guint64
measure_directory(const AshFsNode *directory)
{
	g_autoptr(GArray) entries = list_entries(directory);
	guint64 size = 0;
	guint32 bytes = 0;

	for (guint first = 0; first < entries->len;
	     first += count_in_block(entries, first, &bytes)) {
		(void) count_in_block(entries, first, &bytes);
		size = ash_size_round_up(size, EROFS_BLOCK) + bytes;
	}
	return size;
}

static gboolean
check_node(const AshFsNode *node, GError **error)
{
	if (strlen(node->name) > EROFS_NAME_MAX)
		return throw_node(node, error, "a name over 255 bytes");
	if (!S_ISREG(node->mode) && !S_ISDIR(node->mode) && !S_ISLNK(node->mode))
		return throw_node(node, error,
				  "neither regular file nor directory nor symbolic link");
	if (S_ISLNK(node->mode) && (node->target == NULL || node->target[0] == '\0'))
		return throw_node(node, error, "a symbolic link without a target");
	if (S_ISREG(node->mode) && node->size > (guint64) G_MAXINT64 / 2)
		return throw_node(node, error, "too large");
	return TRUE;
}

static guint64
measure_node(const AshFsNode *node)
{
	if (S_ISDIR(node->mode))
		return measure_directory(node);
	return S_ISLNK(node->mode) ? strlen(node->target) : node->size;
}

static gboolean
collect(Plan *plan, AshFsNode *node, GError **error)
{
	Inode inode = {.node = node};

	if (!check_node(node, error))
		return FALSE;
	if (node->hardlink != NULL)
		return TRUE;
	if (!measure_xattrs(node, &inode.xattr_bytes, error))
		return FALSE;
	inode.size = measure_node(node);
	node->number = plan->inodes->len;
	g_array_append_val(plan->inodes, inode);
	for (guint i = 0; node->children != NULL && i < node->children->len; i++) {
		if (!collect(plan, node->children->pdata[i], error))
			return FALSE;
	}
	return TRUE;
}

/* Puts the inode at or after @at; returns where it ends. What is kept beside it must not cross a
 * block. */
static guint64
place_inode(Inode *inode, guint64 at)
{
	guint64 header = sizeof(ErofsInodeExtended) + inode->xattr_bytes;
	guint64 tail = S_ISREG(inode->node->mode) ? 0 : inode->size % EROFS_BLOCK;
	guint64 whole;

	inode->tail_bytes = tail <= INLINE_MAX && header + tail <= EROFS_BLOCK ? (guint32) tail : 0;
	whole = inode->tail_bytes > 0 ? header + inode->tail_bytes : sizeof(ErofsInodeExtended);
	at = ash_size_round_up(at, EROFS_SLOT);
	if (at / EROFS_BLOCK != (at + whole - 1) / EROFS_BLOCK)
		at = ash_size_round_up(at, EROFS_BLOCK);
	inode->offset = at;
	return at + header + inode->tail_bytes;
}

/* Gives data blocks to the inodes for which @regular says the same as their type. */
static gboolean
place_data(Plan *plan, bool regular, GError **error)
{
	for (guint i = 0; i < plan->inodes->len; i++) {
		Inode *inode = &g_array_index(plan->inodes, Inode, i);
		guint64 bytes = inode->size - inode->tail_bytes;

		if (S_ISREG(inode->node->mode) != regular || bytes == 0)
			continue;
		inode->block = (guint32) (plan->end / EROFS_BLOCK);
		plan->end += ash_size_round_up(bytes, EROFS_BLOCK);
		if (plan->end / EROFS_BLOCK >= G_MAXUINT32)
			return throw_node(inode->node, error,
					  "the file system is larger than 16 TiB");
	}
	return TRUE;
}

static Plan *
plan_new(const AshFsTree *tree, GError **error)
{
	g_autoptr(Plan) plan = g_new0(Plan, 1);

	plan->tree = tree;
	plan->inodes = g_array_new(FALSE, FALSE, sizeof(Inode));
	plan->end = INODE_ZONE;
	if (!collect(plan, tree->root, error))
		return NULL;
	for (guint i = 0; i < plan->inodes->len; i++)
		plan->end = place_inode(&g_array_index(plan->inodes, Inode, i), plan->end);
	plan->end = ash_size_round_up(plan->end, EROFS_BLOCK);
	if (!place_data(plan, false, error))
		return NULL;
	plan->data_start = plan->end;
	if (!place_data(plan, true, error))
		return NULL;
	return g_steal_pointer(&plan);
}

guint64
ash_erofs_estimate(const AshFsTree *tree, GError **error)
{
	g_autoptr(Plan) plan = plan_new(tree, error);

	return plan != NULL ? plan->end : 0;
}

/** A file system being written. */
typedef struct {
	AshContext *ctx;
	const Plan *plan;
	const AshErofsOptions *options;
	int fd;
	guint64 base;     /* of the file system in the file, bytes */
	guint8 *metadata; /* all before plan->data_start */
} Writer;

static void
show_written(guint64 offset, const guint8 *data, gsize length, gpointer user_data)
{
	const Writer *writer = user_data;

	writer->options->written(offset - writer->base, data, length, writer->options->user_data);
}

static void
put_xattrs(const AshFsNode *node, guint8 *at)
{
	at += EROFS_XATTR_HEADER;
	for (guint i = 0; i < node->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);
		ErofsXattrEntry entry = {.value_bytes = GUINT16_TO_LE((guint16) xattr->length)};
		const char *suffix = split_xattr_name(xattr->name, &entry.name_index);
		gsize suffix_bytes = strlen(suffix);

		entry.name_bytes = (guint8) suffix_bytes;
		memcpy(at, &entry, sizeof(entry));
		memcpy(at + sizeof(entry), suffix, suffix_bytes);
		if (xattr->length > 0)
			memcpy(at + sizeof(entry) + suffix_bytes, xattr->value, xattr->length);
		at += ash_size_round_up(sizeof(entry) + suffix_bytes + xattr->length,
					EROFS_XATTR_ALIGN);
	}
}

static guint8
get_type(const AshFsNode *node)
{
	if (S_ISDIR(node->mode))
		return EROFS_TYPE_DIRECTORY;
	return S_ISLNK(node->mode) ? EROFS_TYPE_SYMLINK : EROFS_TYPE_REGULAR;
}

/* One block's entries, then their names. */
static void
pack_block(const Plan *plan, const GArray *entries, guint first, guint n, guint8 *at)
{
	guint16 name_offset = (guint16) (n * sizeof(ErofsDirent));

	for (guint i = 0; i < n; i++) {
		const Entry *entry = &g_array_index(entries, Entry, first + i);
		ErofsDirent dirent = {
		    .nid = GUINT64_TO_LE(get_nid(plan, entry->node)),
		    .name_offset = GUINT16_TO_LE(name_offset),
		    .type = get_type(entry->node),
		};
		gsize length = strlen(entry->name);

		memcpy(at + i * sizeof(dirent), &dirent, sizeof(dirent));
		memcpy(at + name_offset, entry->name, length);
		name_offset += length;
	}
}

/* The directory's content as it is on disk: inode->size bytes. */
static guint8 *
pack_directory(const Plan *plan, const Inode *inode)
{
	g_autoptr(GArray) entries = list_entries(inode->node);
	guint8 *data = g_malloc0(ash_size_round_up(inode->size, EROFS_BLOCK));
	guint8 *at = data;
	guint n;

	for (guint first = 0; first < entries->len; first += n, at += EROFS_BLOCK) {
		guint32 bytes = 0;

		n = count_in_block(entries, first, &bytes);
		pack_block(plan, entries, first, n, at);
	}
	return data;
}

/* What a directory or link holds; NULL for a regular file. */
static guint8 *
pack_content(const Plan *plan, const Inode *inode)
{
	if (S_ISDIR(inode->node->mode))
		return pack_directory(plan, inode);
	return S_ISLNK(inode->node->mode) ? (guint8 *) g_strdup(inode->node->target) : NULL;
}

static void
put_inode(Writer *writer, guint index)
{
	const Inode *inode = &g_array_index(writer->plan->inodes, Inode, index);
	const AshFsNode *node = inode->node;
	gsize header = sizeof(ErofsInodeExtended) + inode->xattr_bytes;
	guint layout = inode->tail_bytes > 0 ? EROFS_LAYOUT_INLINE : EROFS_LAYOUT_PLAIN;
	guint xattr_count = inode->xattr_bytes > 0
				? 1 + (inode->xattr_bytes - EROFS_XATTR_HEADER) / EROFS_XATTR_ALIGN
				: 0;
	ErofsInodeExtended disk = {
	    .format = GUINT16_TO_LE(1 | layout << 1),
	    .xattr_count = GUINT16_TO_LE(xattr_count),
	    .mode = GUINT16_TO_LE(node->mode),
	    .size = GUINT64_TO_LE(inode->size),
	    .block = GUINT32_TO_LE(inode->block),
	    .ino = GUINT32_TO_LE(index + 1),
	    .uid = GUINT32_TO_LE(node->uid),
	    .gid = GUINT32_TO_LE(node->gid),
	    .mtime = GUINT64_TO_LE((guint64) node->mtime),
	    .nlink = GUINT32_TO_LE(node->nlink),
	};
	guint8 *at = writer->metadata + inode->offset;

	memcpy(at, &disk, sizeof(disk));
	if (inode->xattr_bytes > 0)
		put_xattrs(node, at + sizeof(disk));
	if (inode->tail_bytes > 0) {
		g_autofree guint8 *content = pack_content(writer->plan, inode);

		memcpy(at + header, content + (inode->size - inode->tail_bytes), inode->tail_bytes);
	}
}

static void
put_blocks(Writer *writer, const Inode *inode)
{
	gsize bytes = inode->size - inode->tail_bytes;

	if (!S_ISREG(inode->node->mode) && bytes > 0) {
		g_autofree guint8 *content = pack_content(writer->plan, inode);

		memcpy(writer->metadata + (guint64) inode->block * EROFS_BLOCK, content, bytes);
	}
}

static gboolean
write_files(Writer *writer, GError **error)
{
	g_autoptr(GArray) copies = g_array_new(FALSE, FALSE, sizeof(AshFileCopy));

	for (guint i = 0; i < writer->plan->inodes->len; i++) {
		const Inode *inode = &g_array_index(writer->plan->inodes, Inode, i);
		AshFileCopy copy = {inode->node, writer->base + (guint64) inode->block * EROFS_BLOCK};

		if (S_ISREG(inode->node->mode) && inode->size > 0)
			g_array_append_val(copies, copy);
	}
	return ash_filecopy_run(writer->ctx, writer->plan->tree, copies, writer->fd,
				writer->options->written != NULL ? show_written : NULL, writer, error);
}

static void
put_superblock(Writer *writer)
{
	const Plan *plan = writer->plan;
	const AshErofsOptions *options = writer->options;
	guint8 *at = writer->metadata + EROFS_SUPER_OFFSET;
	ErofsSuperblock sb = {
	    .magic = GUINT32_TO_LE(EROFS_MAGIC),
	    .feature_compat = GUINT32_TO_LE(EROFS_COMPAT_SB_CHKSUM | EROFS_COMPAT_MTIME),
	    .block_bits = EROFS_BLOCK_BITS,
	    .root_nid = GUINT16_TO_LE((guint16) get_nid(plan, plan->tree->root)),
	    .inodes = GUINT64_TO_LE((guint64) plan->inodes->len),
	    .build_time = GUINT64_TO_LE(options->epoch),
	    .blocks = GUINT32_TO_LE((guint32) (plan->end / EROFS_BLOCK)),
	};

	memcpy(sb.uuid, options->uuid.bytes, sizeof(sb.uuid));
	memcpy(sb.volume_name, options->label, sizeof(sb.volume_name));
	memcpy(at, &sb, sizeof(sb));
	sb.checksum = GUINT32_TO_LE(ash_crc32c(~0u, at, EROFS_BLOCK - EROFS_SUPER_OFFSET));
	memcpy(at, &sb, sizeof(sb));
}

/* The first block, with the superblock, comes last: what is unfinished is no file system. */
static gboolean
write_metadata(Writer *writer, GError **error)
{
	const Plan *plan = writer->plan;
	gsize length = plan->data_start;

	for (guint i = 0; i < plan->inodes->len; i++) {
		put_inode(writer, i);
		put_blocks(writer, &g_array_index(plan->inodes, Inode, i));
	}
	put_superblock(writer);
	if (writer->options->written != NULL)
		show_written(writer->base, writer->metadata, length, writer);
	return ash_fd_write_all(writer->fd, writer->metadata + EROFS_BLOCK, length - EROFS_BLOCK,
				writer->base + EROFS_BLOCK, error) &&
	       ash_fd_write_all(writer->fd, writer->metadata, EROFS_BLOCK, writer->base, error);
}

/* The last file's end need not be written: the disk file may still be too short. */
static gboolean
extend_file(int fd, guint64 end, GError **error)
{
	struct stat st;

	if (!ash_fd_stat(fd, "disk file", &st, error))
		return FALSE;
	if ((guint64) st.st_size < end && ftruncate(fd, (off_t) end) < 0)
		return ash_throw_errno(error, "cannot extend the disk file");
	return TRUE;
}

gboolean
ash_erofs_write(AshContext *ctx, const AshFsTree *tree, const AshErofsOptions *options, int fd,
		guint64 offset, guint64 *ret_bytes, GError **error)
{
	g_autoptr(Plan) plan = plan_new(tree, error);
	g_autofree guint8 *metadata = NULL;
	Writer writer = {.ctx = ctx, .plan = plan, .options = options, .fd = fd, .base = offset};

	if (plan == NULL)
		return FALSE;
	if (offset % EROFS_BLOCK != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "EROFS must begin at a whole block");
	writer.metadata = metadata = g_try_malloc0(plan->data_start);
	if (metadata == NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "no memory for the file system's metadata");
	if (!extend_file(fd, offset + plan->end, error) || !write_files(&writer, error) ||
	    !write_metadata(&writer, error))
		return FALSE;
	*ret_bytes = plan->end;
	return TRUE;
}
