/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/tar.h"
#include "base/error.h"
#include "base/json.h"
#include "base/worker.h"
#include "disk/erofs/mkfserofs.h"
#include "disk/filesystem/rootfile.h"
#include "disk/filesystem/treedir.h"
#include "test-disk-check.h"
#include "test-disk-trees.h"

#define ITEMS 700
#define SEED  7

static const AshErofsOptions options = {
	.uuid = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
	.label = "test",
	.epoch = TEST_EPOCH,
};

/* mkfs.erofs 1.5 cuts names of 255 bytes, and then finds no such file. A tar stream has names in UTF-8. */
static void
tame_names(char **path, bool ascii)
{
	g_auto(GStrv) names = NULL;

	if (*path == NULL)
		return;
	names = g_strsplit(*path, "/", -1);
	for (char **name = names; *name != NULL; name++) {
		if (strlen(*name) == 255)
			(*name)[254] = '\0';
		if (ascii && !g_str_is_ascii(*name)) {
			char *digest = ash_sha256_hex(*name, -1);
			g_free(*name);
			*name = digest;
		}
	}
	g_free(*path);
	*path = g_strjoinv("/", names);
}

/* Something that a worker can make: no devices, ids of the namespace, attributes that root of it may set. */
static void
tame_item(Item *item, bool ascii)
{
	if (S_ISCHR(item->mode) || S_ISBLK(item->mode) || S_ISSOCK(item->mode))
		item->mode = S_IFIFO | (item->mode & 0777);
	if (S_ISLNK(item->mode)) {
		item->mode = S_IFLNK | 0777;
		item->size = MIN(item->size, 4000);
		item->target[item->size] = '\0';
	}
	tame_names(&item->path, ascii);
	tame_names(&item->first, ascii);
	/* Another order of names: a link may come first now. */
	if (item->first != NULL && strcmp(item->first, item->path) >= 0)
		g_clear_pointer(&item->first, g_free);
	item->uid %= 65536;
	item->gid %= 65536;
	item->mtime = MIN(item->mtime, TEST_EPOCH - 7);
	item->xattrs = S_ISREG(item->mode) || S_ISDIR(item->mode) ? item->xattrs / 6 * 6 + item->xattrs % 3 : 0;
}

static AshFsTree *
make_tame_tree(bool ascii)
{
	static const guint8 capability[20] = { 1, 0, 0, 2, 0, 4 };
	g_autoptr(GRand) rand = g_rand_new_with_seed(SEED);
	g_autoptr(GPtrArray) items = make_items(rand, ITEMS);
	AshFsTree *tree;
	AshFsNode *node;

	for (guint i = 0; i < items->len; i++)
		tame_item(items->pdata[i], ascii);
	add_file(items, "able", 5000, 1)->uid = 65535;
	add_file(items, "plain name+[x].{2}", 0, 1)->xattrs = 2;
	add_file(items, "able-too", 0, 0)->first = g_strdup("able");
	add_file(items, "set-id", 10, 1)->mode = S_IFREG | 06755;
	tree = make_tree(items);
	node = ash_fs_tree_lookup(tree, "able");
	ash_fs_node_add_xattr(node, "security.capability", capability, sizeof(capability));
	tree->root->mode = S_IFDIR | 0711;
	tree->root->mtime = TEST_EPOCH - 1000;
	return tree;
}

/* In a worker. */
static gboolean
make_from_directory(AshContext *ctx, AshFsTree *tree, const char *dir, const char *path, GError **error)
{
	g_autofree char *root = g_build_filename(dir, "root", NULL), *labels = g_build_filename(dir, "labels", NULL);
	AshMkfsErofs mkfs = { 0 };
	bool has_labels = false;

	return ash_file_mkdirs(AT_FDCWD, root, 0755, error) && ash_tree_dir_write(ctx, tree, root, error) &&
	       ash_tree_dir_save_labels(tree, labels, &has_labels, error) && ash_mkfs_erofs_probe(ctx, &mkfs, error) &&
	       ash_mkfs_erofs_from_dir(ctx, &mkfs, &options, path, root, has_labels ? labels : NULL, error);
}

static JsonObject *
run_make(AshContext *ctx, JsonObject *request, GError **error)
{
	const char *dir = ash_json_get_string(request, "dir", error), *add = ash_json_get_string_optional(request, "add");
	g_autofree char *path = g_build_filename(dir, "image", NULL);
	g_autoptr(AshFsTree) tree = make_tame_tree(false);

	if (g_strcmp0(add, "device") == 0)
		ash_fs_node_new(tree->root, "zzz", S_IFCHR | 0600)->rdev = makedev(1, 3);
	if (g_strcmp0(add, "id") == 0)
		ash_fs_node_new(tree->root, "zzz", S_IFREG | 0600)->uid = 65536;
	if (g_strcmp0(add, "trusted") == 0)
		ash_fs_node_add_xattr(ash_fs_node_new(tree->root, "zzz", S_IFREG | 0600), "trusted.t", "x", 1);
	return make_from_directory(ctx, tree, dir, path, error) ? json_object_new() : NULL;
}

static JsonObject *
run_remove(AshContext *ctx, JsonObject *request, GError **error)
{
	const char *dir = ash_json_get_string(request, "dir", error);

	return ash_file_remove_tree(AT_FDCWD, dir, error) ? json_object_new() : NULL;
}

static const AshWorkerEntry workers[] = { { "make", run_make }, { "remove", run_remove }, { NULL, NULL } };

static gboolean
call(Fixture *fixture, const char *worker, const char *dir, const char *add, GError **error)
{
	g_autoptr(JsonObject) request = json_object_new();

	json_object_set_string_member(request, "dir", dir);
	if (add != NULL)
		json_object_set_string_member(request, "add", add);
	g_autoptr(JsonObject) reply = ash_worker_call(fixture->ctx, worker, request, error);
	return reply != NULL;
}

/* Nothing can be tried without it, or without a namespace. */
static bool
can_run(void)
{
	g_autoptr(GError) error = NULL;

	if (have_program("mkfs.erofs") && ash_worker_check(&error))
		return true;
	g_test_skip("no mkfs.erofs, or no user namespaces");
	return false;
}

static void
check_image(AshFsTree *tree, const char *path)
{
	ash_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	g_autoptr(GError) error = NULL;
	g_autoptr(AshErofsReader) reader = ash_erofs_open(fd, 0, (guint64) lseek(fd, 0, SEEK_END), &error);

	g_assert_no_error(error);
	g_assert_cmpmem(&ash_erofs_get_info(reader)->uuid, sizeof(AshUuid), &options.uuid, sizeof(AshUuid));
	g_assert_cmpuint(ash_erofs_get_info(reader)->epoch, ==, TEST_EPOCH);
	check_node(reader, tree, tree->root);
}

static void
test_directory(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_tame_tree(false);
	g_autoptr(GError) error = NULL;
	g_autofree char *first = fixture_path(fixture, "first"), *second = fixture_path(fixture, "second");
	g_autofree char *image = g_build_filename(first, "image", NULL), *output = NULL;

	if (!can_run())
		return;
	g_assert_cmpint(mkdir(first, 0755) | mkdir(second, 0755), ==, 0);
	call(fixture, "make", first, NULL, &error);
	g_assert_no_error(error);
	check_image(tree, image);
	call(fixture, "make", second, NULL, &error);
	g_assert_no_error(error);
	output = run_command(0, "cmp '%s/image' '%s/image' && fsck.erofs '%s'", first, second, image);
	g_assert_true(call(fixture, "remove", first, NULL, &error) && call(fixture, "remove", second, NULL, &error));
}

/* What root of the namespace cannot make is said by name, with what to do. */
static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	static const char *const additions[] = { "device", "id", "trusted" };

	if (!can_run())
		return;
	for (guint i = 0; i < G_N_ELEMENTS(additions); i++) {
		g_autofree char *dir = fixture_path(fixture, additions[i]);
		g_autoptr(GError) error = NULL;

		g_assert_cmpint(mkdir(dir, 0755), ==, 0);
		g_assert_false(call(fixture, "make", dir, additions[i], &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, "\"/zzz\""));
		g_assert_nonnull(strstr(error->message, "erofs-utils 1.8"));
		g_assert_true(call(fixture, "remove", dir, NULL, NULL));
	}
}

static gboolean
write_to_pipe(gpointer fd, const void *data, gsize length, GError **error)
{
	for (gsize done = 0; done < length;) {
		gssize n = write(*(const int *) fd, (const guint8 *) data + done, length - done);
		if (n < 0)
			return ash_throw_errno(error, "pipe");
		done += (gsize) n;
	}
	return TRUE;
}

static gboolean
feed_tar(int fd, gpointer tree, GError **error)
{
	const AshTarOptions tar = { .prefix = "./" };
	g_autoptr(AshContext) ctx = ash_context_new();

	return ash_tar_write(ctx, tree, &tar, write_to_pipe, &fd, error);
}

static gboolean
make_from_tar(AshContext *ctx, const AshRootFile *root, gpointer mkfs, GError **error)
{
	return ash_mkfs_erofs_from_tar(ctx, mkfs, &root->options, root->path, feed_tar, root->tree, error);
}

/* With a mkfs.erofs that reads tar streams; as a disk has it. */
static void
test_tar(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_tame_tree(true);
	g_autoptr(GError) error = NULL;
	g_autofree char *path = fixture_path(fixture, "image");
	AshRootFile root = { .tree = tree, .options = options };
	AshMkfsErofs mkfs = { 0 };
	guint64 bytes = 0;

	if (!have_program("mkfs.erofs") || !ash_mkfs_erofs_probe(fixture->ctx, &mkfs, NULL) || !mkfs.reads_tar) {
		g_test_skip("no mkfs.erofs of 1.8 or newer");
		return;
	}
	for (guint i = 0; i < 2; i++) {
		ash_autofd int fd = ash_root_file_make(fixture->ctx, &root, fixture->dir, make_from_tar, &mkfs, &bytes, &error);
		g_assert_no_error(error);
		ash_autofd int out = fixture_create(fixture, i == 0 ? "image" : "again", bytes);
		g_assert_true(ash_root_file_copy(fixture->ctx, fd, bytes, out, 0, NULL, NULL, &error));
	}
	check_image(tree, path);
	g_autofree char *output = run_command(0, "cd '%s' && cmp image again && ls -A", fixture->dir);
	g_assert_cmpstr(output, ==, "again\nimage\n");
}

/* A maker that writes three blocks, the middle one empty, or half a block, or fails. */
static gboolean
make_blocks(AshContext *ctx, const AshRootFile *root, gpointer kind, GError **error)
{
	ash_autofd int fd = open(root->path, O_WRONLY | O_CLOEXEC);
	g_autofree char *block = g_strnfill(4096, 'b');

	g_assert_true(g_path_is_absolute(root->path));
	g_assert_cmpint(pwrite(fd, block, 4096, 0), ==, 4096);
	g_assert_cmpint(pwrite(fd, block, GPOINTER_TO_INT(kind) == 1 ? 2048 : 4096, 8192), >, 0);
	return GPOINTER_TO_INT(kind) != 2 || ash_throw(error, ASH_ERROR_SCRIPT, "no more");
}

static void
note_written(guint64 offset, const guint8 *data, gsize length, gpointer text)
{
	g_string_append_printf(text, "%" G_GUINT64_FORMAT "+%" G_GSIZE_FORMAT " ", offset, length);
}

static void
test_root_file(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GString) written = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	AshRootFile root = { .path = NULL };
	guint64 bytes = 0;
	ash_autofd int fd = ash_root_file_make(fixture->ctx, &root, fixture->dir, make_blocks, NULL, &bytes, &error);
	ash_autofd int out = fixture_create(fixture, "out", 0);

	g_assert_no_error(error);
	g_assert_cmpuint(bytes, ==, 3 * 4096);
	g_assert_true(ash_root_file_copy(fixture->ctx, fd, bytes, out, 1 << 20, note_written, written, &error));
	g_assert_cmpstr(written->str, ==, "0+4096 8192+4096 ");
	g_autofree char *output = run_command(0, "cd '%s' && tail -c +1048577 out | tr -d '\\0' | wc -c; ls -A", fixture->dir);
	g_assert_cmpstr(output, ==, "8192\nout\n");
	g_assert_cmpint(ash_root_file_make(fixture->ctx, &root, fixture->dir, make_blocks, GINT_TO_POINTER(1), &bytes, &error), ==, -1);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_INTERNAL);
	g_clear_error(&error);
	g_assert_cmpint(ash_root_file_make(fixture->ctx, &root, fixture->dir, make_blocks, GINT_TO_POINTER(2), &bytes, &error), ==, -1);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_SCRIPT);
}

#define ADD(name, func) g_test_add("/disk/mkfserofs/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	int status;

	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	g_test_init(&argc, &argv, NULL);
	ADD("directory", test_directory);
	ADD("refusals", test_refusals);
	ADD("tar", test_tar);
	ADD("root-file", test_root_file);
	return g_test_run();
}
