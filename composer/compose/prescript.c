/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/prescript.h"

#include "base/error.h"
#include "base/file.h"
#include "base/hostroot.h"
#include "base/json.h"
#include "base/worker.h"
#include "model/records.h"
#include "tree/scriptrun.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What crosses to the worker. */
typedef struct {
	char *dir;
	GPtrArray *scripts; /* of AshScriptSpec */
} Job;

static const AshField job_fields[] = {
	ASH_FIELD(Job, dir, ASH_FIELD_STRING),
	ASH_FIELD_EACH(Job, scripts, ash_script_spec_fields, AshScriptSpec),
	{ NULL },
};

static void
job_clear(Job *job)
{
	g_free(job->dir);
	g_ptr_array_unref(job->scripts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

gboolean
ash_prescript_run(const GPtrArray *scripts, gpointer prescript, GError **error)
{
	const AshPrescript *pre = prescript;
	const Job job = { .dir = (char *) pre->dir, .scripts = (GPtrArray *) scripts };
	g_autoptr(JsonObject) request = ash_record_to_json(&job, job_fields, TRUE);
	g_autoptr(JsonObject) reply = ash_worker_call(pre->ctx, ASH_PRESCRIPT_WORKER, request, error);

	return reply != NULL;
}

/* Nobody but us reads it afterwards, by ids of our own: links and devices go, the rest becomes ours. */
static int
tidy_entry(const char *path, const struct stat *info, int type, struct FTW *where)
{
	if (type == FTW_DP || type == FTW_F)
		return S_ISREG(info->st_mode) || S_ISDIR(info->st_mode)
			       ? (lchown(path, 0, 0) < 0 || chmod(path, S_ISDIR(info->st_mode) ? 0700 : 0600) < 0 ? -1 : 0)
			       : unlink(path);
	return type == FTW_SL || type == FTW_SLN ? unlink(path) : 0;
}

static gboolean
save_log(const Job *job, const AshScriptSpec *script, const char *output, GError **error)
{
	if (script->log == NULL || output == NULL || !g_str_has_prefix(script->log, "/tmp/"))
		return TRUE;
	g_autofree char *name = g_path_get_basename(script->log);
	g_autofree char *path = g_build_filename(job->dir, name, NULL);
	return ash_file_write(AT_FDCWD, path, output, -1, 0600, error);
}

static gboolean
run_all(AshContext *ctx, const Job *job, const AshHostRoot *host, GError **error)
{
	const char *const outputs[] = { "/tmp", job->dir, NULL };
	const AshScriptPlace place = {
		.root_path = host->path,
		.bind_pairs = (const char *const *) host->binds,
		.output_pairs = outputs,
		.script_path = "/run/ks-script",
	};

	for (guint i = 0; i < job->scripts->len; i++) {
		const AshScriptSpec *script = g_ptr_array_index(job->scripts, i);
		g_autofree char *output = NULL;
		if (!ash_script_run(ctx, script, "%pre", &place, &output, error) || !save_log(job, script, output, error))
			return FALSE;
	}
	return TRUE;
}

JsonObject *
ash_prescript_worker(AshContext *ctx, JsonObject *request, GError **error)
{
	g_auto(Job) job = { .scripts = g_ptr_array_new_with_free_func((GDestroyNotify) ash_script_spec_free) };
	g_auto(AshHostRoot) host = { .path = NULL };

	if (!ash_record_from_json(&job, job_fields, request, error) || !ash_host_root_make(&host, error))
		return NULL;
	gboolean ran = run_all(ctx, &job, &host, error);
	if (nftw(job.dir, tidy_entry, 16, FTW_PHYS | FTW_DEPTH) != 0 && ran)
		return ash_throw_errno_null(error, "cannot tidy \"%s\"", job.dir);
	return ran ? json_object_new() : NULL;
}
