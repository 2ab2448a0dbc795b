/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/**
 * AshKeptStream: one request's turn on a connection. libsoup is given one for each request, and lets it go as if the connection were at its end:
 * libsoup 3.2 closes every connection of a server that has no listeners of its own, and with listeners it never frees one that the client closes
 * between two requests (mended in 3.3). What was closed is only the turn; the connection may have another.
 *
 * A turn ends with the empty line behind the headers (RFC 9112 2.1): what a client sent behind that is for the next turn. After a request with a body
 * there is no next turn, as where the body ends is not looked for.
 */
#define ASH_TYPE_KEPT_STREAM (ash_kept_stream_get_type())
G_DECLARE_FINAL_TYPE(AshKeptStream, ash_kept_stream, ASH, KEPT_STREAM, GIOStream)

/** libsoup has closed the turn; may drop the last reference but the caller's. */
typedef void (*AshKeptStreamClosed)(AshKeptStream *stream, gpointer user_data);

/** A turn on @base, whose streams are pollable. @ahead (may be NULL): bytes that the turn before took from it already. Owned. */
AshKeptStream *ash_kept_stream_new(GIOStream *base, GBytes *ahead, AshKeptStreamClosed closed, gpointer user_data);

/** The connection itself. Borrowed. */
GIOStream *ash_kept_stream_get_base(AshKeptStream *stream);

/** True if nothing of a request has come yet. */
bool ash_kept_stream_is_idle(AshKeptStream *stream);

/** True if all of a request without a body has been read, and nothing else: another turn may follow. *@ret_ahead: owned, or NULL. */
bool ash_kept_stream_can_follow(AshKeptStream *stream, GBytes **ret_ahead);
