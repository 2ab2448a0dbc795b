/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "serve/accesslog.h"
#include "serve/database.h"
#include "serve/metrics.h"
#include "serve/overview.h"
#include "serve/page.h"
#include "serve/ratelimit.h"

#include <libsoup/soup.h>

/** What requests are answered from; all owned by the server (serve/server.h). */
typedef struct {
	int dir_fd;
	AshMetrics *metrics;
	AshOverview *overview;
	AshPage *page;
	AshDatabase *database;    /* NULL: no reports */
	AshRateLimit *limit;
	guint connections;        /* open now */
	char *nodes_json;         /* the last answer about nodes, and when it was made, microseconds */
	gint64 nodes_time;
} AshSite;

/** A request and its reply, while they last; data of the message. */
typedef struct {
	AshSite *site;
	SoupServerMessage *message; /* borrowed */
	AshSiteClass class;
	guint64 sent;           /* bytes of the body */
	GByteArray *body;       /* of a report; NULL: not wanted */
	guint64 received;       /* bytes of the request's body */
} AshExchange;

/** Headers were read: decides whether a body is wanted. Sets a status if there is nothing to wait for. */
void ash_exchange_begin(AshExchange *exchange);
/** The request is complete: sets status, headers and body of the reply. */
void ash_exchange_answer(AshExchange *exchange);

/** Replies with @bytes of @type, which is compared with the conditions of the request. @status is 200 or an error's. */
void ash_exchange_reply(AshExchange *exchange, guint status, const char *type, GBytes *bytes);
/** An error for people and programs, as text of one line. */
void ash_exchange_fail(AshExchange *exchange, guint status, const char *text);
