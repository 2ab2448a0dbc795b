/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** A table of text for people: columns as wide as their widest cell. */
typedef struct AshTable AshTable;

/** @headings: one string per column, NULL-terminated; a heading that begins with ">" is right-aligned. */
AshTable *ash_table_new(const char *const *headings);
void ash_table_free(AshTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTable, ash_table_free)

/** Adds a row of as many strings as there are columns (copied; NULL shows as "-"). */
void ash_table_add(AshTable *table, ...);
/** Prints all on standard output; nothing if there is no row. */
void ash_table_print(const AshTable *table);
