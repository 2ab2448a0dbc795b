/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/table.h"

#include <stdbool.h>
#include <stdio.h>

struct AshTable {
	guint columns;
	bool *right;
	GPtrArray *cells; /* of char *, row by row, the headings first */
};

AshTable *
ash_table_new(const char *const *headings)
{
	AshTable *table = g_new0(AshTable, 1);

	table->columns = g_strv_length((char **) headings);
	table->right = g_new0(bool, table->columns);
	table->cells = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < table->columns; i++) {
		table->right[i] = headings[i][0] == '>';
		g_ptr_array_add(table->cells, g_strdup(headings[i] + (table->right[i] ? 1 : 0)));
	}
	return table;
}

void
ash_table_free(AshTable *table)
{
	if (table == NULL)
		return;
	g_free(table->right);
	g_ptr_array_unref(table->cells);
	g_free(table);
}

void
ash_table_add(AshTable *table, ...)
{
	va_list args;

	va_start(args, table);
	for (guint i = 0; i < table->columns; i++) {
		const char *cell = va_arg(args, const char *);
		g_ptr_array_add(table->cells, g_strdup(cell != NULL ? cell : "-"));
	}
	va_end(args);
}

static glong
column_width(const AshTable *table, guint column)
{
	glong width = 0;

	for (guint i = column; i < table->cells->len; i += table->columns)
		width = MAX(width, g_utf8_strlen(g_ptr_array_index(table->cells, i), -1));
	return width;
}

void
ash_table_print(const AshTable *table)
{
	if (table->cells->len <= table->columns)
		return;
	for (guint i = 0; i < table->cells->len; i++) {
		const char *cell = g_ptr_array_index(table->cells, i);
		guint column = i % table->columns;
		bool is_last = column + 1 == table->columns;
		int padding = (int) (column_width(table, column) - g_utf8_strlen(cell, -1));
		if (table->right[column])
			printf("%*s%s", padding, "", cell);
		else
			printf("%s%*s", cell, is_last ? 0 : padding, "");
		fputs(is_last ? "\n" : "  ", stdout);
	}
}
