/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * A stretch of bytes of one object, wanted: what node/fetcher.h works on. It is done when all bytes went to the sink, by however many
 * replies of however many copies.
 */
typedef struct AshRequest AshRequest;

/** Takes the next bytes, those at request->done. Errors as of AshSourceSink. */
typedef gboolean (*AshRequestSink)(AshRequest *request, const guint8 *data, gsize length, GError **error);

struct AshRequest {
	const char *path;       /* below a release directory */
	guint64 offset, length; /* bytes; if @total is 0, @offset is 0 and @length the most that is taken */
	guint64 total;          /* bytes of the object; 0: not known */
	guint64 unit;           /* after a complaint of the sink it goes on at a multiple of this; 0: at the beginning */
	AshRequestSink sink;
	gpointer user_data;
	guint index;
	guint first_copy;       /* which copy to begin with, after the preferred one */

	guint64 done;           /* bytes that went to the sink, and were not complained of */
	bool finished;
	guint32 missing;        /* bit N: copy N says that there is none */

	/* of the fetcher */
	bool active;            /* a transfer works on it */
	guint32 useless;        /* bit N: copy N will not do, missing ones included */
	guint shift;            /* copies tried */
	guint failures;         /* since there was progress */
	guint complaints;
	guint64 progress;       /* value of @done when @failures was zero */
	gint64 due;             /* not before, microseconds of the fetcher's clock */
	char *etag;             /* of its last reply */
	GError *error;          /* the last one */
};

/** Frees what the fetcher put into it, not the structure. */
void ash_request_clear(AshRequest *request);
