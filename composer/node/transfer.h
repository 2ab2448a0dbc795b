/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "node/reply.h"
#include "node/request.h"

#include <curl/curl.h>

/**
 * One reply on its way into the sinks of requests: of one as a rule; of all the requests for an object, one after the other, where a server
 * ignores ranges and sends the object whole.
 */
typedef struct {
	CURL *easy;
	char curl_text[CURL_ERROR_SIZE];
	struct curl_slist *headers;
	bool running;
	bool paused;            /* the rate is used up for the moment */
	guint copy;             /* the copy it is from */
	char *url;
	guint redirects;
	GPtrArray *requests;    /* of AshRequest, borrowed, ascending */
	guint next;             /* the one that the next bytes are for */
	guint64 position;       /* of the next byte in the object */
	bool sequential;        /* the whole object was asked for */
	bool conditional;       /* a part was asked for only if the object is still the same (If-Range) */

	AshReply reply;
	AshReplyWish wish;
	bool judged;
	AshReplyVerdict verdict;
	char *why;
	bool complained;        /* a sink did: content, not transport */
	bool too_long;
	GError *fatal;          /* of a sink: ends everything */

	/* Something else is fetched first, for the copy and not for the requests; NULL: nothing. */
	GByteArray *errand;
	gsize errand_max;       /* bytes */
	bool errand_is_token;
	const char *accept;     /* the header Accept; borrowed; NULL: none */
	char *authorization;    /* the header Authorization; NULL: none */
	guint generation;       /* of the registry's credentials when it was asked */

	gint64 progress_time;   /* of the last byte, microseconds of the fetcher's clock */
	gint64 window_time;     /* when the present window began */
	guint64 window_bytes;   /* since then */
	struct AshTransferMeter *meter;
} AshTransfer;

/** What all transfers of a source share. */
typedef struct AshTransferMeter {
	guint64 received;       /* bytes of bodies */
	guint64 budget;         /* 0: any */
	guint64 rate;           /* bytes a second; 0: any */
	gint64 empty_until;     /* when the token bucket has something again, monotonic microseconds */
	gint64 blocked;         /* time that we did not want bytes, microseconds: no server's fault */
} AshTransferMeter;

/** Microseconds that go on only while we want bytes. */
gint64 ash_transfer_clock(const AshTransferMeter *meter);

/** Makes @transfer ready for one more reply with @requests to fill; the position in the object is that of the first byte missing. */
void ash_transfer_prepare(AshTransfer *transfer, guint copy, bool sequential);
void ash_transfer_clear(AshTransfer *transfer);

/** True if all its requests have all their bytes. */
bool ash_transfer_is_complete(const AshTransfer *transfer);

/** Gives bytes of the object to the requests. False: no more of them is wanted; see why, complained, too_long, fatal. */
bool ash_transfer_deliver(AshTransfer *transfer, const guint8 *data, gsize length);

/** Judges the reply if that was not done yet; true: its body is to be taken. */
bool ash_transfer_judge(AshTransfer *transfer);

/** Sets up the easy handle for transfer->url and the bytes that are missing. */
void ash_transfer_ask(AshTransfer *transfer);
