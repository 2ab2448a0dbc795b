/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "config/imgtype.h"
#include "config/kickstart.h"
#include "config/kslayout.h"
#include "config/kstable.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	AshCommonOptions common;
	char **arguments; /* VERB FILE... */
	char **repo_dirs, **repo_urls, **types;
	char *output, *releasever;
	gboolean manual;
} KickstartCommand;

static void
kickstart_command_clear(KickstartCommand *command)
{
	ash_common_options_clear(&command->common);
	g_strfreev(command->arguments);
	g_strfreev(command->repo_dirs);
	g_strfreev(command->repo_urls);
	g_strfreev(command->types);
	g_free(command->output);
	g_free(command->releasever);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KickstartCommand, kickstart_command_clear)

/* What was found in one file. */
typedef struct {
	const char *file;
	AshKsFindings *findings;
} Checked;

static void
checked_free(gpointer data)
{
	Checked *checked = data;

	ash_ks_findings_free(checked->findings);
	g_free(checked);
}

/* What it says about disks, in the layouts of the types that are named. */
static void
check_types(const KickstartCommand *command, AshContext *ctx, const AshSpec *spec, AshKsFindings *findings)
{
	for (guint i = 0; command->types != NULL && command->types[i] != NULL; i++) {
		GError *problem = NULL;
		g_autoptr(AshImageType) type = ash_imgtype_load(command->types[i], ctx->data_dir, &problem);

		if (type == NULL || !ash_kslayout_apply(spec, type, findings->notices, &problem))
			g_ptr_array_add(findings->problems, problem);
	}
}

/* A file that cannot be read at all is a problem of its own: others may follow. */
static Checked *
check_file(const KickstartCommand *command, AshContext *ctx, const char *file)
{
	Checked *checked = g_new0(Checked, 1);
	g_autoptr(AshSpec) spec = NULL;
	GError *problem = NULL;

	checked->file = file;
	checked->findings = ash_ks_findings_new();
	const AshKickstartOptions options = {
		.repo_dirs = (const char *const *) command->repo_dirs,
		.repo_urls = (const char *const *) command->repo_urls,
		.vars = { .releasever = command->releasever },
		.findings = checked->findings,
	};
	spec = ash_kickstart_load_full(file, &options, &problem);
	if (spec == NULL)
		g_ptr_array_add(checked->findings->problems, problem);
	else
		check_types(command, ctx, spec, checked->findings);
	return checked;
}

static const char *
notice_kind(const char *notice)
{
	return strstr(notice, ": " ASH_KS_DEPRECATED) != NULL ? "deprecated" : "notice";
}

static void
print_findings(const AshKsFindings *findings)
{
	for (guint i = 0; i < findings->problems->len; i++)
		printf("error: %s\n", ((const GError *) g_ptr_array_index(findings->problems, i))->message);
	for (guint i = 0; i < findings->refusals->len; i++)
		printf("refused: %s\n", (const char *) g_ptr_array_index(findings->refusals, i));
	for (guint i = 0; i < findings->notices->len; i++) {
		const char *notice = g_ptr_array_index(findings->notices, i);

		printf("%s: %s\n", notice_kind(notice), notice);
	}
}

static void
add_finding(JsonArray *list, const char *kind, const char *text)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "kind", kind);
	json_object_set_string_member(object, "message", text);
	json_array_add_object_element(list, object);
}

static JsonObject *
findings_to_json(const Checked *checked)
{
	const AshKsFindings *findings = checked->findings;
	JsonObject *object = json_object_new();
	JsonArray *list = json_array_new();

	for (guint i = 0; i < findings->problems->len; i++)
		add_finding(list, "error", ((const GError *) g_ptr_array_index(findings->problems, i))->message);
	for (guint i = 0; i < findings->refusals->len; i++)
		add_finding(list, "refused", g_ptr_array_index(findings->refusals, i));
	for (guint i = 0; i < findings->notices->len; i++) {
		const char *notice = g_ptr_array_index(findings->notices, i);

		add_finding(list, notice_kind(notice), notice);
	}
	json_object_set_string_member(object, "file", checked->file);
	json_object_set_boolean_member(object, "readable", findings->problems->len == 0);
	json_object_set_boolean_member(object, "ok", findings->problems->len == 0 && findings->refusals->len == 0);
	json_object_set_array_member(object, "findings", list);
	return object;
}

static void
print_json(const GPtrArray *files)
{
	g_autoptr(JsonObject) object = json_object_new();
	JsonArray *list = json_array_new();

	for (guint i = 0; i < files->len; i++)
		json_array_add_object_element(list, findings_to_json(g_ptr_array_index(files, i)));
	json_object_set_array_member(object, "files", list);
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
}

static gboolean
run_check(const KickstartCommand *command, AshContext *ctx, GError **error)
{
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(checked_free);
	guint wrong = 0, refused = 0;

	for (guint i = 1; command->arguments[i] != NULL; i++) {
		Checked *checked = check_file(command, ctx, command->arguments[i]);

		g_ptr_array_add(files, checked);
		if (checked->findings->problems->len > 0)
			wrong++;
		else if (checked->findings->refusals->len > 0)
			refused++;
		if (!command->common.json)
			print_findings(checked->findings);
	}
	if (command->common.json)
		print_json(files);
	if (wrong + refused == 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG, "of %u file%s, %u %s errors and %u more ask%s for what is not carried out",
			 files->len, files->len == 1 ? "" : "s", wrong, wrong == 1 ? "has" : "have", refused,
			 refused == 1 ? "s" : "");
}

static gboolean
run_flatten(const KickstartCommand *command, AshContext *ctx, GError **error)
{
	g_autoptr(GString) flat = g_string_new(NULL);
	g_autoptr(AshKsFindings) findings = ash_ks_findings_new();
	g_autoptr(AshSpec) spec = NULL;
	const AshKickstartOptions options = {
		.repo_dirs = (const char *const *) command->repo_dirs,
		.repo_urls = (const char *const *) command->repo_urls,
		.vars = { .releasever = command->releasever },
		.findings = findings,
		.flat = flat,
	};

	if (g_strv_length(command->arguments) != 2)
		return ash_throw(error, ASH_ERROR_USAGE, "\"flatten\" takes one file");
	spec = ash_kickstart_load_full(command->arguments[1], &options, error);
	if (spec == NULL)
		return FALSE;
	/* One file of a wrong one would be wrong in other lines. */
	if (findings->problems->len > 0) {
		g_propagate_error(error, g_error_copy(g_ptr_array_index(findings->problems, 0)));
		return FALSE;
	}
	if (command->output != NULL)
		return ash_file_save(AT_FDCWD, command->output, flat->str, (gssize) flat->len, 0644, error);
	fwrite(flat->str, 1, flat->len, stdout);
	return TRUE;
}

static gboolean
run_commands(const KickstartCommand *command, AshContext *ctx, GError **error)
{
	g_autofree char *text = NULL;

	if (command->arguments[1] != NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "\"commands\" takes no argument");
	if (command->common.json) {
		g_autoptr(JsonObject) object = ash_kstable_to_json();

		text = ash_json_object_to_string(object, TRUE);
	} else {
		text = command->manual ? ash_kstable_format_manual() : ash_kstable_format();
	}
	fputs(text, stdout);
	return TRUE;
}

static const struct {
	const char *name;
	gboolean (*run)(const KickstartCommand *command, AshContext *ctx, GError **error);
	guint least; /* arguments after the verb */
} verbs[] = {
	{ "check", run_check, 1 },
	{ "flatten", run_flatten, 1 },
	{ "commands", run_commands, 0 },
};

gboolean
ash_command_kickstart(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(KickstartCommand) command = { .arguments = NULL };
	const GOptionEntry entries[] = {
		{ "type", 't', 0, G_OPTION_ARG_STRING_ARRAY, &command.types, "check: also what this image type cannot have", "TYPE" },
		{ "repos", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &command.repo_dirs, "A directory with .repo files", "DIR" },
		{ "repo", 0, 0, G_OPTION_ARG_STRING_ARRAY, &command.repo_urls, "Take repository NAME from URL", "NAME=URL" },
		{ "releasever", 0, 0, G_OPTION_ARG_STRING, &command.releasever, "What $releasever stands for in URLs of repositories", "RELEASE" },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &command.output, "flatten: write here (default: standard output)", "FILE" },
		{ "manual", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &command.manual, "commands: as ashlar.kickstart(5) has it", NULL },
		{ NULL },
	};

	if (!ash_command_parse(env, entries, argc, argv, 1, -1, &command.common, &command.arguments, error))
		return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++) {
		if (strcmp(verbs[i].name, command.arguments[0]) != 0)
			continue;
		if (g_strv_length(command.arguments) <= verbs[i].least)
			return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" needs a kickstart file", verbs[i].name);
		return verbs[i].run(&command, env->ctx, error);
	}
	return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" is no action: there are check, flatten and commands", command.arguments[0]);
}
