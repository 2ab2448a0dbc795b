/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/sandbox.h"
#include "tree/steps.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A %post may do anything, but not for ever. */
#define SCRIPT_TIMEOUT_SECONDS 1800
#define ERROR_LINES 12
#define SCRIPT_PATH "/tmp/ks-script"

/* The script, as a file of ours for the sandbox to show: its standard input is its own. Owned path. */
static char *
save_body(const AshScriptSpec *script, GError **error)
{
	char *path = NULL;
	int fd = g_file_open_tmp("ashlar-post-XXXXXX", &path, error);

	if (fd < 0)
		return NULL;
	gboolean written = ash_fd_write_all(fd, script->body, strlen(script->body), 0, error);
	if (written && fchmod(fd, 0755) < 0)
		written = ash_throw_errno(error, "cannot prepare \"%s\"", path);
	close(fd);
	if (!written) {
		unlink(path);
		g_clear_pointer(&path, g_free);
	}
	return path;
}

static gboolean
run_script(AshTreeRoot *root, const AshScriptSpec *script, GError **error)
{
	g_auto(GStrv) words = NULL;
	g_autofree char *output = NULL;
	int status = 0;

	if (script->outside)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: %%post --nochroot is not carried out yet", script->origin);
	if (!g_shell_parse_argv(script->interpreter != NULL ? script->interpreter : "/bin/sh", NULL, &words, NULL))
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: %%post: \"%s\" is no interpreter", script->origin,
				 script->interpreter);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	for (gsize i = 0; words[i] != NULL; i++)
		g_ptr_array_add(argv, words[i]);
	g_ptr_array_add(argv, (gpointer) SCRIPT_PATH);
	g_ptr_array_add(argv, NULL);
	g_autofree char *body = save_body(script, error);
	if (body == NULL)
		return FALSE;
	const char *const binds[] = { SCRIPT_PATH, body, NULL };
	const AshSandboxCommand command = {
		.root_path = root->request->root_path,
		.argv = (const char *const *) argv->pdata,
		.bind_pairs = binds,
		.timeout_seconds = SCRIPT_TIMEOUT_SECONDS,
		.epoch = root->request->epoch,
	};
	gboolean ran = ash_sandbox_run(root->ctx, &command, &output, &status, error);
	unlink(body);
	if (script->log != NULL && output != NULL &&
	    !ash_tree_root_save(root, script->log + strspn(script->log, "/"), output, 0600, ran ? error : NULL))
		return FALSE;
	if (!ran)
		return ash_prefix(error, "%s: %%post", script->origin);
	if (status == 0)
		return TRUE;
	g_autofree char *lines = ash_sandbox_quote_lines(output, ERROR_LINES);
	if (script->error_on_fail)
		return ash_throw(error, ASH_ERROR_SCRIPT, "%s: %%post failed (exit status %d)%s", script->origin, status,
				 lines);
	ash_progress_message(root->ctx->progress, "warning: %s: %%post failed (exit status %d)%s", script->origin, status,
			     lines);
	return TRUE;
}

/* The kickstart's %post scripts, in order. */
gboolean
ash_step_scripts(AshTreeRoot *root, GError **error)
{
	GPtrArray *scripts = root->request->spec->post_scripts;

	for (guint i = 0; i < scripts->len; i++)
		if (!run_script(root, g_ptr_array_index(scripts, i), error))
			return FALSE;
	return TRUE;
}
