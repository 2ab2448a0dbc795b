/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * What a server said about an object (RFC 9110), and whether it is what was asked for. Nothing here trusts a server: whatever passes is
 * still checked by digest or hash tree. These checks make a wrong reply fail early, with its reason.
 */

/** No reply has more bytes of headers. */
#define ASH_REPLY_MAX_HEADER_BYTES (64 * 1024)
/** Retry-After counts up to this, seconds. */
#define ASH_REPLY_MAX_RETRY_AFTER 120

/** The headers that count. Zeroed: none yet. */
typedef struct {
	guint status;         /* 0: no status line yet */
	gint64 content_length; /* -1: not said */
	bool has_range;       /* Content-Range was understood: */
	guint64 range_start, range_end; /* first and last byte */
	gint64 range_total;   /* -1: "*" */
	bool encoded;         /* Content-Encoding other than identity */
	guint retry_after;    /* seconds; 0: not said */
	char etag[128];       /* strong validators only; "": none */
	char challenge[1024]; /* WWW-Authenticate, of a way that we know if there is one; "": none */
	gsize header_bytes;
} AshReply;

/** Takes one header line, line end included. FALSE: there are too many bytes of them. */
bool ash_reply_add_line(AshReply *reply, const char *line, gsize length);

/** What was asked for: bytes from @start up to, without, @end. */
typedef struct {
	bool ranged;       /* a Range header was sent */
	guint64 start, end;
	guint64 total;     /* bytes of the object; 0: not known, then @end is the most that is taken */
	const char *etag;  /* of an earlier reply for the same object; NULL: none */
} AshReplyWish;

typedef enum {
	ASH_REPLY_TAKE,     /* the body is what was asked for */
	ASH_REPLY_WHOLE,    /* 200 where a part was asked for: ranges are ignored, or the object was replaced */
	ASH_REPLY_MISSING,  /* 403, 404, 410 */
	ASH_REPLY_STRANGER, /* 401, with a challenge */
	ASH_REPLY_REDIRECT, /* 301, 302, 303, 307, 308 */
	ASH_REPLY_BUSY,     /* may be better later: 408, 425, 429, 5xx */
	ASH_REPLY_WRONG,    /* anything else: another mirror may be better */
} AshReplyVerdict;

/** Judges a reply whose headers are complete; *@ret_why says what is wrong with it. Owned; NULL with ASH_REPLY_TAKE. */
AshReplyVerdict ash_reply_judge(const AshReply *reply, const AshReplyWish *wish, char **ret_why);
