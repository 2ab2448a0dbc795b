/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/keyfile.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define KINDS 3

static void
test_sign(gconstpointer data)
{
	AshKeyKind kind = (AshKeyKind) GPOINTER_TO_INT(data);
	g_autoptr(AshKey) key = ash_key_generate(kind, NULL), other = ash_key_generate(kind, NULL);
	g_autofree char *pem = ash_key_dup_public_pem(key);
	g_autoptr(AshKey) public = ash_key_new_from_public_pem(pem, NULL);
	g_autoptr(GError) error = NULL;
	gsize length;

	g_autoptr(GBytes) signature = ash_key_sign(key, "message", 7, &error);
	g_assert_no_error(error);
	const guint8 *bytes = g_bytes_get_data(signature, &length);
	g_assert_true(ash_key_verify(key, bytes, length, "message", 7));
	g_assert_true(ash_key_verify(public, bytes, length, "message", 7));
	g_assert_false(ash_key_verify(other, bytes, length, "message", 7));
	g_assert_false(ash_key_verify(public, bytes, length, "massage", 7));
	g_assert_false(ash_key_verify(public, bytes, length - 1, "message", 7));
	g_assert_false(ash_key_verify(public, bytes, 0, "message", 7));
	g_autofree guint8 *flipped = g_memdup2(bytes, length);
	flipped[length / 2] ^= 1;
	g_assert_false(ash_key_verify(public, flipped, length, "message", 7));
	g_assert_true(ash_key_is_equal(key, public));
	g_assert_false(ash_key_is_equal(key, other));
	g_assert_null(ash_key_sign(public, "message", 7, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
}

/* RFC 8032 7.1, test 2 */
static void
test_ed25519_vector(void)
{
	guint8 public[32], signature[64];

	g_assert_true(ash_hex_decode("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", public, sizeof(public)));
	g_assert_true(ash_hex_decode("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
				     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
				     signature, sizeof(signature)));
	g_autoptr(AshKey) key = ash_key_new_ed25519(public, NULL);
	g_assert_true(ash_key_verify(key, signature, sizeof(signature), "\x72", 1));
	g_autofree char *hex = ash_key_dup_ed25519_hex(key);
	g_assert_cmpstr(hex, ==, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
}

typedef struct {
	char *dir, *path;
	const char *answer; /* NULL: none is to be had */
	int asked;
	AshPassphrase passphrase;
} Fixture;

static char *
ask(gpointer data, const char *what, GError **error)
{
	Fixture *fixture = data;

	fixture->asked++;
	if (fixture->answer == NULL)
		return ash_throw_null(error, ASH_ERROR_USAGE, "nobody to ask");
	return g_strdup(fixture->answer);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("test-key-XXXXXX", NULL);
	fixture->path = g_build_filename(fixture->dir, "key.pem", NULL);
	fixture->passphrase = (AshPassphrase) { ask, fixture };
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->path);
	g_free(fixture->dir);
}

static void
test_file(Fixture *fixture, gconstpointer data)
{
	for (int kind = 0; kind < KINDS; kind++) {
		g_autoptr(AshKey) key = ash_key_generate((AshKeyKind) kind, NULL);
		g_autoptr(GError) error = NULL, again = NULL;
		struct stat st;

		g_assert_true(ash_key_file_save(key, AT_FDCWD, fixture->path, NULL, &error));
		g_assert_cmpint(g_stat(fixture->path, &st), ==, 0);
		g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
		g_assert_false(ash_key_file_save(key, AT_FDCWD, fixture->path, NULL, &again));
		g_assert_error(again, ASH_ERROR, ASH_ERROR_USAGE);
		g_autoptr(AshKey) loaded = ash_key_file_load(fixture->path, &fixture->passphrase, &error);
		g_assert_no_error(error);
		g_assert_true(ash_key_is_equal(key, loaded));
		g_assert_true(ash_key_is_private(loaded));
		g_assert_cmpint(fixture->asked, ==, 0);
		g_assert_cmpint(g_unlink(fixture->path), ==, 0);
	}
}

static void
test_passphrase(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshKey) key = ash_key_generate(ASH_KEY_ED25519, NULL);
	g_autoptr(GError) wrong = NULL, none = NULL, nobody = NULL, error = NULL;
	g_autofree char *text = NULL;

	g_assert_false(ash_key_file_save(key, AT_FDCWD, fixture->path, "", NULL));
	g_assert_true(ash_key_file_save(key, AT_FDCWD, fixture->path, "open sesame", &error));
	g_assert_true(g_file_get_contents(fixture->path, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "BEGIN ENCRYPTED PRIVATE KEY"));
	/* Others may read what only a passphrase opens. */
	g_assert_cmpint(g_chmod(fixture->path, 0644), ==, 0);
	fixture->answer = "open barley";
	g_assert_null(ash_key_file_load(fixture->path, &fixture->passphrase, &wrong));
	g_assert_error(wrong, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(wrong->message, "wrong passphrase"));
	fixture->answer = NULL;
	g_assert_null(ash_key_file_load(fixture->path, &fixture->passphrase, &none));
	g_assert_error(none, ASH_ERROR, ASH_ERROR_USAGE);
	g_assert_null(ash_key_file_load(fixture->path, NULL, &nobody));
	g_assert_error(nobody, ASH_ERROR, ASH_ERROR_CONFIG);
	fixture->answer = "open sesame";
	g_autoptr(AshKey) loaded = ash_key_file_load(fixture->path, &fixture->passphrase, &error);
	g_assert_no_error(error);
	g_assert_true(ash_key_is_equal(key, loaded));
}

/* A private key in plain text that others may read is refused; a public one is not. */
static void
test_mode(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshKey) key = ash_key_generate(ASH_KEY_ED25519, NULL);
	g_autofree char *pem = ash_key_dup_public_pem(key);
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_key_file_save(key, AT_FDCWD, fixture->path, NULL, NULL));
	g_assert_cmpint(g_chmod(fixture->path, 0640), ==, 0);
	g_assert_null(ash_key_file_load(fixture->path, NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "chmod 600"));
	g_assert_true(g_file_set_contents(fixture->path, pem, -1, NULL));
	g_assert_cmpint(g_chmod(fixture->path, 0644), ==, 0);
	g_autoptr(AshKey) public = ash_key_file_load(fixture->path, NULL, NULL);
	g_assert_true(ash_key_is_equal(key, public));
	g_assert_false(ash_key_is_private(public));
}

static void
test_no_key(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = { "", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
					     "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" };

	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_true(g_file_set_contents(fixture->path, texts[i], -1, NULL));
		g_assert_cmpint(g_chmod(fixture->path, 0600), ==, 0);
		g_assert_null(ash_key_file_load(fixture->path, NULL, &error));
		g_assert_cmpint(error->domain, ==, ASH_ERROR);
		g_assert_nonnull(strstr(error->message, fixture->path));
	}
	g_autoptr(GError) error = NULL;
	g_assert_null(ash_key_file_load("/nonexistent/key", NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (int kind = 0; kind < KINDS; kind++) {
		g_autofree char *name = g_strdup_printf("/key/sign/%s", ash_key_kind_to_string((AshKeyKind) kind));
		g_test_add_data_func(name, GINT_TO_POINTER(kind), test_sign);
	}
	g_test_add_func("/key/ed25519-vector", test_ed25519_vector);
	g_test_add("/key/file", Fixture, NULL, set_up, test_file, tear_down);
	g_test_add("/key/passphrase", Fixture, NULL, set_up, test_passphrase, tear_down);
	g_test_add("/key/mode", Fixture, NULL, set_up, test_mode, tear_down);
	g_test_add("/key/no-key", Fixture, NULL, set_up, test_no_key, tear_down);
	return g_test_run();
}
