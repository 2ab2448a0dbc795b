/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/io/content.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES ((guint64) 64 * 1024)

/** Of exactly one of the three. */
typedef struct {
	GBytes *bytes;
	AshContent *content;
	int fd; /* or -1 */
	guint64 from, length; /* the part of it that this is */
} Piece;

struct AshContent {
	gint refs;
	GArray *pieces; /* of Piece */
	guint64 size;
};

static void
piece_clear(gpointer data)
{
	Piece *piece = data;

	g_clear_pointer(&piece->bytes, g_bytes_unref);
	g_clear_pointer(&piece->content, ash_content_unref);
	ash_fd_clear(&piece->fd);
}

AshContent *
ash_content_new(void)
{
	AshContent *content = g_new0(AshContent, 1);

	content->refs = 1;
	content->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
	g_array_set_clear_func(content->pieces, piece_clear);
	return content;
}

AshContent *
ash_content_ref(AshContent *content)
{
	g_atomic_int_inc(&content->refs);
	return content;
}

void
ash_content_unref(AshContent *content)
{
	if (content == NULL || !g_atomic_int_dec_and_test(&content->refs))
		return;
	g_array_unref(content->pieces);
	g_free(content);
}

static void
add_piece(AshContent *content, Piece piece)
{
	g_array_append_val(content->pieces, piece);
	content->size += piece.length;
}

void
ash_content_add_bytes(AshContent *content, GBytes *bytes)
{
	add_piece(content, (Piece) { .bytes = g_bytes_ref(bytes), .fd = -1, .length = g_bytes_get_size(bytes) });
}

void
ash_content_add_content(AshContent *content, AshContent *other)
{
	add_piece(content, (Piece) { .content = ash_content_ref(other), .fd = -1, .length = other->size });
}

void
ash_content_add_fd(AshContent *content, int fd, guint64 length)
{
	add_piece(content, (Piece) { .fd = fd, .length = length });
}

void
ash_content_add_range(AshContent *content, AshContent *other, guint64 offset, guint64 length)
{
	g_assert(offset <= other->size && length <= other->size - offset);
	add_piece(content, (Piece) { .content = ash_content_ref(other), .fd = -1, .from = offset, .length = length });
}

AshContent *
ash_content_new_from_bytes(GBytes *bytes)
{
	AshContent *content = ash_content_new();

	ash_content_add_bytes(content, bytes);
	return content;
}

guint64
ash_content_get_size(const AshContent *content)
{
	return content->size;
}

int
ash_content_get_fd(const AshContent *content)
{
	const Piece *piece = content->pieces->len == 1 ? &g_array_index(content->pieces, Piece, 0) : NULL;
	struct stat info;

	return piece != NULL && piece->fd >= 0 && fstat(piece->fd, &info) == 0 && (guint64) info.st_size == piece->length ? piece->fd : -1;
}

/** Takes the next bytes. */
typedef gboolean (*Sink)(gpointer user_data, const guint8 *data, gsize length, GError **error);

static gboolean
walk_fd(int fd, guint64 from, guint64 length, Sink sink, gpointer user_data, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
	gsize part;

	for (guint64 at = 0; at < length; at += part) {
		part = (gsize) MIN(BUFFER_BYTES, length - at);
		if (!ash_fd_read_exact(fd, buffer, part, from + at, error) || !sink(user_data, buffer, part, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean walk_range(const AshContent *content, guint64 from, guint64 length, Sink sink, gpointer user_data, GError **error);

/* @from and @length: of the whole that the piece is a part of; never nothing. */
static gboolean
walk_piece(const Piece *piece, guint64 from, guint64 length, Sink sink, gpointer user_data, GError **error)
{
	if (piece->content != NULL)
		return walk_range(piece->content, from, length, sink, user_data, error);
	if (piece->fd >= 0)
		return walk_fd(piece->fd, from, length, sink, user_data, error);
	return sink(user_data, (const guint8 *) g_bytes_get_data(piece->bytes, NULL) + from, (gsize) length, error);
}

static gboolean
walk_range(const AshContent *content, guint64 from, guint64 length, Sink sink, gpointer user_data, GError **error)
{
	for (guint i = 0; i < content->pieces->len && length > 0; i++) {
		const Piece *piece = &g_array_index(content->pieces, Piece, i);
		guint64 skipped = MIN(from, piece->length), part = MIN(length, piece->length - skipped);

		if (part > 0 && !walk_piece(piece, piece->from + skipped, part, sink, user_data, error))
			return FALSE;
		from -= skipped;
		length -= part;
	}
	return TRUE;
}

static gboolean
walk(const AshContent *content, Sink sink, gpointer user_data, GError **error)
{
	return walk_range(content, 0, content->size, sink, user_data, error);
}

static gboolean
read_piece(const Piece *piece, guint8 *buffer, gsize length, guint64 offset, GError **error)
{
	offset += piece->from;
	if (piece->content != NULL)
		return ash_content_read(piece->content, buffer, length, offset, error);
	if (piece->fd >= 0)
		return ash_fd_read_exact(piece->fd, buffer, length, offset, error);
	memcpy(buffer, (const guint8 *) g_bytes_get_data(piece->bytes, NULL) + offset, length);
	return TRUE;
}

gboolean
ash_content_read(const AshContent *content, void *buffer, gsize length, guint64 offset, GError **error)
{
	guint8 *to = buffer;

	for (guint i = 0; i < content->pieces->len && length > 0; i++) {
		const Piece *piece = &g_array_index(content->pieces, Piece, i);
		gsize part = (gsize) MIN(length, piece->length - MIN(offset, piece->length));

		if (part > 0 && !read_piece(piece, to, part, offset, error))
			return FALSE;
		/* From the next one on, counted from its start. */
		offset = part > 0 ? 0 : offset - piece->length;
		to += part;
		length -= part;
	}
	return length == 0 || ash_throw(error, ASH_ERROR_INTERNAL, "a content is shorter than what is asked of it");
}

static void
place_clear(gpointer data)
{
	AshContentPlace *place = data;

	g_clear_pointer(&place->content, ash_content_unref);
}

GArray *
ash_content_places_new(void)
{
	GArray *places = g_array_new(FALSE, FALSE, sizeof(AshContentPlace));

	g_array_set_clear_func(places, place_clear);
	return places;
}

static gboolean
write_some(gpointer user_data, const guint8 *data, gsize length, GError **error)
{
	const int *fd = user_data;

	while (length > 0) {
		gssize put = write(*fd, data, length);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return ash_throw_errno(error, "cannot write");
		data += put;
		length -= (gsize) put;
	}
	return TRUE;
}

gboolean
ash_content_write(const AshContent *content, int fd, GError **error)
{
	return walk(content, write_some, &fd, error);
}

static gboolean
update_some(gpointer user_data, const guint8 *data, gsize length, GError **error)
{
	ash_digest_update(user_data, data, length);
	return TRUE;
}

gboolean
ash_content_update_digest(const AshContent *content, AshDigest *digest, GError **error)
{
	return walk(content, update_some, digest, error);
}

static gboolean
append_some(gpointer user_data, const guint8 *data, gsize length, GError **error)
{
	g_byte_array_append(user_data, data, (guint) length);
	return TRUE;
}

GBytes *
ash_content_load(const AshContent *content, GError **error)
{
	g_autoptr(GByteArray) array = NULL;

	if (content->size > G_MAXINT32)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "content of more than 2 GiB");
	array = g_byte_array_sized_new((guint) content->size);
	if (!walk(content, append_some, array, error))
		return NULL;
	return g_byte_array_free_to_bytes(g_steal_pointer(&array));
}
