/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/cpio.h"
#include "disk/boot/initrd.h"
#include "test-disk-common.h"

#include <zstd.h>

#define HEADER_BYTES 110

/* An entry of an archive, as cpio(1) writes it. */
static void
add_entry(GByteArray *archive, const char *name, mode_t mode, const char *content, gsize length)
{
	static const guint8 zeros[4] = { 0 };
	const guint name_bytes = (guint) strlen(name) + 1;
	g_autofree char *header = g_strdup_printf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 7U, (guint) mode, 0U, 0U, 1U,
						  (guint) TEST_EPOCH, (guint) length, 0U, 0U, 0U, 0U, name_bytes, 0U);

	g_assert_cmpuint(strlen(header), ==, HEADER_BYTES);
	g_byte_array_append(archive, (const guint8 *) header, HEADER_BYTES);
	g_byte_array_append(archive, (const guint8 *) name, name_bytes);
	g_byte_array_append(archive, zeros, (4 - archive->len % 4) % 4);
	g_byte_array_append(archive, (const guint8 *) content, (guint) length);
	g_byte_array_append(archive, zeros, (4 - archive->len % 4) % 4);
}

/* Three files, one of them empty, a directory and a link; @mark tells archives apart. */
static GByteArray *
make_archive(const char *mark)
{
	GByteArray *archive = g_byte_array_new();
	g_autofree char *text = g_strdup_printf("#!/bin/sh\n# %s\n", mark);
	g_autofree char *large = g_strnfill(100000, *mark);

	add_entry(archive, ".", S_IFDIR | 0755, "", 0);
	add_entry(archive, "init", S_IFREG | 0755, text, strlen(text));
	add_entry(archive, "large", S_IFREG | 0644, large, strlen(large));
	add_entry(archive, "empty", S_IFREG | 0644, "", 0);
	add_entry(archive, "link", S_IFLNK | 0777, "init", 4);
	add_entry(archive, "TRAILER!!!", 0, "", 0);
	return archive;
}

static gboolean
append(const void *data, gsize length, gpointer user_data, GError **error)
{
	g_byte_array_append(user_data, data, (guint) length);
	return TRUE;
}

/* In pieces of @step bytes; NULL if it is damaged or not whole. */
static GByteArray *
align(const GByteArray *archive, gsize step, gsize *ret_used)
{
	g_autoptr(GByteArray) out = g_byte_array_new();
	g_autoptr(AshCpioAligner) aligner = ash_cpio_aligner_new(append, out);
	gsize used = 0;

	*ret_used = 0;
	for (gsize at = 0; at < archive->len; at += step) {
		g_autoptr(GError) error = NULL;
		const gsize length = MIN(step, archive->len - at);
		if (!ash_cpio_aligner_feed(aligner, archive->data + at, length, &used, &error)) {
			g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
			return NULL;
		}
		*ret_used += used;
		if (used < length)
			break;
	}
	return ash_cpio_aligner_is_done(aligner) ? g_steal_pointer(&out) : NULL;
}

static guint
number(const GByteArray *archive, gsize entry, guint field)
{
	g_autofree char *text = g_strndup((const char *) archive->data + entry + 6 + field * 8, 8);

	return (guint) g_ascii_strtoull(text, NULL, 16);
}

/* By the rules of the kernel's init/initramfs.c; returns the number of entries, trailers included. */
static guint
check_aligned(const GByteArray *archive)
{
	guint n = 0;

	for (gsize at = 0; at < archive->len; n++) {
		const gsize name_bytes = number(archive, at, 11), file_bytes = number(archive, at, 6);
		const gsize content = (at + HEADER_BYTES + name_bytes + 3) / 4 * 4;
		g_assert_cmpuint(at % 4, ==, 0);
		g_assert_cmpint(memcmp(archive->data + at, "070701", 6), ==, 0);
		g_assert_cmpuint(name_bytes, <=, 4096);
		g_assert_cmpuint(archive->data[at + HEADER_BYTES + name_bytes - 1], ==, 0);
		if (S_ISREG(number(archive, at, 1)) && file_bytes > 0)
			g_assert_cmpuint(content % ASH_CPIO_ALIGNMENT, ==, 0);
		else
			g_assert_cmpuint(name_bytes, ==, strlen((const char *) archive->data + at + HEADER_BYTES) + 1);
		at = (content + file_bytes + 3) / 4 * 4;
		g_assert_cmpuint(at, <=, archive->len);
	}
	return n;
}

static void
test_align(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) archive = make_archive("a");
	static const gsize steps[] = { 1, 7, 4096, 1000000 };
	g_autoptr(GByteArray) first = NULL;
	gsize used;

	for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
		g_autoptr(GByteArray) out = align(archive, steps[i], &used);
		g_assert_nonnull(out);
		g_assert_cmpuint(used, ==, archive->len);
		g_assert_cmpuint(check_aligned(out), ==, 6);
		if (first == NULL)
			first = g_byte_array_ref(out);
		g_assert_cmpmem(first->data, first->len, out->data, out->len);
	}
	/* Names that are longer than they have to be are nothing new. */
	g_autoptr(GByteArray) again = align(first, 100, &used);
	g_assert_cmpmem(first->data, first->len, again->data, again->len);
}

/* What follows an archive is left; zeros between two are not needed. */
static void
test_several(Fixture *fixture, gconstpointer data)
{
	static const guint8 zeros[512] = { 0 };
	g_autoptr(GByteArray) all = make_archive("a"), second = make_archive("b");
	gsize used;

	g_byte_array_append(all, zeros, sizeof(zeros));
	g_byte_array_append(all, second->data, second->len);
	const gsize length = all->len;
	g_byte_array_append(all, (const guint8 *) "other", 5);
	g_autoptr(GByteArray) out = align(all, 1000000, &used);
	g_assert_nonnull(out);
	g_assert_cmpuint(used, ==, length);
	g_assert_cmpuint(check_aligned(out), ==, 12);
}

/* A name that cannot be made long enough stays as it is: the kernel would not take it. */
static void
test_long_name(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) archive = g_byte_array_new();
	g_autofree char *name = g_strnfill(4090, 'n');
	gsize used;

	add_entry(archive, name, S_IFREG | 0644, "text", 4);
	add_entry(archive, "TRAILER!!!", 0, "", 0);
	g_autoptr(GByteArray) out = align(archive, 100, &used);
	g_assert_nonnull(out);
	g_assert_cmpmem(out->data, out->len, archive->data, archive->len);
}

static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GByteArray) good = make_archive("a");
	/* Of the first entry: magic, a number, length of the name, its end. */
	static const struct {
		guint offset;
		char byte;
	} faults[] = { { 5, '5' }, { 10, 'x' }, { 6 + 11 * 8, 'F' }, { HEADER_BYTES + 1, '.' } };
	gsize used;

	for (guint i = 0; i < G_N_ELEMENTS(faults); i++) {
		g_autoptr(GByteArray) bad = g_byte_array_new();
		g_byte_array_append(bad, good->data, good->len);
		bad->data[faults[i].offset] = (guint8) faults[i].byte;
		g_assert_null(align(bad, 4096, &used));
	}
	g_byte_array_set_size(good, good->len - 100);
	g_assert_null(align(good, 4096, &used));
}

static void
add_frame(GByteArray *packed, const GByteArray *archive)
{
	const gsize room = ZSTD_compressBound(archive->len);
	g_autofree guint8 *frame = g_malloc(room);

	g_byte_array_append(packed, frame, (guint) ZSTD_compress(frame, room, archive->data, archive->len, 3));
}

static GByteArray *
unpack(const GByteArray *packed, GError **error)
{
	g_autoptr(GBytes) bytes = g_bytes_new(packed->data, packed->len);
	g_autoptr(AshContent) content = ash_content_new_from_bytes(bytes);
	g_autoptr(AshContent) unpacked = ash_initrd_unpack(content, error);

	return unpacked != NULL ? g_bytes_unref_to_array(ash_content_load(unpacked, NULL)) : NULL;
}

/* As two runs of dracut make it: compressed parts with zeros between, here with one that is not compressed in front of them. */
static void
test_unpack(Fixture *fixture, gconstpointer data)
{
	static const guint8 zeros[3] = { 0 };
	g_autoptr(GByteArray) a = make_archive("a"), b = make_archive("b"), c = make_archive("c"), packed = g_byte_array_new();
	g_autoptr(GError) error = NULL;

	g_byte_array_append(packed, a->data, a->len);
	add_frame(packed, b);
	g_byte_array_append(packed, zeros, sizeof(zeros));
	add_frame(packed, c);
	g_autoptr(GByteArray) out = unpack(packed, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(check_aligned(out), ==, 18);
	g_byte_array_set_size(packed, packed->len - 10);
	g_assert_null(unpack(packed, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

static void
test_other_kinds(Fixture *fixture, gconstpointer data)
{
	static const char *const kinds[] = { "\x1f\x8b\x08 gzip", "\xfd" "7zXZ..", "070", "" };

	for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_autoptr(GByteArray) packed = g_byte_array_new();
		g_autoptr(GError) error = NULL;
		g_byte_array_append(packed, (const guint8 *) kinds[i], (guint) strlen(kinds[i]));
		g_autoptr(GByteArray) out = unpack(packed, &error);
		if (packed->len == 0) {
			g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
			continue;
		}
		g_assert_no_error(error);
		g_assert_cmpmem(out->data, out->len, packed->data, packed->len);
	}
}

#define ADD(name, test) g_test_add("/disk/cpio/" name, Fixture, NULL, fixture_set_up, test, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("align", test_align);
	ADD("several", test_several);
	ADD("long-name", test_long_name);
	ADD("damaged", test_damaged);
	ADD("unpack", test_unpack);
	ADD("other-kinds", test_other_kinds);
	return g_test_run();
}
