/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/commit.h"
#include "store/dirformat.h"
#include "store/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define EPOCH 1700000000
#define REF "test/x86_64/base"

typedef struct {
	char *dir, *root, *store_dir;
	int root_fd;
	AshContext *ctx;
	AshStore *store;
} Fixture;

static void
write_file(int root_fd, const char *path, const char *content, mode_t mode)
{
	GError *error = NULL;

	ash_file_save(root_fd, path, content, -1, mode, &error);
	g_assert_no_error(error);
}

static void
set_mtime(int root_fd, const char *path, gint64 mtime)
{
	struct timespec times[2] = { { .tv_sec = mtime }, { .tv_sec = mtime, .tv_nsec = 5 } };

	g_assert_cmpint(utimensat(root_fd, path, times, AT_SYMLINK_NOFOLLOW), ==, 0);
}

/* A small root with what trips up: links of both kinds, modes, an empty file, old and new times. */
static void
make_root(Fixture *fixture)
{
	int fd = fixture->root_fd;

	g_assert_cmpint(mkdirat(fd, "usr", 0755), ==, 0);
	g_assert_cmpint(mkdirat(fd, "usr/bin", 0755), ==, 0);
	g_assert_cmpint(mkdirat(fd, "usr/empty", 0700), ==, 0);
	g_assert_cmpint(fchmodat(fd, "usr/empty", 01777, 0), ==, 0);
	write_file(fd, "usr/bin/tool", "#!/bin/sh\n", 04755);
	write_file(fd, "usr/bin/secret", "secret", 0400);
	write_file(fd, "usr/bin/nothing", "", 0644);
	write_file(fd, "usr/bin/same", "#!/bin/sh\n", 04755);
	g_assert_cmpint(linkat(fd, "usr/bin/tool", fd, "usr/bin/alias", 0), ==, 0);
	g_assert_cmpint(symlinkat("usr/bin", fd, "bin"), ==, 0);
	set_mtime(fd, "usr/bin/tool", 1600000000);
	set_mtime(fd, "usr/bin/secret", EPOCH + 1000);
	set_mtime(fd, "usr/empty", 1500000000);
	set_mtime(fd, "bin", 1400000000);
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	GError *error = NULL;

	fixture->dir = g_dir_make_tmp("ashlar-store-XXXXXX", &error);
	fixture->root = g_build_filename(fixture->dir, "root", NULL);
	fixture->store_dir = g_build_filename(fixture->dir, "store", NULL);
	fixture->root_fd = ash_file_open_dir(AT_FDCWD, fixture->root, true, &error);
	g_assert_no_error(error);
	fixture->ctx = ash_context_new();
	fixture->ctx->jobs = 3;
	fixture->store = ash_store_open(fixture->store_dir, true, &error);
	g_assert_no_error(error);
	make_root(fixture);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_store_free(fixture->store);
	ash_context_free(fixture->ctx);
	ash_fd_clear(&fixture->root_fd);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
	g_free(fixture->root);
	g_free(fixture->store_dir);
}

static char *
commit(Fixture *fixture, bool adopt)
{
	const char *const packages[] = { "zlib-1-1.x86_64", "bash-5-1.x86_64", NULL };
	g_autoptr(GHashTable) metadata = g_hash_table_new(g_str_hash, g_str_equal);
	AshCommitRequest request = {
		.ref = REF,
		.subject = "a test",
		.version = "1.0",
		.timestamp = EPOCH,
		.lock_digest = "aa",
		.input_digest = "bb",
		.packages = packages,
		.metadata = metadata,
		.adopt = adopt,
	};
	GError *error = NULL;
	char *checksum;

	g_hash_table_insert(metadata, (char *) "ashlar.sbom", (char *) "{}");
	g_hash_table_insert(metadata, (char *) "ashlar.b", (char *) "1");
	checksum = ash_store_commit(fixture->ctx, fixture->store, fixture->root, &request, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(strlen(checksum), ==, 64);
	return checksum;
}

/* Runs a program that must succeed, or returns false if it is not installed. */
static bool
run(const char *const *argv)
{
	g_autofree char *program = g_find_program_in_path(argv[0]), *output = NULL, *errors = NULL;
	GError *error = NULL;
	int status;

	if (program == NULL)
		return false;
	g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &errors, &status,
		     &error);
	g_assert_no_error(error);
	if (status != 0)
		g_test_message("%s: %s", argv[0], errors);
	g_assert_cmpint(status, ==, 0);
	return true;
}

static bool
fsck(Fixture *fixture)
{
	g_autofree char *repo = g_strconcat("--repo=", ash_store_get_repo_path(fixture->store), NULL);
	const char *const argv[] = { "ostree", repo, "fsck", "--quiet", NULL };

	return run(argv);
}

static void
check_tree(const AshFsTree *tree)
{
	AshFsNode *tool = ash_fs_tree_lookup(tree, "usr/bin/tool");
	AshFsNode *alias = ash_fs_tree_lookup(tree, "usr/bin/alias");
	AshFsNode *nothing = ash_fs_tree_lookup(tree, "usr/bin/nothing");
	AshFsNode *link = ash_fs_tree_lookup(tree, "bin");
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) content = ash_fs_tree_load(tree, "bin/tool", &error);

	g_assert_no_error(error);
	g_assert_cmpmem(g_bytes_get_data(content, NULL), g_bytes_get_size(content), "#!/bin/sh\n", 10);
	g_assert_true(tool->hardlink == alias);
	g_assert_cmpuint(alias->nlink, ==, 2);
	g_assert_null(ash_fs_tree_lookup(tree, "usr/bin/same")->hardlink);
	g_assert_cmpuint(tool->mode, ==, S_IFREG | 04755);
	g_assert_cmpuint(tool->uid, ==, getuid());
	g_assert_cmpint(tool->mtime, ==, 1600000000);
	g_assert_cmpint(alias->mtime, ==, 1600000000);
	g_assert_cmpint(ash_fs_tree_lookup(tree, "usr/bin/secret")->mtime, ==, EPOCH);
	g_assert_cmpuint(ash_fs_tree_lookup(tree, "usr/bin/secret")->mode, ==, S_IFREG | 0400);
	g_assert_cmpuint(ash_fs_tree_lookup(tree, "usr/empty")->mode, ==, S_IFDIR | 01777);
	g_assert_cmpint(ash_fs_tree_lookup(tree, "usr/empty")->mtime, ==, 1500000000);
	g_assert_cmpint(tree->root->mtime, ==, EPOCH);
	g_assert_cmpuint(nothing->size, ==, 0);
	g_assert_null(nothing->content);
	g_assert_cmpstr(link->target, ==, "usr/bin");
	g_assert_cmpint(link->mtime, ==, 1400000000);
}

static void
test_round_trip(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshFsTree) tree = NULL;
	g_autofree char *checksum = NULL, *resolved = NULL, *prefix = NULL;

	checksum = commit(fixture, data != NULL);
	prefix = g_strndup(checksum, 8);
	resolved = ash_store_resolve(fixture->store, prefix, &error);
	g_assert_cmpstr(resolved, ==, checksum);
	tree = ash_store_load_tree(fixture->store, REF, &error);
	g_assert_no_error(error);
	check_tree(tree);
	if (!fsck(fixture))
		g_test_skip("ostree is not installed");
}

static void
test_deterministic(Fixture *fixture, gconstpointer data)
{
	g_autofree char *other = g_build_filename(fixture->dir, "other", NULL);
	g_autofree char *first = NULL, *second = NULL, *third = NULL;
	GError *error = NULL;

	first = commit(fixture, false);
	ash_store_free(fixture->store);
	fixture->store = ash_store_open(other, true, &error);
	g_assert_no_error(error);
	fixture->ctx->jobs = 1;
	/* A copy leaves the tree as it was, so that it can be adopted afterwards. */
	second = commit(fixture, true);
	g_assert_cmpstr(first, ==, second);
	third = commit(fixture, false);
	g_assert_cmpstr(third, !=, first);
}

static void
test_adopt(Fixture *fixture, gconstpointer data)
{
	g_autofree char *outside = g_build_filename(fixture->dir, "outside", NULL);
	g_autofree char *checksum = NULL;
	struct stat st;

	/* As a package cache would: this inode must stay as it is. */
	write_file(fixture->root_fd, "usr/bin/cached", "cached", 0750);
	set_mtime(fixture->root_fd, "usr/bin/cached", 1000);
	g_assert_cmpint(linkat(fixture->root_fd, "usr/bin/cached", AT_FDCWD, outside, 0), ==, 0);
	checksum = commit(fixture, true);
	g_assert_cmpint(stat(outside, &st), ==, 0);
	g_assert_cmpuint(st.st_mode, ==, S_IFREG | 0750);
	g_assert_cmpint(st.st_mtime, ==, 1000);
	g_assert_cmpuint(st.st_nlink, ==, 2);
	/* The others are the objects now: no second copy. */
	g_assert_cmpint(fstatat(fixture->root_fd, "usr/bin/secret", &st, 0), ==, 0);
	g_assert_cmpuint(st.st_nlink, ==, 2);
	g_assert_true(fsck(fixture) || true);
}

/* As ash_store_commit() would make it of the same tree: the first of them is, in a store of its own. */
static char *
commit_anew(Fixture *fixture, AshCommitRequest *request, const char *name)
{
	g_autofree char *dir = g_build_filename(fixture->dir, name, NULL);
	GError *error = NULL;
	g_autoptr(AshStore) store = ash_store_open(dir, true, &error);
	char *checksum = ash_store_commit(fixture->ctx, store, fixture->root, request, &error);

	g_assert_no_error(error);
	return checksum;
}

static void
test_recommit(Fixture *fixture, gconstpointer data)
{
	const char *const packages[] = { "one-1-1.x86_64", NULL };
	g_autoptr(GHashTable) metadata = g_hash_table_new(g_str_hash, g_str_equal);
	g_autofree char *old = commit(fixture, false), *expected = NULL, *again = NULL, *resolved = NULL;
	AshCommitRequest request = {
		.ref = "other/x86_64/ref",
		.subject = "again",
		.version = "2.0",
		.timestamp = EPOCH,
		.input_digest = "cc",
		.packages = packages,
		.metadata = metadata,
	};
	g_autoptr(GError) error = NULL;

	g_hash_table_insert(metadata, (char *) "ashlar.other", (char *) "value");
	expected = commit_anew(fixture, &request, "same-time");
	again = ash_store_recommit(fixture->ctx, fixture->store, REF, &request, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(again, ==, expected);
	g_assert_cmpstr(again, !=, old);
	resolved = ash_store_resolve(fixture->store, request.ref, &error);
	g_assert_cmpstr(resolved, ==, again);
	/* Earlier: more times are lowered. */
	g_free(expected);
	g_free(again);
	request.timestamp = 1450000000;
	expected = commit_anew(fixture, &request, "earlier");
	again = ash_store_recommit(fixture->ctx, fixture->store, old, &request, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(again, ==, expected);
	/* Later: what they were lowered from is not known. */
	request.timestamp = EPOCH + 1;
	g_assert_null(ash_store_recommit(fixture->ctx, fixture->store, old, &request, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_true(fsck(fixture) || true);
}

static void
test_recommit_later(Fixture *fixture, gconstpointer data)
{
	static const char *const dirs[] = { ".", "usr", "usr/bin", "usr/empty", "usr/bin/secret", "usr/bin/nothing",
					    "usr/bin/same" };
	AshCommitRequest request = { .ref = REF, .subject = "a test", .timestamp = 1650000000 };
	g_autofree char *old = NULL, *expected = NULL, *again = NULL;
	g_autoptr(GError) error = NULL;

	for (guint i = 0; i < G_N_ELEMENTS(dirs); i++)
		set_mtime(fixture->root_fd, dirs[i], 1640000000 + i);
	old = ash_store_commit(fixture->ctx, fixture->store, fixture->root, &request, &error);
	g_assert_no_error(error);
	/* Nothing was lowered: a later time changes none. */
	request.timestamp = EPOCH;
	expected = commit_anew(fixture, &request, "later");
	again = ash_store_recommit(fixture->ctx, fixture->store, old, &request, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(again, ==, expected);
}

static char *
label(const char *path, guint32 mode, gpointer user_data)
{
	return g_str_has_prefix(path, "/usr/bin") ? g_strdup_printf("u:r:%s_t:s0", (char *) user_data) : NULL;
}

static void
test_xattrs(Fixture *fixture, gconstpointer data)
{
	AshCommitRequest request = {
		.ref = REF,
		.subject = "labels",
		.timestamp = EPOCH,
		.scan = { .label = label, .label_data = (char *) "bin" },
	};
	g_autofree char *path = g_build_filename(fixture->root, "usr/bin/nothing", NULL);
	g_autofree char *checksum = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(AshFsTree) tree = NULL;
	const AshFsXattr *xattr;

	if (setxattr(path, "user.ostreemeta", "x", 1, 0) < 0 || setxattr(path, "user.pax.flags", "em", 2, 0) < 0) {
		g_test_skip("no user extended attributes here");
		return;
	}
	checksum = ash_store_commit(fixture->ctx, fixture->store, fixture->root, &request, &error);
	g_assert_no_error(error);
	tree = ash_store_load_tree(fixture->store, checksum, &error);
	g_assert_no_error(error);
	xattr = ash_fs_node_get_xattr(ash_fs_tree_lookup(tree, "usr/bin/tool"), "security.selinux");
	g_assert_cmpmem(xattr->value, xattr->length, "u:r:bin_t:s0", sizeof("u:r:bin_t:s0"));
	g_assert_null(ash_fs_tree_lookup(tree, "usr")->xattrs);
	g_assert_cmpuint(ash_fs_tree_lookup(tree, "usr/bin/nothing")->xattrs->len, ==, 2);
	xattr = ash_fs_node_get_xattr(ash_fs_tree_lookup(tree, "usr/bin/nothing"), "user.pax.flags");
	g_assert_cmpmem(xattr->value, xattr->length, "em", 2);
	g_assert_true(fsck(fixture) || true);
}

static void
test_special(Fixture *fixture, gconstpointer data)
{
	AshCommitRequest request = { .ref = REF, .subject = "fifo", .timestamp = EPOCH };
	g_autofree char *checksum = NULL;
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(mkfifoat(fixture->root_fd, "usr/bin/fifo", 0600), ==, 0);
	g_assert_null(ash_store_commit(fixture->ctx, fixture->store, fixture->root, &request, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "\"/usr/bin/fifo\""));
	request.scan.skip_special = true;
	g_clear_error(&error);
	checksum = ash_store_commit(fixture->ctx, fixture->store, fixture->root, &request, &error);
	g_assert_no_error(error);
}

static void
test_stale(Fixture *fixture, gconstpointer data)
{
	GError *error = NULL;
	int kept_fd, stale_fd;
	g_autofree char *kept = ash_store_make_staging(fixture->store, "root", &kept_fd, &error);
	g_autofree char *stale = ash_store_make_staging(fixture->store, "root", &stale_fd, &error);

	g_assert_no_error(error);
	write_file(stale_fd, "file", "", 0644);
	close(stale_fd);
	ash_store_free(fixture->store);
	fixture->store = ash_store_open(fixture->store_dir, false, &error);
	g_assert_no_error(error);
	g_assert_true(ash_file_exists(AT_FDCWD, kept));
	g_assert_false(ash_file_exists(AT_FDCWD, stale));
	close(kept_fd);
	g_assert_true(ash_store_clean_stale(fixture->store, &error));
	g_assert_false(ash_file_exists(AT_FDCWD, kept));
}

/* A transaction that was killed; but while one is open, that may be it. */
static void
test_stale_transaction(Fixture *fixture, gconstpointer data)
{
	g_autofree char *left = g_build_filename(fixture->store_dir, "repo/tmp/staging-boot-ABCDEF", NULL);
	g_autofree char *lock = g_strconcat(left, "-lock", NULL);
	g_autofree char *inside = g_build_filename(left, "00", NULL);
	g_autofree char *repo_lock = g_build_filename(fixture->store_dir, "repo/.lock", NULL);
	ash_autofd int lock_fd = open(repo_lock, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
	struct flock whole = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	GError *error = NULL;

	g_assert_cmpint(g_mkdir_with_parents(inside, 0755), ==, 0);
	g_assert_true(g_file_set_contents(lock, "", 0, &error));
	/* As libostree does for a transaction. */
	g_assert_cmpint(fcntl(lock_fd, F_OFD_SETLK, &whole), ==, 0);
	g_assert_true(ash_store_clean_stale(fixture->store, &error));
	g_assert_true(ash_file_exists(AT_FDCWD, left));
	ash_fd_clear(&lock_fd);
	g_assert_true(ash_store_clean_stale(fixture->store, &error));
	g_assert_false(ash_file_exists(AT_FDCWD, left));
	g_assert_false(ash_file_exists(AT_FDCWD, lock));
}

/* A directory as GLib's own builders have it. */
static GBytes *
build_directory(guint files, guint directories, gsize name_length)
{
	GVariantBuilder file_builder, directory_builder;
	const guint8 sum[ASH_SHA256_SIZE] = { 1, 2, 3 }, other[ASH_SHA256_SIZE] = { 4, 5 };

	g_variant_builder_init(&file_builder, G_VARIANT_TYPE("a(say)"));
	g_variant_builder_init(&directory_builder, G_VARIANT_TYPE("a(sayay)"));
	for (guint i = 0; i < files; i++) {
		g_autofree char *name = g_strdup_printf("%0*u", (int) name_length, i);
		g_variant_builder_add(&file_builder, "(s@ay)", name,
				      g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, sum, sizeof(sum), 1));
	}
	for (guint i = 0; i < directories; i++) {
		g_autofree char *name = g_strdup_printf("%0*u", (int) name_length, i);
		g_variant_builder_add(&directory_builder, "(s@ay@ay)", name,
				      g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, sum, sizeof(sum), 1),
				      g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, other, sizeof(other), 1));
	}
	g_autoptr(GVariant) whole = g_variant_ref_sink(g_variant_new("(@a(say)@a(sayay))", g_variant_builder_end(&file_builder),
								     g_variant_builder_end(&directory_builder)));
	return g_variant_get_data_as_bytes(whole);
}

static GBytes *
format_directory(guint files, guint directories, gsize name_length)
{
	const guint8 sum[ASH_SHA256_SIZE] = { 1, 2, 3 }, other[ASH_SHA256_SIZE] = { 4, 5 };
	g_auto(AshDirFormat) format = { NULL };

	ash_dir_format_init(&format);
	for (guint i = 0; i < files; i++) {
		g_autofree char *name = g_strdup_printf("%0*u", (int) name_length, i);
		ash_dir_format_add_file(&format, name, sum);
	}
	for (guint i = 0; i < directories; i++) {
		g_autofree char *name = g_strdup_printf("%0*u", (int) name_length, i);
		ash_dir_format_add_directory(&format, name, sum, other);
	}
	return ash_dir_format_end(&format);
}

/* Each number and length around the sizes at which offsets grow. */
static void
test_directories(Fixture *fixture, gconstpointer data)
{
	static const guint numbers[][2] = { { 0, 0 }, { 1, 0 }, { 0, 1 }, { 2, 3 }, { 5, 0 }, { 0, 4 }, { 300, 7 }, { 3, 900 }, { 2500, 1 } };
	static const gsize lengths[] = { 1, 20, 186, 187, 188, 189, 190, 191, 220, 221, 222, 223, 224, 255 };

	for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
		for (gsize j = 0; j < G_N_ELEMENTS(lengths); j++) {
			g_autoptr(GBytes) expected = build_directory(numbers[i][0], numbers[i][1], lengths[j]);
			g_autoptr(GBytes) bytes = format_directory(numbers[i][0], numbers[i][1], lengths[j]);
			g_assert_true(g_bytes_equal(expected, bytes));
		}
	}
	/* One entry after the other through 255 and 65,535 bytes. */
	for (guint files = 0; files < 1700; files += files < 10 || files > 1500 ? 1 : 50) {
		g_autoptr(GBytes) expected = build_directory(files, 1, 4), bytes = format_directory(files, 1, 4);
		g_assert_true(g_bytes_equal(expected, bytes));
	}
}

static void
test_missing(Fixture *fixture, gconstpointer data)
{
	g_autofree char *nowhere = g_build_filename(fixture->dir, "nowhere", NULL);
	g_autoptr(GError) error = NULL;

	g_assert_null(ash_store_open(nowhere, false, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_null(ash_store_resolve(fixture->store, "no/such/ref", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

#define ADD(name, data, func) g_test_add("/store/commit/" name, Fixture, data, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("copy", NULL, test_round_trip);
	ADD("take", "adopt", test_round_trip);
	ADD("deterministic", NULL, test_deterministic);
	ADD("adopt", NULL, test_adopt);
	ADD("recommit", NULL, test_recommit);
	ADD("recommit/later", NULL, test_recommit_later);
	ADD("xattrs", NULL, test_xattrs);
	ADD("special", NULL, test_special);
	ADD("stale", NULL, test_stale);
	ADD("stale-transaction", NULL, test_stale_transaction);
	ADD("directories", NULL, test_directories);
	ADD("missing", NULL, test_missing);
	return g_test_run();
}
