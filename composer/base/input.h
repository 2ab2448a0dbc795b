/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/contentcache.h"

#include <glib.h>

/** AshInput: one thing that a program has read of a tree, and the digest of what it could see there. */
typedef enum {
	ASH_INPUT_FILE,  /* a regular file: content, mode, owner, time of modification (no later than the reader's limit) */
	ASH_INPUT_NAMES, /* a directory: its owner and mode; name, type, mode, target of each link, emptiness of each file in it */
	ASH_INPUT_VIEW,  /* a file that was covered by a text of ours: that text */
	ASH_INPUT_LAST = ASH_INPUT_VIEW,
} AshInputKind;

typedef struct {
	AshInputKind kind;
	char *path;   /* from the root, without "/" at its start; "." for the root */
	char *digest; /* hex */
} AshInput;

AshInput *ash_input_new(AshInputKind kind, const char *path, const char *digest);
void ash_input_free(AshInput *input);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshInput, ash_input_free)

/** A word of each kind, for files. */
const char *ash_input_kind_to_string(AshInputKind kind);

/** AshInputReader: takes inputs of a tree that does not change meanwhile; each once. */
typedef struct AshInputReader AshInputReader;

/**
 * Times of modification later than @time_limit (seconds) count as that. @views (path to text, may be NULL) and
 * @root_fd are borrowed.
 */
AshInputReader *ash_input_reader_new(int root_fd, gint64 time_limit, GHashTable *views);
/** Digests of shared files come from @contents, borrowed. */
void ash_input_reader_set_contents(AshInputReader *reader, AshContentCache *contents);
/**
 * This name (a path from the root) does not count, nor what is below it: what is made of the inputs, or cannot be seen by who
 * makes it. May be called for several; before anything is taken.
 */
void ash_input_reader_ignore(AshInputReader *reader, const char *path);
/** True if ash_input_reader_ignore() was called for just this path. */
gboolean ash_input_reader_is_ignored(AshInputReader *reader, const char *path);
void ash_input_reader_free(AshInputReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshInputReader, ash_input_reader_free)

/** The digest of an input as it is now, borrowed from @reader; "" if there is no such thing. */
const char *ash_input_reader_take(AshInputReader *reader, AshInputKind kind, const char *path);

/** True if @input is what it was. */
gboolean ash_input_reader_matches(AshInputReader *reader, const AshInput *input);
