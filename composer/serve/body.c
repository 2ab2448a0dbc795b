/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/body.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Text, or if that is NULL bytes of the file. */
typedef struct {
	GBytes *text;
	guint64 offset, bytes;
} Part;

struct AshBody {
	int fd;
	GQueue parts; /* of Part, what is to be sent still */
	guint64 length;
	AshBodyBroken broken;
	gpointer user_data;
};

static void
part_free(Part *part)
{
	g_clear_pointer(&part->text, g_bytes_unref);
	g_free(part);
}

AshBody *
ash_body_new(int fd)
{
	AshBody *body = g_new0(AshBody, 1);

	body->fd = fd;
	g_queue_init(&body->parts);
	return body;
}

void
ash_body_free(AshBody *body)
{
	if (body == NULL)
		return;
	g_queue_clear_full(&body->parts, (GDestroyNotify) part_free);
	ash_fd_clear(&body->fd);
	g_free(body);
}

void
ash_body_add_text(AshBody *body, const char *text)
{
	Part *part = g_new0(Part, 1);

	part->text = g_bytes_new(text, strlen(text));
	body->length += strlen(text);
	g_queue_push_tail(&body->parts, part);
}

void
ash_body_add_range(AshBody *body, const AshByteRange *range)
{
	Part *part = g_new0(Part, 1);

	part->offset = range->first;
	part->bytes = range->last - range->first + 1;
	body->length += part->bytes;
	g_queue_push_tail(&body->parts, part);
}

guint64
ash_body_get_length(const AshBody *body)
{
	return body->length;
}

/* The next bytes of @part, NULL: the file has none. */
static GBytes *
read_piece(AshBody *body, Part *part)
{
	const gsize wanted = (gsize) MIN(part->bytes, ASH_BODY_PIECE_BYTES);
	g_autofree guint8 *buffer = g_malloc(wanted);
	gssize got;

	do {
		got = pread(body->fd, buffer, wanted, (off_t) part->offset);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return NULL;
	part->offset += (guint64) got;
	part->bytes -= (guint64) got;
	return g_bytes_new_take(g_steal_pointer(&buffer), (gsize) got);
}

/* Sent are the bytes of the piece before; the message stops by itself when its Content-Length is reached. */
static void
send_next(SoupServerMessage *message, AshBody *body)
{
	Part *part = g_queue_peek_head(&body->parts);

	if (part == NULL)
		return;
	g_autoptr(GBytes) piece = part->text != NULL ? g_bytes_ref(part->text) : read_piece(body, part);
	if (piece == NULL) {
		body->broken(message, body->user_data);
		return;
	}
	if (part->bytes == 0)
		part_free(g_queue_pop_head(&body->parts));
	soup_message_body_append_bytes(soup_server_message_get_response_body(message), piece);
}

static void
free_body(gpointer data, GClosure *closure)
{
	ash_body_free(data);
}

void
ash_body_send(AshBody *body, SoupServerMessage *message, AshBodyBroken broken, gpointer user_data)
{
	body->broken = broken;
	body->user_data = user_data;
	soup_message_body_set_accumulate(soup_server_message_get_response_body(message), FALSE);
	soup_message_headers_set_content_length(soup_server_message_get_response_headers(message), (goffset) body->length);
	send_next(message, body);
	g_signal_connect_data(message, "wrote-chunk", G_CALLBACK(send_next), body, free_body, 0);
}
