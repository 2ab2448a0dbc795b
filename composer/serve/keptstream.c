/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/keptstream.h"

#include <string.h>

/* A header longer than libsoup takes: it will have refused. */
#define HEADER_MAX (256 * 1024)

/* --- what is read --- */

#define ASH_TYPE_KEPT_INPUT (ash_kept_input_get_type())
G_DECLARE_FINAL_TYPE(AshKeptInput, ash_kept_input, ASH, KEPT_INPUT, GInputStream)

struct _AshKeptInput {
	GInputStream parent;
	GInputStream *base;
	GByteArray *ahead; /* taken from base, not given yet */
	GString *header;   /* given; NULL once it is complete */
	bool has_body;
};

static void ash_kept_input_pollable_init(GPollableInputStreamInterface *interface, gpointer data);

G_DEFINE_TYPE_WITH_CODE(AshKeptInput, ash_kept_input, G_TYPE_INPUT_STREAM,
			G_IMPLEMENT_INTERFACE(G_TYPE_POLLABLE_INPUT_STREAM, ash_kept_input_pollable_init))

/* RFC 9112 6.3: only these say that there is one. */
static bool
announces_body(const char *header)
{
	static const char *const names[] = { "content-length", "transfer-encoding" };
	g_autofree char *lower = g_ascii_strdown(header, -1);

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *line = g_strconcat("\n", names[i], NULL);
		if (strstr(lower, line) != NULL)
			return true;
	}
	return false;
}

/* How many of @length bytes belong to the header: all, or those up to its empty line, after which it is complete. */
static gsize
take_header(AshKeptInput *input, const char *data, gsize length)
{
	for (gsize i = 0; i < length; i++) {
		GString *header = input->header;

		g_string_append_c(header, data[i] != '\0' ? data[i] : ' ');
		/* Empty lines before the first one do not count (RFC 9112 2.2). */
		if (data[i] != '\n' || !(g_str_has_suffix(header->str, "\n\n") || g_str_has_suffix(header->str, "\n\r\n")) ||
		    strspn(header->str, "\r\n") == header->len)
			continue;
		input->has_body = announces_body(header->str);
		g_string_free(g_steal_pointer(&input->header), TRUE);
		return i + 1;
	}
	return length;
}

/* Bytes that came already, or the next ones. */
static gssize
read_some(AshKeptInput *input, void *buffer, gsize length, GError **error)
{
	if (input->ahead->len == 0)
		return g_pollable_input_stream_read_nonblocking(G_POLLABLE_INPUT_STREAM(input->base), buffer, length, NULL, error);
	length = MIN(length, input->ahead->len);
	memcpy(buffer, input->ahead->data, length);
	g_byte_array_remove_range(input->ahead, 0, (guint) length);
	return (gssize) length;
}

static bool
is_over(const AshKeptInput *input)
{
	return input->header == NULL && !input->has_body;
}

static gssize
input_read(GPollableInputStream *stream, void *buffer, gsize length, GError **error)
{
	AshKeptInput *input = ASH_KEPT_INPUT(stream);

	if (is_over(input)) {
		g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "the request is complete");
		return -1;
	}
	gssize n = read_some(input, buffer, length, error);
	if (n <= 0 || input->header == NULL)
		return n;
	const gsize taken = take_header(input, buffer, (gsize) n);
	if (input->header != NULL && input->header->len > HEADER_MAX) {
		g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE, "the header is too long");
		return -1;
	}
	if (taken == (gsize) n || input->has_body)
		return n;
	g_byte_array_prepend(input->ahead, (const guint8 *) buffer + taken, (guint) ((gsize) n - taken));
	return (gssize) taken;
}

static gboolean
input_is_readable(GPollableInputStream *stream)
{
	AshKeptInput *input = ASH_KEPT_INPUT(stream);

	return !is_over(input) && (input->ahead->len > 0 || g_pollable_input_stream_is_readable(G_POLLABLE_INPUT_STREAM(input->base)));
}

static GSource *
input_create_source(GPollableInputStream *stream, GCancellable *cancellable)
{
	AshKeptInput *input = ASH_KEPT_INPUT(stream);
	g_autoptr(GSource) child = input->ahead->len > 0 ?
					   g_timeout_source_new(0) :
					   g_pollable_input_stream_create_source(G_POLLABLE_INPUT_STREAM(input->base), cancellable);
	GSource *source = g_pollable_source_new(G_OBJECT(stream));

	g_source_set_dummy_callback(child);
	g_source_add_child_source(source, child);
	return source;
}

static void
ash_kept_input_pollable_init(GPollableInputStreamInterface *interface, gpointer data)
{
	interface->is_readable = input_is_readable;
	interface->read_nonblocking = input_read;
	interface->create_source = input_create_source;
}

static gboolean
input_close(GInputStream *stream, GCancellable *cancellable, GError **error)
{
	return TRUE;
}

static void
ash_kept_input_finalize(GObject *object)
{
	AshKeptInput *input = ASH_KEPT_INPUT(object);

	g_object_unref(input->base);
	g_byte_array_unref(input->ahead);
	if (input->header != NULL)
		g_string_free(input->header, TRUE);
	G_OBJECT_CLASS(ash_kept_input_parent_class)->finalize(object);
}

static void
ash_kept_input_init(AshKeptInput *input)
{
	input->ahead = g_byte_array_new();
	input->header = g_string_new(NULL);
}

static void
ash_kept_input_class_init(AshKeptInputClass *klass)
{
	G_OBJECT_CLASS(klass)->finalize = ash_kept_input_finalize;
	G_INPUT_STREAM_CLASS(klass)->close_fn = input_close;
}

/* --- the turn --- */

struct _AshKeptStream {
	GIOStream parent;
	GIOStream *base;
	AshKeptInput *input;
	AshKeptStreamClosed closed;
	gpointer user_data;
};

G_DEFINE_TYPE(AshKeptStream, ash_kept_stream, G_TYPE_IO_STREAM)

static GInputStream *
get_input(GIOStream *stream)
{
	return G_INPUT_STREAM(ASH_KEPT_STREAM(stream)->input);
}

static GOutputStream *
get_output(GIOStream *stream)
{
	return g_io_stream_get_output_stream(ASH_KEPT_STREAM(stream)->base);
}

static gboolean
close_turn(GIOStream *stream, GCancellable *cancellable, GError **error)
{
	AshKeptStream *turn = ASH_KEPT_STREAM(stream);

	turn->closed(turn, turn->user_data);
	return TRUE;
}

static void
ash_kept_stream_finalize(GObject *object)
{
	AshKeptStream *turn = ASH_KEPT_STREAM(object);

	g_object_unref(turn->input);
	g_object_unref(turn->base);
	G_OBJECT_CLASS(ash_kept_stream_parent_class)->finalize(object);
}

static void
ash_kept_stream_init(AshKeptStream *stream)
{
}

static void
ash_kept_stream_class_init(AshKeptStreamClass *klass)
{
	GIOStreamClass *stream = G_IO_STREAM_CLASS(klass);

	G_OBJECT_CLASS(klass)->finalize = ash_kept_stream_finalize;
	stream->get_input_stream = get_input;
	stream->get_output_stream = get_output;
	stream->close_fn = close_turn;
}

AshKeptStream *
ash_kept_stream_new(GIOStream *base, GBytes *ahead, AshKeptStreamClosed closed, gpointer user_data)
{
	AshKeptStream *stream = g_object_new(ASH_TYPE_KEPT_STREAM, NULL);

	stream->base = g_object_ref(base);
	stream->input = g_object_new(ASH_TYPE_KEPT_INPUT, NULL);
	stream->input->base = g_object_ref(g_io_stream_get_input_stream(base));
	if (ahead != NULL)
		g_byte_array_append(stream->input->ahead, g_bytes_get_data(ahead, NULL), (guint) g_bytes_get_size(ahead));
	stream->closed = closed;
	stream->user_data = user_data;
	return stream;
}

GIOStream *
ash_kept_stream_get_base(AshKeptStream *stream)
{
	return stream->base;
}

bool
ash_kept_stream_is_idle(AshKeptStream *stream)
{
	return stream->input->header != NULL && stream->input->header->len == 0 && stream->input->ahead->len == 0;
}

bool
ash_kept_stream_can_follow(AshKeptStream *stream, GBytes **ret_ahead)
{
	const GByteArray *ahead = stream->input->ahead;

	*ret_ahead = NULL;
	if (!is_over(stream->input))
		return false;
	if (ahead->len > 0)
		*ret_ahead = g_bytes_new(ahead->data, ahead->len);
	return true;
}
