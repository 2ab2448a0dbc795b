/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/layout.h"

#include "base/digest.h"
#include "base/error.h"

#include <stdbool.h>
#include <string.h>

#define MAGIC "ASHLAYT1"
#define MAGIC_BYTES 8
/* The root's path is empty; no other is longer than the kernel allows. */
#define MAX_PATH_BYTES 65536

struct AshErofsLayout {
	AshErofsZones zones;
	GArray *places; /* of AshErofsPlace */
	GArray *shared; /* of AshErofsShared */
	GStringChunk *paths;
};

AshErofsLayout *
ash_erofs_layout_new(const AshErofsZones *zones)
{
	AshErofsLayout *layout = g_new0(AshErofsLayout, 1);

	layout->zones = *zones;
	layout->places = g_array_new(FALSE, FALSE, sizeof(AshErofsPlace));
	layout->shared = g_array_new(FALSE, FALSE, sizeof(AshErofsShared));
	layout->paths = g_string_chunk_new(65536);
	return layout;
}

void
ash_erofs_layout_free(AshErofsLayout *layout)
{
	if (layout == NULL)
		return;
	g_array_unref(layout->places);
	g_array_unref(layout->shared);
	g_string_chunk_free(layout->paths);
	g_free(layout);
}

void
ash_erofs_layout_add(AshErofsLayout *layout, const AshErofsPlace *place)
{
	AshErofsPlace copy = *place;

	copy.path = g_string_chunk_insert(layout->paths, place->path);
	g_array_append_val(layout->places, copy);
}

void
ash_erofs_layout_add_shared(AshErofsLayout *layout, AshErofsShared shared)
{
	g_array_append_val(layout->shared, shared);
}

static int
compare_places(gconstpointer a, gconstpointer b)
{
	return strcmp(((const AshErofsPlace *) a)->path, ((const AshErofsPlace *) b)->path);
}

void
ash_erofs_layout_sort(AshErofsLayout *layout)
{
	g_array_sort(layout->places, compare_places);
}

const AshErofsZones *
ash_erofs_layout_get_zones(const AshErofsLayout *layout)
{
	return &layout->zones;
}

const GArray *
ash_erofs_layout_get_places(const AshErofsLayout *layout)
{
	return layout->places;
}

const GArray *
ash_erofs_layout_get_shared(const AshErofsLayout *layout)
{
	return layout->shared;
}

const AshErofsPlace *
ash_erofs_layout_find(const AshErofsLayout *layout, const char *path)
{
	const AshErofsPlace wanted = { .path = path };
	guint index = 0;

	if (!g_array_binary_search(layout->places, &wanted, compare_places, &index))
		return NULL;
	return &g_array_index(layout->places, AshErofsPlace, index);
}

static void
put_number(GByteArray *out, guint64 number)
{
	for (;;) {
		guint8 byte = (number & 0x7f) | (number > 0x7f ? 0x80 : 0);

		g_byte_array_append(out, &byte, 1);
		number >>= 7;
		if (number == 0)
			return;
	}
}

/* Small differences in either direction give small numbers. */
static guint64
fold_difference(guint64 from, guint64 to)
{
	return to >= from ? (to - from) << 1 : ((from - to) << 1) - 1;
}

static guint64
unfold_difference(guint64 from, guint64 folded)
{
	return (folded & 1) == 0 ? from + (folded >> 1) : from - ((folded + 1) >> 1);
}

static gsize
count_common(const char *a, const char *b)
{
	gsize n = 0;

	while (a[n] != '\0' && a[n] == b[n])
		n++;
	return n;
}

static void
put_place(GByteArray *out, const AshErofsPlace *last, const AshErofsPlace *place)
{
	gsize common = count_common(last->path, place->path), rest = strlen(place->path) - common;
	guint64 id = GUINT64_TO_LE(place->id);

	put_number(out, common);
	put_number(out, rest);
	g_byte_array_append(out, (const guint8 *) place->path + common, (guint) rest);
	put_number(out, fold_difference(last->slot, place->slot));
	put_number(out, place->n_slots);
	put_number(out, place->n_blocks);
	if (place->n_blocks == 0)
		return;
	put_number(out, fold_difference(last->block, place->block));
	g_byte_array_append(out, (const guint8 *) &id, sizeof(id));
}

GBytes *
ash_erofs_layout_save(const AshErofsLayout *layout)
{
	const guint64 zones[] = { layout->zones.meta_end, layout->zones.n_blocks, layout->zones.free_blocks,
				  layout->zones.shared_block, layout->zones.shared_blocks };
	GByteArray *out = g_byte_array_new();
	AshErofsPlace last = { .path = "" };
	guint8 sum[ASH_SHA256_SIZE];

	g_byte_array_append(out, (const guint8 *) MAGIC, MAGIC_BYTES);
	for (guint i = 0; i < G_N_ELEMENTS(zones); i++)
		put_number(out, zones[i]);
	put_number(out, layout->shared->len);
	for (guint i = 0; i < layout->shared->len; i++) {
		put_number(out, g_array_index(layout->shared, AshErofsShared, i).id);
		put_number(out, g_array_index(layout->shared, AshErofsShared, i).offset);
	}
	put_number(out, layout->places->len);
	for (guint i = 0; i < layout->places->len; i++) {
		const AshErofsPlace *place = &g_array_index(layout->places, AshErofsPlace, i);

		put_place(out, &last, place);
		last = (AshErofsPlace) { .path = place->path,
					 .slot = place->slot + place->n_slots,
					 .block = place->n_blocks > 0 ? place->block + place->n_blocks : last.block };
	}
	ash_sha256(out->data, out->len, sum);
	g_byte_array_append(out, sum, sizeof(sum));
	return g_byte_array_free_to_bytes(out);
}

/** What is left of a file that is parsed. */
typedef struct {
	const guint8 *at, *end;
	bool bad;
} Parser;

static guint64
take_number(Parser *parser, guint64 max)
{
	guint64 number = 0;

	for (guint shift = 0; parser->at < parser->end && shift < 64; shift += 7) {
		guint8 byte = *parser->at++;

		number |= (guint64) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0 && number <= max)
			return number;
	}
	parser->bad = true;
	return 0;
}

static guint64
take_difference(Parser *parser, guint64 from)
{
	guint64 result = unfold_difference(from, take_number(parser, G_MAXUINT64));

	/* No file system of ours is larger than that. */
	if (result > (guint64) 1 << 48)
		parser->bad = true;
	return result;
}

static const guint8 *
take_bytes(Parser *parser, gsize length)
{
	const guint8 *at = parser->at;

	if (length > (gsize) (parser->end - at)) {
		parser->bad = true;
		return NULL;
	}
	parser->at += length;
	return at;
}

/* @path is that of the place before, and becomes this one's. */
static void
take_path(Parser *parser, GString *path)
{
	gsize common = (gsize) take_number(parser, path->len);
	gsize rest = (gsize) take_number(parser, MAX_PATH_BYTES - common);
	const guint8 *bytes = take_bytes(parser, rest);

	if (bytes == NULL || memchr(bytes, '\0', rest) != NULL) {
		parser->bad = true;
		return;
	}
	g_string_truncate(path, common);
	g_string_append_len(path, (const char *) bytes, (gssize) rest);
}

static void
take_place(Parser *parser, AshErofsLayout *layout, GString *path, AshErofsPlace *last)
{
	AshErofsPlace place = { 0 };
	const guint8 *id;

	take_path(parser, path);
	place.path = path->str;
	place.slot = take_difference(parser, last->slot);
	place.n_slots = (guint32) take_number(parser, G_MAXUINT32);
	place.n_blocks = (guint32) take_number(parser, G_MAXUINT32);
	last->slot = place.slot + place.n_slots;
	if (place.n_blocks > 0) {
		place.block = take_difference(parser, last->block);
		last->block = place.block + place.n_blocks;
		id = take_bytes(parser, sizeof(place.id));
		if (id != NULL)
			memcpy(&place.id, id, sizeof(place.id));
		place.id = GUINT64_FROM_LE(place.id);
	}
	if (!parser->bad)
		ash_erofs_layout_add(layout, &place);
}

static AshErofsLayout *
take_layout(Parser *parser)
{
	AshErofsZones zones = {
		.meta_end = take_number(parser, G_MAXUINT32),
		.n_blocks = take_number(parser, G_MAXUINT32),
		.free_blocks = take_number(parser, G_MAXUINT32),
		.shared_block = take_number(parser, G_MAXUINT32),
		.shared_blocks = (guint32) take_number(parser, G_MAXUINT32),
	};
	AshErofsLayout *layout = ash_erofs_layout_new(&zones);
	g_autoptr(GString) path = g_string_new(NULL);
	AshErofsPlace last = { 0 };

	for (guint64 left = take_number(parser, G_MAXUINT32); left > 0 && !parser->bad; left--) {
		AshErofsShared shared = { .id = take_number(parser, G_MAXUINT64) };

		shared.offset = (guint32) take_number(parser, G_MAXUINT32);
		ash_erofs_layout_add_shared(layout, shared);
	}
	for (guint64 left = take_number(parser, G_MAXUINT32); left > 0 && !parser->bad; left--)
		take_place(parser, layout, path, &last);
	return layout;
}

AshErofsLayout *
ash_erofs_layout_parse(GBytes *bytes, GError **error)
{
	g_autoptr(AshErofsLayout) layout = NULL;
	guint8 sum[ASH_SHA256_SIZE];
	Parser parser = { 0 };
	gsize length;
	const guint8 *data = g_bytes_get_data(bytes, &length);

	if (length < MAGIC_BYTES + sizeof(sum) || memcmp(data, MAGIC, MAGIC_BYTES) != 0)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "not the layout of a root file system: \"ashlar build\" writes it "
				      "beside the image as \"NAME-TYPE.layout\"");
	length -= sizeof(sum);
	ash_sha256(data, length, sum);
	parser.at = data + MAGIC_BYTES;
	parser.end = data + length;
	if (memcmp(sum, data + length, sizeof(sum)) == 0)
		layout = take_layout(&parser);
	if (layout == NULL || parser.bad || parser.at != parser.end)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the layout of a root file system is damaged");
	ash_erofs_layout_sort(layout);
	return g_steal_pointer(&layout);
}
