/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/keyfile.h"
#include "disk/secureboot/authenticode.h"
#include "disk/secureboot/bootsigner.h"
#include "test-disk-common.h"
#include "test-disk-pe.h"

/** A key and a certificate of it that openssl(1) has made. */
typedef struct {
	Fixture *fixture;
	AshKey *key;
	AshCertificate *certificate;
	char *key_path, *certificate_path;
} Pair;

static bool
pair_make(Pair *pair, Fixture *fixture, const char *name)
{
	g_autofree char *key_name = g_strconcat(name, ".key", NULL), *certificate_name = g_strconcat(name, ".crt", NULL);
	g_autoptr(GError) error = NULL;

	if (!have_program("openssl")) {
		g_test_skip("openssl(1) is not installed");
		return false;
	}
	pair->fixture = fixture;
	pair->key_path = fixture_path(fixture, key_name);
	pair->certificate_path = fixture_path(fixture, certificate_name);
	pair->key = ash_key_generate(ASH_KEY_RSA, &error);
	g_assert_no_error(error);
	g_assert_true(ash_key_file_save(pair->key, AT_FDCWD, pair->key_path, NULL, &error));
	g_free(run_command(0, "openssl req -x509 -new -key '%s' -out '%s' -days 3650 -subj '/CN=%s/O=Example'", pair->key_path,
			   pair->certificate_path, name));
	pair->certificate = ash_certificate_load(pair->certificate_path, &error);
	g_assert_no_error(error);
	return true;
}

static void
pair_clear(Pair *pair)
{
	g_clear_pointer(&pair->key, ash_key_unref);
	g_clear_pointer(&pair->certificate, ash_certificate_unref);
	g_free(pair->key_path);
	g_free(pair->certificate_path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

/* As many pieces as there are cuts, and @extra bytes behind the sections. */
static AshContent *
make_image(gsize extra)
{
	g_autoptr(GBytes) stub = pe_make_stub(".text", 0x400);
	AshContent *content = ash_content_new();
	gsize size = g_bytes_get_size(stub);

	for (gsize at = 0; at < size; at += 700) {
		g_autoptr(GBytes) piece = g_bytes_new_from_bytes(stub, at, MIN(700, size - at));
		ash_content_add_bytes(content, piece);
	}
	if (extra > 0) {
		g_autoptr(GBytes) tail = g_bytes_new_take(g_strnfill(extra, 'x'), extra);
		ash_content_add_bytes(content, tail);
	}
	return content;
}

static void
save(const AshContent *content, const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) bytes = ash_content_load(content, &error);

	g_assert_no_error(error);
	g_assert_true(g_file_set_contents(path, g_bytes_get_data(bytes, NULL), (gssize) g_bytes_get_size(bytes), NULL));
}

static AshContent *
sign(AshContent *image, const Pair *pair)
{
	const AshSigner signer = { pair->key, pair->certificate };
	g_autoptr(GError) error = NULL;
	AshContent *done = ash_authenticode_sign(image, &signer, &error);

	g_assert_no_error(error);
	return done;
}

static void
assert_signed_by(AshContent *image, const Pair *pair)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) list = ash_authenticode_list(image, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(list->len, ==, 1);
	const AshAuthenticode *signature = g_ptr_array_index(list, 0);
	g_assert_cmpstr(signature->problem, ==, NULL);
	g_assert_true(signature->is_right);
	g_autofree char *found = ash_certificate_dup_fingerprint(signature->signer);
	g_autofree char *expected = ash_certificate_dup_fingerprint(pair->certificate);
	g_assert_cmpstr(found, ==, expected);
}

static void
test_sign(Fixture *fixture, gconstpointer data)
{
	const gsize extras[] = { 0, 1, 8, 1003 };
	g_auto(Pair) pair = { 0 };

	if (!pair_make(&pair, fixture, "one"))
		return;
	for (guint i = 0; i < G_N_ELEMENTS(extras); i++) {
		g_autoptr(AshContent) image = make_image(extras[i]);
		g_autoptr(AshContent) once = sign(image, &pair), again = sign(image, &pair);
		g_autoptr(GBytes) first = ash_content_load(once, NULL), second = ash_content_load(again, NULL);
		guint8 before[ASH_SHA256_SIZE], after[ASH_SHA256_SIZE];

		g_assert_true(g_bytes_equal(first, second));
		g_assert_false(ash_authenticode_is_signed(image));
		g_assert_true(ash_authenticode_is_signed(once));
		g_assert_true(ash_authenticode_digest(image, before, NULL));
		g_assert_true(ash_authenticode_digest(once, after, NULL));
		g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
		assert_signed_by(once, &pair);
	}
}

/* A signature takes the place of what was there. */
static void
test_sign_anew(Fixture *fixture, gconstpointer data)
{
	g_auto(Pair) one = { 0 };
	g_auto(Pair) two = { 0 };
	g_autoptr(AshContent) image = make_image(0);

	if (!pair_make(&one, fixture, "one") || !pair_make(&two, fixture, "two"))
		return;
	g_autoptr(AshContent) first = sign(image, &one), second = sign(first, &two), direct = sign(image, &two);
	g_autoptr(GBytes) a = ash_content_load(second, NULL), b = ash_content_load(direct, NULL);
	assert_signed_by(second, &two);
	g_assert_true(g_bytes_equal(a, b));
}

/* Other people's programs agree: sbverify(1) with ours, and we with what sbsign(1) has made. */
static void
test_others(Fixture *fixture, gconstpointer data)
{
	g_auto(Pair) pair = { 0 };
	g_autofree char *ours = fixture_path(fixture, "ours.efi"), *plain = fixture_path(fixture, "plain.efi"),
			*theirs = fixture_path(fixture, "theirs.efi");
	g_autofree char *content = NULL;
	g_autoptr(AshContent) image = make_image(5);
	gsize length;

	if (!have_program("sbsign") || !pair_make(&pair, fixture, "one")) {
		g_test_skip("sbsigntool is not installed");
		return;
	}
	g_autoptr(AshContent) done = sign(image, &pair);
	save(done, ours);
	save(image, plain);
	g_free(run_command(0, "sbverify --cert '%s' '%s'", pair.certificate_path, ours));
	g_free(run_command(0, "sbsign --key '%s' --cert '%s' --output '%s' '%s'", pair.key_path, pair.certificate_path, theirs, plain));
	g_assert_true(g_file_get_contents(theirs, &content, &length, NULL));
	g_autoptr(GBytes) bytes = g_bytes_new(content, length);
	g_autoptr(AshContent) signed_by_them = ash_content_new_from_bytes(bytes);
	assert_signed_by(signed_by_them, &pair);
}

/* Whatever byte is changed, either the image cannot be read, or its signature is not right; but for the checksum. */
static void
test_tampering(Fixture *fixture, gconstpointer data)
{
	const gsize checksum = 0x80 + 24 + 64;
	g_auto(Pair) pair = { 0 };
	g_autoptr(AshContent) image = make_image(0);

	if (!pair_make(&pair, fixture, "one"))
		return;
	g_autoptr(AshContent) done = sign(image, &pair);
	g_autoptr(GBytes) bytes = ash_content_load(done, NULL);
	gsize length;
	const guint8 *good = g_bytes_get_data(bytes, &length);
	for (gsize at = 0; at < 0x600; at++) {
		guint8 *bad = g_memdup2(good, length);
		bad[at] ^= 0x20;
		g_autoptr(GBytes) changed = g_bytes_new_take(bad, length);
		g_autoptr(AshContent) content = ash_content_new_from_bytes(changed);
		g_autoptr(GPtrArray) list = ash_authenticode_list(content, NULL);
		const AshAuthenticode *signature = list != NULL && list->len > 0 ? g_ptr_array_index(list, 0) : NULL;
		bool right = signature != NULL && signature->is_right;
		if (right != (at >= checksum && at < checksum + 4))
			g_error("byte %zu: %d", at, right);
	}
}

/* Nothing is read beyond the end of what is cut off: the sanitizers see it. */
static void
test_damage(Fixture *fixture, gconstpointer data)
{
	g_auto(Pair) pair = { 0 };
	g_autoptr(AshContent) image = make_image(0);

	if (!pair_make(&pair, fixture, "one"))
		return;
	g_autoptr(AshContent) done = sign(image, &pair);
	g_autoptr(GBytes) bytes = ash_content_load(done, NULL);
	for (gsize length = 0; length < g_bytes_get_size(bytes); length++) {
		g_autoptr(GBytes) part = g_bytes_new_from_bytes(bytes, 0, length);
		g_autoptr(AshContent) content = ash_content_new_from_bytes(part);
		g_autoptr(GPtrArray) list = ash_authenticode_list(content, NULL);
		g_assert_null(list);
	}
}

static void
test_gaps(void)
{
	g_autoptr(GBytes) stub = pe_make_stub(".text", 0x400);
	gsize length;
	guint8 *data = g_bytes_unref_to_data(g_steal_pointer(&stub), &length);
	guint8 digest[ASH_SHA256_SIZE];
	g_autoptr(GError) error = NULL;

	/* SizeOfHeaders: less than where the section begins. */
	pe_put(data, 0x80 + 24 + 60, 0x200, 4);
	g_autoptr(GBytes) bytes = g_bytes_new_take(data, length);
	g_autoptr(AshContent) image = ash_content_new_from_bytes(bytes);
	g_assert_false(ash_authenticode_digest(image, digest, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

static void
test_detached(Fixture *fixture, gconstpointer data)
{
	static const char text[] = "4f2a";
	g_auto(Pair) one = { 0 };
	g_auto(Pair) two = { 0 };
	g_autofree char *signature_path = fixture_path(fixture, "signature"), *text_path = fixture_path(fixture, "text");
	g_autoptr(GError) error = NULL;

	if (!pair_make(&one, fixture, "one") || !pair_make(&two, fixture, "two"))
		return;
	const AshSigner signer = { one.key, one.certificate };
	g_autoptr(GBytes) der = ash_pkcs7_sign_detached(&signer, text, 4, &error);
	g_assert_no_error(error);
	g_assert_true(ash_pkcs7_verify_detached(der, one.certificate, text, 4, &error));
	g_assert_false(ash_pkcs7_verify_detached(der, one.certificate, text, 3, NULL));
	g_assert_false(ash_pkcs7_verify_detached(der, two.certificate, text, 4, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	g_assert_true(g_file_set_contents(signature_path, g_bytes_get_data(der, NULL), (gssize) g_bytes_get_size(der), NULL));
	g_assert_true(g_file_set_contents(text_path, text, 4, NULL));
	g_free(run_command(0, "openssl smime -verify -binary -inform der -in '%s' -content '%s' -certfile '%s' -nointern -noverify", signature_path,
			   text_path, one.certificate_path));
}

static void
test_wrong_pair(Fixture *fixture, gconstpointer data)
{
	g_auto(Pair) one = { 0 };
	g_auto(Pair) two = { 0 };
	g_autoptr(GError) error = NULL;
	AshBootSigner signer = { .identity = NULL };

	if (!pair_make(&one, fixture, "one") || !pair_make(&two, fixture, "two"))
		return;
	const AshSigner mixed = { one.key, two.certificate };
	g_assert_false(ash_boot_signer_init_key(&signer, &mixed, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
	g_assert_nonnull(strstr(error->message, "CN=two"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/disk/authenticode/sign", Fixture, NULL, fixture_set_up, test_sign, fixture_tear_down);
	g_test_add("/disk/authenticode/sign-anew", Fixture, NULL, fixture_set_up, test_sign_anew, fixture_tear_down);
	g_test_add("/disk/authenticode/others", Fixture, NULL, fixture_set_up, test_others, fixture_tear_down);
	g_test_add("/disk/authenticode/tampering", Fixture, NULL, fixture_set_up, test_tampering, fixture_tear_down);
	g_test_add("/disk/authenticode/damage", Fixture, NULL, fixture_set_up, test_damage, fixture_tear_down);
	g_test_add_func("/disk/authenticode/gaps", test_gaps);
	g_test_add("/disk/pkcs7/detached", Fixture, NULL, fixture_set_up, test_detached, fixture_tear_down);
	g_test_add("/disk/pkcs7/wrong-pair", Fixture, NULL, fixture_set_up, test_wrong_pair, fixture_tear_down);
	return g_test_run();
}
