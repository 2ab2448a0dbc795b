/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "tree/dracutinputs.h"
#include "tree/dracutview.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What dracut is shown of a small tree, and what counts as its input. */
typedef struct {
	char *dir;
	AshTreeRoot root;
	GHashTable *views;
} Fixture;

static void
setup(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);
	fixture->root = (AshTreeRoot){ .fd = ash_file_open_dir(AT_FDCWD, fixture->dir, false, NULL) };
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	g_clear_pointer(&fixture->views, g_hash_table_unref);
	close(fixture->root.fd);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
}

static void
make(Fixture *fixture, const char *path, const char *text)
{
	g_assert_true(ash_tree_root_save(&fixture->root, path, text, 0644, NULL));
}

static void
assert_view(Fixture *fixture, const char *path, const char *expected)
{
	g_autoptr(GError) error = NULL;

	g_clear_pointer(&fixture->views, g_hash_table_unref);
	fixture->views = ash_dracut_views(&fixture->root, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(g_hash_table_lookup(fixture->views, path), ==, expected);
}

static void
test_accounts(Fixture *fixture, gconstpointer data)
{
	make(fixture, "etc/passwd",
	     "root:$6$secret:0:0:root:/root:/bin/sh\ntss:x:102:109:TPM:/:/sbin/nologin\nann:x:1000:1000::/home/ann:/bin/sh\n"
	     "nobody:x:65534:65534::/:/sbin/nologin\nbroken\n");
	make(fixture, "etc/group", "root:x:0:\nadm:x:4:ann,tss,syslog\nann:x:1000:\nvideo:x:44:ann\nnogroup:x:65534:");
	make(fixture, "etc/shadow", "root:$6$secret:19000:0:99999:7:::\n");
	assert_view(fixture, "etc/passwd",
		    "root:x:0:0:root:/root:/bin/sh\ntss:x:102:109:TPM:/:/sbin/nologin\nnobody:x:65534:65534::/:/sbin/nologin\n");
	assert_view(fixture, "etc/group", "root:x:0:\nadm:x:4:tss\nvideo:x:44:\nnogroup:x:65534:\n");
	assert_view(fixture, "etc/shadow", "");
	assert_view(fixture, "etc/gshadow", NULL);
}

static void
test_release(Fixture *fixture, gconstpointer data)
{
	make(fixture, "usr/lib/os-release", "ID=x\nIMAGE_ID=\"demo\"\nVERSION=1\nIMAGE_VERSION=\"2\"\n");
	g_assert_true(ash_tree_root_link(&fixture->root, "etc/os-release", "../usr/lib/os-release", NULL));
	assert_view(fixture, "usr/lib/os-release", "ID=x\nVERSION=1\n");
	assert_view(fixture, "etc/os-release", NULL);
}

/* "KIND PATH" of each input, in one line. */
static char *
inputs(Fixture *fixture, const char *const *opened, GError **error)
{
	static const char *const own[] = { "usr/lib/modules/image", NULL };
	g_autoptr(GHashTable) views = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(AshInputReader) reader = ash_input_reader_new(fixture->root.fd, 1000, views);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GPtrArray) found =
		ash_dracut_inputs(&fixture->root, reader, (char **) opened, own, views, error);

	for (guint i = 0; found != NULL && i < found->len; i++) {
		const AshInput *input = g_ptr_array_index(found, i);
		g_string_append_printf(text, "%s%s %s", i > 0 ? ", " : "", ash_input_kind_to_string(input->kind), input->path);
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Names in /home and in documentation do not count, unless they were looked at, or a script says where to look. */
static void
test_names(Fixture *fixture, gconstpointer data)
{
	static const char *const few[] = { "etc/x.conf", "usr/lib/modules/image", NULL };
	static const char *const looked[] = { "usr/share/doc/x", NULL };
	static const char *const script[] = { "usr/lib/dracut/modules.d/90x/module-setup.sh", NULL };

	make(fixture, "etc/x.conf", "");
	make(fixture, "home/ann/file", "");
	make(fixture, "usr/share/doc/x/README", "");
	make(fixture, "usr/share/man/x.1", "");
	g_autofree char *plain = inputs(fixture, few, NULL);
	g_assert_cmpstr(plain, ==, "names ., names etc, names usr, names usr/share, file etc/x.conf");
	g_autofree char *more = inputs(fixture, looked, NULL);
	g_assert_cmpstr(more, ==,
			"names ., names etc, names usr, names usr/share, names usr/share/doc, names usr/share/doc/x");
	make(fixture, script[0], "inst_multiple /usr/share/man/x*\n");
	g_autofree char *told = inputs(fixture, script, NULL);
	g_assert_nonnull(strstr(told, "names usr/share/man,"));
	g_assert_null(strstr(told, "names usr/share/doc"));
}

/* What is gone afterwards cannot be compared with later. */
static void
test_gone(Fixture *fixture, gconstpointer data)
{
	static const char *const opened[] = { "etc/gone", NULL };
	g_autoptr(GError) error = NULL;

	make(fixture, "etc/x.conf", "");
	g_autofree char *text = inputs(fixture, opened, &error);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_SCRIPT);
	g_assert_nonnull(strstr(error->message, "\"/etc/gone\""));
}

#define TEST(name, function) g_test_add("/tree/dracut/" name, Fixture, NULL, setup, function, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("accounts", test_accounts);
	TEST("release", test_release);
	TEST("names", test_names);
	TEST("gone", test_gone);
	return g_test_run();
}
