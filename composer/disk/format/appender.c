/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/appender.h"

#include "base/size.h"
#include "disk/format/sidewriter.h"

#include <string.h>

#define BUFFER_BYTES (1 * ASH_MIB)
#define BUFFERS      4

struct AshAppender {
	AshContext *ctx;
	AshSideWriter *file;
	guint8 *buffer; /* the file's */
	gsize fill;
	guint64 bytes;
};

AshAppender *
ash_appender_new(AshContext *ctx, int fd, GError **error)
{
	g_autoptr(AshAppender) appender = g_new0(AshAppender, 1);

	appender->ctx = ctx;
	appender->file = ash_side_writer_new(fd, BUFFERS, BUFFER_BYTES);
	appender->buffer = ash_side_writer_take(appender->file, error);
	return appender->buffer != NULL ? g_steal_pointer(&appender) : NULL;
}

void
ash_appender_free(AshAppender *appender)
{
	if (appender == NULL)
		return;
	g_clear_pointer(&appender->file, ash_side_writer_free);
	g_free(appender);
}

static gboolean
flush(AshAppender *appender, GError **error)
{
	if (!ash_context_check(appender->ctx, error))
		return FALSE;
	ash_side_writer_put(appender->file, appender->buffer, appender->fill);
	appender->fill = 0;
	appender->buffer = ash_side_writer_take(appender->file, error);
	return appender->buffer != NULL;
}

gboolean
ash_appender_add(AshAppender *appender, const void *data, guint64 length, GError **error)
{
	const guint8 *from = data;

	while (length > 0) {
		gsize part;

		if (appender->fill == BUFFER_BYTES && !flush(appender, error))
			return FALSE;
		part = (gsize) MIN(BUFFER_BYTES - appender->fill, length);
		if (from != NULL)
			memcpy(appender->buffer + appender->fill, from, part);
		else
			memset(appender->buffer + appender->fill, 0, part);
		from = from != NULL ? from + part : NULL;
		appender->fill += part;
		appender->bytes += part;
		length -= part;
	}
	return TRUE;
}

gboolean
ash_appender_align(AshAppender *appender, guint64 unit, GError **error)
{
	return ash_appender_add(appender, NULL, ash_size_round_up(appender->bytes, unit) - appender->bytes, error);
}

guint64
ash_appender_get_bytes(const AshAppender *appender)
{
	return appender->bytes;
}

char *
ash_appender_finish_hex(AshAppender *appender, GError **error)
{
	if (!flush(appender, error))
		return NULL;
	return ash_side_writer_finish_hex(appender->file, error);
}
