/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/oci.h"
#include "archive/tar.h"
#include "archive/wsl.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EPOCH 1700000000
#define LONG_NAME \
	"a-name-of-more-than-one-hundred-bytes-which-does-not-fit-into-the-name-field-of-a-header-of-ustar-so-pax"
/* cap_net_raw+ep, as struct vfs_cap_data of revision 2. */
#define CAPABILITY_RECORD "57 SCHILY.xattr.security.capability=" CAPABILITY "\n"
#define CAPABILITY "\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

typedef struct {
	char *dir;
	AshContext *ctx;
	AshFsTree *tree;
} Fixture;

static int
open_content(const AshFsNode *node, gpointer user_data, GError **error)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	g_assert_true(ash_fd_write_all(fd, node->content, node->size, 0, error));
	return fd;
}

static AshFsNode *
add(AshFsNode *parent, const char *name, guint32 mode, const char *content)
{
	AshFsNode *node = ash_fs_node_new(parent, name, mode);

	node->mtime = 1600000000;
	if (content == NULL)
		return node;
	node->size = strlen(content);
	*(S_ISLNK(mode) ? &node->target : &node->content) = g_strdup(content);
	return node;
}

static AshFsNode *
add_ping(AshFsNode *parent, const char *name)
{
	AshFsNode *node = add(parent, name, S_IFREG | 04755, "content");

	ash_fs_node_add_xattr(node, "security.capability", CAPABILITY, 20);
	ash_fs_node_add_xattr(node, "security.selinux", "u:r:t:s0", 9);
	return node;
}

static AshFsTree *
make_tree(void)
{
	AshFsTree *tree = ash_fs_tree_new();
	AshFsNode *usr = add(tree->root, "usr", S_IFDIR | 0755, NULL);
	AshFsNode *bin = add(usr, "bin", S_IFDIR | 0755, NULL), *node;
	/* Larger than any buffer, and not the same everywhere. */
	GString *large = g_string_new(NULL);

	for (guint i = 0; i < 200000; i++)
		g_string_append_printf(large, "%u\n", i * 2654435761u);
	tree->open = open_content;
	tree->root->mtime = EPOCH;
	/* Names of one inode have one set of attributes. */
	node = add_ping(bin, "ping");
	add_ping(bin, "a-link-to-ping")->hardlink = node;
	add(usr, "large", S_IFREG | 0644, large->str)->uid = 65534;
	add(usr, "huge-uid", S_IFREG | 0644, "x")->uid = 4000000000u;
	add(usr, LONG_NAME, S_IFREG | 0600, "long");
	add(usr, "gr\303\274n", S_IFREG | 0644, "");
	add(usr, "link", S_IFLNK | 0777, "../" LONG_NAME "/gr\303\274n");
	add(usr, "old", S_IFREG | 0644, "old")->mtime = 0;
	add(tree->root, "empty", S_IFDIR | 01777, NULL);
	ash_fs_tree_finish(tree);
	g_string_free(large, TRUE);
	return tree;
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("ashlar-archive-XXXXXX", NULL);
	fixture->ctx = ash_context_new();
	fixture->tree = make_tree();
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	ash_fs_tree_free(fixture->tree);
	ash_context_free(fixture->ctx);
	g_free(fixture->dir);
}

/* Standard output of a program that must succeed; NULL, with the test skipped, if it is not installed. */
static char *
run(const char *const *argv)
{
	g_autofree char *program = g_find_program_in_path(argv[0]), *errors = NULL;
	char *output = NULL;
	GError *error = NULL;
	int status;

	if (program == NULL) {
		g_test_skip("a program is not installed");
		return NULL;
	}
	g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &errors, &status, &error);
	g_assert_no_error(error);
	if (status != 0)
		g_test_message("%s: %s", argv[0], errors);
	g_assert_cmpint(status, ==, 0);
	g_assert_cmpstr(errors, ==, "");
	return output;
}

static char *
digest_file(const char *path)
{
	ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, NULL);

	return ash_sha256_fd_hex(fd, NULL);
}

static void
assert_contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		g_error("\"%s\" is not in:\n%s", part, text);
}

static char *
write_tar(Fixture *fixture, const char *name, AshTarOptions options, AshCompression compression)
{
	char *path = g_build_filename(fixture->dir, name, NULL);
	GError *error = NULL;

	ash_tar_write_file(fixture->ctx, fixture->tree, &options, compression, 0, path, &error);
	g_assert_no_error(error);
	return path;
}

static void
test_listing(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = write_tar(fixture, "a.tar", (AshTarOptions){ .prefix = "./" }, ASH_COMPRESS_NONE);
	const char *const argv[] = { "tar", "--full-time", "--utc", "--numeric-owner", "--quoting-style=literal",
				     "-tvf", path, NULL };
	g_autoptr(GRegex) spaces = g_regex_new(" +|[*] +", 0, 0, NULL);
	g_autofree char *raw = run(argv), *output = NULL;

	if (raw == NULL)
		return;
	output = g_regex_replace_literal(spaces, raw, -1, 0, " ", 0, NULL);
	g_assert_true(g_str_has_prefix(output, "drwxr-xr-x 0/0 0 2023-11-14 22:13:20 ./\n"
					       "drwxrwxrwt 0/0 0 2020-09-13 12:26:40 ./empty/\n"));
	assert_contains(output, "-rwsr-xr-x 0/0 7 2020-09-13 12:26:40 ./usr/bin/a-link-to-ping\n");
	assert_contains(output, "./usr/bin/ping link to ./usr/bin/a-link-to-ping\n");
	assert_contains(output, " 65534/0 ");
	assert_contains(output, " 4000000000/0 ");
	assert_contains(output, " 1970-01-01 00:00:00 ./usr/old\n");
	assert_contains(output, "./usr/" LONG_NAME "\n");
	assert_contains(output, "./usr/gr\303\274n\n");
	assert_contains(output, " ./usr/link -> ../" LONG_NAME "/gr\303\274n\n");
}

static void
test_headers(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = write_tar(fixture, "a.tar", (AshTarOptions){ .drop_selinux = true },
					  ASH_COMPRESS_NONE);
	gsize length;
	g_autofree char *bytes = ash_file_load(AT_FDCWD, path, 0, &length, NULL);

	g_assert_nonnull(memmem(bytes, length, CAPABILITY_RECORD, sizeof(CAPABILITY_RECORD) - 1));
	g_assert_null(memmem(bytes, length, "LIBARCHIVE", 10));
	g_assert_null(memmem(bytes, length, "security.selinux", 16));
	g_assert_null(memmem(bytes, length, "atime=", 6));
	g_assert_null(memmem(bytes, length, "ctime=", 6));
	g_assert_null(memmem(bytes, length, "SCHILY.dev", 10));
	g_assert_null(memmem(bytes, length, "SCHILY.ino", 10));
	g_assert_null(memmem(bytes, length, "root\0", 5));
	g_assert_cmpuint(length % 512, ==, 0);
}

static void
test_deterministic(Fixture *fixture, gconstpointer data)
{
	static const char *const names[] = { "tar", "gz", "zst" };

	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *first_name = g_strconcat("a.", names[i], NULL);
		g_autofree char *second_name = g_strconcat("b.", names[i], NULL);
		g_autofree char *first = NULL, *second = NULL, *first_sum = NULL, *second_sum = NULL;

		/* Neither the number of threads nor the user's locale counts. */
		fixture->ctx->jobs = 1;
		setlocale(LC_ALL, "C");
		first = write_tar(fixture, first_name, (AshTarOptions){ 0 }, (AshCompression) i);
		fixture->ctx->jobs = 5;
		setlocale(LC_ALL, "C.UTF-8");
		second = write_tar(fixture, second_name, (AshTarOptions){ 0 }, (AshCompression) i);
		first_sum = digest_file(first);
		second_sum = digest_file(second);
		g_assert_cmpstr(first_sum, ==, second_sum);
	}
	setlocale(LC_ALL, "C");
}

static void
check_expansion(Fixture *fixture, AshCompression compression, const char *program)
{
	g_autofree char *plain = write_tar(fixture, "plain", (AshTarOptions){ 0 }, ASH_COMPRESS_NONE);
	g_autofree char *packed = write_tar(fixture, "packed", (AshTarOptions){ 0 }, compression);
	g_autofree char *command = g_strdup_printf("%s -dc < \"$1\" | cmp - \"$2\"", program);
	const char *const argv[] = { "sh", "-c", command, "sh", packed, plain, NULL };
	g_autofree char *output = NULL;
	struct stat plain_stat, packed_stat;
	g_autofree char *found = g_find_program_in_path(program);

	if (found == NULL)
		return;
	output = run(argv);
	g_assert_cmpint(stat(plain, &plain_stat), ==, 0);
	g_assert_cmpint(stat(packed, &packed_stat), ==, 0);
	g_assert_cmpint(packed_stat.st_size, <, plain_stat.st_size * 3 / 4);
}

static void
test_compression(Fixture *fixture, gconstpointer data)
{
	check_expansion(fixture, ASH_COMPRESS_GZIP, "gzip");
	check_expansion(fixture, ASH_COMPRESS_ZSTD, "zstd");
}

static bool
exclude_name(const AshFsNode *node, gpointer user_data)
{
	return strcmp(node->name, user_data) == 0;
}

static void
test_exclude(Fixture *fixture, gconstpointer data)
{
	AshTarOptions options = { .exclude = exclude_name, .exclude_data = (char *) "a-link-to-ping" };
	g_autofree char *path = write_tar(fixture, "a.tar", options, ASH_COMPRESS_NONE);
	const char *const argv[] = { "tar", "-xOf", path, "usr/bin/ping", NULL };
	const char *const list_argv[] = { "tar", "-tf", path, NULL };
	g_autofree char *output = run(argv), *list = run(list_argv);

	if (output == NULL)
		return;
	/* The name that stood for the inode is gone: the other is a whole file. */
	g_assert_cmpstr(output, ==, "content");
	g_assert_null(strstr(list, "a-link-to-ping"));
	g_assert_true(g_str_has_prefix(list, "empty/\nusr/\n"));
}

static int
open_nothing(const AshFsNode *node, gpointer user_data, GError **error)
{
	ash_throw(error, ASH_ERROR_TRUST, "no content");
	return -1;
}

static void
test_failure(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = g_build_filename(fixture->dir, "a.tar", NULL);
	const AshTarOptions options = { 0 };
	g_autoptr(GError) error = NULL;
	g_autoptr(GDir) dir = NULL;

	fixture->tree->open = open_nothing;
	g_assert_false(ash_tar_write_file(fixture->ctx, fixture->tree, &options, ASH_COMPRESS_GZIP, 0, path, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	assert_contains(error->message, "a.tar\": \"/usr/" LONG_NAME "\": no content");
	/* Nothing is left behind, whole or not. */
	dir = g_dir_open(fixture->dir, 0, NULL);
	g_assert_null(g_dir_read_name(dir));
}

static void
test_wsl_manifest(void)
{
	AshWslEntry entry = {
		.name = "Demo-2", .friendly_name = "Demo 2", .architecture = "aarch64", .url = "file:///C:/x/", .file_name = "demo.wsl", .sha256 = "00ff",
	};
	g_autoptr(GError) error = NULL;
	g_autofree char *text = ash_wsl_manifest_format(&entry, &error);

	g_assert_no_error(error);
	g_assert_cmpstr(text, ==,
			"{\n  \"ModernDistributions\" : {\n    \"Demo-2\" : [\n      {\n        \"Name\" : \"Demo-2\",\n        \"FriendlyName\" : \"Demo 2\",\n"
			"        \"Default\" : true,\n        \"Arm64Url\" : {\n          \"Url\" : \"file:///C:/x/demo.wsl\",\n          \"Sha256\" : \"00ff\"\n"
			"        }\n      }\n    ]\n  }\n}\n");
	entry.flavor = "Demo-3";
	g_assert_null(ash_wsl_manifest_format(&entry, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	entry.flavor = NULL;
	entry.architecture = "riscv64";
	g_assert_null(ash_wsl_manifest_format(&entry, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

static void
test_wsl(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = g_build_filename(fixture->dir, "a.wsl", NULL);
	const char *const argv[] = { "tar", "-tzf", path, NULL };
	g_autofree char *output = NULL, *bytes = NULL;
	g_autoptr(GError) error = NULL;

	ash_wsl_write_file(fixture->ctx, fixture->tree, 0, path, &error);
	g_assert_no_error(error);
	bytes = ash_file_load(AT_FDCWD, path, 0, NULL, &error);
	/* RFC 1952 2.3: deflate, no flags, no time. */
	g_assert_cmpmem(bytes, 8, "\x1f\x8b\x08\0\0\0\0\0", 8);
	output = run(argv);
	if (output != NULL)
		g_assert_true(g_str_has_prefix(output, "./\n./empty/\n"));
}

static char *
write_oci(Fixture *fixture, const char *name, AshCompression compression)
{
	const char *const env[] = { "PATH=/usr/bin", NULL };
	const char *const cmd[] = { "/bin/sh", "-l", NULL };
	g_autoptr(GHashTable) labels = g_hash_table_new(g_str_hash, g_str_equal);
	AshOciOptions options = {
		.architecture = "x86_64",
		.epoch = EPOCH,
		.title = "test",
		.version = "1.0",
		.ref_name = "latest",
		.env = env,
		.cmd = cmd,
		.user = "1000",
		.working_dir = "/usr",
		.labels = labels,
		.compression = compression,
	};
	char *path = g_build_filename(fixture->dir, name, NULL);
	GError *error = NULL;

	g_hash_table_insert(labels, (char *) "b", (char *) "2");
	g_hash_table_insert(labels, (char *) "a", (char *) "1");
	ash_oci_write_file(fixture->ctx, fixture->tree, &options, path, &error);
	g_assert_no_error(error);
	return path;
}

static void
test_oci(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = write_oci(fixture, "a.oci", ASH_COMPRESS_GZIP);
	g_autofree char *other = write_oci(fixture, "b.oci", ASH_COMPRESS_GZIP);
	g_autofree char *sum = digest_file(path), *other_sum = digest_file(other);
	g_autofree char *image = g_strconcat("oci-archive:", path, ":latest", NULL);
	const char *const list_argv[] = { "tar", "-tf", path, NULL };
	const char *const argv[] = { "skopeo", "inspect", "--config", "--raw", image, NULL };
	g_autofree char *list = run(list_argv), *config = NULL;

	g_assert_cmpstr(sum, ==, other_sum);
	if (list != NULL)
		assert_contains(list, "\nindex.json\noci-layout\n");
	if (list != NULL)
		g_assert_true(g_str_has_prefix(list, "blobs/\nblobs/sha256/\nblobs/sha256/"));
	config = run(argv);
	if (config == NULL)
		return;
	assert_contains(config, "\"architecture\":\"amd64\"");
	assert_contains(config, "\"created\":\"2023-11-14T22:13:20Z\"");
	assert_contains(config, "\"Labels\":{\"a\":\"1\",\"b\":\"2\"}");
}

/* A copy by somebody else checks every digest and size, and the layer's diff_id. */
static void
test_oci_copy(Fixture *fixture, gconstpointer data)
{
	for (guint i = ASH_COMPRESS_NONE; i <= ASH_COMPRESS_ZSTD; i++) {
		g_autofree char *path = write_oci(fixture, "a.oci", (AshCompression) i);
		g_autofree char *image = g_strconcat("oci-archive:", path, NULL);
		g_autofree char *target = g_strdup_printf("oci:%s/copy-%u:latest", fixture->dir, i);
		const char *const argv[] = { "skopeo", "--insecure-policy", "copy", "-q", "--dest-decompress",
					     image,    target,		     NULL };
		g_autofree char *output = run(argv);

		if (output == NULL)
			return;
	}
}

static void
test_oci_architecture(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = g_build_filename(fixture->dir, "a.oci", NULL);
	const AshOciOptions options = { .architecture = "pdp11" };
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_oci_write_file(fixture->ctx, fixture->tree, &options, path, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	assert_contains(error->message, "\"pdp11\"");
}

#define ADD(name, func) g_test_add("/archive/" name, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("tar/listing", test_listing);
	ADD("tar/headers", test_headers);
	ADD("tar/deterministic", test_deterministic);
	ADD("tar/compression", test_compression);
	ADD("tar/exclude", test_exclude);
	ADD("tar/failure", test_failure);
	ADD("wsl/stream", test_wsl);
	g_test_add_func("/archive/wsl/manifest", test_wsl_manifest);
	ADD("oci/inspect", test_oci);
	ADD("oci/copy", test_oci_copy);
	ADD("oci/architecture", test_oci_architecture);
	return g_test_run();
}
