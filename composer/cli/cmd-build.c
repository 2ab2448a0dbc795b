/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/file.h"
#include "cli/render.h"
#include "cli/sealing.h"
#include "compose/build.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* build, plan and resolve: three depths of the same thing. */
typedef struct {
	gboolean locked, update_lock, dry_run, unchanged_exit_77, explain, no_import_cache, checksums;
	char **types, **formats, **repo_dirs, **repo_urls;
	char *out_dir, *version, *lock, *seed, *anchor, *releasever;
} BuildOptions;

static void
build_options_clear(BuildOptions *options)
{
	g_strfreev(options->types);
	g_strfreev(options->formats);
	g_strfreev(options->repo_dirs);
	g_strfreev(options->repo_urls);
	g_free(options->out_dir);
	g_free(options->version);
	g_free(options->lock);
	g_free(options->seed);
	g_free(options->anchor);
	g_free(options->releasever);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BuildOptions, build_options_clear)

typedef struct {
	AshCommonOptions common;
	BuildOptions options;
	char **arguments;
	AshUuid seed;
	GBytes *anchor;
	AshSealing sealing;
	AshBuildRequest request;
} Invocation;

static void
invocation_clear(Invocation *invocation)
{
	ash_common_options_clear(&invocation->common);
	build_options_clear(&invocation->options);
	g_strfreev(invocation->arguments);
	g_clear_pointer(&invocation->anchor, g_bytes_unref);
	ash_sealing_clear(&invocation->sealing);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Invocation, invocation_clear)

/* A version ends up in refs, file names, partition labels and os-release. */
static gboolean
check_version(const char *version, GError **error)
{
	for (const char *at = version; *at != '\0'; at++)
		if (!g_ascii_isalnum(*at) && strchr(".-~^", *at) == NULL)
			return ash_throw(error, ASH_ERROR_USAGE,
					 "--version \"%s\" may only have letters, digits and . - ~ ^", version);
	if (*version == '\0')
		return ash_throw(error, ASH_ERROR_USAGE, "--version is empty");
	return TRUE;
}

static gboolean
fill_request(Invocation *invocation, GError **error)
{
	BuildOptions *options = &invocation->options;
	AshBuildRequest *request = &invocation->request;

	if (options->types == NULL)
		return ash_throw(error, ASH_ERROR_USAGE,
				 "no image type is given: add -t TYPE (\"ashlar types\" lists them)");
	if (options->locked && options->update_lock)
		return ash_throw(error, ASH_ERROR_USAGE, "--locked and --update-lock exclude each other");
	if (options->version != NULL && !check_version(options->version, error))
		return FALSE;
	if (options->seed != NULL && !ash_uuid_parse(options->seed, &invocation->seed))
		return ash_throw(error, ASH_ERROR_USAGE, "--seed \"%s\" is not a UUID", options->seed);
	if (!ash_command_load_anchor(options->anchor, &invocation->anchor, error))
		return FALSE;
	*request = (AshBuildRequest) {
		.kickstart = invocation->arguments[0],
		.types = (const char *const *) options->types,
		.out_dir = options->out_dir != NULL ? options->out_dir : ".",
		.version = options->version,
		.lock_path = options->lock,
		.repo_dirs = (const char *const *) options->repo_dirs,
		.repo_urls = (const char *const *) options->repo_urls,
		.releasever = options->releasever,
		.images = { .seed = options->seed != NULL ? &invocation->seed : NULL,
			    .formats = (const char *const *) options->formats,
			    .checksums = options->checksums,
			    .anchor = invocation->anchor },
		.locked = options->locked,
		.update_lock = options->update_lock,
		.no_import_cache = options->no_import_cache,
	};
	return TRUE;
}

static gboolean
parse(AshCommandEnv *env, int argc, char **argv, Invocation *invocation, GError **error)
{
	BuildOptions *o = &invocation->options;
	const GOptionEntry entries[] = {
		{ "type", 't', 0, G_OPTION_ARG_STRING_ARRAY, &o->types, "An image type; may be given several times", "TYPE" },
		{ "format", 'f', 0, G_OPTION_ARG_STRING_ARRAY, &o->formats,
		  "Write disks in this format and not in those of the type: " ASH_DISK_FORMAT_NAMES, "FORMAT" },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &o->out_dir, "Where images go (default: here)", "DIR" },
		{ "version", 'V', 0, G_OPTION_ARG_STRING, &o->version,
		  "Version of the system (default: day of its newest package)", "VERSION" },
		{ "repos", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->repo_dirs, "A directory with .repo files", "DIR" },
		{ "repo", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->repo_urls, "Take repository NAME from URL", "NAME=URL" },
		{ "releasever", 0, 0, G_OPTION_ARG_STRING, &o->releasever, "What $releasever stands for in URLs of repositories", "RELEASE" },
		{ "lock", 0, 0, G_OPTION_ARG_FILENAME, &o->lock,
		  "Prefer exactly what this lock says; written if absent (default: written to DIR/NAME.lock)", "FILE" },
		{ "locked", 0, 0, G_OPTION_ARG_NONE, &o->locked, "Fail if anything would differ from the lock", NULL },
		{ "update-lock", 0, 0, G_OPTION_ARG_NONE, &o->update_lock, "Resolve anew and rewrite the lock", NULL },
		{ "seed", 0, 0, G_OPTION_ARG_STRING, &o->seed,
		  "Derive identifiers from this (default: from the content)", "UUID" },
		{ "anchor", 0, 0, G_OPTION_ARG_FILENAME, &o->anchor,
		  "Keep what is unchanged where this layout of an earlier version has it; \"none\": pack anew", "FILE" },
		ASH_SEALING_ENTRIES(&invocation->sealing),
		{ "checksums", 0, 0, G_OPTION_ARG_NONE, &o->checksums, "Compute a SHA-256 of raw disks, too", NULL },
		{ "dry-run", 'n', 0, G_OPTION_ARG_NONE, &o->dry_run, "Show the plan and stop", NULL },
		{ "unchanged-exit-77", 0, 0, G_OPTION_ARG_NONE, &o->unchanged_exit_77,
		  "Exit with status 77, writing nothing, if every commit is there already", NULL },
		{ "explain", 0, 0, G_OPTION_ARG_NONE, &o->explain, "Say of each stage why it ran, or did not have to", NULL },
		{ "no-import-cache", 0, 0, G_OPTION_ARG_NONE, &o->no_import_cache,
		  "Let librpm unpack every package, and reuse no installed root (slower; the same bytes)", NULL },
		{ NULL },
	};

	if (!ash_command_parse(env, entries, argc, argv, 1, 1, &invocation->common, &invocation->arguments, error) ||
	    !fill_request(invocation, error))
		return FALSE;
	invocation->request.images.secrets = ash_sealing_prepare(&invocation->sealing, env, error);
	invocation->request.images.pcr_key = invocation->sealing.pcr_key;
	invocation->request.images.signer = ash_boot_signing_get(&invocation->sealing.boot);
	return invocation->request.images.secrets != NULL;
}

/* A plan may be made without a store; a build makes one. */
static gboolean
open_store_if_there(const Invocation *invocation, AshStore **ret_store, GError **error)
{
	g_autofree char *objects = g_build_filename(invocation->common.store, "repo", "objects", NULL);

	*ret_store = NULL;
	/* An empty directory is a good place for a new one. */
	if (!ash_file_exists(AT_FDCWD, objects))
		return TRUE;
	*ret_store = ash_store_open(invocation->common.store, false, error);
	return *ret_store != NULL;
}

static gboolean
make_plan(AshCommandEnv *env, const Invocation *invocation, AshPlan **ret_plan, GError **error)
{
	g_autoptr(AshStore) store = NULL;

	if (!open_store_if_there(invocation, &store, error))
		return FALSE;
	*ret_plan = ash_plan_new(env->ctx, store, &invocation->request, error);
	return *ret_plan != NULL;
}

static void
print_notices(AshCommandEnv *env, const AshPlan *plan)
{
	for (guint i = 0; i < plan->spec->notices->len; i++)
		ash_progress_message(env->ctx->progress, "note: %s",
				     (const char *) g_ptr_array_index(plan->spec->notices, i));
}

static void
show_plan(AshCommandEnv *env, const Invocation *invocation, const AshPlan *plan)
{
	ash_terminal_clear(env->terminal);
	ash_render_plan(plan, invocation->options.explain, invocation->common.json);
}

gboolean
ash_command_plan(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(Invocation) invocation = { 0 };
	g_autoptr(AshPlan) plan = NULL;

	if (!parse(env, argc, argv, &invocation, error) || !make_plan(env, &invocation, &plan, error))
		return FALSE;
	print_notices(env, plan);
	show_plan(env, &invocation, plan);
	return TRUE;
}

gboolean
ash_command_resolve(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(Invocation) invocation = { 0 };
	g_autoptr(AshPlan) plan = NULL;

	if (!parse(env, argc, argv, &invocation, error) || !make_plan(env, &invocation, &plan, error))
		return FALSE;
	print_notices(env, plan);
	if (plan->source != NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: nothing is resolved: the system is a commit from elsewhere", plan->spec->ostree.origin);
	ash_terminal_clear(env->terminal);
	/* The lock is written only where the user says so, over an older one only with --update-lock; else it is the output. */
	bool missing = invocation.options.lock != NULL && !ash_file_exists(AT_FDCWD, plan->lock_path);
	if (!missing && !invocation.options.update_lock) {
		fputs(plan->lock_text, stdout);
		return TRUE;
	}
	return !plan->lock_changed ||
	       ash_file_save(AT_FDCWD, plan->lock_path, plan->lock_text, -1, 0644, error);
}

static gboolean
carry_out(AshCommandEnv *env, const Invocation *invocation, AshStore *store, AshPlan *plan, GError **error)
{
	const AshBuildRequest *request = &invocation->request;

	if (invocation->options.unchanged_exit_77 && ash_plan_is_unchanged(plan))
		return ash_throw(error, ASH_ERROR_UNCHANGED, "nothing changed: every commit is in the store already");
	if (!ash_plan_check_space(plan, invocation->common.store, request->out_dir, error))
		return FALSE;
	g_autoptr(AshBuildResult) result = ash_build_run(env->ctx, store, plan, request, error);
	if (result == NULL)
		return FALSE;
	ash_terminal_clear(env->terminal);
	ash_render_result(result, invocation->options.explain, invocation->common.json);
	return TRUE;
}

gboolean
ash_command_build(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(Invocation) invocation = { 0 };

	if (!parse(env, argc, argv, &invocation, error))
		return FALSE;
	/* Nothing is made, the store neither, before the configuration is known to be good. */
	g_autoptr(AshPlan) plan = NULL;
	if (!make_plan(env, &invocation, &plan, error))
		return FALSE;
	print_notices(env, plan);
	if (invocation.options.dry_run) {
		show_plan(env, &invocation, plan);
		return TRUE;
	}
	g_autoptr(AshStore) store = ash_store_open(invocation.common.store, true, error);
	if (store == NULL)
		return FALSE;
	return carry_out(env, &invocation, store, plan, error);
}
