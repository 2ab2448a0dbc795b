/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/size.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* FIPS 180-4's own examples. */
#define SUM_OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SUM_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void
test_sha256(void)
{
	g_autofree char *nothing = ash_sha256_hex("", 0);
	g_autofree char *text = ash_sha256_hex("abc", -1);
	g_autofree char *part = ash_sha256_hex("abcdef", 3);
	g_autoptr(AshDigest) digest = ash_digest_new();

	g_assert_cmpstr(nothing, ==, SUM_OF_NOTHING);
	g_assert_cmpstr(text, ==, SUM_OF_ABC);
	g_assert_cmpstr(part, ==, SUM_OF_ABC);
	ash_digest_update(digest, "a", 1);
	ash_digest_update(digest, "", 0);
	ash_digest_update(digest, "bc", 2);
	g_autofree char *pieces = ash_digest_finish_hex(digest);
	g_assert_cmpstr(pieces, ==, SUM_OF_ABC);
}

/* @first and @second as strings of one digest. */
static char *
sum_of_strings(const char *first, const char *second)
{
	g_autoptr(AshDigest) digest = ash_digest_new();

	ash_digest_update_string(digest, first);
	ash_digest_update_string(digest, second);
	return ash_digest_finish_hex(digest);
}

static void
test_strings_are_apart(void)
{
	g_autofree char *wanted = sum_of_strings("ab", "c");
	g_autofree char *shifted = sum_of_strings("a", "bc");
	g_autofree char *empty = sum_of_strings("abc", "");
	g_autofree char *absent = sum_of_strings("abc", NULL);

	/* sha256sum of 01 "ab" 00 01 "c" 00 */
	g_assert_cmpstr(wanted, ==, "61a4255a14a569fcd5c2649c091ef5ecab866ff321b2a594953338ac598523da");
	g_assert_cmpstr(wanted, !=, shifted);
	g_assert_cmpstr(empty, !=, absent);
}

static void
test_sha256_fd(void)
{
	g_autofree char *path = NULL;
	int fd = g_file_open_tmp("ash-digest-XXXXXX", &path, NULL);
	char buffer[2] = "";

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(write(fd, "abc", 3), ==, 3);
	g_assert_cmpint(lseek(fd, 1, SEEK_SET), ==, 1);
	g_autofree char *sum = ash_sha256_fd_hex(fd, NULL);
	g_assert_cmpstr(sum, ==, SUM_OF_ABC);
	g_assert_cmpint(read(fd, buffer, 1), ==, 1);
	g_assert_cmpstr(buffer, ==, "b"); /* the position is untouched */
	close(fd);
	unlink(path);
	g_autoptr(GError) error = NULL;
	g_assert_null(ash_sha256_fd_hex(-1, &error));
	g_assert_nonnull(error);
}

/* Holes at both ends and between, and a file that is nothing else. */
static void
test_sha256_holes(void)
{
	static const off_t places[] = { 70000, 3000000, 3000001 };
	g_autofree char *path = g_build_filename(g_get_tmp_dir(), "ashlar-digest-XXXXXX", NULL);
	int fd = g_mkstemp(path);
	gsize length = 9 * 1024 * 1024 + 17;
	g_autofree guint8 *plain = g_malloc0(length);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(unlink(path), ==, 0);
	g_assert_cmpint(ftruncate(fd, (off_t) length), ==, 0);
	for (gsize i = 0; i <= G_N_ELEMENTS(places); i++) {
		g_autofree char *expected = ash_sha256_hex(plain, (gssize) length);
		g_autofree char *found = NULL;

		g_assert_cmpint(lseek(fd, 5, SEEK_SET), ==, 5);
		found = ash_sha256_fd_hex(fd, NULL);
		g_assert_cmpstr(found, ==, expected);
		g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, 5);
		if (i == G_N_ELEMENTS(places))
			break;
		g_assert_cmpint(pwrite(fd, "content", 7, places[i]), ==, 7);
		memcpy(plain + places[i], "content", 7);
	}
	close(fd);
}

static void
test_hex(void)
{
	static const char *const wrong[] = { "", "00ff1", "00ff1g", "00ff1 ", "00ff1022", "0x00ff", "+0-0ff" };
	guint8 bytes[3] = { 7, 7, 7 };
	g_autofree char *nothing = ash_hex_encode("", 0);

	g_assert_cmpstr(nothing, ==, "");
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_assert_false(ash_hex_decode(wrong[i], bytes, sizeof bytes));
		g_assert_cmpmem(bytes, sizeof bytes, "\7\7\7", 3); /* written only on success */
	}
	g_assert_true(ash_hex_decode("00fF1a", bytes, sizeof bytes));
	g_assert_cmpmem(bytes, sizeof bytes, "\x00\xff\x1a", 3);
	g_autofree char *text = ash_hex_encode(bytes, sizeof bytes);
	g_assert_cmpstr(text, ==, "00ff1a");
}

static void
test_uuid_parse(void)
{
	static const char *const wrong[] = {
		"", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f00",
		"0f1e2d3c4b5a-6978-8796-a5b4c3d2e1f0-", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1fg",
		"{f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f}", "------------------------------------",
	};
	AshUuid uuid = { 0 };

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
		g_assert_false(ash_uuid_parse(wrong[i], &uuid));
	g_assert_true(ash_uuid_parse("0F1E2D3C-4b5a-6978-8796-a5b4c3d2e1f0", &uuid));
	g_assert_cmpuint(uuid.bytes[0], ==, 0x0f);
	g_assert_cmpuint(uuid.bytes[15], ==, 0xf0);
	g_autofree char *text = ash_uuid_to_string(&uuid);
	g_assert_cmpstr(text, ==, "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
}

/* Computed with another HMAC (Python's hmac module). Images that are out there depend on these. */
static void
test_uuid_derive(void)
{
	static const char *const golden[][2] = {
		{ "disk", "2c05437d-43eb-451b-abef-5d936656ac8e" },
		{ "esp", "6996dea7-ae34-40f8-808b-30464b4b237a" },
		{ "root-a-fs", "764ea79c-dbac-4e1a-90f7-d4317f1443d3" },
		{ "", "1bc42e05-b534-405a-90df-ea3660708b19" },
	};
	AshUuid seed;
	guint8 salt[ASH_SHA256_SIZE];

	g_assert_true(ash_uuid_parse("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", &seed));
	for (gsize i = 0; i < G_N_ELEMENTS(golden); i++) {
		AshUuid uuid = ash_uuid_derive(&seed, golden[i][0]);
		g_autofree char *text = ash_uuid_to_string(&uuid);
		g_assert_cmpstr(text, ==, golden[i][1]);
	}
	ash_seed_derive(&seed, "disk", salt);
	g_autofree char *hex = ash_hex_encode(salt, sizeof salt);
	g_assert_cmpstr(hex, ==, "2c05437d43eb751babef5d936656ac8ef6b5ee79d24b0ed49f8924a890b8ecfe");
}

static void
test_size_parse(void)
{
	static const struct {
		const char *text;
		guint64 bytes;
	} right[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "512B", 512 },
		{ "64K", 64 * ASH_KIB },
		{ "64k", 64 * ASH_KIB },
		{ "512MiB", 512 * ASH_MIB },
		{ "2 GiB", 2 * ASH_GIB },
		{ "1T", 1024 * ASH_GIB },
		{ "9223372036854775807", G_MAXINT64 },
		{ "8191P", G_GUINT64_CONSTANT(8191) << 50 },
	};
	static const char *const wrong[] = {
		"", " ", "K", "-1", "+1", " 1", "1.5G", "1KB", "1iB", "1Ki", "1GiBs", "1 G G", "0x10", "1E", "١",
		"9223372036854775808", "18446744073709551616", "99999999999999999999999", "8192P", "9007199254740992K",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(right); i++) {
		guint64 bytes = 1;
		g_assert_true(ash_size_parse(right[i].text, &bytes));
		g_assert_cmpuint(bytes, ==, right[i].bytes);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		guint64 bytes = 1;
		if (ash_size_parse(wrong[i], &bytes))
			g_error("\"%s\" was taken for %" G_GUINT64_FORMAT " bytes", wrong[i], bytes);
		g_assert_cmpuint(bytes, ==, 1);
	}
}

static void
test_size_format(void)
{
	static const struct {
		guint64 bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 10 * ASH_KIB - 1, "10 KiB" },
		{ 1024 * 1024 - 1, "1.0 MiB" },
		{ 87 * ASH_MIB, "87 MiB" },
		{ 1400 * ASH_MIB, "1.4 GiB" },
		{ G_MAXUINT64, "16384 PiB" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = ash_size_format(cases[i].bytes);
		g_assert_cmpstr(text, ==, cases[i].text);
	}
	g_assert_cmpuint(ash_size_round_up(0, 4096), ==, 0);
	g_assert_cmpuint(ash_size_round_up(1, 4096), ==, 4096);
	g_assert_cmpuint(ash_size_round_up(4096, 4096), ==, 4096);
	g_assert_cmpuint(ash_size_round_up(10, 3), ==, 12);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/digest/sha256", test_sha256);
	g_test_add_func("/base/digest/strings-are-apart", test_strings_are_apart);
	g_test_add_func("/base/digest/fd", test_sha256_fd);
	g_test_add_func("/base/digest/holes", test_sha256_holes);
	g_test_add_func("/base/digest/hex", test_hex);
	g_test_add_func("/base/digest/uuid-parse", test_uuid_parse);
	g_test_add_func("/base/digest/uuid-derive", test_uuid_derive);
	g_test_add_func("/base/size/parse", test_size_parse);
	g_test_add_func("/base/size/format", test_size_format);
	return g_test_run();
}
