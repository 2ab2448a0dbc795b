/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "disk/secureboot/varstore.h"
#include "disk/verity/signature.h"
#include "test-disk-common.h"

#define STORE_OFFSET 72
#define STORE_BYTES  8192

/* A firmware volume with an empty store of authenticated variables. */
static GBytes *
make_template(void)
{
	static const guint8 guid[] = { 0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92 };
	const gsize length = STORE_OFFSET + STORE_BYTES + 100;
	guint8 *data = g_malloc(length);

	memset(data, 0xff, length);
	memset(data, 0, STORE_OFFSET + 28);
	memcpy(data + 40, "_FVH", 4);
	data[48] = STORE_OFFSET;
	memcpy(data + STORE_OFFSET, guid, sizeof(guid));
	data[STORE_OFFSET + 17] = STORE_BYTES >> 8;
	return g_bytes_new_take(data, length);
}

static AshCertificate *
make_certificate(Fixture *fixture)
{
	g_autofree char *path = fixture_path(fixture, "db.crt"), *key = fixture_path(fixture, "db.key");
	g_autoptr(GError) error = NULL;

	if (!have_program("openssl")) {
		g_test_skip("openssl(1) is not installed");
		return NULL;
	}
	g_free(run_command(0, "openssl req -x509 -newkey rsa:2048 -nodes -keyout '%s' -out '%s' -subj /CN=db 2>/dev/null", key, path));
	AshCertificate *certificate = ash_certificate_load(path, &error);
	g_assert_no_error(error);
	return certificate;
}

/* Each variable begins where the one before ends, and holds the certificate. */
static void
test_enroll(Fixture *fixture, gconstpointer data)
{
	static const char *const names[] = { "db", "KEK", "PK" };
	g_autoptr(AshCertificate) certificate = make_certificate(fixture);
	g_autoptr(GBytes) template = make_template();
	g_autoptr(GError) error = NULL;

	if (certificate == NULL)
		return;
	g_autoptr(GBytes) der = ash_certificate_dup_der(certificate);
	g_autoptr(GBytes) vars = ash_varstore_enroll(template, certificate, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(g_bytes_get_size(vars), ==, g_bytes_get_size(template));
	gsize der_bytes, at = STORE_OFFSET + 28;
	const guint8 *store = g_bytes_get_data(vars, NULL), *der_data = g_bytes_get_data(der, &der_bytes);
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		const gsize name_bytes = 2 * (strlen(names[i]) + 1), list_bytes = 44 + der_bytes;
		g_assert_cmpmem(store + at, 3, "\xaa\x55\x3f", 3);
		g_assert_cmpuint(store[at + 36], ==, name_bytes);
		g_assert_cmpuint(store[at + 40] | store[at + 41] << 8, ==, list_bytes);
		g_assert_cmpint(store[at + 60], ==, names[i][0]);
		g_assert_cmpmem(store + at + 60 + name_bytes + 44, der_bytes, der_data, der_bytes);
		at += (60 + name_bytes + list_bytes + 3) / 4 * 4;
	}
	g_assert_cmpint(store[at], ==, 0xff);
	/* Keys are there now. */
	g_assert_null(ash_varstore_enroll(vars, certificate, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

static void
test_no_template(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshCertificate) certificate = make_certificate(fixture);
	g_autoptr(GBytes) template = make_template();

	if (certificate == NULL)
		return;
	for (gsize length = 0; length < STORE_OFFSET + STORE_BYTES; length += 7) {
		g_autoptr(GBytes) part = g_bytes_new_from_bytes(template, 0, length);
		g_assert_null(ash_varstore_enroll(part, certificate, NULL));
	}
}

static void
test_verity_sig(void)
{
	static const char good[] = "{\"rootHash\":\"%064d\",\"certificateFingerprint\":\"%064d\",\"signature\":\"AAAA\"}";
	g_autofree char *text = g_strdup_printf(good, 0, 1);
	char padded[1024] = "";
	g_autoptr(GError) error = NULL;

	memcpy(padded, text, strlen(text));
	g_autoptr(AshVeritySig) sig = ash_verity_sig_parse(padded, sizeof(padded), &error);
	g_assert_no_error(error);
	g_assert_cmpuint(g_bytes_get_size(sig->signature), ==, 3);
	/* Something behind the end, and every cut. */
	padded[1000] = 'x';
	g_assert_null(ash_verity_sig_parse(padded, sizeof(padded), &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	for (gsize length = 0; length < strlen(text); length++)
		g_assert_null(ash_verity_sig_parse(text, length, NULL));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/disk/varstore/enroll", Fixture, NULL, fixture_set_up, test_enroll, fixture_tear_down);
	g_test_add("/disk/varstore/no-template", Fixture, NULL, fixture_set_up, test_no_template, fixture_tear_down);
	g_test_add_func("/disk/veritysig/parse", test_verity_sig);
	return g_test_run();
}
