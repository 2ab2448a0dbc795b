/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "base/secret.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
	char *dir, *path;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("ashlar-secret-XXXXXX", NULL);
	fixture->path = g_build_filename(fixture->dir, "secret", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	g_assert_true(ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL));
	g_free(fixture->dir);
	g_free(fixture->path);
}

static void
write_file(Fixture *fixture, const void *content, gssize length, mode_t mode)
{
	g_assert_true(ash_file_write(AT_FDCWD, fixture->path, content, length, mode, NULL));
}

static void
check_load(Fixture *fixture, bool is_text, const void *expected, gsize length)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshSecret) secret = ash_secret_load(fixture->path, is_text, &error);

	g_assert_no_error(error);
	g_assert_cmpmem(secret->data, secret->length, expected, length);
}

static void
check_refused(Fixture *fixture, bool is_text, const char *words)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(ash_secret_load(fixture->path, is_text, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, words));
}

static void
test_load(Fixture *fixture, gconstpointer data)
{
	g_autofree char *large = g_strnfill(ASH_SECRET_MAX_BYTES + 1, 'x');

	write_file(fixture, "one two\r\nthree\n", -1, 0600);
	check_load(fixture, true, "one two", 7);
	check_load(fixture, false, "one two\r\nthree\n", 15);
	write_file(fixture, "a\0b\n", 4, 0600);
	check_load(fixture, false, "a\0b\n", 4);
	check_refused(fixture, true, "NUL");
	write_file(fixture, large, ASH_SECRET_MAX_BYTES, 0600);
	check_load(fixture, false, large, ASH_SECRET_MAX_BYTES);
}

static void
test_refuse(Fixture *fixture, gconstpointer data)
{
	g_autofree char *large = g_strnfill(ASH_SECRET_MAX_BYTES + 1, 'x');

	write_file(fixture, "secret\n", -1, 0640);
	check_refused(fixture, true, "chmod 600");
	write_file(fixture, "\nsecret\n", -1, 0600);
	check_refused(fixture, true, "empty");
	write_file(fixture, "", -1, 0600);
	check_refused(fixture, false, "empty");
	write_file(fixture, large, -1, 0600);
	check_refused(fixture, false, "more than");
}

/* Eight groups of eight letters, and what systemd-cryptenroll(1) makes of these bytes. */
static void
test_recovery_key(void)
{
	static const char expected[] = "cccbcdce-cfcgchci-cjckclcn-crctcucv-bcbbbdbe-bfbgbhbi-bjbkblbn-brbtbubv";
	g_autoptr(AshSecret) first = ash_secret_new_recovery_key(NULL);
	g_autoptr(AshSecret) second = ash_secret_new_recovery_key(NULL);
	guint8 bytes[32];

	for (guint i = 0; i < sizeof(bytes); i++)
		bytes[i] = (guint8) i;
	g_autoptr(AshSecret) known = ash_secret_format_recovery_key(bytes);
	g_assert_cmpstr((const char *) known->data, ==, expected);
	g_assert_cmpuint(first->length, ==, strlen(expected));
	g_assert_cmpuint(strspn((const char *) first->data, "cbdefghijklnrtuv-"), ==, first->length);
	g_assert_cmpstr((const char *) first->data, !=, (const char *) second->data);
}

static void
test_save(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshSecret) secret = ash_secret_new("shh", -1);
	g_autoptr(GError) error = NULL;
	struct stat st;

	g_assert_true(ash_secret_save(secret, AT_FDCWD, fixture->path, &error));
	g_assert_cmpint(stat(fixture->path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0600);
	check_load(fixture, true, "shh", 3);
	g_assert_false(ash_secret_save(secret, AT_FDCWD, fixture->path, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/base/secret/load", Fixture, NULL, set_up, test_load, tear_down);
	g_test_add("/base/secret/refuse", Fixture, NULL, set_up, test_refuse, tear_down);
	g_test_add_func("/base/secret/recovery-key", test_recovery_key);
	g_test_add("/base/secret/save", Fixture, NULL, set_up, test_save, tear_down);
	return g_test_run();
}
