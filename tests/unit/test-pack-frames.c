/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "pack/frames.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#define FRAME ASH_RELEASE_FRAME_BYTES

/** Segments as they come. */
typedef struct {
	GPtrArray *segments; /* of GByteArray */
	GArray *frames;      /* guint64, of each */
	GByteArray *current;
} Sink;

static Sink *
sink_new(void)
{
	Sink *sink = g_new0(Sink, 1);

	sink->segments = g_ptr_array_new_with_free_func((GDestroyNotify) g_byte_array_unref);
	sink->frames = g_array_new(FALSE, FALSE, sizeof(guint64));
	return sink;
}

static void
sink_free(Sink *sink)
{
	g_ptr_array_unref(sink->segments);
	g_array_unref(sink->frames);
	g_free(sink);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sink, sink_free)

static gboolean
sink_write(const void *data, gsize length, gpointer user_data, GError **error)
{
	Sink *sink = user_data;

	if (sink->current == NULL) {
		sink->current = g_byte_array_new();
		g_ptr_array_add(sink->segments, sink->current);
	}
	g_byte_array_append(sink->current, data, (guint) length);
	return TRUE;
}

static gboolean
sink_finish(guint64 frames, gpointer user_data, GError **error)
{
	Sink *sink = user_data;

	g_assert_nonnull(sink->current);
	g_array_append_val(sink->frames, frames);
	sink->current = NULL;
	return TRUE;
}

static const AshFramesSink sink_ops = { sink_write, sink_finish };

/* Text, zeros, noise and short runs in turn, @bytes of it behind @offset bytes of something else. */
static int
make_image(guint64 offset, gsize bytes, gboolean noise)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	g_autofree guint8 *data = g_malloc0(bytes);
	g_autoptr(GRand) random = g_rand_new_with_seed(4);

	for (gsize i = 0; i < bytes; i++) {
		const gsize piece = i / FRAME;
		if (noise || piece % 4 == 2)
			data[i] = (guint8) g_rand_int(random);
		else if (piece % 4 == 0)
			data[i] = (guint8) "the quick brown fox "[i % 20];
		else if (piece % 4 == 3)
			data[i] = i % 4096 == 17 ? (guint8) piece : 0;
	}
	g_assert_true(ash_fd_write_all(fd, data, bytes, offset, NULL));
	return fd;
}

static AshRelease *
describe(const Sink *sink, guint64 bytes)
{
	AshRelease *release = ash_release_new();

	release->root_bytes = bytes;
	for (guint i = 0; i < sink->segments->len; i++) {
		const GByteArray *data = g_ptr_array_index(sink->segments, i);
		AshPackSegment *segment = g_new0(AshPackSegment, 1);
		segment->object.size = data->len;
		segment->frames = g_array_index(sink->frames, guint64, i);
		g_ptr_array_add(release->segments, segment);
	}
	return release;
}

static void
check_content(const Sink *sink, const AshFrameTable *table, int fd, guint64 offset, guint64 bytes)
{
	g_autofree guint8 *out = g_malloc(FRAME), *expected = g_malloc(FRAME);
	g_autoptr(GError) error = NULL;

	for (guint64 i = 0; i < ash_frame_table_get_count(table); i++) {
		const gsize length = (gsize) MIN((guint64) FRAME, bytes - i * FRAME);
		guint segment;
		guint64 at;
		guint32 packed;

		ash_frame_table_locate(table, i, &segment, &at, &packed);
		g_assert_cmpuint(segment, <, sink->segments->len);
		const GByteArray *data = g_ptr_array_index(sink->segments, segment);
		g_assert_cmpuint(at + packed, <=, data->len);
		g_assert_true(ash_frame_decode(data->data + at, packed, out, length, &error));
		g_assert_no_error(error);
		g_assert_true(ash_fd_read_exact(fd, expected, length, offset + i * FRAME, &error));
		g_assert_cmpmem(out, length, expected, length);
	}
}

static void
round_trip(guint64 offset, gsize bytes, gboolean noise, guint least_segments)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(Sink) one = sink_new(), many = sink_new();
	g_autoptr(GBytes) table = NULL, same = NULL;
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = make_image(offset, bytes, noise);

	ctx->jobs = 1;
	g_assert_true(ash_frames_write(ctx, fd, offset, bytes, 3, &sink_ops, one, &table, &error));
	g_assert_no_error(error);
	ctx->jobs = 5;
	g_assert_true(ash_frames_write(ctx, fd, offset, bytes, 3, &sink_ops, many, &same, &error));
	g_assert_true(g_bytes_equal(table, same));
	g_assert_cmpuint(one->segments->len, >=, least_segments);
	g_assert_cmpuint(one->segments->len, ==, many->segments->len);
	for (guint i = 0; i < one->segments->len; i++) {
		const GByteArray *a = one->segments->pdata[i], *b = many->segments->pdata[i];
		g_assert_cmpuint(a->len, <=, ASH_RELEASE_SEGMENT_BYTES);
		g_assert_cmpmem(a->data, a->len, b->data, b->len);
	}
	g_autoptr(AshRelease) release = describe(one, bytes);
	g_autoptr(AshFrameTable) parsed = ash_frame_table_parse(table, release, &error);
	g_assert_no_error(error);
	check_content(one, parsed, fd, offset, bytes);
}

static void
test_round_trip(void)
{
	round_trip(0, 4096, FALSE, 1);
	round_trip(8192, FRAME, FALSE, 1);
	round_trip(4096, 41 * FRAME + 4096, FALSE, 1);
	round_trip(0, 700 * FRAME - 4096, FALSE, 1);
}

/* Noise does not shrink: 66 MiB of it do not fit into one segment. */
static void
test_segments(void)
{
	round_trip(0, 66 * 1024 * 1024, TRUE, 2);
}

static void
test_refused_images(void)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(Sink) sink = sink_new();
	g_autoptr(GBytes) table = NULL;
	ash_autofd int fd = memfd_create("zeros", MFD_CLOEXEC);
	static const struct {
		guint64 bytes;
		int level;
	} cases[] = { { 0, 3 }, { 100, 3 }, { 2 * FRAME, 3 }, { G_MAXINT64 & ~4095ULL, 3 }, { 4096, 23 }, { 4096, -1 } };

	g_assert_cmpint(ftruncate(fd, 2 * FRAME), ==, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(ash_frames_write(ctx, fd, 0, cases[i].bytes, cases[i].level, &sink_ops, sink, &table, &error));
		g_assert_nonnull(error);
		g_assert_null(table);
	}
	g_assert_cmpuint(sink->segments->len, ==, 0);
}

static GByteArray *
compress(const void *data, gsize length, gboolean content_size, const char *dictionary)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	GByteArray *out = g_byte_array_new();

	g_byte_array_set_size(out, (guint) ZSTD_compressBound(length));
	ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, content_size);
	if (dictionary != NULL)
		g_assert_false(ZSTD_isError(ZSTD_CCtx_loadDictionary(context, dictionary, strlen(dictionary))));
	g_byte_array_set_size(out, (guint) ZSTD_compress2(context, out->data, out->len, data, length));
	ZSTD_freeCCtx(context);
	return out;
}

static void
assert_refused(const GByteArray *frame, gsize out_bytes)
{
	g_autofree guint8 *out = g_malloc(MAX(out_bytes, 1));
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_frame_decode(frame->data, frame->len, out, out_bytes, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

static void
test_refused_frames(void)
{
	g_autofree guint8 *text = g_malloc(FRAME), *bomb = g_malloc0(16 << 20);
	memset(text, 'x', FRAME);
	g_autoptr(GByteArray) good = compress(text, FRAME, TRUE, NULL), unsized = compress(text, FRAME, FALSE, NULL),
			      big = compress(bomb, 16 << 20, TRUE, NULL), twice = g_byte_array_new(), skippable = g_byte_array_new();
	static const guint8 skip[] = { 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4 };

	g_assert_true(ash_frame_decode(good->data, good->len, text, FRAME, NULL));
	assert_refused(good, FRAME - 1);
	assert_refused(good, 4096);
	assert_refused(unsized, FRAME);
	assert_refused(big, FRAME);
	g_byte_array_append(twice, good->data, good->len);
	g_byte_array_append(twice, good->data, good->len);
	assert_refused(twice, FRAME);
	g_byte_array_append(skippable, skip, sizeof(skip));
	assert_refused(skippable, FRAME);
	g_byte_array_append(skippable, good->data, good->len);
	assert_refused(skippable, FRAME);
	for (guint length = 1; length < good->len; length++) {
		g_autoptr(GByteArray) shorter = g_byte_array_new();
		g_byte_array_append(shorter, good->data, length);
		assert_refused(shorter, FRAME);
	}
}

/* The flags say "four bytes of dictionary id", the rest is one raw block. */
static void
test_dictionary(void)
{
	static const guint8 head[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x60 | 0x03, 9, 9, 9, 9, 0x00, 0x0f, 0x01, 0x80, 0x00 };
	g_autoptr(GByteArray) frame = g_byte_array_new();
	g_autofree guint8 *block = g_malloc0(4096);

	g_byte_array_append(frame, head, sizeof(head));
	g_byte_array_append(frame, block, 4096);
	assert_refused(frame, 4096);
}

/* No change of a byte may crash, or write more than it may: run under the sanitizers. */
static void
test_damage(void)
{
	g_autofree guint8 *text = g_malloc(FRAME), *out = g_malloc(FRAME);
	for (gsize i = 0; i < FRAME; i++)
		text[i] = (guint8) ((i * i) >> 7);
	g_autoptr(GByteArray) good = compress(text, FRAME, TRUE, NULL);
	const guint step = MAX(good->len / 200, 1);

	for (guint i = 0; i < good->len; i += step) {
		good->data[i] ^= 0x41;
		ash_frame_decode(good->data, good->len, out, FRAME, NULL);
		good->data[i] ^= 0x41;
	}
}

typedef struct {
	const char *name;
	guint32 lengths[4]; /* of four frames */
	guint64 segment_bytes[3], segment_frames[3];
	guint n;            /* numbers in the table */
	gboolean good;
} TableCase;

static const TableCase table_cases[] = {
	{ "good", { 10, 0, 20, 30 }, { 30, 30 }, { 3, 1 }, 4, TRUE },
	{ "zeros-first", { 0, 0, 0, 30 }, { 30 }, { 4 }, 4, TRUE },
	{ "longest", { ASH_FRAME_MAX_BYTES, 1, 1, 1 }, { ASH_FRAME_MAX_BYTES + 3 }, { 4 }, 4, TRUE },
	{ "too-long", { ASH_FRAME_MAX_BYTES + 1, 1, 1, 1 }, { ASH_FRAME_MAX_BYTES + 4 }, { 4 }, 4, FALSE },
	{ "wraps", { 10, G_MAXUINT32 - 5, 20, 30 }, { 54 }, { 4 }, 4, FALSE },
	{ "sum-short", { 10, 0, 20, 30 }, { 61 }, { 4 }, 4, FALSE },
	{ "sum-long", { 10, 0, 20, 30 }, { 59 }, { 4 }, 4, FALSE },
	{ "across", { 10, 0, 20, 30 }, { 20, 40 }, { 3, 1 }, 4, FALSE },
	{ "frames-more", { 10, 0, 20, 30 }, { 60 }, { 5 }, 4, FALSE },
	{ "frames-fewer", { 10, 0, 20, 0 }, { 30 }, { 3 }, 4, FALSE },
	{ "frames-wrap", { 10, 0, 20, 0 }, { 30, 1 }, { 4, G_MAXUINT64 }, 4, FALSE },
	{ "table-short", { 10, 0, 20 }, { 30 }, { 4 }, 3, FALSE },
	{ "no-segments", { 0, 0, 0, 0 }, { 0 }, { 0 }, 4, FALSE },
};

static void
test_table(gconstpointer data)
{
	const TableCase *c = data;
	g_autoptr(AshRelease) release = ash_release_new();
	g_autoptr(GError) error = NULL;
	guint32 lengths[4];

	release->root_bytes = 3 * FRAME + 4096;
	for (guint i = 0; i < 3 && c->segment_frames[i] > 0; i++) {
		AshPackSegment *segment = g_new0(AshPackSegment, 1);
		segment->object.size = c->segment_bytes[i];
		segment->frames = c->segment_frames[i];
		g_ptr_array_add(release->segments, segment);
	}
	for (guint i = 0; i < 4; i++)
		lengths[i] = GUINT32_TO_LE(c->lengths[i]);
	g_autoptr(GByteArray) packed = compress(lengths, c->n * sizeof(guint32), TRUE, NULL);
	g_autoptr(GBytes) object = g_bytes_new(packed->data, packed->len);
	g_autoptr(AshFrameTable) table = ash_frame_table_parse(object, release, &error);
	g_assert_true((table != NULL) == c->good);
	if (!c->good)
		g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

/* A table of more frames than any image has is refused before memory is taken for it. */
static void
test_table_bomb(void)
{
	g_autoptr(AshRelease) release = ash_release_new();
	g_autoptr(GBytes) object = g_bytes_new_static("", 0);
	g_autoptr(GError) error = NULL;

	release->root_bytes = G_MAXINT64 / 4 & ~4095ULL;
	g_assert_null(ash_frame_table_parse(object, release, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pack/frames/round-trip", test_round_trip);
	g_test_add_func("/pack/frames/segments", test_segments);
	g_test_add_func("/pack/frames/refused-images", test_refused_images);
	g_test_add_func("/pack/frames/refused-frames", test_refused_frames);
	g_test_add_func("/pack/frames/dictionary", test_dictionary);
	g_test_add_func("/pack/frames/damage", test_damage);
	g_test_add_func("/pack/frames/table-bomb", test_table_bomb);
	for (gsize i = 0; i < G_N_ELEMENTS(table_cases); i++) {
		g_autofree char *path = g_strdup_printf("/pack/frames/table/%s", table_cases[i].name);
		g_test_add_data_func(path, &table_cases[i], test_table);
	}
	return g_test_run();
}
