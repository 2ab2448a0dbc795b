/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/erofs.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/erofs/dir.h"
#include "disk/erofs/format.h"
#include "disk/erofs/plan.h"
#include "disk/io/crc32c.h"

#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Ends of directories and link targets up to this go beside their inode: longer ones would waste more by padding. */
#define INLINE_MAX 2048

static ErofsInode *
get_inode(const AshErofs *erofs, guint index)
{
	return &g_array_index(erofs->inodes, ErofsInode, index);
}

static void
inode_clear(gpointer data)
{
	g_free(((ErofsInode *) data)->path);
}

guint64
ash_erofs_inode_bytes(const ErofsInode *inode)
{
	return (inode->extended ? sizeof(ErofsInodeExtended) : sizeof(ErofsInodeCompact)) + inode->xattr_bytes +
	       inode->tail_bytes + inode->index_bytes;
}

guint64
ash_erofs_inode_id(const ErofsInode *inode)
{
	guint8 sum[ASH_SHA256_SIZE];
	guint64 id;

	if (inode->node->content == NULL)
		return 0;
	ash_sha256(inode->node->content, strlen(inode->node->content), sum);
	memcpy(&id, sum, sizeof(id));
	return GUINT64_FROM_LE(id);
}

static gboolean
check_node(const AshFsNode *node, GError **error)
{
	static const mode_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK };
	bool known = false;

	for (guint i = 0; i < G_N_ELEMENTS(types); i++)
		known = known || (node->mode & S_IFMT) == types[i];
	if (!known)
		return ash_throw(error, ASH_ERROR_CONFIG, "a file of unknown type");
	if (strlen(node->name) > EROFS_NAME_MAX)
		return ash_throw(error, ASH_ERROR_CONFIG, "a name over 255 bytes");
	if (S_ISLNK(node->mode) && (node->target == NULL || node->target[0] == '\0'))
		return ash_throw(error, ASH_ERROR_CONFIG, "a symbolic link without a target");
	if (S_ISREG(node->mode) && node->size > (guint64) G_MAXUINT32 * EROFS_BLOCK)
		return ash_throw(error, ASH_ERROR_CONFIG, "too large");
	return TRUE;
}

/* Collects the inodes in walk order; @path is of @node. */
static gboolean
collect(AshErofs *erofs, AshFsNode *node, GString *path, GError **error)
{
	ErofsInode inode = { .node = node };
	gsize length = path->len;

	if (!check_node(node, error) ||
	    (node->hardlink == NULL && !ash_erofs_xattrs_add(erofs->xattrs, node, error)))
		return ash_prefix(error, "\"/%s\"", path->str);
	if (node->hardlink != NULL)
		return TRUE;
	inode.path = g_strdup(path->str);
	node->number = erofs->inodes->len;
	g_array_append_val(erofs->inodes, inode);
	for (guint i = 0; node->children != NULL && i < node->children->len; i++) {
		AshFsNode *child = node->children->pdata[i];

		if (length > 0)
			g_string_append_c(path, '/');
		g_string_append(path, child->name);
		if (!collect(erofs, child, path, error))
			return FALSE;
		g_string_truncate(path, length);
	}
	return TRUE;
}

static guint64
measure_content(const AshFsNode *node)
{
	if (S_ISDIR(node->mode))
		return ash_erofs_dir_measure(node);
	if (S_ISLNK(node->mode))
		return strlen(node->target);
	return S_ISREG(node->mode) ? node->size : 0;
}

/* A compact inode has the file system's build time, and small numbers. */
static bool
needs_extended(const AshErofs *erofs, const ErofsInode *inode)
{
	const AshFsNode *node = inode->node;

	return node->mtime != (gint64) erofs->options.epoch || node->uid > G_MAXUINT16 || node->gid > G_MAXUINT16 ||
	       node->nlink > G_MAXUINT16 || inode->size > G_MAXUINT32;
}

static gboolean
measure(AshErofs *erofs, ErofsInode *inode, GError **error)
{
	guint64 tail;

	inode->size = measure_content(inode->node);
	inode->extended = needs_extended(erofs, inode);
	if (!ash_erofs_xattrs_measure(erofs->xattrs, inode->node, &inode->xattr_bytes, error))
		return ash_prefix(error, "\"/%s\"", inode->path);
	tail = S_ISREG(inode->node->mode) ? 0 : inode->size % EROFS_BLOCK;
	if (tail <= INLINE_MAX && ash_erofs_inode_bytes(inode) + tail <= EROFS_BLOCK)
		inode->tail_bytes = (guint32) tail;
	inode->n_blocks = (guint32) (ash_size_round_up(inode->size - inode->tail_bytes, EROFS_BLOCK) / EROFS_BLOCK);
	if (inode->packed != NULL) {
		inode->n_blocks = ash_erofs_packed_count_blocks(inode->packed);
		inode->index_bytes =
			(guint32) ash_erofs_packed_index_bytes(inode->packed, ash_erofs_inode_bytes(inode));
	}
	return TRUE;
}

/* What fits one block cannot become smaller. */
static gboolean
pack_files(AshContext *ctx, AshErofs *erofs, GError **error)
{
	g_autoptr(GPtrArray) nodes = g_ptr_array_new();
	g_autoptr(GArray) indices = g_array_new(FALSE, FALSE, sizeof(guint));

	if (erofs->options.compression == ASH_ROOT_COMPRESSION_NONE)
		return TRUE;
	erofs->packer = ash_erofs_packer_new(erofs->options.compression, error);
	for (guint i = 0; i < erofs->inodes->len; i++) {
		AshFsNode *node = get_inode(erofs, i)->node;

		if (S_ISREG(node->mode) && node->size > EROFS_BLOCK) {
			g_ptr_array_add(nodes, node);
			g_array_append_val(indices, i);
		}
	}
	if (erofs->packer == NULL || !ash_erofs_packer_run(erofs->packer, ctx, erofs->tree, nodes, error))
		return FALSE;
	for (guint i = 0; i < indices->len; i++)
		get_inode(erofs, g_array_index(indices, guint, i))->packed = ash_erofs_packer_get(erofs->packer, i);
	return TRUE;
}

AshErofs *
ash_erofs_new(AshContext *ctx, const AshFsTree *tree, const AshErofsOptions *options, GError **error)
{
	g_autoptr(AshErofs) erofs = g_new0(AshErofs, 1);
	g_autoptr(GString) path = g_string_new(NULL);

	erofs->tree = tree;
	erofs->options = *options;
	erofs->inodes = g_array_new(FALSE, FALSE, sizeof(ErofsInode));
	g_array_set_clear_func(erofs->inodes, inode_clear);
	erofs->xattrs = ash_erofs_xattrs_new();
	erofs->space = ash_erofs_space_new();
	if (!collect(erofs, tree->root, path, error) || !pack_files(ctx, erofs, error))
		return NULL;
	ash_erofs_xattrs_settle(erofs->xattrs, options->previous);
	for (guint i = 0; i < erofs->inodes->len; i++) {
		if (!measure(erofs, get_inode(erofs, i), error))
			return NULL;
	}
	if (!ash_erofs_place(erofs, error))
		return NULL;
	erofs->options.previous = NULL;
	return g_steal_pointer(&erofs);
}

void
ash_erofs_free(AshErofs *erofs)
{
	if (erofs == NULL)
		return;
	g_array_unref(erofs->inodes);
	ash_erofs_packer_free(erofs->packer);
	ash_erofs_xattrs_free(erofs->xattrs);
	ash_erofs_space_free(erofs->space);
	g_free(erofs);
}

guint64
ash_erofs_get_bytes(const AshErofs *erofs)
{
	return erofs->zones.n_blocks * EROFS_BLOCK;
}

AshErofsLayout *
ash_erofs_dup_layout(const AshErofs *erofs)
{
	AshErofsLayout *layout = ash_erofs_layout_new(&erofs->zones);

	for (guint i = 0; i < erofs->inodes->len; i++) {
		const ErofsInode *inode = get_inode(erofs, i);
		AshErofsPlace place = {
			.path = inode->path,
			.slot = inode->slot,
			.n_slots = inode->n_slots,
			.block = inode->block,
			.n_blocks = inode->n_blocks,
			.id = S_ISREG(inode->node->mode) ? ash_erofs_inode_id(inode) : 0,
		};
		ash_erofs_layout_add(layout, &place);
	}
	ash_erofs_xattrs_save(erofs->xattrs, layout);
	ash_erofs_layout_sort(layout);
	return layout;
}

/** A file system being written: all its metadata is in memory. */
typedef struct {
	const AshErofs *erofs;
	int fd;
	guint64 base;     /* of the file system in the file, bytes */
	AshWrittenFunc written;
	gpointer user_data;
	GArray *blocks;   /* of guint64: those of metadata, in order */
	guint8 *metadata; /* their content */
} Writer;

static void
show_written(guint64 offset, const guint8 *data, gsize length, gpointer user_data)
{
	const Writer *writer = user_data;

	if (writer->written != NULL)
		writer->written(offset - writer->base, data, length, writer->user_data);
}

static int
compare_blocks(gconstpointer a, gconstpointer b)
{
	guint64 first = *(const guint64 *) a, second = *(const guint64 *) b;

	return first < second ? -1 : first > second;
}

static void
add_blocks(GArray *blocks, guint64 first, guint64 n)
{
	for (guint64 i = 0; i < n; i++, first++)
		g_array_append_val(blocks, first);
}

static GArray *
list_metadata(const AshErofs *erofs)
{
	GArray *blocks = g_array_new(FALSE, FALSE, sizeof(guint64));

	add_blocks(blocks, 0, 1);
	ash_erofs_space_list_slot_blocks(erofs->space, blocks);
	add_blocks(blocks, erofs->zones.shared_block, erofs->zones.shared_blocks);
	for (guint i = 0; i < erofs->inodes->len; i++) {
		const ErofsInode *inode = get_inode(erofs, i);

		if (!S_ISREG(inode->node->mode))
			add_blocks(blocks, inode->block, inode->n_blocks);
	}
	g_array_sort(blocks, compare_blocks);
	return blocks;
}

/* Where byte @offset of the metadata is in memory. What has one place in the file system is in one piece here, too. */
static guint8 *
at(const Writer *writer, guint64 offset)
{
	guint64 block = offset / EROFS_BLOCK;
	guint index = 0;
	gboolean found = g_array_binary_search(writer->blocks, &block, compare_blocks, &index);

	g_assert(found);
	return writer->metadata + (gsize) index * EROFS_BLOCK + offset % EROFS_BLOCK;
}

static guint64
get_number(const AshFsNode *node, gpointer user_data)
{
	const AshFsNode *first = node->hardlink != NULL ? node->hardlink : node;

	return get_inode(user_data, first->number)->slot;
}

/* What a directory or link holds; NULL for others. */
static guint8 *
pack_content(const AshErofs *erofs, const ErofsInode *inode)
{
	if (S_ISDIR(inode->node->mode))
		return ash_erofs_dir_pack(inode->node, get_number, (gpointer) erofs);
	return S_ISLNK(inode->node->mode) ? (guint8 *) g_strdup(inode->node->target) : NULL;
}

/* The device number as the kernel's new_encode_dev() has it, the number of blocks of compressed data, or the place of other. */
static guint32
get_address(const ErofsInode *inode)
{
	guint32 low = minor(inode->node->rdev), high = major(inode->node->rdev);

	if (S_ISCHR(inode->node->mode) || S_ISBLK(inode->node->mode))
		return (low & 0xff) | high << 8 | (low & ~0xffu) << 12;
	if (inode->packed != NULL)
		return inode->n_blocks;
	return inode->n_blocks > 0 ? (guint32) inode->block : 0;
}

static guint16
get_format(const ErofsInode *inode)
{
	guint layout = inode->tail_bytes > 0 ? EROFS_LAYOUT_INLINE : EROFS_LAYOUT_PLAIN;

	if (inode->packed != NULL)
		layout = EROFS_LAYOUT_COMPRESSED;
	return (guint16) (inode->extended | layout << 1);
}

static guint16
get_xattr_count(const ErofsInode *inode)
{
	if (inode->xattr_bytes == 0)
		return 0;
	return (guint16) (1 + (inode->xattr_bytes - EROFS_XATTR_HEADER) / EROFS_XATTR_ALIGN);
}

static gsize
put_extended(const ErofsInode *inode, guint8 *to)
{
	const AshFsNode *node = inode->node;
	ErofsInodeExtended disk = {
		.format = GUINT16_TO_LE(get_format(inode)),
		.xattr_count = GUINT16_TO_LE(get_xattr_count(inode)),
		.mode = GUINT16_TO_LE((guint16) node->mode),
		.size = GUINT64_TO_LE(inode->size),
		.block = GUINT32_TO_LE(get_address(inode)),
		.ino = GUINT32_TO_LE((guint32) inode->slot),
		.uid = GUINT32_TO_LE(node->uid),
		.gid = GUINT32_TO_LE(node->gid),
		.mtime = GUINT64_TO_LE((guint64) node->mtime),
		.nlink = GUINT32_TO_LE(node->nlink),
	};

	memcpy(to, &disk, sizeof(disk));
	return sizeof(disk);
}

static gsize
put_compact(const ErofsInode *inode, guint8 *to)
{
	const AshFsNode *node = inode->node;
	ErofsInodeCompact disk = {
		.format = GUINT16_TO_LE(get_format(inode)),
		.xattr_count = GUINT16_TO_LE(get_xattr_count(inode)),
		.mode = GUINT16_TO_LE((guint16) node->mode),
		.nlink = GUINT16_TO_LE((guint16) node->nlink),
		.size = GUINT32_TO_LE((guint32) inode->size),
		.block = GUINT32_TO_LE(get_address(inode)),
		.ino = GUINT32_TO_LE((guint32) inode->slot),
		.uid = GUINT16_TO_LE((guint16) node->uid),
		.gid = GUINT16_TO_LE((guint16) node->gid),
	};

	memcpy(to, &disk, sizeof(disk));
	return sizeof(disk);
}

static void
put_inode(const Writer *writer, const ErofsInode *inode)
{
	g_autofree guint8 *content = pack_content(writer->erofs, inode);
	guint64 whole = inode->size - inode->tail_bytes;
	guint8 *to = at(writer, inode->slot * EROFS_SLOT);

	to += inode->extended ? put_extended(inode, to) : put_compact(inode, to);
	if (inode->xattr_bytes > 0)
		ash_erofs_xattrs_put(writer->erofs->xattrs, inode->node, to);
	if (inode->packed != NULL)
		ash_erofs_packed_put_index(writer->erofs->packer, inode->packed,
					   ash_erofs_inode_bytes(inode) - inode->index_bytes, inode->block,
					   to + inode->xattr_bytes);
	if (content == NULL)
		return;
	memcpy(to + inode->xattr_bytes, content + whole, inode->tail_bytes);
	if (whole > 0)
		memcpy(at(writer, inode->block * EROFS_BLOCK), content, whole);
}

static void
put_superblock(const Writer *writer)
{
	const AshErofs *erofs = writer->erofs;
	guint8 *to = writer->metadata + EROFS_SUPER_OFFSET;
	ErofsSuperblock sb = {
		.magic = GUINT32_TO_LE(EROFS_MAGIC),
		.feature_compat = GUINT32_TO_LE(EROFS_COMPAT_SB_CHKSUM | EROFS_COMPAT_MTIME),
		.block_bits = EROFS_BLOCK_BITS,
		.root_nid = GUINT16_TO_LE((guint16) get_inode(erofs, 0)->slot),
		.inodes = GUINT64_TO_LE((guint64) erofs->inodes->len),
		.build_time = GUINT64_TO_LE(erofs->options.epoch),
		.blocks = GUINT32_TO_LE((guint32) erofs->zones.n_blocks),
		.xattr_block = GUINT32_TO_LE((guint32) erofs->zones.shared_block),
	};

	memcpy(sb.uuid, erofs->options.uuid.bytes, sizeof(sb.uuid));
	memcpy(sb.volume_name, erofs->options.label, sizeof(sb.volume_name));
	if (erofs->packer != NULL)
		ash_erofs_packer_put_superblock(erofs->packer, &sb, to + sizeof(sb));
	memcpy(to, &sb, sizeof(sb));
	sb.checksum = GUINT32_TO_LE(ash_crc32c(~0u, to, EROFS_BLOCK - EROFS_SUPER_OFFSET));
	memcpy(to, &sb, sizeof(sb));
}

/* Metadata from block index @first on, up to @end, in as few writes as it has pieces. */
static gboolean
write_blocks(Writer *writer, guint first, guint end, GError **error)
{
	for (guint n; first < end; first += n) {
		const guint64 *blocks = &g_array_index(writer->blocks, guint64, first);
		const guint8 *data = writer->metadata + (gsize) first * EROFS_BLOCK;
		guint64 offset = writer->base + blocks[0] * EROFS_BLOCK;

		for (n = 1; first + n < end && blocks[n] == blocks[0] + n;)
			n++;
		show_written(offset, data, (gsize) n * EROFS_BLOCK, writer);
		if (!ash_fd_write_all(writer->fd, data, (gsize) n * EROFS_BLOCK, offset, error))
			return FALSE;
	}
	return TRUE;
}

/* The superblock comes last: what is unfinished is no file system. */
static gboolean
write_metadata(Writer *writer, GError **error)
{
	const AshErofs *erofs = writer->erofs;

	for (guint i = 0; i < erofs->inodes->len; i++)
		put_inode(writer, get_inode(erofs, i));
	if (erofs->zones.shared_blocks > 0)
		ash_erofs_xattrs_put_area(erofs->xattrs, at(writer, erofs->zones.shared_block * EROFS_BLOCK));
	put_superblock(writer);
	return write_blocks(writer, 1, writer->blocks->len, error) && write_blocks(writer, 0, 1, error);
}

static int
compare_copies(gconstpointer a, gconstpointer b)
{
	guint64 first = ((const AshFileCopy *) a)->offset, second = ((const AshFileCopy *) b)->offset;

	return first < second ? -1 : first > second;
}

GArray *
ash_erofs_list_files(const AshErofs *erofs, guint64 offset)
{
	GArray *copies = g_array_new(FALSE, FALSE, sizeof(AshFileCopy));

	for (guint i = 0; i < erofs->inodes->len; i++) {
		const ErofsInode *inode = get_inode(erofs, i);
		AshFileCopy copy = { inode->node, offset + inode->block * EROFS_BLOCK };

		if (inode->packed == NULL && S_ISREG(inode->node->mode) && inode->n_blocks > 0)
			g_array_append_val(copies, copy);
	}
	g_array_sort(copies, compare_copies);
	return copies;
}

static GArray *
list_packed(const Writer *writer)
{
	GArray *copies = g_array_new(FALSE, FALSE, sizeof(AshErofsPackedCopy));

	for (guint i = 0; i < writer->erofs->inodes->len; i++) {
		const ErofsInode *inode = get_inode(writer->erofs, i);
		AshErofsPackedCopy copy = { inode->packed, writer->base + inode->block * EROFS_BLOCK };

		if (inode->packed != NULL)
			g_array_append_val(copies, copy);
	}
	return copies;
}

static gboolean
write_files(AshContext *ctx, Writer *writer, GError **error)
{
	const AshErofs *erofs = writer->erofs;
	g_autoptr(GArray) copies = ash_erofs_list_files(erofs, writer->base);
	g_autoptr(GArray) packed = list_packed(writer);

	if (packed->len > 0 &&
	    !ash_erofs_packer_copy(erofs->packer, ctx, packed, writer->fd, show_written, writer, error))
		return FALSE;
	return erofs->leave_files || ash_filecopy_run(ctx, erofs->tree, copies, writer->fd, show_written, writer, error);
}

void
ash_erofs_leave_files(AshErofs *erofs, bool leave)
{
	erofs->leave_files = leave;
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
ash_erofs_write(AshContext *ctx, AshErofs *erofs, int fd, guint64 offset, AshWrittenFunc written, gpointer user_data,
		GError **error)
{
	g_autoptr(GArray) blocks = list_metadata(erofs);
	g_autofree guint8 *metadata = g_try_malloc0((gsize) blocks->len * EROFS_BLOCK);
	Writer writer = { erofs, fd, offset, written, user_data, blocks, metadata };

	if (offset % EROFS_BLOCK != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "EROFS must begin at a whole block");
	if (metadata == NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "no memory for the file system's metadata");
	/* Other writers of the same tree use the numbers, too. */
	for (guint i = 0; i < erofs->inodes->len; i++)
		get_inode(erofs, i)->node->number = i;
	return extend_file(fd, offset + ash_erofs_get_bytes(erofs), error) && write_files(ctx, &writer, error) &&
	       write_metadata(&writer, error);
}
