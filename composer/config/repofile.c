/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/repofile.h"

#include "base/error.h"
#include "base/file.h"
#include "config/lexer.h"
#include "config/nearest.h"
#include "model/strv.h"

#include <fcntl.h>
#include <string.h>

#define REPO_FILE_MAX (1024 * 1024)

typedef enum {
	KEY_STRING,
	KEY_BOOL,
	KEY_INT,
	KEY_WORDS,  /* char **: separated by commas or white space */
	KEY_URL,    /* char *: a URL */
	KEY_URLS,   /* char **: URLs */
	KEY_FILES,  /* char **: local files, as file: URL or path */
	KEY_FILE,   /* char *: a local file */
	KEY_UNUSED, /* known to dnf, nothing to us */
} KeyKind;

typedef struct {
	const char *name;
	KeyKind kind;
	gsize offset;
} KeyDef;

#define FIELD(member) G_STRUCT_OFFSET(AshRepoConf, member)

static const KeyDef key_defs[] = {
	{ "name", KEY_STRING, FIELD(name) },
	{ "baseurl", KEY_URLS, FIELD(baseurls) },
	{ "mirrorlist", KEY_URL, FIELD(mirrorlist) },
	{ "metalink", KEY_URL, FIELD(metalink) },
	{ "enabled", KEY_BOOL, FIELD(enabled) },
	{ "gpgcheck", KEY_BOOL, FIELD(gpgcheck) },
	{ "pkg_gpgcheck", KEY_BOOL, FIELD(gpgcheck) }, /* dnf5's name */
	{ "repo_gpgcheck", KEY_BOOL, FIELD(repo_gpgcheck) },
	{ "gpgkey", KEY_FILES, FIELD(gpgkeys) },
	{ "cost", KEY_INT, FIELD(cost) },
	{ "priority", KEY_INT, FIELD(priority) },
	{ "excludepkgs", KEY_WORDS, FIELD(excludes) },
	{ "exclude", KEY_WORDS, FIELD(excludes) }, /* yum's name */
	{ "includepkgs", KEY_WORDS, FIELD(includes) },
	{ "proxy", KEY_STRING, FIELD(proxy) },
	{ "sslverify", KEY_BOOL, FIELD(sslverify) },
	{ "sslcacert", KEY_FILE, FIELD(sslcacert) },
	{ "sslclientcert", KEY_FILE, FIELD(sslclientcert) },
	{ "sslclientkey", KEY_FILE, FIELD(sslclientkey) },
	{ "bandwidth", KEY_UNUSED, 0 },
	{ "countme", KEY_UNUSED, 0 },
	{ "deltarpm", KEY_UNUSED, 0 },
	{ "deltarpm_percentage", KEY_UNUSED, 0 },
	{ "enablegroups", KEY_UNUSED, 0 },
	{ "failovermethod", KEY_UNUSED, 0 },
	{ "fastestmirror", KEY_UNUSED, 0 },
	{ "http_caching", KEY_UNUSED, 0 },
	{ "ip_resolve", KEY_UNUSED, 0 },
	{ "keepalive", KEY_UNUSED, 0 },
	{ "localpkg_gpgcheck", KEY_UNUSED, 0 },
	{ "max_parallel_downloads", KEY_UNUSED, 0 },
	{ "mediaid", KEY_UNUSED, 0 },
	{ "metadata_expire", KEY_UNUSED, 0 },
	{ "minrate", KEY_UNUSED, 0 },
	{ "module_hotfixes", KEY_UNUSED, 0 },
	{ "password", KEY_UNUSED, 0 },
	{ "proxy_auth_method", KEY_UNUSED, 0 },
	{ "proxy_password", KEY_UNUSED, 0 },
	{ "proxy_sslcacert", KEY_UNUSED, 0 },
	{ "proxy_sslclientcert", KEY_UNUSED, 0 },
	{ "proxy_sslclientkey", KEY_UNUSED, 0 },
	{ "proxy_sslverify", KEY_UNUSED, 0 },
	{ "proxy_username", KEY_UNUSED, 0 },
	{ "retries", KEY_UNUSED, 0 },
	{ "skip_if_unavailable", KEY_UNUSED, 0 },
	{ "sslverifystatus", KEY_UNUSED, 0 },
	{ "strict", KEY_UNUSED, 0 },
	{ "throttle", KEY_UNUSED, 0 },
	{ "timeout", KEY_UNUSED, 0 },
	{ "type", KEY_UNUSED, 0 },
	{ "user_agent", KEY_UNUSED, 0 },
	{ "username", KEY_UNUSED, 0 },
};

typedef struct {
	const char *file;
	char *dir; /* of the file: base of relative paths */
	const AshRepoVars *vars;
	GPtrArray *notices;
	GPtrArray *confs;
	AshRepoConf *section; /* borrowed from confs */
	char *key;            /* whose value may go on in the next lines */
	GString *value;
	guint key_line;
} Reader;

bool
ash_repofile_is_url(const char *text)
{
	static const char *const schemes[] = { "file:", "http://", "https://", "/" };

	for (guint i = 0; i < G_N_ELEMENTS(schemes); i++)
		if (g_str_has_prefix(text, schemes[i]) && text[strlen(schemes[i])] != '\0')
			return true;
	return false;
}

/* NULL for a variable that does not exist; *ret_value is NULL for one without a value. */
static gboolean
lookup_variable(const char *name, const AshRepoVars *vars, const char **ret_value)
{
	if (g_str_equal(name, "basearch") || g_str_equal(name, "arch")) {
		*ret_value = vars != NULL && vars->basearch != NULL ? vars->basearch : "x86_64";
		return TRUE;
	}
	if (g_str_equal(name, "releasever")) {
		*ret_value = vars != NULL ? vars->releasever : NULL;
		return TRUE;
	}
	return FALSE;
}

/* Expands the variable that begins at @dollar; returns what follows it, or NULL on error. */
static const char *
expand_variable(GString *out, const char *dollar, const AshRepoVars *vars, const char *place,
		GError **error)
{
	bool braces = dollar[1] == '{';
	const char *start = dollar + (braces ? 2 : 1);
	const char *end = start;
	g_autofree char *name = NULL;
	const char *value = NULL;

	while (g_ascii_isalnum(*end) || *end == '_')
		end++;
	name = g_strndup(start, end - start);
	if (end == start || (braces && *end != '}'))
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "%s: \"$\" begins no variable in \"%s\"", place, dollar);
	if (!lookup_variable(name, vars, &value))
		return ash_throw_null(
			error, ASH_ERROR_CONFIG,
			"%s: unknown variable \"$%s\"; there are $basearch, $arch and $releasever",
			place, name);
	if (value == NULL)
		return ash_throw_null(
			error, ASH_ERROR_CONFIG,
			"%s: \"$%s\" has no value here; write the release in its place", place,
			name);
	g_string_append(out, value);
	return braces ? end + 1 : end;
}

char *
ash_repofile_expand(const char *text, const AshRepoVars *vars, const char *place, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);

	while (*text != '\0') {
		if (*text != '$') {
			g_string_append_c(out, *text++);
			continue;
		}
		text = expand_variable(out, text, vars, place, error);
		if (text == NULL)
			return NULL;
	}
	return g_string_free(g_steal_pointer(&out), FALSE);
}

static gboolean reader_throw(Reader *reader, guint line, GError **error, const char *format, ...)
	G_GNUC_PRINTF(4, 5);

static gboolean
reader_throw(Reader *reader, guint line, GError **error, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	return ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: %s", reader->file, line, text);
}

static char **
split_words(const char *text)
{
	g_auto(GStrv) parts = g_strsplit_set(text, ", \t\n", -1);
	char **words = ash_strv_new();

	for (guint i = 0; parts[i] != NULL; i++)
		if (*parts[i] != '\0')
			ash_strv_add(&words, parts[i]);
	return words;
}

/* A relative path is relative to the .repo file, so that a folder of both can be moved. */
static char *
resolve_relative(Reader *reader, const char *text)
{
	return strstr(text, ":") == NULL && !g_path_is_absolute(text)
		       ? g_build_filename(reader->dir, text, NULL)
		       : g_strdup(text);
}

static char *
parse_url(Reader *reader, const char *text, GError **error)
{
	g_autofree char *url = resolve_relative(reader, text);

	if (!ash_repofile_is_url(url)) {
		reader_throw(reader, reader->key_line, error,
			     "%s: \"%s\" is not a file:, http: or https: URL", reader->key, text);
		return NULL;
	}
	return g_steal_pointer(&url);
}

static char *
parse_file(Reader *reader, const char *text, GError **error)
{
	g_autofree char *path = resolve_relative(reader, text);

	if (!g_str_has_prefix(path, "file:") && !g_path_is_absolute(path)) {
		reader_throw(reader, reader->key_line, error,
			     "%s: \"%s\" is not a local file; download it, check it and name the "
			     "file here",
			     reader->key, text);
		return NULL;
	}
	return g_steal_pointer(&path);
}

typedef char *(*ParseWord)(Reader *reader, const char *text, GError **error);

static gboolean
store_words(Reader *reader, const char *text, ParseWord parse, char ***field, GError **error)
{
	g_auto(GStrv) words = split_words(text);
	g_auto(GStrv) result = ash_strv_new();

	for (guint i = 0; words[i] != NULL; i++) {
		g_autofree char *word =
			parse != NULL ? parse(reader, words[i], error) : g_strdup(words[i]);

		if (word == NULL)
			return FALSE;
		ash_strv_add(&result, word);
	}
	ash_strv_replace(field, (const char *const *) result);
	return TRUE;
}

static gboolean
store_string(Reader *reader, const char *text, ParseWord parse, char **field, GError **error)
{
	g_autofree char *value = NULL;

	if (*text != '\0') {
		value = parse != NULL ? parse(reader, text, error) : g_strdup(text);
		if (value == NULL)
			return FALSE;
	}
	g_free(*field);
	*field = g_steal_pointer(&value);
	return TRUE;
}

static gboolean
store_bool(Reader *reader, const char *text, bool *field, GError **error)
{
	static const char *const yes[] = { "1", "yes", "true", "on", NULL };
	static const char *const no[] = { "0", "no", "false", "off", NULL };
	g_autofree char *lower = g_ascii_strdown(text, -1);

	if (!g_strv_contains(yes, lower) && !g_strv_contains(no, lower))
		return reader_throw(reader, reader->key_line, error,
				    "%s: \"%s\" is neither 1 nor 0", reader->key, text);
	*field = g_strv_contains(yes, lower);
	return TRUE;
}

static gboolean
store_int(Reader *reader, const char *text, int *field, GError **error)
{
	guint64 number = 0;

	if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &number, NULL))
		return reader_throw(reader, reader->key_line, error,
				    "%s: \"%s\" is not a whole number", reader->key, text);
	*field = (int) number;
	return TRUE;
}

static gboolean
store_value(Reader *reader, const KeyDef *def, const char *text, GError **error)
{
	gpointer field = (char *) reader->section + def->offset;

	switch (def->kind) {
	case KEY_STRING:
		return store_string(reader, text, NULL, field, error);
	case KEY_URL:
		return store_string(reader, text, parse_url, field, error);
	case KEY_FILE:
		return store_string(reader, text, parse_file, field, error);
	case KEY_WORDS:
		return store_words(reader, text, NULL, field, error);
	case KEY_URLS:
		return store_words(reader, text, parse_url, field, error);
	case KEY_FILES:
		return store_words(reader, text, parse_file, field, error);
	case KEY_BOOL:
		return store_bool(reader, text, field, error);
	case KEY_INT:
		return store_int(reader, text, field, error);
	case KEY_UNUSED:
		if (reader->notices != NULL)
			g_ptr_array_add(reader->notices,
					g_strdup_printf("%s:%u: %s: has no effect here",
							reader->file, reader->key_line, def->name));
		return TRUE;
	}
	return TRUE;
}

static const KeyDef *
find_key(const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(key_defs); i++)
		if (g_str_equal(key_defs[i].name, name))
			return &key_defs[i];
	return NULL;
}

static gboolean
throw_unknown_key(Reader *reader, GError **error)
{
	const char *names[G_N_ELEMENTS(key_defs) + 1] = { NULL };
	g_autofree char *hint = NULL;

	for (guint i = 0; i < G_N_ELEMENTS(key_defs); i++)
		names[i] = key_defs[i].name;
	hint = ash_nearest_hint(reader->key, names);
	return reader_throw(reader, reader->key_line, error, "%s: unknown key \"%s\"%s",
			    reader->section->id, reader->key, hint);
}

/* A name is for people only: a variable without a value stays in it. */
static char *
expand_value(Reader *reader, const KeyDef *def, const char *place, GError **error)
{
	bool is_name = def->offset == FIELD(name) && def->kind == KEY_STRING;
	char *expanded = NULL;

	if (def->kind == KEY_UNUSED)
		return g_strdup("");
	expanded = ash_repofile_expand(reader->value->str, reader->vars, place,
				       is_name ? NULL : error);
	return expanded == NULL && is_name ? g_strdup(reader->value->str) : expanded;
}

/* A key is complete when the next key, section or the end comes. */
static gboolean
finish_key(Reader *reader, GError **error)
{
	const KeyDef *def = NULL;
	g_autofree char *place = NULL;
	g_autofree char *expanded = NULL;

	if (reader->key == NULL)
		return TRUE;
	def = find_key(reader->key);
	if (def == NULL)
		return throw_unknown_key(reader, error);
	place = g_strdup_printf("%s:%u: %s", reader->file, reader->key_line, reader->key);
	expanded = expand_value(reader, def, place, error);
	if (expanded == NULL || !store_value(reader, def, expanded, error))
		return FALSE;
	g_clear_pointer(&reader->key, g_free);
	return TRUE;
}

bool
ash_repofile_is_id(const char *id)
{
	return *id != '\0' &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") ==
		       strlen(id);
}

static gboolean
begin_section(Reader *reader, const char *line, guint number, GError **error)
{
	const char *close = strchr(line, ']');
	g_autofree char *id = NULL;
	g_autofree char *origin = g_strdup_printf("%s:%u", reader->file, number);

	if (close == NULL || !ash_lexer_is_blank(close + 1))
		return reader_throw(reader, number, error, "section \"%s\" does not end with \"]\"",
				    line);
	id = g_strndup(line + 1, close - line - 1);
	if (g_str_equal(id, "main"))
		return reader_throw(reader, number, error,
				    "section [main] belongs into dnf.conf; remove it");
	if (!ash_repofile_is_id(id))
		return reader_throw(
			reader, number, error,
			"section [%s]: a repository's id has only letters, digits and \"_.:-\"",
			id);
	for (guint i = 0; i < reader->confs->len; i++) {
		const AshRepoConf *other = g_ptr_array_index(reader->confs, i);

		if (g_str_equal(other->id, id))
			return reader_throw(reader, number, error, "section [%s] is already at %s",
					    id, other->origin);
	}
	reader->section = ash_repo_conf_new(id, origin);
	g_ptr_array_add(reader->confs, reader->section);
	return TRUE;
}

static gboolean
begin_key(Reader *reader, char *line, guint number, GError **error)
{
	char *equals = strchr(line, '=');

	if (reader->section == NULL)
		return reader_throw(reader, number, error,
				    "\"%s\" stands before the first [section]", line);
	if (equals == NULL)
		return reader_throw(reader, number, error,
				    "\"%s\" is neither [section] nor key=value", line);
	*equals = '\0';
	reader->key = g_strdup(g_strstrip(line));
	reader->key_line = number;
	g_string_assign(reader->value, g_strstrip(equals + 1));
	return TRUE;
}

static gboolean
read_line(Reader *reader, char *line, guint number, GError **error)
{
	bool continues = g_ascii_isspace(*line);

	g_strstrip(line);
	if (*line == '\0' || *line == '#' || *line == ';')
		return TRUE;
	if (continues && reader->key != NULL) {
		g_string_append_printf(reader->value, "\n%s", line);
		return TRUE;
	}
	if (!finish_key(reader, error))
		return FALSE;
	return *line == '[' ? begin_section(reader, line, number, error)
			    : begin_key(reader, line, number, error);
}

static gboolean
read_lines(Reader *reader, const char *text, gsize length, GError **error)
{
	AshLexer lexer;

	ash_lexer_init(&lexer, text, length);
	for (;;) {
		g_autofree char *line = ash_lexer_next_line(&lexer);

		if (line == NULL)
			return finish_key(reader, error);
		if (!read_line(reader, line, lexer.line, error))
			return FALSE;
	}
}

GPtrArray *
ash_repofile_parse(const char *text, gsize length, const char *file, const AshRepoVars *vars,
		   GPtrArray *notices, GError **error)
{
	g_autoptr(GPtrArray) confs =
		g_ptr_array_new_with_free_func((GDestroyNotify) ash_repo_conf_free);
	g_autofree char *dir = g_path_get_dirname(file);
	g_autofree char *absolute = g_canonicalize_filename(dir, NULL);
	Reader reader = {
		.file = file, .dir = absolute, .vars = vars, .notices = notices, .confs = confs
	};
	gboolean ok = FALSE;

	if (!ash_lexer_check_text(text, length, file, error))
		return NULL;
	reader.value = g_string_new(NULL);
	ok = read_lines(&reader, text, length, error);
	g_string_free(reader.value, TRUE);
	g_free(reader.key);
	return ok ? g_steal_pointer(&confs) : NULL;
}

GPtrArray *
ash_repofile_load(const char *path, const AshRepoVars *vars, GPtrArray *notices, GError **error)
{
	gsize length = 0;
	g_autofree char *text = ash_file_load(AT_FDCWD, path, REPO_FILE_MAX, &length, error);

	return text != NULL ? ash_repofile_parse(text, length, path, vars, notices, error) : NULL;
}
