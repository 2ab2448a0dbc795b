/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/kscommand.h"

#include "base/error.h"
#include "config/nearest.h"
#include "model/strv.h"

#include <string.h>

static const AshKsCommand *const tables[] = {
	ash_ks_repo_commands,    ash_ks_account_commands, ash_ks_system_commands,
	ash_ks_network_commands, ash_ks_storage_commands, ash_ks_login_commands,   ash_ks_source_commands,
	ash_ks_other_commands,
};

const char *
ash_ks_status_to_string(AshKsStatus status)
{
	static const char *const names[] = {
		[ASH_KS_DONE] = "carried out",
		[ASH_KS_MOOT] = "no effect",
		[ASH_KS_REFUSED] = "refused",
	};

	return names[status];
}

GPtrArray *
ash_kscommand_list(void)
{
	GPtrArray *commands = g_ptr_array_new();

	for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
		for (const AshKsCommand *command = tables[i]; command->name != NULL; command++)
			g_ptr_array_add(commands, (gpointer) command);
	return commands;
}

static const AshKsCommand *
find_command(const char *name)
{
	g_autoptr(GPtrArray) commands = ash_kscommand_list();

	for (guint i = 0; i < commands->len; i++) {
		const AshKsCommand *command = g_ptr_array_index(commands, i);

		if (g_str_equal(command->name, name))
			return command;
	}
	return NULL;
}

static gboolean
throw_unknown(const char *origin, const char *name, GError **error)
{
	g_autoptr(GPtrArray) commands = ash_kscommand_list();
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	g_autofree char *hint = NULL;

	for (guint i = 0; i < commands->len; i++)
		g_ptr_array_add(
			names,
			(gpointer) ((const AshKsCommand *) g_ptr_array_index(commands, i))->name);
	g_ptr_array_add(names, NULL);
	hint = ash_nearest_hint(name, (const char *const *) names->pdata);
	return ash_throw(error, ASH_ERROR_CONFIG, "%s: %s: unknown command \"%s\"%s", origin, name,
			 name, hint);
}

static gboolean
check_arguments(const AshKsCommand *command, AshKsCall *call, GError **error)
{
	guint n_args = g_strv_length(call->args);

	if (n_args > command->max_args && command->max_args == 0)
		return ash_option_throw(&call->place, error, "unexpected argument \"%s\"",
					call->args[0]);
	if (n_args > command->max_args)
		return ash_option_throw(
			&call->place, error,
			"unexpected argument \"%s\"; put quotes around a value with spaces",
			call->args[command->max_args]);
	if (n_args < command->min_args)
		return ash_option_throw(&call->place, error, "%u argument%s expected, %u given",
					command->min_args, command->min_args == 1 ? "" : "s",
					n_args);
	return TRUE;
}

static gboolean
check_conflicts(const AshKsCommand *command, const AshKsCall *call, GError **error)
{
	g_auto(GStrv) names = g_strsplit(command->conflicts != NULL ? command->conflicts : "", " ", -1);

	for (guint i = 0; names[i] != NULL; i++) {
		const char *where = g_hash_table_lookup(call->state->said, names[i]);

		if (where != NULL)
			return ash_option_throw(&call->place, error,
						"cannot go together with \"%s\" at %s", names[i],
						where);
	}
	return TRUE;
}

static gboolean
run_done(const AshKsCommand *command, AshKsCall *call, const char *const *words, GError **error)
{
	const char *before = g_hash_table_lookup(call->state->said, command->name);

	if (command->free_words)
		ash_strv_replace(&call->args, words + 1);
	else if (!ash_option_parse(&call->place, command->options, words + 1, call->values,
				   &call->args, error))
		return FALSE;
	if (!check_arguments(command, call, error) || !check_conflicts(command, call, error))
		return FALSE;
	if (command->deprecated)
		ash_option_notice(&call->place, ASH_OPTION_DEPRECATED "%s", command->text);
	if (command->once && before != NULL)
		ash_option_notice(&call->place, "replaces what %s said", before);
	g_hash_table_replace(call->state->said, g_strdup(command->name),
			     g_strdup(call->place.origin));
	return command->handler(call, error);
}

/* A table of options, each ignored without a word of its own, from a list of names. */
static AshOptionDef *
parse_known_options(const char *known, char **ret_names)
{
	g_autoptr(GArray) defs = g_array_new(TRUE, TRUE, sizeof(AshOptionDef));
	char *names = g_strdup(known);
	char *rest = names;
	const char *name = NULL;

	while ((name = strsep(&rest, " ")) != NULL) {
		char *equals = strchr(name, '=');
		AshOptionDef def = { .name = name, .kind = ASH_OPTION_FLAG };

		if (equals != NULL) {
			*equals = '\0';
			def.kind = ASH_OPTION_STRING;
			def.offset = sizeof(gpointer);
		}
		g_array_append_val(defs, def);
	}
	*ret_names = names;
	return (AshOptionDef *) g_array_free(g_steal_pointer(&defs), FALSE);
}

/* Wrong options are errors even where right ones do nothing. */
static gboolean
check_known(const AshKsCommand *command, AshKsCall *call, const char *const *words, GError **error)
{
	gpointer values[2] = { NULL, NULL };
	g_autofree char *names = NULL;
	g_autofree AshOptionDef *defs = NULL;
	gboolean ok = TRUE;

	if (command->known == NULL)
		return TRUE;
	defs = parse_known_options(command->known, &names);
	ok = ash_option_parse(&call->place, defs, words + 1, values, &call->args, error) &&
	     check_arguments(command, call, error);
	g_free(values[1]);
	return ok;
}

static gboolean
run_command(const AshKsCommand *command, AshKsCall *call, const char *const *words, GError **error)
{
	switch (command->status) {
	case ASH_KS_DONE:
		return run_done(command, call, words, error);
	case ASH_KS_MOOT:
		if (!check_known(command, call, words, error))
			return FALSE;
		ash_option_notice(&call->place, "%shas no effect: %s",
				  command->deprecated ? ASH_OPTION_DEPRECATED : "", command->text);
		return TRUE;
	case ASH_KS_REFUSED:
		break;
	}
	return check_known(command, call, words, error) &&
	       ash_option_refuse(&call->place, error, "is not carried out: %s", command->text);
}

/* As what a command does not do is said of it. */
static gboolean
refuse_with_commit(const AshKsState *state, const char *command, const char *origin, GError **error)
{
	const AshOstreeSpec *ostree = &state->spec->ostree;
	const AshOptionPlace place = { .origin = origin, .command = command, .notices = state->spec->notices, .refusals = state->refusals };

	return ash_option_refuse(&place, error,
				 "is not carried out: nothing is installed, the system is the commit that \"%s\" at %s names; "
				 "remove it, and compose the commit with it",
				 ostree->container ? "ostreecontainer" : "ostreesetup", ostree->origin);
}

static gboolean
check_sections(const AshKsState *state, GError **error)
{
	const AshSpec *spec = state->spec;
	const AshScriptSpec *script = spec->post_scripts->len > 0 ? g_ptr_array_index(spec->post_scripts, 0) : NULL;
	const AshCertificateSpec *certificate = spec->certificates->len > 0 ? g_ptr_array_index(spec->certificates, 0) : NULL;

	return (spec->packages.origin == NULL || refuse_with_commit(state, "%packages", spec->packages.origin, error)) &&
	       (script == NULL || refuse_with_commit(state, "%post", script->origin, error)) &&
	       (certificate == NULL || refuse_with_commit(state, "%certificate", certificate->origin, error));
}

gboolean
ash_kscommand_check_source(AshKsState *state, GError **error)
{
	g_autoptr(GPtrArray) commands = ash_kscommand_list();

	if (!state->spec->ostree.set)
		return TRUE;
	for (guint i = 0; i < commands->len; i++) {
		const AshKsCommand *command = g_ptr_array_index(commands, i);
		const char *origin = g_hash_table_lookup(state->said, command->name);

		if (origin != NULL && !command->with_commit && !refuse_with_commit(state, command->name, origin, error))
			return FALSE;
	}
	return check_sections(state, error);
}

gboolean
ash_kscommand_run(AshKsState *state, const char *origin, const char *const *words, GError **error)
{
	const AshKsCommand *command = find_command(words[0]);
	g_autofree gpointer values = NULL;
	g_auto(GStrv) args = ash_strv_new();
	gboolean ok = FALSE;

	if (command == NULL)
		return throw_unknown(origin, words[0], error);
	values = g_malloc0(MAX(command->values_size, 1));
	AshKsCall call = {
		.state = state,
		.spec = state->spec,
		.place = { .origin = origin,
			   .command = command->name,
			   .notices = state->spec->notices,
			   .refusals = state->refusals },
		.values = values,
		.args = g_steal_pointer(&args),
	};
	if (command->options != NULL)
		ash_option_init(command->options, values);
	ok = run_command(command, &call, words, error);
	if (command->options != NULL)
		ash_option_clear(command->options, values);
	args = call.args;
	return ok;
}
