/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "pack/delta.h"
#include "pack/deltaapply.h"
#include "pack/match.h"
#include "pack/pairing.h"
#include "pack/suffix.h"

#include <string.h>
#include <sys/mman.h>

#define BLOCK 4096
#define IMAGE_BYTES (600 * BLOCK)

/* Two images as files without names, and the delta between them. */
typedef struct {
	AshContext *ctx;
	guint8 *old, *new;
	gsize old_bytes, new_bytes;
	int old_fd, new_fd, delta_fd;
	GPtrArray *old_files, *new_files;
	AshDeltaStats stats;
	guint8 *result;
	gsize done;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	(void) data;
	GRand *random = g_rand_new_with_seed(1);

	fixture->ctx = ash_context_new();
	fixture->ctx->jobs = 2;
	fixture->old = g_malloc0(IMAGE_BYTES);
	fixture->new = g_malloc0(2 * IMAGE_BYTES);
	fixture->result = g_malloc0(2 * IMAGE_BYTES);
	fixture->old_bytes = fixture->new_bytes = IMAGE_BYTES;
	fixture->old_files = g_ptr_array_new_with_free_func((GDestroyNotify) ash_delta_file_free);
	fixture->new_files = g_ptr_array_new_with_free_func((GDestroyNotify) ash_delta_file_free);
	/* Numbers of a small range: compressible, but without long repetitions. */
	for (gsize i = 0; i < IMAGE_BYTES / 2; i++)
		fixture->old[i] = (guint8) g_rand_int_range(random, 0, 40);
	memcpy(fixture->new, fixture->old, IMAGE_BYTES);
	g_rand_free(random);
	fixture->old_fd = memfd_create("old", MFD_CLOEXEC);
	fixture->new_fd = memfd_create("new", MFD_CLOEXEC);
	fixture->delta_fd = memfd_create("delta", MFD_CLOEXEC);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	(void) data;
	ash_context_free(fixture->ctx);
	g_free(fixture->old);
	g_free(fixture->new);
	g_free(fixture->result);
	g_ptr_array_unref(fixture->old_files);
	g_ptr_array_unref(fixture->new_files);
	ash_fd_clear(&fixture->old_fd);
	ash_fd_clear(&fixture->new_fd);
	ash_fd_clear(&fixture->delta_fd);
}

static void
add_file(GPtrArray *files, const char *path, guint64 offset, guint64 bytes)
{
	AshDeltaFile *file = g_new0(AshDeltaFile, 1);

	*file = (AshDeltaFile) { g_strdup(path), offset, bytes };
	g_ptr_array_add(files, file);
}

static void
make_delta(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;

	ash_fd_write_all(fixture->old_fd, fixture->old, fixture->old_bytes, 0, &error);
	g_assert_no_error(error);
	ash_fd_write_all(fixture->new_fd, fixture->new, fixture->new_bytes, 0, &error);
	g_assert_no_error(error);
	const AshDeltaImage from = { fixture->old_fd, 0, fixture->old_bytes, fixture->old_files };
	const AshDeltaImage to = { fixture->new_fd, 0, fixture->new_bytes, fixture->new_files };
	ash_delta_write(fixture->ctx, &from, &to, 3, fixture->delta_fd, &fixture->stats, &error);
	g_assert_no_error(error);
}

static gboolean
read_old(gpointer user_data, guint64 offset, gsize length, guint8 *buffer, GError **error)
{
	const Fixture *fixture = user_data;

	(void) error;
	g_assert_cmpuint(offset + length, <=, fixture->old_bytes);
	memcpy(buffer, fixture->old + offset, length);
	return TRUE;
}

static gboolean
write_new(gpointer user_data, guint64 offset, const guint8 *data, gsize length, GError **error)
{
	Fixture *fixture = user_data;

	(void) error;
	g_assert_cmpuint(offset, ==, fixture->done);
	g_assert_cmpuint(offset + length, <=, fixture->new_bytes);
	g_assert_cmpuint(length, <=, ASH_DELTA_SEGMENT_BYTES);
	memcpy(fixture->result + offset, data, length);
	fixture->done += length;
	return TRUE;
}

static const AshDeltaTarget target = { read_old, write_new };

/* Applies @delta in pieces of @step bytes. */
static gboolean
apply(Fixture *fixture, const guint8 *delta, gsize length, gsize step, GError **error)
{
	g_autoptr(AshDeltaApply) machine = ash_delta_apply_new(fixture->old_bytes, fixture->new_bytes, &target, fixture);

	fixture->done = 0;
	for (gsize i = 0; i < length; i += step)
		if (!ash_delta_apply_feed(machine, delta + i, MIN(step, length - i), error))
			return FALSE;
	return ash_delta_apply_finish(machine, error);
}

static guint8 *
load_delta(Fixture *fixture)
{
	guint8 *delta = g_malloc(fixture->stats.delta_bytes);
	g_autoptr(GError) error = NULL;

	ash_fd_read_exact(fixture->delta_fd, delta, fixture->stats.delta_bytes, 0, &error);
	g_assert_no_error(error);
	return delta;
}

static void
check_round_trip(Fixture *fixture)
{
	static const gsize steps[] = { 1, 1000, 1 << 20 };
	g_autofree guint8 *delta = load_delta(fixture);

	for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
		g_autoptr(GError) error = NULL;
		memset(fixture->result, 0xee, fixture->new_bytes);
		apply(fixture, delta, fixture->stats.delta_bytes, steps[i], &error);
		g_assert_no_error(error);
		g_assert_cmpmem(fixture->result, fixture->new_bytes, fixture->new, fixture->new_bytes);
	}
}

static void
test_equal(Fixture *fixture, gconstpointer data)
{
	(void) data;
	make_delta(fixture);
	g_assert_cmpuint(fixture->stats.extra, ==, 0);
	g_assert_cmpuint(fixture->stats.delta_bytes, <, 1024);
	check_round_trip(fixture);
}

/* A program whose addresses have changed all over, at another place: a step side by side, not new bytes. */
static void
test_changed_addresses(Fixture *fixture, gconstpointer data)
{
	const gsize start = 10 * BLOCK, bytes = 100 * BLOCK;

	(void) data;
	memmove(fixture->new + start + BLOCK, fixture->old + start, IMAGE_BYTES - start - BLOCK);
	for (gsize i = start + BLOCK; i < start + BLOCK + bytes; i += 50)
		fixture->new[i] += 3;
	add_file(fixture->old_files, "usr/lib/modules/1/a.ko", start, bytes);
	add_file(fixture->new_files, "usr/lib/modules/2/a.ko", start + BLOCK, bytes);
	make_delta(fixture);
	g_assert_cmpuint(fixture->stats.changed, >=, bytes - BLOCK);
	g_assert_cmpuint(fixture->stats.extra, <, 2 * BLOCK);
	g_assert_cmpuint(fixture->stats.delta_bytes, <, 16 * 1024);
	check_round_trip(fixture);
}

/* Bytes put in and taken out: what is behind them lies at no block any more. */
static void
test_shifted(Fixture *fixture, gconstpointer data)
{
	(void) data;
	memmove(fixture->new + 5007, fixture->old + 5000, 30000);
	memset(fixture->new + 5000, 'x', 7);
	memmove(fixture->new + 200000, fixture->old + 200100, 40000);
	add_file(fixture->old_files, "a", BLOCK, 100 * BLOCK);
	add_file(fixture->new_files, "a", BLOCK, 100 * BLOCK);
	make_delta(fixture);
	g_assert_cmpuint(fixture->stats.extra, <, 4096);
	check_round_trip(fixture);
}

/* Without names, files that moved are found by how they begin. */
static void
test_moved_without_names(Fixture *fixture, gconstpointer data)
{
	(void) data;
	memmove(fixture->new + 300 * BLOCK, fixture->old + 20 * BLOCK, 50 * BLOCK);
	memmove(fixture->new + 20 * BLOCK, fixture->old + 100 * BLOCK, 50 * BLOCK + 17);
	g_clear_pointer(&fixture->old_files, g_ptr_array_unref);
	g_clear_pointer(&fixture->new_files, g_ptr_array_unref);
	make_delta(fixture);
	g_assert_cmpuint(fixture->stats.extra, <, 2 * BLOCK);
	check_round_trip(fixture);
	fixture->old_files = g_ptr_array_new();
	fixture->new_files = g_ptr_array_new();
}

static void
test_longer_and_shorter(Fixture *fixture, gconstpointer data)
{
	(void) data;
	fixture->new_bytes = 2 * IMAGE_BYTES - 100;
	memset(fixture->new + IMAGE_BYTES, 7, IMAGE_BYTES);
	make_delta(fixture);
	check_round_trip(fixture);
	fixture->new_bytes = 3 * BLOCK + 5;
	g_assert_cmpint(ftruncate(fixture->delta_fd, 0), ==, 0);
	g_assert_cmpint(ftruncate(fixture->new_fd, 0), ==, 0);
	make_delta(fixture);
	check_round_trip(fixture);
}

/* Every truncation and every flipped byte is an error or gives another result, and never reads or writes outside. */
static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	(void) data;
	memset(fixture->new + 5000, 'x', 700);
	memmove(fixture->new + 90000, fixture->old + 200100, 40000);
	make_delta(fixture);
	g_autofree guint8 *delta = load_delta(fixture);
	const gsize length = fixture->stats.delta_bytes;
	for (gsize i = 0; i < length; i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(apply(fixture, delta, i, 4096, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	}
	for (gsize i = 0; i < length; i++) {
		g_autoptr(GError) error = NULL;
		delta[i] ^= 0x41;
		if (!apply(fixture, delta, length, 4096, &error))
			g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
		delta[i] ^= 0x41;
	}
	g_autoptr(GError) error = NULL;
	g_autofree guint8 *longer = g_malloc0(length + 1);
	memcpy(longer, delta, length);
	g_assert_false(apply(fixture, longer, length + 1, 4096, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

static gint
compare_suffixes(gconstpointer a, gconstpointer b, gpointer user_data)
{
	const GString *text = user_data;

	return strcmp(text->str + *(const gint32 *) a, text->str + *(const gint32 *) b);
}

static void
test_suffix_array(void)
{
	GRand *random = g_rand_new_with_seed(2);

	for (guint round = 0; round < 500; round++) {
		g_autoptr(GString) text = g_string_new(NULL);
		const gint letters = g_rand_int_range(random, 1, 5);
		for (gint i = g_rand_int_range(random, 1, 120); i > 0; i--)
			g_string_append_c(text, (char) ('a' + g_rand_int_range(random, 0, letters)));
		g_autofree gint32 *array = ash_suffix_array((const guint8 *) text->str, text->len);
		g_autofree gint32 *expected = g_new(gint32, text->len);
		for (gsize i = 0; i < text->len; i++)
			expected[i] = (gint32) i;
		g_qsort_with_data(expected, (gint) text->len, sizeof(gint32), compare_suffixes, text);
		g_assert_cmpmem(array, text->len * sizeof(gint32), expected, text->len * sizeof(gint32));
		gsize position = 0;
		const gsize middle = text->len / 2;
		g_assert_cmpuint(ash_suffix_find(array, (const guint8 *) text->str, text->len, (const guint8 *) text->str + middle,
						 text->len - middle, &position), ==, text->len - middle);
		g_auto(AshSuffixStarts) starts = { NULL };
		ash_suffix_starts_init(&starts, (const guint8 *) text->str, text->len);
		for (guint i = 0; i < 20; i++) {
			guint8 pattern[6];
			for (guint j = 0; j < sizeof(pattern); j++)
				pattern[j] = (guint8) ('a' + g_rand_int_range(random, 0, letters + 1) * (i == 0 ? 0 : 1));
			const gsize longest = ash_suffix_find(array, (const guint8 *) text->str, text->len, pattern, sizeof(pattern), &position);
			const gsize found =
				ash_suffix_find_from(&starts, array, (const guint8 *) text->str, text->len, pattern, sizeof(pattern), &position);
			g_assert_cmpuint(found, ==, longest < 2 ? 0 : longest);
			g_assert_true(found == 0 || memcmp(text->str + position, pattern, found) == 0);
		}
	}
	g_rand_free(random);
}

static void
test_pairing(void)
{
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify) ash_delta_file_free);

	add_file(files, "usr/lib/modules/6.1.0-50/kernel/net/tun.ko", 0, 1);
	add_file(files, "usr/lib/modules/6.1.0-50/kernel/fs/tun.ko", 1, 1);
	add_file(files, "usr/lib/libfoo.so.1.2.3", 2, 1);
	g_autoptr(AshPairing) pairing = ash_pairing_new(files);
	g_assert_cmpuint(ash_pairing_find(pairing, "usr/lib/libfoo.so.1.2.3")->offset, ==, 2);
	g_assert_cmpuint(ash_pairing_find(pairing, "usr/lib/modules/6.1.0-56/kernel/fs/tun.ko")->offset, ==, 1);
	g_assert_cmpuint(ash_pairing_find(pairing, "usr/lib/modules/6.1.0-56/kernel/net/tun.ko")->offset, ==, 0);
	g_assert_cmpuint(ash_pairing_find(pairing, "usr/lib/libfoo.so.1.10.0")->offset, ==, 2);
	g_assert_null(ash_pairing_find(pairing, "usr/lib/libbar.so.1"));
}

#define ADD(name, function) g_test_add("/pack/delta/" name, Fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("equal", test_equal);
	ADD("changed-addresses", test_changed_addresses);
	ADD("shifted", test_shifted);
	ADD("moved-without-names", test_moved_without_names);
	ADD("longer-and-shorter", test_longer_and_shorter);
	ADD("damaged", test_damaged);
	g_test_add_func("/pack/delta/suffix-array", test_suffix_array);
	g_test_add_func("/pack/delta/pairing", test_pairing);
	return g_test_run();
}
