/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/unitfile.h"

#include <stdbool.h>
#include <string.h>

struct AshUnitFile {
	GHashTable *values; /* "Section.Key" -> GPtrArray of char * */
};

AshUnitFile *
ash_unitfile_new(void)
{
	AshUnitFile *unit = g_new0(AshUnitFile, 1);

	unit->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
	return unit;
}

void
ash_unitfile_free(AshUnitFile *unit)
{
	if (unit == NULL)
		return;
	g_hash_table_unref(unit->values);
	g_free(unit);
}

static void
assign(AshUnitFile *unit, const char *section, char *line)
{
	char *equals = strchr(line, '=');
	g_autofree char *name = NULL;
	GPtrArray *values;

	if (equals == NULL || section == NULL)
		return;
	*equals = '\0';
	name = g_strdup_printf("%s.%s", section, g_strstrip(line));
	g_strstrip(equals + 1);
	if (equals[1] == '\0') {
		g_hash_table_remove(unit->values, name);
		return;
	}
	values = g_hash_table_lookup(unit->values, name);
	if (values == NULL) {
		values = g_ptr_array_new_with_free_func(g_free);
		g_hash_table_insert(unit->values, g_steal_pointer(&name), values);
	}
	g_ptr_array_add(values, g_strdup(equals + 1));
}

/* A line with all that continue it, joined by a space; comments between them do not end it. @lines is moved behind. Owned. */
static char *
join_lines(char ***lines)
{
	GString *joined = g_string_new(NULL);
	bool more = true;

	while (more && **lines != NULL) {
		char *line = g_strchomp(**lines);
		gsize length = strlen(line);
		const char *start = line + strspn(line, " \t");

		(*lines)++;
		if (joined->len > 0 && (start[0] == '#' || start[0] == ';'))
			continue;
		/* A comment is not continued. */
		more = length > 0 && line[length - 1] == '\\' && start[0] != '#' && start[0] != ';';
		if (more)
			line[length - 1] = ' ';
		g_string_append(joined, line);
	}
	return g_string_free(joined, FALSE);
}

void
ash_unitfile_parse(AshUnitFile *unit, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autofree char *section = NULL;

	for (char **at = lines; *at != NULL;) {
		g_autofree char *line = join_lines(&at);
		gsize length;

		g_strstrip(line);
		length = strlen(line);
		if (length == 0 || line[0] == '#' || line[0] == ';')
			continue;
		if (line[0] == '[') {
			g_free(section);
			section = length > 2 && line[length - 1] == ']' ? g_strndup(line + 1, length - 2) : NULL;
			continue;
		}
		assign(unit, section, line);
	}
}

const GPtrArray *
ash_unitfile_get_all(const AshUnitFile *unit, const char *section, const char *key)
{
	g_autofree char *name = g_strdup_printf("%s.%s", section, key);

	return g_hash_table_lookup(unit->values, name);
}

const char *
ash_unitfile_get(const AshUnitFile *unit, const char *section, const char *key)
{
	const GPtrArray *values = ash_unitfile_get_all(unit, section, key);

	return values != NULL ? g_ptr_array_index(values, values->len - 1) : NULL;
}

char **
ash_unitfile_get_words(const AshUnitFile *unit, const char *section, const char *key)
{
	const GPtrArray *values = ash_unitfile_get_all(unit, section, key);
	GPtrArray *words = g_ptr_array_new();

	for (guint i = 0; values != NULL && i < values->len; i++) {
		g_auto(GStrv) parts = g_strsplit_set(g_ptr_array_index(values, i), " \t", -1);

		for (char **part = parts; *part != NULL; part++) {
			gsize length = strlen(*part);
			gboolean quoted = length > 1 && strchr("\"'", (*part)[0]) != NULL && (*part)[length - 1] == (*part)[0];

			if (length > 0)
				g_ptr_array_add(words, quoted ? g_strndup(*part + 1, length - 2) : g_strdup(*part));
		}
	}
	g_ptr_array_add(words, NULL);
	return (char **) g_ptr_array_free(words, FALSE);
}
