/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/terminal.h"
#include "node/places.h"

#include <json-glib/json-glib.h>
#include <stdbool.h>

/** What main() gives each command; ash_node_command_parse() fills it in. */
typedef struct {
	AshContext *ctx;
	AshTerminal *terminal;
	AshNodePlaces places;
	bool json;       /* --json */
	bool unchanged;  /* set by a command that found nothing to do: exit status 77 */
} AshNodeEnv;

typedef gboolean (*AshNodeCommandFunc)(AshNodeEnv *env, int argc, char **argv, GError **error);

/** One command: a row of the table in main.c. */
typedef struct {
	const char *name;
	const char *summary; /* one line, lower case, no full stop */
	const char *details; /* shown by --help below the options; may be NULL */
	AshNodeCommandFunc run;
} AshNodeCommand;

/** The row of the table for @name, or NULL. */
const AshNodeCommand *ash_node_command_find(const char *name);

/**
 * Parses @argv for the command called argv[0] with its own @entries (may be NULL) and the common ones; no command takes arguments. Exits with
 * help on --help. ASH_ERROR_USAGE.
 */
gboolean ash_node_command_parse(AshNodeEnv *env, const GOptionEntry *entries, int argc, char **argv, GError **error);

/** Prints @object on standard output, indented. */
void ash_node_print_json(JsonObject *object);
/** Seconds since 1970 as local time for people; "-" for 0. Owned. */
char *ash_node_format_time(guint64 time);

/** The commands, one each. They print their results and report failure by @error. */
gboolean ash_node_command_status(AshNodeEnv *env, int argc, char **argv, GError **error);
gboolean ash_node_command_history(AshNodeEnv *env, int argc, char **argv, GError **error);
gboolean ash_node_command_check(AshNodeEnv *env, int argc, char **argv, GError **error);
gboolean ash_node_command_fetch(AshNodeEnv *env, int argc, char **argv, GError **error);
gboolean ash_node_command_apply(AshNodeEnv *env, int argc, char **argv, GError **error);
gboolean ash_node_command_update(AshNodeEnv *env, int argc, char **argv, GError **error);
gboolean ash_node_command_rollback(AshNodeEnv *env, int argc, char **argv, GError **error);
gboolean ash_node_command_mark_good(AshNodeEnv *env, int argc, char **argv, GError **error);
gboolean ash_node_command_health(AshNodeEnv *env, int argc, char **argv, GError **error);
