/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Trees that no real system has: what writers of file systems are tested with. */

#include "test-disk-common.h"

#include <sys/sysmacros.h>

/** One entry of a tree that is made anew for each generation. */
typedef struct {
	char *path;
	guint32 mode, uid, gid;
	guint64 size;
	guint32 seed;   /* of the content */
	gint64 mtime;
	guint xattrs;   /* how many, and of which kind */
	char *first;    /* path of the first name, for a hard link */
	char *target;
} Item;

static inline void
item_free(Item *item)
{
	g_free(item->path);
	g_free(item->first);
	g_free(item->target);
	g_free(item);
}

/* The key of a content is "SEED:SIZE"; a seed that 5 divides has a hole in front. */
static inline int
seeded_open(const AshFsNode *node, gpointer user_data, GError **error)
{
	char *end = NULL;
	guint32 seed = (guint32) g_ascii_strtoull(node->content, &end, 10);
	gsize size = g_ascii_strtoull(end + 1, NULL, 10), hole = seed % 5 == 0 ? size / 2 : 0;
	g_autofree guint8 *data = g_malloc0(size);
	int fd = memfd_create("content", MFD_CLOEXEC);

	for (gsize i = hole; i < size; i++)
		data[i] = (guint8) (((seed % 3 == 0 ? i * i * i : i / 7) * 2654435761u + seed * 40503u) >> 13);
	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(ftruncate(fd, (off_t) size), ==, 0);
	g_assert_cmpint(pwrite(fd, data + hole, size - hole, (off_t) hole), ==, (gssize) (size - hole));
	return fd;
}

static inline void
add_xattrs(AshFsNode *node, guint kind)
{
	static const char *const names[] = { "user.a", "security.selinux", "trusted.overlay.opaque", "user.longer-name",
					     "system.posix_acl_access" };

	for (guint i = 0; i < kind % 6; i++) {
		g_autofree char *value = g_strnfill((kind * 37u * (i + 1)) % (kind % 17 == 3 ? 9000 : 60), (char) ('a' + kind % 26));

		ash_fs_node_add_xattr(node, names[i % G_N_ELEMENTS(names)], value, strlen(value));
	}
}

static inline AshFsNode *
add_node(AshFsTree *tree, const Item *item)
{
	g_autofree char *dir = g_path_get_dirname(item->path);
	g_autofree char *name = g_path_get_basename(item->path);
	AshFsNode *parent = strcmp(dir, ".") == 0 ? tree->root : ash_fs_tree_lookup(tree, dir);
	AshFsNode *node = ash_fs_node_new(parent, name, item->mode);

	node->uid = item->uid;
	node->gid = item->gid;
	node->mtime = item->mtime;
	node->size = item->size;
	if (item->first != NULL) {
		node->hardlink = ash_fs_tree_lookup(tree, item->first);
		node->size = node->hardlink->size;
		node->content = g_strdup(node->hardlink->content);
		return node;
	}
	if (S_ISREG(item->mode) && item->size > 0)
		node->content = g_strdup_printf("%u:%" G_GUINT64_FORMAT, item->seed, item->size);
	if (S_ISLNK(item->mode))
		node->target = g_strdup(item->target);
	if (S_ISCHR(item->mode) || S_ISBLK(item->mode))
		node->rdev = makedev(item->seed % 300, item->seed % 70000);
	add_xattrs(node, item->xattrs);
	return node;
}

/* Items are in an order in which parents and first names come first, and so do the names in a walk of the tree. */
static inline int
compare_items(gconstpointer a, gconstpointer b)
{
	const Item *first = *(Item *const *) a, *second = *(Item *const *) b;
	g_auto(GStrv) left = g_strsplit(first->path, "/", -1), right = g_strsplit(second->path, "/", -1);
	guint i = 0;

	while (left[i] != NULL && right[i] != NULL && strcmp(left[i], right[i]) == 0)
		i++;
	if (left[i] == NULL || right[i] == NULL)
		return (left[i] != NULL) - (right[i] != NULL);
	return strcmp(left[i], right[i]);
}

static inline AshFsTree *
make_tree(GPtrArray *items)
{
	AshFsTree *tree = tree_new();

	tree->open = seeded_open;
	g_ptr_array_sort(items, compare_items);
	for (guint i = 0; i < items->len; i++)
		add_node(tree, items->pdata[i]);
	ash_fs_tree_finish(tree);
	return tree;
}

static inline Item *
find_item(GPtrArray *items, const char *path)
{
	for (guint i = 0; i < items->len; i++) {
		if (strcmp(((Item *) items->pdata[i])->path, path) == 0)
			return items->pdata[i];
	}
	return NULL;
}

static inline char *
random_name(GRand *rand)
{
	guint length = g_rand_int_range(rand, 0, 20) == 0 ? 255 : (guint) g_rand_int_range(rand, 1, 30);
	char *name = g_malloc0(length + 1);

	for (guint i = 0; i < length; i++) {
		guint8 byte = (guint8) g_rand_int_range(rand, 1, 256);
		name[i] = (char) (byte == '/' || (byte == '.' && length < 3) ? '_' : byte);
	}
	return name;
}

static inline guint64
random_size(GRand *rand)
{
	static const guint64 odd[] = { 0, 1, 4095, 4096, 4097, 262144, 262145, 300000 };

	if (g_rand_int_range(rand, 0, 4) == 0)
		return odd[g_rand_int_range(rand, 0, G_N_ELEMENTS(odd))];
	return (guint64) g_rand_int_range(rand, 1, 1 << g_rand_int_range(rand, 1, 17));
}

static inline gint64
random_mtime(GRand *rand)
{
	static const gint64 odd[] = { 0, TEST_EPOCH, TEST_EPOCH, TEST_EPOCH - 1000, G_MAXUINT32, (gint64) 1 << 34 };

	return odd[g_rand_int_range(rand, 0, G_N_ELEMENTS(odd))];
}

static inline void
set_kind(GRand *rand, GPtrArray *items, Item *item)
{
	static const guint32 kinds[] = { S_IFREG, S_IFREG, S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK,
					 S_IFIFO, S_IFSOCK };

	item->mode = kinds[g_rand_int_range(rand, 0, G_N_ELEMENTS(kinds))] | (guint32) g_rand_int_range(rand, 0, 01000) | 0400;
	item->size = S_ISREG(item->mode) ? random_size(rand) : 0;
	if (S_ISLNK(item->mode)) {
		item->size = (guint64) g_rand_int_range(rand, 1, g_rand_boolean(rand) ? 60 : 4096);
		item->target = g_strnfill(item->size, 't');
	}
	item->uid = g_rand_int_range(rand, 0, 4) == 0 ? (guint32) g_rand_int(rand) : 0;
	item->gid = g_rand_int_range(rand, 0, 4) == 0 ? (guint32) g_rand_int_range(rand, 0, 70000) : 0;
	item->mtime = random_mtime(rand);
	item->xattrs = g_rand_int_range(rand, 0, 3) == 0 ? (guint) g_rand_int_range(rand, 0, 100) : 0;
	item->seed = g_rand_int(rand);
}

/* A new item in a random directory; one of twenty is another name of some file. */
static inline void
add_random(GRand *rand, GPtrArray *items)
{
	const Item *near = items->len > 0 ? items->pdata[g_rand_int_range(rand, 0, (gint32) items->len)] : NULL;
	g_autofree char *name = random_name(rand);
	Item *item;
	char *path = near != NULL && S_ISDIR(near->mode) && strlen(near->path) < 3000 ? g_build_filename(near->path, name, NULL)
										      : g_strdup(name);

	if (find_item(items, path) != NULL) {
		g_free(path);
		return;
	}
	item = g_new0(Item, 1);
	item->path = path;
	set_kind(rand, items, item);
	if (near != NULL && S_ISREG(near->mode) && near->first == NULL && g_rand_int_range(rand, 0, 20) == 0) {
		/* The first name is the one that comes first in a walk. */
		const Item *pair[] = { near, item };
		if (compare_items(&pair[0], &pair[1]) < 0) {
			item->first = g_strdup(near->path);
			item->mode = near->mode;
			item->xattrs = 0;
		}
	}
	g_ptr_array_add(items, item);
}

static inline GPtrArray *
make_items(GRand *rand, guint n)
{
	GPtrArray *items = g_ptr_array_new_with_free_func((GDestroyNotify) item_free);

	for (guint i = 0; i < n; i++)
		add_random(rand, items);
	return items;
}

static inline Item *
add_file(GPtrArray *items, const char *path, guint64 size, guint32 seed)
{
	Item *item = g_new0(Item, 1);

	item->path = g_strdup(path);
	item->mode = S_IFREG | 0644;
	item->size = size;
	item->seed = seed;
	item->mtime = TEST_EPOCH - 5;
	g_ptr_array_add(items, item);
	return item;
}

/* Every oddity that a real tree may have, in one. */
static inline AshFsTree *
make_odd_tree(void)
{
	static const guint sizes[] = {0, 1, 4095, 4096, 4097, 8192, 100000};
	AshFsTree *tree = tree_new();
	AshFsNode *sizes_dir = tree_dir(tree->root, "sizes");
	AshFsNode *many = tree_dir(tree->root, "many");
	AshFsNode *links = tree_dir(tree->root, "links");
	AshFsNode *odd = tree_dir(tree->root, "odd");
	g_autofree char *long_name = g_strnfill(255, 'n');
	g_autofree char *big_value = g_strnfill(60000, 'v');
	AshFsNode *node;

	tree_dir(tree->root, "empty");
	for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autofree char *name = g_strdup_printf("size-%u", sizes[i]);
		g_autofree char *content = g_strnfill(sizes[i], (char) ('a' + i));

		tree_file(sizes_dir, name, content);
	}
	tree_file(sizes_dir, "sparse", "@100000001");
	for (guint i = 0; i < 10000; i++) {
		g_autofree char *name = g_strdup_printf("entry-%u", i);

		tree_file(many, name, "");
	}
	for (guint i = 1; i <= 4095; i += i < 4000 ? 133 : 19) {
		g_autofree char *name = g_strdup_printf("to-%u", i);
		g_autofree char *target = g_strnfill(i, 't');

		tree_link(links, name, target);
	}
	node = tree_file(odd, long_name, "long name");
	node->uid = 70000;
	node->gid = 3000000000u;
	/* These sort before "." and between "." and "..". */
	tree_file(odd, "!first", "!");
	tree_file(odd, "-dash", "-");
	tree_file(odd, ".!hidden", ".");
	tree_file(odd, "\xc3\xa9\xff", "bytes");
	node = tree_file(odd, "zero-time", "0");
	node->mtime = 0;
	node = tree_file(odd, "future", "f");
	node->mtime = (gint64) 1 << 33;
	node = tree_file(odd, "setuid", "s");
	node->mode = S_IFREG | 06755;
	node = tree_file(odd, "linked", "three names");
	tree_hardlink(odd, "a-linked", node);
	tree_hardlink(sizes_dir, "linked", node);
	node = tree_file(odd, "xattrs", "x");
	ash_fs_node_add_xattr(node, "user.one", "1", 1);
	ash_fs_node_add_xattr(node, "user.empty", "", 0);
	ash_fs_node_add_xattr(node, "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0",
			      20);
	ash_fs_node_add_xattr(node, "trusted.big", big_value, strlen(big_value));
	node = tree_dir(odd, "xattr-dir");
	ash_fs_node_add_xattr(node, "security.selinux", "system_u:object_r:usr_t:s0", 27);
	tree_file(node, "child", "c");
	for (guint i = 0; i < 40; i++) {
		g_autofree char *name = g_strdup_printf("link-%u", i);

		node = tree_link(tree_dir(links, name), "l", "t");
		ash_fs_node_add_xattr(node, "security.selinux", big_value, 50 + 7 * i);
	}
	ash_fs_tree_finish(tree);
	return tree;
}
