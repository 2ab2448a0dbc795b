/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/contentcache.h"

#include <stdbool.h>

/** What a scriptlet may see of a name. The letters are those of the memo's files. */
typedef enum {
	ASH_SCRIPT_INPUT_LSTAT = 'l', /* type, mode, owner, length and time; target of a link */
	ASH_SCRIPT_INPUT_STAT = 's',  /* the same of what a link leads to */
	ASH_SCRIPT_INPUT_OPEN = 'o',  /* that, its attributes, and content of a file, names in a directory */
	ASH_SCRIPT_INPUT_ATTR = 'x',  /* extended attributes */
} AshScriptInputKind;

/** AshScriptReader: looks at the names of a root as a scriptlet does. */
typedef struct AshScriptReader AshScriptReader;

/**
 * @root_fd is borrowed. Times from @fresh (seconds) on are those of files that this very transaction made: all count as
 * the same.
 */
AshScriptReader *ash_script_reader_new(int root_fd, gint64 fresh);
void ash_script_reader_free(AshScriptReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshScriptReader, ash_script_reader_free)

/** Digests of shared files come from @contents, borrowed. */
void ash_script_reader_set_contents(AshScriptReader *reader, AshContentCache *contents);

/** From now on no listing has the file @path (from the root): the scriptlet's own text, whose name is random. */
void ash_script_reader_ignore(AshScriptReader *reader, const char *path);

/**
 * The state of @path (from the root, without "/" at its start, "." for the root; links are followed inside of the root): a
 * digest in hex, or "-" and an errno if there is no such thing. Owned.
 */
char *ash_script_reader_look(AshScriptReader *reader, AshScriptInputKind kind, const char *path);

/**
 * The path without links of what is at @path; if only its last part is missing, of where it would be. NULL if more is missing.
 * *@ret_mode (may be NULL) is its type and mode, 0 if it is missing. Owned.
 */
char *ash_script_reader_resolve(const AshScriptReader *reader, const char *path, bool follow, mode_t *ret_mode);

/** Opens (for reading, links are followed inside of the root) what is at @path; -1 with errno. */
int ash_script_reader_open(const AshScriptReader *reader, const char *path);

/** The target of the link at @path; NULL if it is none. Owned. */
char *ash_script_reader_read_link(const AshScriptReader *reader, const char *path);

/** The part below the root of a path as /proc of this process tells it; NULL if it is not below. "." for the root. Owned. */
char *ash_script_reader_strip(const AshScriptReader *reader, const char *path);
