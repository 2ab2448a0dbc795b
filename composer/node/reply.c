/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/reply.h"

#include <string.h>

/* Decimal digits only, as RFC 9110 has them: g_ascii_string_to_unsigned() does not take a part of a string. */
static bool
take_number(const char **text, guint64 *ret_number)
{
	guint64 number = 0;
	const char *p = *text;

	if (!g_ascii_isdigit(*p))
		return false;
	for (; g_ascii_isdigit(*p); p++) {
		if (number > (G_MAXINT64 - 9) / 10)
			return false;
		number = number * 10 + (guint64) (*p - '0');
	}
	*text = p;
	*ret_number = number;
	return true;
}

static void
read_length(AshReply *reply, const char *value)
{
	guint64 number;

	if (take_number(&value, &number) && *value == '\0')
		reply->content_length = (gint64) number;
}

/* "bytes FIRST-LAST/TOTAL", where TOTAL may be "*" (RFC 9110 14.4). */
static void
read_range(AshReply *reply, const char *value)
{
	guint64 start, end, total = 0;

	reply->has_range = false;
	if (g_ascii_strncasecmp(value, "bytes ", 6) != 0)
		return;
	value += 6;
	if (!take_number(&value, &start) || *value++ != '-' || !take_number(&value, &end) || *value++ != '/' || end < start)
		return;
	if (strcmp(value, "*") == 0)
		reply->range_total = -1;
	else if (take_number(&value, &total) && *value == '\0')
		reply->range_total = (gint64) total;
	else
		return;
	reply->has_range = true;
	reply->range_start = start;
	reply->range_end = end;
}

static void
read_encoding(AshReply *reply, const char *value)
{
	reply->encoded = *value != '\0' && g_ascii_strcasecmp(value, "identity") != 0;
}

/* Seconds, or a date, of which only that we should wait is taken: whose clock is right is not known. */
static void
read_retry_after(AshReply *reply, const char *value)
{
	guint64 number;

	if (take_number(&value, &number) && *value == '\0')
		reply->retry_after = (guint) MIN(number, ASH_REPLY_MAX_RETRY_AFTER);
	else
		reply->retry_after = ASH_REPLY_MAX_RETRY_AFTER / 4;
}

/* Weak ones ("W/...") say nothing about bytes (RFC 9110 8.8.1). */
static void
read_etag(AshReply *reply, const char *value)
{
	if (*value == '"' && strlen(value) < sizeof(reply->etag))
		g_strlcpy(reply->etag, value, sizeof(reply->etag));
}

/* There may be several; Bearer and Basic are what registries have. */
static void
read_challenge(AshReply *reply, const char *value)
{
	const bool known = g_ascii_strncasecmp(value, "Bearer ", 7) == 0 || g_ascii_strncasecmp(value, "Basic", 5) == 0;

	if ((reply->challenge[0] == '\0' || known) && strlen(value) < sizeof(reply->challenge))
		g_strlcpy(reply->challenge, value, sizeof(reply->challenge));
}

static const struct {
	const char *name;
	void (*read)(AshReply *reply, const char *value);
} headers[] = {
	{ "content-length", read_length },	{ "content-range", read_range }, { "content-encoding", read_encoding },
	{ "retry-after", read_retry_after }, { "etag", read_etag },
	{ "www-authenticate", read_challenge },
};

/* A status line begins a reply: there may be others before the one that counts (1xx, a proxy's). */
static void
begin(AshReply *reply, const char *line)
{
	gsize bytes = reply->header_bytes;
	const char *code = strchr(line, ' ');
	guint64 number;

	*reply = (AshReply){ .content_length = -1, .range_total = -1, .header_bytes = bytes };
	if (code == NULL)
		return;
	code++;
	if (take_number(&code, &number) && number < 1000)
		reply->status = (guint) number;
}

bool
ash_reply_add_line(AshReply *reply, const char *line, gsize length)
{
	reply->header_bytes += length;
	if (reply->header_bytes > ASH_REPLY_MAX_HEADER_BYTES)
		return false;

	g_autofree char *text = g_strstrip(g_strndup(line, length));
	char *value = strchr(text, ':');

	if (g_ascii_strncasecmp(text, "HTTP/", 5) == 0) {
		begin(reply, text);
		return true;
	}
	if (value == NULL)
		return true;
	*value++ = '\0';
	g_strstrip(value);
	for (gsize i = 0; i < G_N_ELEMENTS(headers); i++) {
		if (g_ascii_strcasecmp(text, headers[i].name) == 0)
			headers[i].read(reply, value);
	}
	return true;
}

static AshReplyVerdict
say(AshReplyVerdict verdict, char **ret_why, const char *format, ...) G_GNUC_PRINTF(3, 4);

static AshReplyVerdict
say(AshReplyVerdict verdict, char **ret_why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	*ret_why = g_strdup_vprintf(format, args);
	va_end(args);
	return verdict;
}

static AshReplyVerdict
judge_part(const AshReply *reply, const AshReplyWish *wish, char **ret_why)
{
	guint64 length = wish->end - wish->start;

	if (!wish->ranged)
		return say(ASH_REPLY_WRONG, ret_why, "a part came that was not asked for");
	if (!reply->has_range)
		return say(ASH_REPLY_WRONG, ret_why, "HTTP 206 without a usable Content-Range");
	if (reply->range_start != wish->start || reply->range_end != wish->end - 1)
		return say(ASH_REPLY_WRONG, ret_why,
			   "bytes %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT " came where %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT
			   " were asked for",
			   reply->range_start, reply->range_end, wish->start, wish->end - 1);
	if (wish->total > 0 && reply->range_total >= 0 && (guint64) reply->range_total != wish->total)
		return say(ASH_REPLY_WRONG, ret_why, "it has %" G_GINT64_FORMAT " bytes there instead of %" G_GUINT64_FORMAT,
			   reply->range_total, wish->total);
	if (reply->content_length >= 0 && (guint64) reply->content_length != length)
		return say(ASH_REPLY_WRONG, ret_why, "Content-Length and Content-Range do not fit");
	if (wish->etag != NULL && reply->etag[0] != '\0' && strcmp(wish->etag, reply->etag) != 0)
		return say(ASH_REPLY_WRONG, ret_why, "it was replaced while it was read");
	return ASH_REPLY_TAKE;
}

static AshReplyVerdict
judge_whole(const AshReply *reply, const AshReplyWish *wish, char **ret_why)
{
	guint64 length = reply->content_length >= 0 ? (guint64) reply->content_length : 0;

	if (wish->total > 0 && reply->content_length >= 0 && length != wish->total)
		return say(ASH_REPLY_WRONG, ret_why, "it has %" G_GUINT64_FORMAT " bytes there instead of %" G_GUINT64_FORMAT, length,
			   wish->total);
	if (wish->total == 0 && length > wish->end)
		return say(ASH_REPLY_WRONG, ret_why, "it has %" G_GUINT64_FORMAT " bytes: more than %" G_GUINT64_FORMAT, length, wish->end);
	if (wish->ranged && (wish->start != 0 || wish->end != wish->total))
		return say(ASH_REPLY_WHOLE, ret_why, "the server ignores ranges");
	return ASH_REPLY_TAKE;
}

AshReplyVerdict
ash_reply_judge(const AshReply *reply, const AshReplyWish *wish, char **ret_why)
{
	*ret_why = NULL;
	switch (reply->status) {
	case 200:
	case 206:
		if (reply->encoded)
			return say(ASH_REPLY_WRONG, ret_why, "it comes with a Content-Encoding");
		return reply->status == 206 ? judge_part(reply, wish, ret_why) : judge_whole(reply, wish, ret_why);
	case 401:
		return say(reply->challenge[0] != '\0' ? ASH_REPLY_STRANGER : ASH_REPLY_WRONG, ret_why, "HTTP 401: it wants to know who asks");
	case 403:
	case 404:
	case 410:
		return say(ASH_REPLY_MISSING, ret_why, "HTTP %u", reply->status);
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return say(ASH_REPLY_REDIRECT, ret_why, "HTTP %u", reply->status);
	case 408:
	case 425:
	case 429:
		return say(ASH_REPLY_BUSY, ret_why, "HTTP %u", reply->status);
	default:
		return say(reply->status / 100 == 5 ? ASH_REPLY_BUSY : ASH_REPLY_WRONG, ret_why, "HTTP %u", reply->status);
	}
}
