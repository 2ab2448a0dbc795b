/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * make-images DIR STORE REF: file systems that our writers make of odd trees, and of a commit; NAME.img each, and in NAME.list what is in it.
 * Another process reads them: see init.c.
 */
#include "base/size.h"
#include "disk/erofs/erofs.h"
#include "disk/ext4/ext4.h"
#include "disk/filesystem/filesystem.h"
#include "disk/squashfs/squashfs.h"
#include "store/tree.h"
#include "test-disk-trees.h"

#include "listing.h"

#define RANDOM_ITEMS 1500
#define RANDOM_SEED 20
#define MANY_NAMES 20000
#define MIB ((guint64) 1024 * 1024)
/* 2446, the last second of ext4 with 34 bits. */
#define EXT4_LAST ((gint64) 15032385535)

static const AshUuid uuid = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

/* Writes @tree in one way. */
typedef void (*Writer)(AshContext *ctx, const AshFsTree *tree, int parameter, int fd);

static void
write_erofs(AshContext *ctx, const AshFsTree *tree, int parameter, int fd)
{
	const AshErofsOptions options = { .uuid = uuid, .label = "test", .epoch = TEST_EPOCH, .compression = (AshRootCompression) parameter };
	g_autoptr(GError) error = NULL;
	g_autoptr(AshErofs) erofs = ash_erofs_new(ctx, tree, &options, &error);

	g_assert_no_error(error);
	ash_erofs_write(ctx, erofs, fd, 0, NULL, NULL, &error);
	g_assert_no_error(error);
}

static void
write_ext4(AshContext *ctx, const AshFsTree *tree, int parameter, int fd)
{
	const AshExt4Options options = { .uuid = uuid, .hash_seed = uuid, .label = "test", .epoch = TEST_EPOCH };
	const guint64 bytes = MAX(ash_ext4_estimate(tree), ASH_EXT4_MIN_BYTES) / 4096 * 4096 + 4096;
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(ftruncate(fd, (off_t) bytes), ==, 0);
	ash_ext4_write(ctx, tree, &options, fd, 0, bytes, &error);
	g_assert_no_error(error);
}

static void
write_squashfs(AshContext *ctx, const AshFsTree *tree, int parameter, int fd)
{
	g_autofree char *path = ash_file_fd_path(fd);
	const AshRootFile root = {
		.tree = (AshFsTree *) tree, .path = path, .options = { .epoch = TEST_EPOCH, .compression = (AshRootCompression) parameter },
	};
	g_autoptr(GError) error = NULL;

	ash_squashfs_make(ctx, &root, NULL, &error);
	g_assert_no_error(error);
}

/* @parameter: its kind. */
static void
write_filesystem(AshContext *ctx, const AshFsTree *tree, int parameter, int fd)
{
	const AshFsKind kind = (AshFsKind) parameter;
	const AshFilesystemOptions options = { .uuid = uuid, .label = "test", .epoch = TEST_EPOCH, .scratch_dir = "." };
	const guint64 bytes = ash_size_round_up(ash_filesystem_estimate(kind, tree), MIB);
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(ftruncate(fd, (off_t) bytes), ==, 0);
	ash_filesystem_write(ctx, kind, tree, &options, fd, 0, bytes, &error);
	g_assert_no_error(error);
}

typedef struct {
	const char *name;
	Writer write;
	int parameter;
} Format;

/* For trees of every kind; ext4 for a tree of its own, and for what a commit has. */
static const Format formats[] = {
	{ "none", write_erofs, ASH_ROOT_COMPRESSION_NONE },
	{ "lz4hc", write_erofs, ASH_ROOT_COMPRESSION_LZ4HC },
	{ "zstd", write_erofs, ASH_ROOT_COMPRESSION_ZSTD },
	{ "ext4", write_ext4, 0 },
	{ NULL },
};

/* For trees without what these cannot hold. */
static const Format tame_formats[] = {
	{ "squashfs-none", write_squashfs, ASH_ROOT_COMPRESSION_NONE },
	{ "squashfs-lz4hc", write_squashfs, ASH_ROOT_COMPRESSION_LZ4HC },
	{ "squashfs-zstd", write_squashfs, ASH_ROOT_COMPRESSION_ZSTD },
	{ "squashfs-gzip", write_squashfs, ASH_ROOT_COMPRESSION_GZIP },
	{ "squashfs-xz", write_squashfs, ASH_ROOT_COMPRESSION_XZ },
	{ "xfs", write_filesystem, ASH_FS_XFS },
	{ NULL },
};

/* Squashfs has hard links. */
static const Format linked_formats[] = {
	{ "squashfs-zstd", write_squashfs, ASH_ROOT_COMPRESSION_ZSTD },
	{ NULL },
};

/* Ext4 has names, types and owners of every kind, but not every time and attribute. */
static const Format ext4_formats[] = {
	{ "ext4", write_ext4, 0 },
	{ NULL },
};

/* FAT has neither owners nor modes: what a kernel shows of them is its own. */
static const Format plain_formats[] = {
	{ "vfat", write_filesystem, ASH_FS_VFAT },
	{ NULL },
};

/* For the walk. */
typedef struct {
	const AshFsTree *tree;
	GString *text;
} List;

static gboolean
list_node(AshFsNode *node, gpointer user_data, GError **error)
{
	List *list = user_data;
	/* What the inode has is on its first name. */
	const AshFsNode *inode = node->hardlink != NULL ? node->hardlink : node;
	g_autofree char *path = ash_fs_node_dup_path(node), *first = node->hardlink != NULL ? ash_fs_node_dup_path(node->hardlink) : NULL;
	const ListingEntry entry = {
		.mode = inode->mode, .uid = inode->uid, .gid = inode->gid, .links = inode->nlink, .rdev = inode->rdev,
		.size = S_ISREG(inode->mode) || S_ISLNK(inode->mode) ? inode->size : 0,
		.mtime = inode->mtime, .first = first, .target = inode->target,
		.fd = S_ISREG(inode->mode) && first == NULL ? ash_fs_tree_open(list->tree, inode, error) : -1,
	};

	listing_add(list->text, path, &entry);
	for (guint i = 0; inode->xattrs != NULL && i < inode->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(inode->xattrs, AshFsXattr, i);
		if (listing_shows_xattr(inode->mode, xattr->name))
			listing_add_xattr(list->text, xattr->name, xattr->value, xattr->length);
	}
	g_string_append_c(list->text, '\n');
	if (entry.fd >= 0)
		close(entry.fd);
	return TRUE;
}

static void
write_list(AshFsTree *tree, const char *dir, const char *name)
{
	g_autoptr(GString) text = g_string_new(NULL);
	List list = { .tree = tree, .text = text };
	g_autofree char *path = g_strdup_printf("%s/%s.list", dir, name);
	g_autoptr(GError) error = NULL;

	ash_fs_tree_walk(tree, list_node, &list, &error);
	g_assert_no_error(error);
	g_file_set_contents(path, text->str, (gssize) text->len, &error);
	g_assert_no_error(error);
}

/* All of @list from the first to @last (NULL: to the end). */
static void
write_images(AshContext *ctx, AshFsTree *tree, const char *dir, const char *name, const Format *list, const char *last)
{
	write_list(tree, dir, name);
	for (guint i = 0; list[i].name != NULL; i++) {
		g_autofree char *path = g_strdup_printf("%s/%s-%s.img", dir, name, list[i].name);
		int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		g_assert_cmpint(fd, >=, 0);
		list[i].write(ctx, tree, list[i].parameter, fd);
		close(fd);
		if (g_strcmp0(list[i].name, last) == 0)
			break;
	}
}

/* A kernel looks into access control lists, and does not open what has one that is none: acl(5), linux/posix_acl_xattr.h. */
static gboolean
mend_acl(AshFsNode *node, gpointer user_data, GError **error)
{
	/* Version 2; user::rwx user:1000:r-x group::r-x mask::r-x other::r-- */
	static const guint8 acl[] = {
		2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 5, 0, 232, 3, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255,
		16, 0, 5, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255,
	};

	for (guint i = 0; node->xattrs != NULL && i < node->xattrs->len; i++) {
		AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);
		if (strcmp(xattr->name, "system.posix_acl_access") != 0)
			continue;
		g_free(xattr->value);
		xattr->value = g_memdup2(acl, sizeof(acl));
		xattr->length = sizeof(acl);
	}
	return TRUE;
}

static AshFsTree *
make_random_tree(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(RANDOM_SEED);
	g_autoptr(GPtrArray) items = make_items(rand, RANDOM_ITEMS);
	AshFsTree *tree;

	add_file(items, "long", 5000000, RANDOM_SEED + 1);
	add_file(items, "with-hole", 2600001, 5);
	tree = make_tree(items);
	ash_fs_tree_walk(tree, mend_acl, NULL, NULL);
	return tree;
}

static void
tame_name(char *path)
{
	for (char *c = path; *c != '\0'; c++)
		if (g_ascii_isspace(*c) || *c == ':' || *c == '$' || *c == '\v')
			*c = '_';
}

/* What XFS by a prototype and squashfs have both; squashfs with @links. */
static AshFsTree *
make_tame_tree(bool links)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(RANDOM_SEED + 2);
	g_autoptr(GPtrArray) items = make_items(rand, RANDOM_ITEMS / 2);

	for (guint i = items->len; i > 0; i--) {
		Item *item = g_ptr_array_index(items, i - 1);

		tame_name(item->path);
		if (item->first != NULL)
			tame_name(item->first);
		if (S_ISSOCK(item->mode))
			item->mode = S_IFIFO | (item->mode & 07777);
		if (item->target != NULL)
			item->target[MIN(strlen(item->target), 100)] = '\0';
		if (S_ISLNK(item->mode))
			item->size = strlen(item->target);
		/* A link has all permissions for the kernel, whatever its inode says. */
		if (S_ISLNK(item->mode))
			item->mode = S_IFLNK | 0777;
		item->mtime = MIN(item->mtime, G_MAXUINT32);
		/* Long names and attributes have no room in one inode. */
		item->xattrs = item->xattrs % 6 > 0 && !S_ISDIR(item->mode) ? 2 : 0;
	}
	for (guint i = items->len; i > 0; i--) {
		const Item *item = g_ptr_array_index(items, i - 1);
		if ((item->first != NULL && !links) || find_item(items, item->path) != item)
			g_ptr_array_remove_index(items, i - 1);
	}
	add_file(items, "long", 5000000, RANDOM_SEED + 1);
	add_file(items, "with-hole", 2600001, 5);
	return make_tree(items);
}

/* What ext4 can hold, and a directory so large that it has an index of two levels; some of its names are long. */
static AshFsTree *
make_ext4_tree(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(RANDOM_SEED + 3);
	g_autoptr(GPtrArray) items = make_items(rand, RANDOM_ITEMS);
	AshFsTree *tree;
	AshFsNode *many;

	for (guint i = 0; i < items->len; i++) {
		Item *item = g_ptr_array_index(items, i);

		item->mtime = MIN(item->mtime, EXT4_LAST);
		/* Longer ones have no room in a block. */
		if (item->xattrs % 17 == 3)
			item->xattrs++;
		if (S_ISLNK(item->mode)) {
			item->mode = S_IFLNK | 0777;
			item->target[MIN(strlen(item->target), 4095)] = '\0';
			item->size = strlen(item->target);
			item->xattrs %= 5;
		}
	}
	add_file(items, "with-hole", 2600001, 5);
	tree = make_tree(items);
	many = ash_fs_node_new(tree->root, "many", S_IFDIR | 0755);
	for (guint i = 0; i < MANY_NAMES; i++) {
		g_autofree char *name = g_strdup_printf("%0*u", i % 2 == 0 ? 200 : 5, i);
		ash_fs_node_new(many, name, S_IFREG | 0644)->mtime = TEST_EPOCH;
	}
	ash_fs_tree_finish(tree);
	ash_fs_tree_walk(tree, mend_acl, NULL, NULL);
	return tree;
}

/* Files of all sizes about a cluster's, short and long names, a directory of several clusters; all as FAT shows them. */
static AshFsTree *
make_plain_tree(void)
{
	static const char *const dirs[] = { "EFI", "EFI/BOOT", "EFI/Linux", "loader", "loader/entries", "many", "empty" };
	g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func((GDestroyNotify) item_free);

	for (guint i = 0; i < G_N_ELEMENTS(dirs); i++)
		add_file(items, dirs[i], 0, 1)->mode = S_IFDIR;
	for (guint i = 0; i < 1000; i++) {
		g_autofree char *path = i % 3 == 0 ? g_strdup_printf("many/NAME%u.TXT", i) : g_strdup_printf("many/a name that is longer, %u.conf", i);
		add_file(items, path, i * 37 % 2500, i);
	}
	add_file(items, "EFI/BOOT/BOOTX64.EFI", 1234567, RANDOM_SEED);
	add_file(items, "EFI/Linux/Zw\303\266lf Boxk\303\244mpfer_20261123+3.efi", 5000000, RANDOM_SEED + 1);
	add_file(items, "loader/entries.srel", 6, 2);
	for (guint i = 0; i < items->len; i++) {
		Item *item = items->pdata[i];
		item->mode |= 0755;
		item->mtime = TEST_EPOCH;
	}
	return make_tree(items);
}

int
main(int argc, char **argv)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;

	if (argc != 4)
		g_error("usage: make-images DIR STORE REF");
	g_autoptr(AshFsTree) odd = make_odd_tree(), some = make_random_tree(), tame = make_tame_tree(false), linked = make_tame_tree(true);
	g_autoptr(AshFsTree) types = make_ext4_tree(), plain = make_plain_tree();
	g_autoptr(AshStore) store = ash_store_open(argv[2], false, &error);
	g_autoptr(AshFsTree) commit = store != NULL ? ash_store_load_tree(store, argv[3], &error) : NULL;
	g_assert_no_error(error);
	write_images(ctx, odd, argv[1], "odd", formats, "zstd");
	write_images(ctx, some, argv[1], "random", formats, "zstd");
	write_images(ctx, tame, argv[1], "tame", tame_formats, NULL);
	write_images(ctx, linked, argv[1], "linked", linked_formats, NULL);
	write_images(ctx, types, argv[1], "types", ext4_formats, NULL);
	write_images(ctx, plain, argv[1], "plain", plain_formats, NULL);
	write_images(ctx, commit, argv[1], "system", formats, "ext4");
	return 0;
}
