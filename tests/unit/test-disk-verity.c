/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/verity/verity.h"
#include "model/hashlevels.h"
#include "test-disk-common.h"

#define BLOCK     4096
#define UUID_TEXT "00112233-4455-6677-8899-aabbccddeeff"

static const guint8 salt[ASH_VERITY_SALT_BYTES] = {0xde, 0xad, 1, 2, 3};

/* Some zero blocks, the rest all different. */
static void
fill(int fd, guint64 offset, guint blocks)
{
	g_autofree guint8 *block = g_malloc0(BLOCK);

	for (guint i = 0; i < blocks; i++) {
		if (i % 5 == 3)
			continue;
		memcpy(block, &i, sizeof(i));
		g_assert_cmpint(pwrite(fd, block, BLOCK, (off_t) (offset + (guint64) i * BLOCK)),
				==, BLOCK);
	}
}

static AshVerityPlace
make_place(int fd, guint blocks)
{
	guint64 hash_offset = 8 * BLOCK + (guint64) blocks * BLOCK;
	AshVerityPlace place = {
	    .fd = fd,
	    .data_offset = 8 * BLOCK,
	    .data_bytes = (guint64) blocks * BLOCK,
	    .hash_offset = hash_offset,
	    .hash_bytes = ash_hash_area_bytes((guint64) blocks * BLOCK),
	};

	g_assert_cmpint(ftruncate(fd, (off_t) (hash_offset + place.hash_bytes)), ==, 0);
	return place;
}

static char *
format(Fixture *fixture, const AshVerityPlace *place)
{
	guint8 root_hash[ASH_SHA256_SIZE];
	AshUuid uuid;
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_uuid_parse(UUID_TEXT, &uuid));
	ash_verity_format(fixture->ctx, place, salt, &uuid, root_hash, &error);
	g_assert_no_error(error);
	return ash_hex_encode(root_hash, sizeof(root_hash));
}

/* The hash area is byte for byte what veritysetup writes, for trees of no, one, two and three
 * levels. */
static void
test_veritysetup(Fixture *fixture, gconstpointer data)
{
	guint blocks = GPOINTER_TO_UINT(data);
	g_autofree char *salt_hex = ash_hex_encode(salt, sizeof(salt));
	g_autofree char *root_hash = NULL;
	g_autofree char *output = NULL;
	ash_autofd int fd = fixture_create(fixture, "disk", 0);
	AshVerityPlace place = make_place(fd, blocks);

	if (!have_program("veritysetup"))
		return;
	fill(fd, place.data_offset, blocks);
	root_hash = format(fixture, &place);
	g_free(run_command(0,
			   "cd '%s' && dd if=disk of=data bs=4096 skip=8 count=%u status=none && "
			   "dd if=disk of=hash bs=4096 skip=%u status=none",
			   fixture->dir, blocks, blocks + 8));
	g_free(
	    run_command(0, "cd '%s' && veritysetup verify data hash %s", fixture->dir, root_hash));
	output = run_command(0,
			     "cd '%s' && veritysetup format --salt=%s --uuid=" UUID_TEXT
			     " data other && cmp hash other",
			     fixture->dir, salt_hex);
	g_assert_nonnull(strstr(output, root_hash));
}

static gboolean
verify(Fixture *fixture, const AshVerityPlace *place, const char *root_hash, GError **error)
{
	guint8 hash[ASH_SHA256_SIZE];

	g_assert_true(ash_hex_decode(root_hash, hash, sizeof(hash)));
	return ash_verity_verify(fixture->ctx, place, hash, error);
}

static void
flip(int fd, guint64 at)
{
	guint8 byte;

	g_assert_cmpint(pread(fd, &byte, 1, (off_t) at), ==, 1);
	byte ^= 4;
	g_assert_cmpint(pwrite(fd, &byte, 1, (off_t) at), ==, 1);
}

/* Any one bit anywhere is found. */
static void
test_damage(Fixture *fixture, gconstpointer data)
{
	const guint blocks = 1000;
	g_autofree char *root_hash = NULL;
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = fixture_create(fixture, "disk", 0);
	AshVerityPlace place = make_place(fd, blocks);

	fill(fd, place.data_offset, blocks);
	root_hash = format(fixture, &place);
	verify(fixture, &place, root_hash, &error);
	g_assert_no_error(error);
	for (guint i = 0; i < 40; i++) {
		guint64 block = g_test_rand_int_range(0, (gint32) blocks);
		guint64 at =
		    place.data_offset + block * BLOCK + (guint64) g_test_rand_int_range(0, BLOCK);
		g_autofree char *expected =
		    g_strdup_printf("data block %" G_GUINT64_FORMAT " ", block);

		flip(fd, at);
		g_assert_false(verify(fixture, &place, root_hash, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
		g_assert_nonnull(strstr(error->message, expected));
		g_clear_error(&error);
		flip(fd, at);
	}
	/* A hash block; the salt; the number of blocks; another root hash. */
	flip(fd, place.hash_offset + BLOCK + 100);
	g_assert_false(verify(fixture, &place, root_hash, NULL));
	flip(fd, place.hash_offset + BLOCK + 100);
	flip(fd, place.hash_offset + 88);
	g_assert_false(verify(fixture, &place, root_hash, NULL));
	flip(fd, place.hash_offset + 88);
	flip(fd, place.hash_offset + 72);
	g_assert_false(verify(fixture, &place, root_hash, NULL));
	flip(fd, place.hash_offset + 72);
	g_assert_true(verify(fixture, &place, root_hash, NULL));
	root_hash[3] = root_hash[3] == 'a' ? 'b' : 'a';
	g_assert_false(verify(fixture, &place, root_hash, NULL));
}

/* Threads share the work but not the result. */
static void
test_threads(Fixture *fixture, gconstpointer data)
{
	g_autofree char *one = NULL;
	g_autofree char *many = NULL;
	ash_autofd int fd = fixture_create(fixture, "disk", 0);
	AshVerityPlace place = make_place(fd, 3000);

	fill(fd, place.data_offset, 3000);
	fixture->ctx->jobs = 1;
	one = format(fixture, &place);
	fixture->ctx->jobs = 7;
	many = format(fixture, &place);
	g_assert_cmpstr(one, ==, many);
}

static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	guint8 root_hash[ASH_SHA256_SIZE];
	const AshUuid uuid = {{0}};
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = fixture_create(fixture, "disk", 0);
	AshVerityPlace place = make_place(fd, 1000);
	AshVeritySuperblock sb;

	g_assert_false(ash_verity_read_superblock(fd, place.hash_offset, &sb, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	g_clear_error(&error);
	place.hash_bytes -= BLOCK;
	g_assert_false(ash_verity_format(fixture->ctx, &place, salt, &uuid, root_hash, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	place.hash_bytes += BLOCK;
	place.data_bytes -= 1;
	g_assert_false(ash_verity_format(fixture->ctx, &place, salt, &uuid, root_hash, &error));
}

/* Figures, not a test: run with -m perf. */
static void
test_speed(Fixture *fixture, gconstpointer data)
{
	const guint blocks = 600 * 256;
	g_autofree guint8 *chunk = g_malloc(1 << 20);
	g_autofree char *root_hash = NULL;
	ash_autofd int fd = fixture_create(fixture, "disk", 0);
	AshVerityPlace place = make_place(fd, blocks);

	if (!g_test_perf())
		return;
	for (guint i = 0; i < 600; i++) {
		memset(chunk, (int) i + 1, 1 << 20);
		g_assert_cmpint(
		    pwrite(fd, chunk, 1 << 20, (off_t) place.data_offset + ((off_t) i << 20)), ==,
		    1 << 20);
	}
	g_test_timer_start();
	root_hash = format(fixture, &place);
	double seconds = g_test_timer_elapsed();
	g_test_minimized_result(seconds, "hash tree of 600 MiB: %.2f s", seconds);
}

#define ADD(name, data, func)                                                                      \
	g_test_add("/disk/verity/" name, Fixture, GUINT_TO_POINTER(data), fixture_set_up, func,    \
		   fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("veritysetup/1", 1, test_veritysetup);
	ADD("veritysetup/2", 2, test_veritysetup);
	ADD("veritysetup/128", 128, test_veritysetup);
	ADD("veritysetup/129", 129, test_veritysetup);
	ADD("veritysetup/16385", 16385, test_veritysetup);
	ADD("damage", 0, test_damage);
	ADD("threads", 0, test_threads);
	ADD("refusals", 0, test_refusals);
	ADD("speed", 0, test_speed);
	return g_test_run();
}
