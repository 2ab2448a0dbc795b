/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/scriptrun.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/sandbox.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A script may do anything, but not for ever. */
#define SCRIPT_TIMEOUT_SECONDS 1800
#define ERROR_LINES 12

/* The script, as a file of ours for the sandbox to show: its standard input is its own. Owned path. */
static char *
save_body(const AshScriptSpec *script, GError **error)
{
	char *path = NULL;
	int fd = g_file_open_tmp("ashlar-script-XXXXXX", &path, error);

	if (fd < 0)
		return NULL;
	gboolean written = ash_fd_write_all(fd, script->body, strlen(script->body), 0, error);
	/* It may have a secret in it. */
	if (written && fchmod(fd, 0700) < 0)
		written = ash_throw_errno(error, "cannot prepare \"%s\"", path);
	close(fd);
	if (!written) {
		unlink(path);
		g_clear_pointer(&path, g_free);
	}
	return path;
}

/* The words of the interpreter, and the script behind them. Owned. */
static char **
make_argv(const AshScriptSpec *script, const char *section, const char *path, GError **error)
{
	g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
	g_auto(GStrv) words = NULL;

	if (!g_shell_parse_argv(script->interpreter, NULL, &words, NULL))
		return ash_throw_null(error, ASH_ERROR_CONFIG, "%s: %s: \"%s\" is no interpreter", script->origin, section,
				      script->interpreter);
	g_strv_builder_addv(argv, (const char **) words);
	g_strv_builder_add(argv, path);
	return g_strv_builder_end(argv);
}

/* The pairs of the place, and the script's own. Owned; the strings are borrowed. */
static GPtrArray *
make_binds(const AshScriptPlace *place, const char *body)
{
	GPtrArray *binds = g_ptr_array_new();

	for (gsize i = 0; place->bind_pairs != NULL && place->bind_pairs[i] != NULL; i++)
		g_ptr_array_add(binds, (gpointer) place->bind_pairs[i]);
	g_ptr_array_add(binds, (gpointer) place->script_path);
	g_ptr_array_add(binds, (gpointer) body);
	g_ptr_array_add(binds, NULL);
	return binds;
}

static gboolean
judge(AshContext *ctx, const AshScriptSpec *script, const char *section, int status, const char *output, GError **error)
{
	g_autofree char *lines = ash_sandbox_quote_lines(output, ERROR_LINES);

	if (status == 0)
		return TRUE;
	if (script->error_on_fail)
		return ash_throw(error, ASH_ERROR_SCRIPT, "%s: %s failed (exit status %d)%s", script->origin, section, status, lines);
	ash_progress_message(ctx->progress, "warning: %s: %s failed (exit status %d)%s", script->origin, section, status, lines);
	return TRUE;
}

gboolean
ash_script_run(AshContext *ctx, const AshScriptSpec *script, const char *section, const AshScriptPlace *place, char **ret_output,
	       GError **error)
{
	g_auto(GStrv) argv = make_argv(script, section, place->script_path, error);
	int status = 0;

	*ret_output = NULL;
	if (argv == NULL)
		return FALSE;
	g_autofree char *body = save_body(script, error);
	if (body == NULL)
		return FALSE;
	g_autoptr(GPtrArray) binds = make_binds(place, body);
	const AshSandboxCommand command = {
		.root_path = place->root_path,
		.argv = (const char *const *) argv,
		.env = place->env,
		.bind_pairs = (const char *const *) binds->pdata,
		.output_pairs = place->output_pairs,
		.timeout_seconds = SCRIPT_TIMEOUT_SECONDS,
		.epoch = place->epoch,
	};
	gboolean ran = ash_sandbox_run(ctx, &command, ret_output, &status, error);
	unlink(body);
	if (!ran)
		return ash_prefix(error, "%s: %s", script->origin, section);
	return judge(ctx, script, section, status, *ret_output, error);
}
