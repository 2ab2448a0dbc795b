/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kssection.h"
#include "config/lexer.h"

typedef struct {
	char *interpreter, *log;
	bool erroronfail, nochroot;
} PostValues;

#define FIELD(member) G_STRUCT_OFFSET(PostValues, member)

static const AshOptionDef post_options[] = {
	{ "--interpreter", ASH_OPTION_STRING, FIELD(interpreter) },
	{ "--log", ASH_OPTION_STRING, FIELD(log) },
	{ "--logfile", ASH_OPTION_STRING, FIELD(log) },
	{ "--erroronfail", ASH_OPTION_FLAG, FIELD(erroronfail) },
	{ "--nochroot", ASH_OPTION_FLAG, FIELD(nochroot) },
	{ NULL },
};

typedef struct {
	AshScriptSpec *script;
	GString *body;
} Post;

static void
post_free(gpointer data)
{
	Post *post = data;

	ash_script_spec_free(post->script);
	g_string_free(post->body, TRUE);
	g_free(post);
}

static gboolean
post_begin(AshKsCall *call, gpointer *ret_data, GError **error)
{
	PostValues *values = call->values;
	Post *post = NULL;

	if (values->nochroot)
		return ash_option_throw(
			&call->place, error,
			"--nochroot is not carried out: a script sees only the system that is "
			"composed; "
			"remove the option, or do it before or after calling this program");
	if (values->interpreter != NULL && !ash_check_path(values->interpreter))
		return ash_option_throw(&call->place, error,
					"--interpreter: \"%s\" is no absolute path",
					values->interpreter);
	if (values->log != NULL && !ash_check_path(values->log))
		return ash_option_throw(&call->place, error, "--log: \"%s\" is no absolute path",
					values->log);
	post = g_new0(Post, 1);
	post->body = g_string_new(NULL);
	post->script = ash_script_spec_new(call->place.origin);
	post->script->error_on_fail = values->erroronfail;
	post->script->log = g_steal_pointer(&values->log);
	if (values->interpreter != NULL) {
		g_free(post->script->interpreter);
		post->script->interpreter = g_steal_pointer(&values->interpreter);
	}
	*ret_data = post;
	return TRUE;
}

static gboolean
post_add_line(AshKsCall *call, gpointer data, const char *line, GError **error)
{
	Post *post = data;

	g_string_append(post->body, line);
	g_string_append_c(post->body, '\n');
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
static void
post_finish(AshKsCall *call, gpointer data)
{
	Post *post = data;

	if (is_empty(post->body->str)) {
		ash_option_notice(&call->place, "has no effect: the script is empty");
		return;
	}
	g_free(post->script->body);
	post->script->body = g_strdup(post->body->str);
	g_ptr_array_add(call->spec->post_scripts, g_steal_pointer(&post->script));
}

const AshKsSectionDef ash_ks_post_section = {
	.name = "%post",
	.options = post_options,
	.values_size = sizeof(PostValues),
	.begin = post_begin,
	.add_line = post_add_line,
	.finish = post_finish,
	.free_data = post_free,
};
