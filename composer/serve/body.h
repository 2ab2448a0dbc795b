/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "serve/byterange.h"

#include <libsoup/soup.h>

/**
 * The body of a reply that is sent from a file, or from parts of it with text between. A piece is read when the one before was sent: a slow client
 * holds ASH_BODY_PIECE_BYTES of memory, however long the file is.
 */
#define ASH_BODY_PIECE_BYTES (64 * 1024)

typedef struct AshBody AshBody;

/** Takes @fd. */
AshBody *ash_body_new(int fd);
void ash_body_free(AshBody *body);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshBody, ash_body_free)

/** What comes next: text (copied), bytes of the file. */
void ash_body_add_text(AshBody *body, const char *text);
void ash_body_add_range(AshBody *body, const AshByteRange *range);

/** Bytes of all of it. */
guint64 ash_body_get_length(const AshBody *body);

/** Called if the file cannot be read to its end: all that can be done then is to cut the connection. */
typedef void (*AshBodyBroken)(SoupServerMessage *message, gpointer user_data);

/** Makes it the body of @message, which owns it then, and sets Content-Length. */
void ash_body_send(AshBody *body, SoupServerMessage *message, AshBodyBroken broken, gpointer user_data);
