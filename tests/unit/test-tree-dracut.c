/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "tree/dracuthide.h"
#include "tree/dracutinputs.h"
#include "tree/dracutmodules.h"
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
	static const char *const own[] = { "usr/lib/parts", NULL }, *const covered[] = { "usr/lib/modules", NULL };
	g_autoptr(GHashTable) views = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(AshInputReader) reader = ash_input_reader_new(fixture->root.fd, 1000, views);
	const AshDracutLook look = { reader, views, own, covered };
	g_autoptr(GString) text = g_string_new(NULL);

	ash_input_reader_ignore(reader, "etc/hidden.d");
	g_autoptr(GPtrArray) found = ash_dracut_inputs(&fixture->root, &look, (char **) opened, error);

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
	static const char *const few[] = { "etc/x.conf", "usr/lib/modules/6/x.ko", "usr/lib/parts/image", NULL };
	static const char *const looked[] = { "usr/share/doc/x", NULL };
	static const char *const script[] = { "usr/lib/dracut/modules.d/90x/module-setup.sh", NULL };

	make(fixture, "etc/x.conf", "");
	make(fixture, "etc/hidden.d/x", "");
	make(fixture, "home/ann/file", "");
	make(fixture, "usr/lib/modules/6/x.ko", "");
	make(fixture, "usr/share/doc/x/README", "");
	make(fixture, "usr/share/man/x.1", "");
	g_autofree char *plain = inputs(fixture, few, NULL);
	g_assert_cmpstr(plain, ==, "names ., names etc, names usr, names usr/lib, names usr/share, file etc/x.conf");
	g_autofree char *more = inputs(fixture, looked, NULL);
	g_assert_cmpstr(more, ==,
			"names ., names etc, names usr, names usr/lib, names usr/share, names usr/share/doc, "
			"names usr/share/doc/x");
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

#define SETUP(module) "usr/lib/dracut/modules.d/" module "/module-setup.sh"

static bool
is_separable(Fixture *fixture, const char *const *modules)
{
	return ash_dracut_is_separable(&fixture->root, (char **) modules);
}

/* Only what modules do with a kernel in their installkernel() is done without the others. */
static void
test_separable(Fixture *fixture, gconstpointer data)
{
	static const char *const few[] = { "ashlar", "disk", NULL }, *const alien[] = { "disk", NULL };
	static const char *const mod[] = { "ashlar", "mod", NULL };

	make(fixture, SETUP("90ashlar"), "installkernel() {\n\tinstmods $x\n}\n");
	make(fixture, SETUP("50disk"), "depends() {\n\techo \"fs net\"\n}\n# instmods\ninstall() {\n\tinst x\n}\n");
	make(fixture, SETUP("60fs"), "installkernel() {\n\tif x; then\n\t\tinstmods y\n\tfi\n}\n");
	make(fixture, SETUP("90mod"), "installkernel() { instmods x; }\ninstall() {\n\tinstmods x\n}\n");
	g_assert_true(is_separable(fixture, few));
	/* Without our module, nobody does what the known ones leave undone. */
	g_assert_false(is_separable(fixture, alien));
	g_assert_false(is_separable(fixture, mod));
	make(fixture, SETUP("60net"), "check() {\n\t[[ -d /lib/modules/$kernel ]]\n}\n");
	g_assert_false(is_separable(fixture, few));
	make(fixture, SETUP("60net"), "");
	g_assert_true(is_separable(fixture, few));
	make(fixture, "etc/dracut.conf.d/x.conf", "# mod\nadd_dracutmodules+=\" mod \"\n");
	g_assert_false(is_separable(fixture, few));
}

/* The paths that are hidden, in one line. */
static void
assert_hidden(Fixture *fixture, const char *expected)
{
	static const char *const words[] = { "dracut", "--drivers", "given", NULL };
	g_autoptr(GPtrArray) hidden = ash_dracut_list_hidden(&fixture->root, (char **) words, NULL);

	g_ptr_array_add(hidden, NULL);
	g_autofree char *text = g_strjoinv(" ", (char **) hidden->pdata);
	g_assert_cmpstr(text, ==, expected);
}

static void
test_hidden(Fixture *fixture, gconstpointer data)
{
	static const char *const paths[] = { "etc/adir/x", "etc/crypttab", "etc/given", "etc/iscsi.conf", "etc/ld.so.preload",
					     "etc/new",	   "etc/tab",	   "usr/bin/new", "usr/local/bin/prog" };
	const char *script = SETUP("50x");

	make(fixture, "usr/bin/dracut", "for x in \"/etc\"; do\n");
	make(fixture, "etc/old", "");
	make(fixture, script, "# new\ninst /etc/crypttab\ninst_multiple \"/etc/iscsi*\" \"$initdir/etc/$x\"\n");
	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
		make(fixture, paths[i], "");
	assert_hidden(fixture, "");
	fixture->root.installed = g_hash_table_new(g_str_hash, g_str_equal);
	g_hash_table_add(fixture->root.installed, (gpointer) "etc/old");
	g_hash_table_add(fixture->root.installed, (gpointer) "etc/dracut.conf.d");
	assert_hidden(fixture, "etc/adir etc/new etc/tab usr/local/bin/prog");
	make(fixture, "etc/dracut.conf.d/x.conf", "install_items+=\" /etc/adir/x prog \"\n");
	assert_hidden(fixture, "etc/new etc/tab");
	g_clear_pointer(&fixture->root.installed, g_hash_table_unref);
}

/* What may expand to any name hides none in /etc. */
static void
test_hidden_all(Fixture *fixture, gconstpointer data)
{
	static const char *const scripts[] = { "inst \"/etc/$x\"", "inst $dracutsysrootdir/etc/${x}y", "cp -r /etc .",
					       "ls \"${dracutsysrootdir}\"/etc/", "inst_multiple /etc/n*", "inst /etc/[mn]ew" };

	make(fixture, "etc/new", "");
	fixture->root.installed = g_hash_table_new(g_str_hash, g_str_equal);
	make(fixture, SETUP("50x"), "inst $initdir/etc/x /usr/etc/$y /etcetera\n");
	assert_hidden(fixture, "etc/new");
	for (gsize i = 0; i < G_N_ELEMENTS(scripts); i++) {
		make(fixture, SETUP("50x"), scripts[i]);
		assert_hidden(fixture, "");
	}
	g_clear_pointer(&fixture->root.installed, g_hash_table_unref);
}

/* Away and back, whatever they are; what was never moved is no error. */
static void
test_hide(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GPtrArray) hidden = g_ptr_array_new();
	g_autofree char *text = NULL;

	make(fixture, "etc/adir/x", "x");
	make(fixture, "usr/local/bin/adir", "y");
	g_ptr_array_add(hidden, (gpointer) "etc/adir");
	g_ptr_array_add(hidden, (gpointer) "usr/local/bin/adir");
	g_assert_true(ash_dracut_unhide(&fixture->root, hidden, "dev/hidden", NULL));
	g_assert_true(ash_dracut_hide(&fixture->root, hidden, "dev/hidden", NULL));
	g_assert_false(ash_tree_root_has(&fixture->root, "etc/adir"));
	g_assert_false(ash_tree_root_has(&fixture->root, "usr/local/bin/adir"));
	g_assert_true(ash_dracut_unhide(&fixture->root, hidden, "dev/hidden", NULL));
	g_assert_true(ash_tree_root_load(&fixture->root, "etc/adir/x", &text, NULL));
	g_assert_cmpstr(text, ==, "x");
	g_assert_true(ash_tree_root_has(&fixture->root, "usr/local/bin/adir"));
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
	TEST("separable", test_separable);
	TEST("hidden", test_hidden);
	TEST("hidden-all", test_hidden_all);
	TEST("hide", test_hide);
	return g_test_run();
}
