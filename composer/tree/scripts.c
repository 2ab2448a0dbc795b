/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"
#include "base/hostroot.h"
#include "tree/scriptrun.h"
#include "tree/steps.h"

#include <string.h>

#define SECTION "%post"
#define SYSTEM_PATH "/mnt/sysimage"

/* In the system itself. */
static gboolean
run_inside(AshTreeRoot *root, const AshScriptSpec *script, char **ret_output, GError **error)
{
	const AshScriptPlace place = {
		.root_path = root->request->root_path,
		.script_path = "/tmp/ks-script",
		.epoch = root->request->epoch,
	};

	return ash_script_run(root->ctx, script, SECTION, &place, ret_output, error);
}

/* --nochroot: with the programs of this machine, the system where an installer has it. */
static gboolean
run_outside(AshTreeRoot *root, const AshScriptSpec *script, char **ret_output, GError **error)
{
	static const char *const env[] = { "ANA_INSTALL_PATH=" SYSTEM_PATH, NULL };
	const char *const outputs[] = { SYSTEM_PATH, root->request->root_path, NULL };
	g_auto(AshHostRoot) host = { .path = NULL };

	if (!ash_host_root_make(&host, error))
		return FALSE;
	const AshScriptPlace place = {
		.root_path = host.path,
		.bind_pairs = (const char *const *) host.binds,
		.output_pairs = outputs,
		.env = env,
		.script_path = "/run/ks-script",
		.epoch = root->request->epoch,
	};
	return ash_script_run(root->ctx, script, SECTION " --nochroot", &place, ret_output, error);
}

/* A log of one outside is where the script sees it: in the system, or nowhere that is left. */
static const char *
log_path(const AshScriptSpec *script)
{
	if (script->log == NULL || !script->outside)
		return script->log;
	return g_str_has_prefix(script->log, SYSTEM_PATH "/") ? script->log + strlen(SYSTEM_PATH) : NULL;
}

static gboolean
run_script(AshTreeRoot *root, const AshScriptSpec *script, GError **error)
{
	g_autofree char *output = NULL;
	const char *log = log_path(script);
	gboolean done = script->outside ? run_outside(root, script, &output, error) : run_inside(root, script, &output, error);

	if (log != NULL && output != NULL &&
	    !ash_tree_root_save(root, log + strspn(log, "/"), output, 0600, done ? error : NULL))
		return FALSE;
	return done;
}

/* The kickstart's %post scripts, in order. */
gboolean
ash_step_scripts(AshTreeRoot *root, GError **error)
{
	GPtrArray *scripts = root->request->spec->post_scripts;

	for (guint i = 0; i < scripts->len; i++)
		if (!run_script(root, g_ptr_array_index(scripts, i), error) || !ash_file_require_room(root->fd, SECTION, error))
			return FALSE;
	return TRUE;
}
