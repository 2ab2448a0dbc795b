/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/json.h"
#include "disk/uki/pcr.h"
#include "test-disk-common.h"
#include "test-disk-pe.h"

#define HEADERS 0x400

static GBytes *
bytes(const char *text)
{
	return g_bytes_new(text, strlen(text));
}

static GBytes *
make_stub(const char *magic)
{
	g_autoptr(GBytes) stub = pe_make_stub(".sdmagic", HEADERS);
	gsize length;
	guint8 *data = g_bytes_unref_to_data(g_steal_pointer(&stub), &length);

	memset(data + HEADERS, 0, 0x100);
	memcpy(data + HEADERS, magic, strlen(magic));
	return g_bytes_new_take(data, length);
}

/** A kernel image with few bytes in it. */
typedef struct {
	AshUkiParts parts;
	GBytes *stub, *osrel, *kernel_bytes, *initrd_bytes;
	AshContent *kernel, *initrd;
} Image;

static void
image_init(Image *image, const char *magic)
{
	image->stub = make_stub(magic);
	image->osrel = bytes("ID=demo\n");
	image->kernel_bytes = bytes("kernel");
	image->initrd_bytes = bytes("a longer initramfs");
	image->kernel = ash_content_new_from_bytes(image->kernel_bytes);
	image->initrd = ash_content_new_from_bytes(image->initrd_bytes);
	image->parts = (AshUkiParts) {
		.stub = image->stub,
		.linux_ = image->kernel,
		.initrd = image->initrd,
		.osrel = image->osrel,
		.cmdline = "root=x quiet",
		.uname = "6.1",
	};
}

static void
image_clear(Image *image)
{
	g_bytes_unref(image->stub);
	g_bytes_unref(image->osrel);
	g_bytes_unref(image->kernel_bytes);
	g_bytes_unref(image->initrd_bytes);
	ash_content_unref(image->kernel);
	ash_content_unref(image->initrd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Image, image_clear)

static char *
predict(const AshUkiParts *parts)
{
	g_autoptr(GError) error = NULL;
	guint8 value[ASH_SHA256_SIZE];

	ash_pcr_predict(parts, value, &error);
	g_assert_no_error(error);
	return ash_hex_encode(value, sizeof(value));
}

/* What "systemd-measure calculate --phase=enter-initrd" of systemd 252 says of the same sections. */
static void
test_predict(void)
{
	g_auto(Image) image = { 0 };
	g_autoptr(GBytes) key = bytes("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n");

	image_init(&image, "#### LoaderInfo: systemd-stub 252.39-1 ####");
	g_autofree char *plain = predict(&image.parts);
	g_assert_cmpstr(plain, ==, "3a1b4d093eadfae1d8e3a647c71797b1ea2f1b1ed0afbf7e6693bf7726fca77d");
	image.parts.pcrpkey = key;
	g_autofree char *keyed = predict(&image.parts);
	g_assert_cmpstr(keyed, ==, "9fdb5f3f832f36c58f2c9677ea70fe0c3c0a65f0876710b4bbea2291602a4ec8");
	image.parts.cmdline = "root=x quiet init=/bin/sh";
	g_autofree char *changed = predict(&image.parts);
	g_assert_cmpstr(changed, !=, keyed);
}

/* Later stubs measure the kernel's release as well; of a stub that is not systemd's nothing is known. */
static void
test_stubs(void)
{
	g_auto(Image) old = { 0 };
	g_auto(Image) new = { 0 };
	g_auto(Image) other = { 0 };
	g_autoptr(GError) error = NULL;
	guint8 value[ASH_SHA256_SIZE];

	image_init(&old, "#### LoaderInfo: systemd-stub 252.39-1 ####");
	image_init(&new, "#### LoaderInfo: systemd-stub 255.4 ####");
	image_init(&other, "another stub");
	g_autofree char *first = predict(&old.parts);
	g_autofree char *second = predict(&new.parts);
	g_assert_cmpstr(first, !=, second);
	g_assert_false(ash_pcr_predict(&other.parts, value, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

/* As TPM 2.0 part 3 has it, computed by another program. */
static void
test_policy(void)
{
	guint8 value[ASH_SHA256_SIZE], policy[ASH_SHA256_SIZE];

	g_assert_true(ash_hex_decode("af6a2ef29fafeda66f04ecc011e363b3f9ca1b42e3c049340020c8d0d684811e", value, sizeof(value)));
	ash_pcr_make_policy(value, policy);
	g_autofree char *hex = ash_hex_encode(policy, sizeof(policy));
	g_assert_cmpstr(hex, ==, "b0a5805972ff8bc6a8f175fddf75b67d54dc045d0ad9c001cfe5e07245537597");
}

static void
check_with_openssl(Fixture *fixture, GBytes *public, const char *policy_hex, const char *signature_base64)
{
	g_autofree char *key = fixture_path(fixture, "key.pem");
	g_autofree char *policy_path = fixture_path(fixture, "policy");
	g_autofree char *signature_path = fixture_path(fixture, "signature");
	guint8 policy[ASH_SHA256_SIZE];
	gsize length;
	g_autofree guchar *signature = g_base64_decode(signature_base64, &length);

	g_assert_true(ash_hex_decode(policy_hex, policy, sizeof(policy)));
	g_assert_true(g_file_set_contents(key, g_bytes_get_data(public, NULL), (gssize) g_bytes_get_size(public), NULL));
	g_assert_true(g_file_set_contents(policy_path, (const char *) policy, sizeof(policy), NULL));
	g_assert_true(g_file_set_contents(signature_path, (const char *) signature, (gssize) length, NULL));
	g_free(run_command(0, "openssl dgst -sha256 -verify '%s' -signature '%s' '%s'", key, signature_path, policy_path));
}

static void
test_sign(Fixture *fixture, gconstpointer data)
{
	g_auto(Image) image = { 0 };
	g_autoptr(GError) error = NULL;
	g_autoptr(AshKey) key = ash_key_generate(ASH_KEY_RSA, &error);
	g_autoptr(GBytes) public = NULL;
	g_autoptr(GBytes) signature = NULL;

	g_assert_no_error(error);
	image_init(&image, "#### LoaderInfo: systemd-stub 252.39-1 ####");
	g_assert_true(ash_pcr_sign(&image.parts, key, &public, &signature, &error));
	g_autoptr(JsonObject) json = ash_json_parse_object(g_bytes_get_data(signature, NULL), (gssize) g_bytes_get_size(signature), "pcrsig", &error);
	g_assert_no_error(error);
	JsonObject *entry = json_array_get_object_element(json_object_get_array_member(json, "sha256"), 0);
	g_assert_cmpint(json_array_get_int_element(json_object_get_array_member(entry, "pcrs"), 0), ==, 11);
	if (have_program("openssl"))
		check_with_openssl(fixture, public, json_object_get_string_member(entry, "pol"), json_object_get_string_member(entry, "sig"));
}

static void
test_wrong_key(void)
{
	g_auto(Image) image = { 0 };
	g_autoptr(GError) error = NULL;
	g_autoptr(AshKey) key = ash_key_generate(ASH_KEY_ECDSA_P256, &error);
	GBytes *public = NULL, *signature = NULL;

	image_init(&image, "#### LoaderInfo: systemd-stub 252.39-1 ####");
	g_assert_false(ash_pcr_sign(&image.parts, key, &public, &signature, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/disk/pcr/predict", test_predict);
	g_test_add_func("/disk/pcr/stubs", test_stubs);
	g_test_add_func("/disk/pcr/policy", test_policy);
	g_test_add("/disk/pcr/sign", Fixture, NULL, fixture_set_up, test_sign, fixture_tear_down);
	g_test_add_func("/disk/pcr/wrong-key", test_wrong_key);
	return g_test_run();
}
