/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/dirformat.h"

#include <string.h>

/*
 * GVariant's serialised form, for types without alignment: a container is its members, one behind the other, and then framing offsets,
 * little-endian: the ends of an array's elements in their order, or of all variable-size members of a tuple but the last, the
 * first one last. An offset has as few of 1, 2, 4 or 8 bytes as can hold the size of the whole, offsets included.
 */

void
ash_dir_format_init(AshDirFormat *format)
{
	format->files = g_byte_array_new();
	format->directories = g_byte_array_new();
	format->file_ends = g_array_new(FALSE, FALSE, sizeof(gsize));
	format->directory_ends = g_array_new(FALSE, FALSE, sizeof(gsize));
}

void
ash_dir_format_clear(AshDirFormat *format)
{
	g_clear_pointer(&format->files, g_byte_array_unref);
	g_clear_pointer(&format->directories, g_byte_array_unref);
	g_clear_pointer(&format->file_ends, g_array_unref);
	g_clear_pointer(&format->directory_ends, g_array_unref);
}

static guint
offset_size(gsize body, gsize count)
{
	guint size = 1;

	while (size < 8 && body + size * count > (((guint64) 1 << (8 * size)) - 1))
		size *= 2;
	return size;
}

static void
put_offset(GByteArray *bytes, gsize offset, guint size)
{
	guint64 little = GUINT64_TO_LE((guint64) offset);

	g_byte_array_append(bytes, (const guint8 *) &little, size);
}

static void
put(GByteArray *bytes, const void *data, gsize length)
{
	g_byte_array_append(bytes, data, (guint) length);
}

void
ash_dir_format_add_file(AshDirFormat *format, const char *name, const guint8 content[ASH_SHA256_SIZE])
{
	gsize length = strlen(name) + 1, end;

	put(format->files, name, length);
	put(format->files, content, ASH_SHA256_SIZE);
	put_offset(format->files, length, offset_size(length + ASH_SHA256_SIZE, 1));
	end = format->files->len;
	g_array_append_val(format->file_ends, end);
}

void
ash_dir_format_add_directory(AshDirFormat *format, const char *name, const guint8 tree[ASH_SHA256_SIZE],
			     const guint8 meta[ASH_SHA256_SIZE])
{
	gsize length = strlen(name) + 1, end;
	guint size = offset_size(length + (gsize) 2 * ASH_SHA256_SIZE, 2);

	put(format->directories, name, length);
	put(format->directories, tree, ASH_SHA256_SIZE);
	put(format->directories, meta, ASH_SHA256_SIZE);
	put_offset(format->directories, length + ASH_SHA256_SIZE, size);
	put_offset(format->directories, length, size);
	end = format->directories->len;
	g_array_append_val(format->directory_ends, end);
}

static void
put_array(GByteArray *bytes, const GByteArray *elements, const GArray *ends)
{
	guint size = offset_size(elements->len, ends->len);

	put(bytes, elements->data, elements->len);
	for (guint i = 0; i < ends->len; i++)
		put_offset(bytes, g_array_index(ends, gsize, i), size);
}

GBytes *
ash_dir_format_end(const AshDirFormat *format)
{
	GByteArray *bytes = g_byte_array_new();
	gsize end;

	put_array(bytes, format->files, format->file_ends);
	end = bytes->len;
	put_array(bytes, format->directories, format->directory_ends);
	put_offset(bytes, end, offset_size(bytes->len, 1));
	return g_byte_array_free_to_bytes(bytes);
}
