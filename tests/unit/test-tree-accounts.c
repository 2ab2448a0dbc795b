/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "tree/accounts.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EPOCH (20000 * 86400)

typedef struct {
	char *dir;
	AshTreeRoot root;
	AshAccounts *accounts;
} Fixture;

static void
setup(Fixture *fixture, gconstpointer data)
{
	static const char *const files[][2] = {
		{ "etc/passwd", "root:x:0:0:root:/root:/bin/bash\nsvc:x:1000:1000::/:/bin/false\n" },
		{ "etc/group", "root:x:0:\nsvc:x:1000:\nsudo:x:27:svc\n" },
		{ "etc/shadow", "root:*:19000:0:99999:7:::\nsvc:!:19000::::::\n" },
		{ "etc/gshadow", "root:*::\nsvc:!::\nsudo:*::svc\n" },
		{ "etc/subuid", "svc:100000:65536\n" },
	};

	fixture->dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);
	fixture->root.fd = ash_file_open_dir(AT_FDCWD, fixture->dir, false, NULL);
	g_assert_true(ash_file_mkdirs(fixture->root.fd, "etc", 0755, NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
		g_assert_true(ash_file_save(fixture->root.fd, files[i][0], files[i][1], -1, 0600, NULL));
	fixture->accounts = ash_accounts_load(&fixture->root, NULL);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_accounts_free(fixture->accounts);
	close(fixture->root.fd);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
}

static void
assert_file(Fixture *fixture, const char *path, const char *expected)
{
	g_autofree char *text = ash_file_load(fixture->root.fd, path, 0, NULL, NULL);

	g_assert_cmpstr(text, ==, expected);
}

static void
test_add(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshUserSpec) ann = ash_user_spec_new("ann", "x:1"), bob = ash_user_spec_new("bob", "x:2");
	g_autoptr(GError) error = NULL;
	struct stat info;

	ann->gecos = g_strdup("Ann");
	bob->uid = 2000;
	bob->gid = 27;
	bob->shell = g_strdup("/bin/zsh");
	g_assert_true(ash_accounts_add_user(fixture->accounts, ann, "/bin/sh", EPOCH, &error));
	g_assert_true(ash_accounts_add_user(fixture->accounts, bob, "/bin/sh", EPOCH, &error));
	g_assert_true(ash_accounts_join(fixture->accounts, "ann", "sudo", &error));
	g_assert_true(ash_accounts_join(fixture->accounts, "ann", "sudo", &error));
	g_assert_true(ash_accounts_set_password(fixture->accounts, "ann", "$6$x", EPOCH, &error));
	g_assert_true(ash_accounts_save(fixture->accounts, &fixture->root, &error));
	g_assert_no_error(error);
	assert_file(fixture, "etc/passwd", "root:x:0:0:root:/root:/bin/bash\nsvc:x:1000:1000::/:/bin/false\n"
					   "ann:x:1001:1001:Ann:/home/ann:/bin/sh\nbob:x:2000:27::/home/bob:/bin/zsh\n");
	assert_file(fixture, "etc/group", "root:x:0:\nsvc:x:1000:\nsudo:x:27:svc,ann\nann:x:1001:\n");
	assert_file(fixture, "etc/shadow", "root:*:19000:0:99999:7:::\nsvc:!:19000::::::\n"
					   "ann:$6$x:20000:0:99999:7:::\nbob:!:20000:0:99999:7:::\n");
	assert_file(fixture, "etc/gshadow", "root:*::\nsvc:!::\nsudo:*::svc,ann\nann:!::\n");
	assert_file(fixture, "etc/subuid", "svc:100000:65536\nann:165536:65536\nbob:231072:65536\n");
	/* Not there before, not there after; and modes stay. */
	g_assert_false(ash_file_exists(fixture->root.fd, "etc/subgid"));
	g_assert_cmpint(fstatat(fixture->root.fd, "etc/shadow", &info, 0), ==, 0);
	g_assert_cmpuint(info.st_mode & 0777, ==, 0600);
}

static void
test_conflicts(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshUserSpec) user = ash_user_spec_new("ann", "x:1"), old = ash_user_spec_new("svc", "x:2");
	g_autoptr(GError) taken = NULL, other = NULL, missing = NULL, colon = NULL, group = NULL;

	user->uid = 1000;
	g_assert_false(ash_accounts_add_user(fixture->accounts, user, "/bin/sh", EPOCH, &taken));
	g_assert_error(taken, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(taken->message, "svc"));
	old->uid = 5;
	g_assert_false(ash_accounts_add_user(fixture->accounts, old, "/bin/sh", EPOCH, &other));
	g_assert_error(other, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_false(ash_accounts_join(fixture->accounts, "svc", "nobody-has-this", &missing));
	g_assert_error(missing, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_false(ash_accounts_set_password(fixture->accounts, "svc", "a:b", EPOCH, &colon));
	g_assert_error(colon, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_false(ash_accounts_add_group(fixture->accounts, "new", 27, NULL, &group));
	g_assert_error(group, ASH_ERROR, ASH_ERROR_CONFIG);
}

static void
test_change(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshUserSpec) user = ash_user_spec_new("svc", "x:1");
	g_auto(AshAccount) account = { 0 };
	g_autoptr(GError) error = NULL;

	user->shell = g_strdup("/bin/bash");
	user->home = g_strdup("/srv/svc");
	g_assert_true(ash_accounts_add_user(fixture->accounts, user, "/bin/sh", EPOCH, &error));
	g_assert_true(ash_accounts_find(fixture->accounts, "svc", &account));
	g_assert_cmpstr(account.home, ==, "/srv/svc");
	g_assert_cmpuint(account.uid, ==, 1000);
	g_assert_true(ash_accounts_save(fixture->accounts, &fixture->root, &error));
	assert_file(fixture, "etc/passwd", "root:x:0:0:root:/root:/bin/bash\nsvc:x:1000:1000::/srv/svc:/bin/bash\n");
	g_assert_false(ash_accounts_find(fixture->accounts, "nobody", &account));
}

static void
test_hash(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *first = ash_accounts_hash_password("secret", "ann", "system", &error);
	g_autofree char *again = ash_accounts_hash_password("secret", "ann", "system", &error);
	g_autofree char *other = ash_accounts_hash_password("secret", "bob", "system", &error);

	g_assert_no_error(error);
	g_assert_true(g_str_has_prefix(first, "$6$"));
	g_assert_cmpuint(strlen(first), ==, 3 + 16 + 1 + 86);
	g_assert_cmpstr(first, ==, again);
	g_assert_cmpstr(first, !=, other);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/tree/accounts/add", Fixture, NULL, setup, test_add, teardown);
	g_test_add("/tree/accounts/conflicts", Fixture, NULL, setup, test_conflicts, teardown);
	g_test_add("/tree/accounts/change", Fixture, NULL, setup, test_change, teardown);
	g_test_add_func("/tree/accounts/hash", test_hash);
	return g_test_run();
}
