/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kssection.h"
#include "config/lexer.h"

#include <string.h>

typedef struct {
	char *interpreter, *log;
	bool erroronfail, nochroot;
} ScriptValues;

#define FIELD(member) G_STRUCT_OFFSET(ScriptValues, member)

/* clang-format off */
#define SCRIPT_OPTIONS \
	{ "--interpreter", ASH_OPTION_STRING, FIELD(interpreter) }, \
	{ "--log", ASH_OPTION_STRING, FIELD(log) }, \
	{ "--logfile", ASH_OPTION_STRING, FIELD(log) }, \
	{ "--erroronfail", ASH_OPTION_FLAG, FIELD(erroronfail) }
/* clang-format on */

static const AshOptionDef post_options[] = {
	SCRIPT_OPTIONS,
	{ "--nochroot", ASH_OPTION_FLAG, FIELD(nochroot) },
	{ NULL },
};

static const AshOptionDef pre_options[] = {
	SCRIPT_OPTIONS,
	{ NULL },
};

/* A script that is being read. */
typedef struct {
	AshScriptSpec *script;
	GString *body;
} Reading;

static void
reading_free(gpointer data)
{
	Reading *reading = data;

	ash_script_spec_free(reading->script);
	g_string_free(reading->body, TRUE);
	g_free(reading);
}

/* Words of a program and its arguments: "/usr/bin/python3 -u". */
static bool
is_interpreter(const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, " ", 2);

	/* One without a path is looked for, as by a shell. */
	return words[0] != NULL &&
	       (ash_check_path(words[0]) || (ash_check_word(words[0], "_.+-") && *words[0] != '-')) &&
	       (words[1] == NULL || ash_check_field(words[1]));
}

static gboolean
script_begin(AshKsCall *call, gpointer *ret_data, GError **error)
{
	ScriptValues *values = call->values;
	Reading *reading = NULL;

	if (values->interpreter != NULL && !is_interpreter(values->interpreter))
		return ash_option_throw(&call->place, error,
					"--interpreter: \"%s\" is no program",
					values->interpreter);
	if (values->log != NULL && !ash_check_path(values->log))
		return ash_option_throw(&call->place, error, "--log: \"%s\" is no absolute path",
					values->log);
	reading = g_new0(Reading, 1);
	reading->body = g_string_new(NULL);
	reading->script = ash_script_spec_new(call->place.origin);
	reading->script->error_on_fail = values->erroronfail;
	reading->script->outside = values->nochroot;
	reading->script->log = g_steal_pointer(&values->log);
	if (values->interpreter != NULL) {
		g_free(reading->script->interpreter);
		reading->script->interpreter = g_steal_pointer(&values->interpreter);
	}
	*ret_data = reading;
	return TRUE;
}

static gboolean
script_add_line(AshKsCall *call, gpointer data, const char *line, GError **error)
{
	Reading *reading = data;

	g_string_append(reading->body, line);
	g_string_append_c(reading->body, '\n');
	return TRUE;
}

static bool
is_empty(const char *body)
{
	while (g_ascii_isspace(*body))
		body++;
	return *body == '\0';
}

/* As in pykickstart, a script without a line is none. */
static bool
finish_body(AshKsCall *call, Reading *reading)
{
	if (is_empty(reading->body->str)) {
		ash_option_notice(&call->place, "has no effect: the script is empty");
		return false;
	}
	g_free(reading->script->body);
	reading->script->body = g_strdup(reading->body->str);
	return true;
}

static gboolean
post_finish(AshKsCall *call, gpointer data, GError **error)
{
	Reading *reading = data;

	if (finish_body(call, reading))
		g_ptr_array_add(call->spec->post_scripts, g_steal_pointer(&reading->script));
	return TRUE;
}

/* They have been run before this file is read, unless this reading is what finds them. */
static gboolean
pre_finish(AshKsCall *call, gpointer data, GError **error)
{
	Reading *reading = data;

	if (!finish_body(call, reading))
		return TRUE;
	if (call->state->pre_scripts != NULL)
		g_ptr_array_add(call->state->pre_scripts, g_steal_pointer(&reading->script));
	else
		call->state->pre_passed = true;
	return TRUE;
}

#define SCRIPT_SECTION(section_name, table, at_end)                                                \
	{                                                                                          \
		.name = section_name, .options = table, .values_size = sizeof(ScriptValues),       \
		.begin = script_begin, .add_line = script_add_line, .finish = at_end,              \
		.free_data = reading_free                                                          \
	}

const AshKsSectionDef ash_ks_post_section = SCRIPT_SECTION("%post", post_options, post_finish);
const AshKsSectionDef ash_ks_pre_section = SCRIPT_SECTION("%pre", pre_options, pre_finish);
const AshKsSectionDef ash_ks_pre_install_section =
	SCRIPT_SECTION("%pre-install", pre_options, pre_finish);
