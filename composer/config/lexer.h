/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshLexer: the lines of a kickstart file, and the words of a line.
 *
 * Words follow Python's shlex.split(line, comments=True), which is what pykickstart uses: words are
 * separated by white space; '...' is literal; in "..." a backslash escapes only " and \; elsewhere a
 * backslash takes the next character literally; # begins a comment, inside a word too.
 */
typedef struct {
	const char *next; /* rest of the text, borrowed */
	const char *end;
	guint line;       /* number of the line read last, from 1 */
} AshLexer;

/** @text must outlive the lexer; it must be UTF-8 without NUL (see ash_lexer_check_text()). */
void ash_lexer_init(AshLexer *lexer, const char *text, gsize length);

/** The next line without its line feed, as it is (owned), or NULL at the end. */
char *ash_lexer_next_line(AshLexer *lexer);

/**
 * While @line ends in a backslash, replaces the backslash by the next line; comment lines are never
 * continued. Frees @line; the result is owned.
 */
char *ash_lexer_continue_line(AshLexer *lexer, char *line);

/** True if there is nothing in @line but white space and a comment. */
bool ash_lexer_is_blank(const char *line);

/**
 * The words of @line (owned; empty for a blank line), or NULL and ASH_ERROR_CONFIG (with no position) if a
 * quotation does not end. *@ret_glued_comment tells whether a comment began inside a word.
 */
char **ash_lexer_split(const char *line, bool *ret_glued_comment, GError **error);

/** FALSE and ASH_ERROR_CONFIG "file:line: ..." unless @text is UTF-8 without NUL characters. */
gboolean ash_lexer_check_text(const char *text, gsize length, const char *file, GError **error);
