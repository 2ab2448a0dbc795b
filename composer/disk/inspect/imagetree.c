/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/inspect/imagetree.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/boot/bootimages.h"
#include "disk/erofs/tree.h"
#include "disk/ext4/reader.h"
#include "disk/filesystem/probe.h"
#include "disk/gpt/gpt.h"
#include "disk/inspect/inspect.h"
#include "disk/squashfs/reader.h"
#include "disk/vfat/vfat.h"
#include "disk/xfs/reader.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES   ((guint64) ASH_MIB)
#define MEMORY_BYTES (64 * ASH_MIB)
/* No file of a system is larger; what claims to be would fill the disk. */
#define MAX_FILE_BYTES (16 * ASH_GIB)

/* A file system, or one file: one of the five. */
typedef struct {
	AshErofsReader *erofs;
	AshExt4Reader *ext4;
	AshSquashfsReader *squashfs;
	AshXfsReader *xfs;
	GBytes *bytes;
} Source;

/* What an open tree needs. */
typedef struct {
	int fd;
	bool owned;      /* the descriptor is */
	GArray *sources; /* of Source; a node's number is its index */
} Image;

static void
source_clear(gpointer data)
{
	Source *source = data;

	g_clear_pointer(&source->erofs, ash_erofs_close);
	g_clear_pointer(&source->ext4, ash_ext4_reader_free);
	g_clear_pointer(&source->squashfs, ash_squashfs_reader_free);
	g_clear_pointer(&source->xfs, ash_xfs_reader_free);
	g_clear_pointer(&source->bytes, g_bytes_unref);
}

static void
image_free(gpointer data)
{
	Image *image = data;

	g_array_unref(image->sources);
	if (image->owned)
		ash_fd_clear(&image->fd);
	g_free(image);
}

/* In memory, or nameless on the disk. */
static int
make_copy_fd(guint64 size, GError **error)
{
	int fd;

	if (size <= MEMORY_BYTES) {
		fd = memfd_create("file", MFD_CLOEXEC);
	} else {
		g_autofree char *path = g_build_filename(g_get_tmp_dir(), ".ashlar-audit-XXXXXX", NULL);

		fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
		if (fd >= 0)
			(void) unlink(path);
	}
	if (fd < 0)
		ash_throw_errno(error, "cannot make a temporary file");
	return fd;
}

static gboolean
copy_erofs(AshErofsReader *reader, guint64 nid, guint64 size, int to_fd, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(MIN(COPY_BYTES, size));

	for (guint64 at = 0; at < size; at += COPY_BYTES) {
		gsize part = (gsize) MIN(COPY_BYTES, size - at);

		if (!ash_erofs_read_nid(reader, nid, at, buffer, part, error) || !ash_fd_write_all(to_fd, buffer, part, at, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
copy_source(const Source *source, guint64 number, guint64 size, int to_fd, GError **error)
{
	if (source->bytes != NULL)
		return ash_fd_write_all(to_fd, g_bytes_get_data(source->bytes, NULL), g_bytes_get_size(source->bytes), 0, error);
	if (source->ext4 != NULL)
		return ash_ext4_reader_copy(source->ext4, (guint32) number, to_fd, error);
	if (source->squashfs != NULL)
		return ash_squashfs_reader_copy(source->squashfs, number, to_fd, error);
	if (source->xfs != NULL)
		return ash_xfs_reader_copy(source->xfs, number, to_fd, error);
	return copy_erofs(source->erofs, number, size, to_fd, error);
}

static int
open_node(const AshFsNode *node, gpointer user_data, GError **error)
{
	const Image *image = user_data;
	const Source *source = &g_array_index(image->sources, Source, node->number);
	guint64 number = g_ascii_strtoull(node->content, NULL, 10);
	ash_autofd int fd = -1;

	if (node->size > MAX_FILE_BYTES) {
		ash_throw(error, ASH_ERROR_CONFIG, "it claims to have %" G_GUINT64_FORMAT " bytes", node->size);
		return -1;
	}
	fd = make_copy_fd(node->size, error);
	if (fd < 0)
		return -1;
	return copy_source(source, number, node->size, fd, error) ? ash_fd_steal(&fd) : -1;
}

/* The readers there are, by what a probe says. FALSE (no error) of one that is none of them. */
static gboolean
open_source(Source *source, const char *kind, int fd, guint64 offset, guint64 size, GError **error)
{
	if (g_strcmp0(kind, "erofs") == 0)
		source->erofs = ash_erofs_open(fd, offset, size, error);
	else if (g_strcmp0(kind, "ext4") == 0)
		source->ext4 = ash_ext4_reader_open(fd, offset, error);
	else if (g_strcmp0(kind, "squashfs") == 0)
		source->squashfs = ash_squashfs_reader_open(fd, offset, size, error);
	else if (g_strcmp0(kind, "xfs") == 0)
		source->xfs = ash_xfs_reader_open(fd, offset, size, error);
	return source->erofs != NULL || source->ext4 != NULL || source->squashfs != NULL || source->xfs != NULL;
}

static gboolean
fill_source(const Source *source, AshFsNode *root, guint32 index, GError **error)
{
	if (source->erofs != NULL)
		return ash_erofs_tree_fill(source->erofs, root, index, error);
	if (source->ext4 != NULL)
		return ash_ext4_reader_fill(source->ext4, root, index, error);
	if (source->xfs != NULL)
		return ash_xfs_reader_fill(source->xfs, root, index, error);
	return ash_squashfs_reader_fill(source->squashfs, root, index, error);
}

/* Puts the file system at @offset below @root. FALSE without an error: it is of another kind, *@ret_kind (static, may be NULL). */
static gboolean
fill(Image *image, AshFsNode *root, guint64 offset, guint64 size, const char **ret_kind, GError **error)
{
	g_auto(AshProbe) probe = { 0 };
	guint32 index = image->sources->len;
	Source source = { 0 };

	ash_probe_read(image->fd, offset, size, &probe);
	*ret_kind = probe.content;
	if (!open_source(&source, probe.content, image->fd, offset, size, error))
		return FALSE;
	g_array_append_val(image->sources, source);
	return fill_source(&source, root, index, error);
}

/* Moves what is in @from into @into, which keeps what it has. */
static void
graft(AshFsNode *into, AshFsTree *from)
{
	into->mode = from->root->mode;
	into->uid = from->root->uid;
	into->gid = from->root->gid;
	while (from->root->children != NULL && from->root->children->len > 0) {
		AshFsNode *child = g_ptr_array_steal_index(from->root->children, 0);

		child->parent = into;
		g_ptr_array_add(into->children, child);
	}
}

/* A partition's content is mounted over what the root has there. */
static void
add_var(Image *image, AshFsTree *tree, const AshPartition *partition, GPtrArray *notices)
{
	AshFsNode *var = ash_fs_tree_lookup(tree, "var");
	g_autoptr(AshFsTree) content = ash_fs_tree_new();
	g_autoptr(GError) error = NULL;
	const char *kind = NULL;

	if (var == NULL || !S_ISDIR(var->mode))
		return;
	if (!fill(image, content->root, partition->offset, partition->size, &kind, &error)) {
		if (error != NULL || (kind != NULL && strcmp(kind, "zero") != 0))
			g_ptr_array_add(notices, g_strdup_printf("partition \"%s\": %s%s", partition->label,
								 error != NULL ? error->message : kind,
								 error != NULL ? "" : " is not looked into"));
		return;
	}
	g_ptr_array_set_size(var->children, 0);
	graft(var, content);
}

/* The directory @name of @parent, made if it is not there; NULL if something else is. */
static AshFsNode *
take_directory(const AshFsTree *tree, AshFsNode *parent, const char *name)
{
	g_autofree char *above = ash_fs_node_dup_path(parent);
	g_autofree char *path = g_build_filename(above, name, NULL);
	AshFsNode *node = ash_fs_tree_lookup(tree, path);

	if (node == NULL)
		return ash_fs_node_new(parent, name, S_IFDIR | 0700);
	return S_ISDIR(node->mode) ? node : NULL;
}

/* The one file of the EFI system partition that no image may have, where systemd mounts the partition. */
static void
add_random_seed(Image *image, AshFsTree *tree, const AshPartition *esp)
{
	g_autoptr(AshVfatReader) fat = ash_vfat_open(image->fd, esp->offset, NULL);
	Source source = { .bytes = fat != NULL ? ash_vfat_load(fat, "loader/random-seed", NULL) : NULL };
	AshFsNode *efi = source.bytes != NULL ? take_directory(tree, tree->root, "efi") : NULL;
	AshFsNode *loader = efi != NULL ? take_directory(tree, efi, "loader") : NULL;
	AshFsNode *node;

	if (loader == NULL) {
		source_clear(&source);
		return;
	}
	node = ash_fs_node_new(loader, "random-seed", S_IFREG | 0600);
	node->number = image->sources->len;
	node->size = g_bytes_get_size(source.bytes);
	node->content = node->size > 0 ? g_strdup("0") : NULL;
	g_array_append_val(image->sources, source);
}

static gboolean
fill_from_layout(Image *image, AshFsTree *tree, const AshLayout *layout, GPtrArray *notices, GError **error)
{
	for (guint i = 0; i < layout->partitions->len; i++) {
		const AshPartition *partition = layout->partitions->pdata[i];
		g_autoptr(GError) local = NULL;
		const char *kind = NULL;

		if (partition->role == ASH_PARTITION_LVM)
			g_ptr_array_add(notices, g_strdup_printf("partition \"%s\": lvm2 is not looked into: audit the commit", partition->label));
		if (partition->role != ASH_PARTITION_ROOT)
			continue;
		if (fill(image, tree->root, partition->offset, partition->size, &kind, &local))
			return TRUE;
		if (local != NULL) {
			g_propagate_prefixed_error(error, g_steal_pointer(&local), "partition \"%s\": ", partition->label);
			return FALSE;
		}
		if (kind != NULL && strcmp(kind, "zero") != 0)
			g_ptr_array_add(notices, g_strdup_printf("partition \"%s\": %s is not looked into", partition->label, kind));
	}
	return ash_throw(error, ASH_ERROR_CONFIG, "no root partition with EROFS, squashfs, ext4 or XFS%s%s", notices->len > 0 ? ": " : "",
			 notices->len > 0 ? (const char *) g_ptr_array_index(notices, 0) : "");
}

static gboolean
fill_from_disk(Image *image, AshFsTree *tree, guint64 size, GPtrArray *notices, GPtrArray **ret_boot, GError **error)
{
	g_autoptr(AshLayout) layout = NULL;
	g_autoptr(GError) local = NULL;
	const AshPartition *var, *esp;
	const char *kind = NULL;

	/* One file system without a partition table. */
	if (fill(image, tree->root, 0, size, &kind, &local))
		return TRUE;
	if (local != NULL) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	layout = ash_gpt_read(image->fd, error);
	if (layout == NULL || !fill_from_layout(image, tree, layout, notices, error))
		return FALSE;
	ash_fs_tree_finish(tree);
	var = ash_layout_find(layout, ASH_PARTITION_VAR, 0);
	if (var != NULL)
		add_var(image, tree, var, notices);
	esp = ash_layout_find(layout, ASH_PARTITION_ESP, 0);
	if (esp != NULL) {
		add_random_seed(image, tree, esp);
		*ret_boot = ash_boot_images_list(image->fd, esp->offset);
	}
	return TRUE;
}

/* An empty tree; @fd is its own if @owned. */
static AshFsTree *
image_tree_new(int fd, bool owned)
{
	AshFsTree *tree = ash_fs_tree_new();
	Image *image = g_new0(Image, 1);

	image->fd = fd;
	image->owned = owned;
	image->sources = g_array_new(FALSE, FALSE, sizeof(Source));
	g_array_set_clear_func(image->sources, source_clear);
	tree->open = open_node;
	tree->user_data = image;
	tree->free_user_data = image_free;
	return tree;
}

AshFsTree *
ash_image_load_filesystem(int fd, guint64 offset, guint64 size, GError **error)
{
	g_autoptr(AshFsTree) tree = image_tree_new(fd, false);
	const char *kind = NULL;

	if (!fill(tree->user_data, tree->root, offset, size, &kind, error))
		return NULL;
	ash_fs_tree_finish(tree);
	return g_steal_pointer(&tree);
}

AshFsTree *
ash_image_load_tree(AshContext *ctx, const char *path, GPtrArray **ret_notices, GPtrArray **ret_boot, GError **error)
{
	g_autoptr(GPtrArray) notices = g_ptr_array_new_with_free_func(g_free), boot = NULL;
	g_autoptr(AshFsTree) tree = NULL;
	AshDiskFormat format = ASH_DISK_RAW;
	guint64 size = 0;
	int fd = ash_disk_open_raw(ctx, path, &format, &size, error);

	if (fd < 0)
		return NULL;
	tree = image_tree_new(fd, true);
	if (!fill_from_disk(tree->user_data, tree, size, notices, &boot, error))
		return ash_prefix(error, "\"%s\"", path), NULL;
	ash_fs_tree_finish(tree);
	*ret_notices = g_steal_pointer(&notices);
	*ret_boot = boot != NULL ? g_steal_pointer(&boot) : g_ptr_array_new();
	return g_steal_pointer(&tree);
}
