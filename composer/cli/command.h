/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/terminal.h"

#include <stdbool.h>

/** What main() gives each command. */
typedef struct {
	AshContext *ctx;
	AshTerminal *terminal; /* made by ash_command_parse() */
} AshCommandEnv;

typedef gboolean (*AshCommandFunc)(AshCommandEnv *env, int argc, char **argv, GError **error);

/** One command: a row of the table in main.c. */
typedef struct {
	const char *name;
	const char *arguments; /* as in "usage: ashlar NAME ARGUMENTS" */
	const char *summary;   /* one line, lower case, no full stop */
	const char *details;   /* shown by --help below the options; may be NULL */
	AshCommandFunc run;
} AshCommand;

/** Options that every command takes; filled in by ash_command_parse(). */
typedef struct {
	char *store;    /* --store, or the default */
	bool json;      /* --json */
	char *progress; /* --progress */
} AshCommonOptions;

void ash_common_options_clear(AshCommonOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshCommonOptions, ash_common_options_clear)

/**
 * Parses @argv for the command called argv[0] with its own @entries (may be NULL) and the common ones, and sets up the
 * terminal and progress of @env. *@ret_arguments are the positional ones (owned), of which there must be
 * @least to @most (-1: any number). Exits with help on --help. ASH_ERROR_USAGE otherwise.
 */
gboolean ash_command_parse(AshCommandEnv *env, const GOptionEntry *entries, int argc, char **argv, int least,
			   int most, AshCommonOptions *ret_options, char ***ret_arguments, GError **error);

/** The layout file that --anchor names, checked. *@ret_bytes is owned, NULL for "none" and for NULL. */
gboolean ash_command_load_anchor(const char *path, GBytes **ret_bytes, GError **error);

/** The row of the table for @name, or NULL. */
const AshCommand *ash_command_find(const char *name);

/** The commands, one each: argv[0] is the command's own name. They print their results and report failure by @error. */
gboolean ash_command_build(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_plan(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_resolve(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_image(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_publish(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_channel(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_push(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_delta(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_serve(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_log(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_ls(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_diff(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_cat(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_inspect(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_audit(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_boot(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_prune(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_fsck(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_key(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_kickstart(AshCommandEnv *env, int argc, char **argv, GError **error);
gboolean ash_command_types(AshCommandEnv *env, int argc, char **argv, GError **error);
