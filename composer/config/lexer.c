/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/lexer.h"

#include "base/error.h"

#include <string.h>

void
ash_lexer_init(AshLexer *lexer, const char *text, gsize length)
{
	lexer->next = text;
	lexer->end = text + length;
	lexer->line = 0;
}

char *
ash_lexer_next_line(AshLexer *lexer)
{
	const char *start = lexer->next;
	const char *feed = NULL;

	if (start >= lexer->end)
		return NULL;
	feed = memchr(start, '\n', lexer->end - start);
	lexer->next = feed != NULL ? feed + 1 : lexer->end;
	lexer->line++;
	return g_strndup(start, (feed != NULL ? feed : lexer->end) - start);
}

bool
ash_lexer_is_blank(const char *line)
{
	while (g_ascii_isspace(*line))
		line++;
	return *line == '\0' || *line == '#';
}

/* Files from Windows end their lines in CR LF. */
static void
chomp_carriage_return(char *line)
{
	gsize length = strlen(line);

	if (length > 0 && line[length - 1] == '\r')
		line[length - 1] = '\0';
}

char *
ash_lexer_continue_line(AshLexer *lexer, char *line)
{
	GString *joined = NULL;

	chomp_carriage_return(line);
	if (ash_lexer_is_blank(line))
		return line;
	joined = g_string_new(line);
	g_free(line);
	while (joined->len > 0 && joined->str[joined->len - 1] == '\\') {
		g_autofree char *more = ash_lexer_next_line(lexer);

		if (more == NULL)
			break;
		chomp_carriage_return(more);
		g_string_truncate(joined, joined->len - 1);
		g_string_append(joined, more);
	}
	return g_string_free(joined, FALSE);
}

typedef struct {
	const char *next;
	GString *word;
	bool in_word;
} Splitter;

/* Reads up to the closing quote; FALSE if there is none. */
static gboolean
read_quotation(Splitter *splitter, char quote)
{
	for (const char *c = splitter->next; *c != '\0'; c++) {
		if (*c == quote) {
			splitter->next = c + 1;
			return TRUE;
		}
		if (quote == '"' && *c == '\\' && c[1] != '\0') {
			c++;
			if (*c != '"' && *c != '\\')
				g_string_append_c(splitter->word, '\\');
		}
		g_string_append_c(splitter->word, *c);
	}
	return FALSE;
}

static gboolean
read_character(Splitter *splitter, GError **error)
{
	char c = *splitter->next++;

	splitter->in_word = true;
	if (c == '\'' || c == '"') {
		if (!read_quotation(splitter, c))
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "a quotation begun with %c does not end on this line", c);
	} else if (c == '\\') {
		if (*splitter->next == '\0')
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "a backslash at the end has nothing to continue with");
		g_string_append_c(splitter->word, *splitter->next++);
	} else {
		g_string_append_c(splitter->word, c);
	}
	return TRUE;
}

static void
finish_word(Splitter *splitter, GPtrArray *words)
{
	if (!splitter->in_word)
		return;
	g_ptr_array_add(words, g_strdup(splitter->word->str));
	g_string_truncate(splitter->word, 0);
	splitter->in_word = false;
}

char **
ash_lexer_split(const char *line, bool *ret_glued_comment, GError **error)
{
	g_autoptr(GString) word = g_string_new(NULL);
	g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
	Splitter splitter = { .next = line, .word = word };

	while (*splitter.next != '\0' && *splitter.next != '#') {
		if (g_ascii_isspace(*splitter.next)) {
			finish_word(&splitter, words);
			splitter.next++;
		} else if (!read_character(&splitter, error)) {
			return NULL;
		}
	}
	*ret_glued_comment = splitter.in_word && *splitter.next == '#';
	finish_word(&splitter, words);
	g_ptr_array_add(words, NULL);
	return (char **) g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

static guint
line_of(const char *text, const char *position)
{
	guint line = 1;

	for (const char *c = text; c < position; c++)
		line += *c == '\n';
	return line;
}

gboolean
ash_lexer_check_text(const char *text, gsize length, const char *file, GError **error)
{
	const char *bad = NULL;

	if (g_utf8_validate_len(text, length, &bad))
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: not UTF-8 text: byte 0x%02x", file,
			 line_of(text, bad), (guint) (guchar) *bad);
}
