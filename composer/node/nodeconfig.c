/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/nodeconfig.h"

#include "base/error.h"
#include "base/file.h"
#include "base/size.h"

#include <fcntl.h>
#include <string.h>

#define MAX_FILE_BYTES (1024 * 1024)

typedef struct Key Key;
/* Sets one key; NULL, or what is wrong with @value (owned). */
typedef char *(*KeyParser)(const Key *key, AshNodeConfig *config, const char *value);

struct Key {
	const char *section, *name;
	KeyParser parse;
	gsize offset;
	guint64 least, most;       /* of numbers */
	const char *const *choices; /* of enumerations */
};

static char *
parse_text(const Key *key, AshNodeConfig *config, const char *value)
{
	char **place = G_STRUCT_MEMBER_P(config, key->offset);

	g_free(*place);
	*place = *value != '\0' ? g_strdup(value) : NULL;
	return NULL;
}

static char *
parse_absolute(const Key *key, AshNodeConfig *config, const char *value)
{
	if (*value != '\0' && *value != '/')
		return g_strdup_printf("\"%s\" does not begin with \"/\"", value);
	return parse_text(key, config, value);
}

static bool
is_word(const char *value, const char *extra)
{
	for (const char *c = value; *c != '\0'; c++)
		if (!g_ascii_isalnum(*c) && strchr(extra, *c) == NULL)
			return false;
	return *value != '\0' && *value != '.' && *value != '/' && strstr(value, "..") == NULL && strstr(value, "//") == NULL;
}

static char *
parse_name(const Key *key, AshNodeConfig *config, const char *value)
{
	const bool is_ref = strcmp(key->name, "Ref") == 0;

	if (*value != '\0' && !is_word(value, is_ref ? "._-+/" : "._-+"))
		return g_strdup_printf("\"%s\" is no name%s", value, is_ref ? " such as demo/x86_64/vm" : " such as stable");
	return parse_text(key, config, value);
}

static void
append(char ***list, const char *value)
{
	const guint length = *list != NULL ? g_strv_length(*list) : 0;

	*list = g_renew(char *, *list, length + 2);
	(*list)[length] = g_strdup(value);
	(*list)[length + 1] = NULL;
}

/* An empty value empties the list; several words are several values. */
static char *
parse_list(const Key *key, AshNodeConfig *config, const char *value)
{
	char ***place = G_STRUCT_MEMBER_P(config, key->offset);
	g_auto(GStrv) words = g_strsplit_set(value, " \t", -1);

	if (*value == '\0') {
		g_strfreev(*place);
		*place = g_new0(char *, 1);
	}
	for (guint i = 0; words[i] != NULL; i++)
		if (*words[i] != '\0')
			append(place, words[i]);
	return NULL;
}

static char *
parse_urls(const Key *key, AshNodeConfig *config, const char *value)
{
	static const char *const schemes[] = { "https://", "http://", "file:///", "oci://", "oci+http://" };
	g_auto(GStrv) words = g_strsplit_set(value, " \t", -1);

	for (guint i = 0; words[i] != NULL; i++) {
		bool known = *words[i] == '\0';
		for (guint k = 0; k < G_N_ELEMENTS(schemes); k++)
			known = known || g_str_has_prefix(words[i], schemes[k]);
		if (!known)
			return g_strdup_printf("\"%s\" begins with none of https://, http://, file:///, oci://", words[i]);
	}
	return parse_list(key, config, value);
}

static char *
parse_report_url(const Key *key, AshNodeConfig *config, const char *value)
{
	if (*value != '\0' && !g_str_has_prefix(value, "https://") && !g_str_has_prefix(value, "http://"))
		return g_strdup_printf("\"%s\" begins with none of https://, http://", value);
	return parse_text(key, config, value);
}

static char *
parse_number(const Key *key, AshNodeConfig *config, const char *value)
{
	guint64 number;

	if (!g_ascii_string_to_unsigned(value, 10, key->least, key->most, &number, NULL))
		return g_strdup_printf("\"%s\" is not a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, value, key->least, key->most);
	*(guint64 *) G_STRUCT_MEMBER_P(config, key->offset) = number;
	return NULL;
}

static char *
parse_size(const Key *key, AshNodeConfig *config, const char *value)
{
	guint64 bytes = 0;

	if (*value != '\0' && !ash_size_parse(value, &bytes))
		return g_strdup_printf("\"%s\" is not a size, such as 512K or 20M", value);
	*(guint64 *) G_STRUCT_MEMBER_P(config, key->offset) = bytes;
	return NULL;
}

/* "90", "90s", "5min", "1h" */
static char *
parse_seconds(const Key *key, AshNodeConfig *config, const char *value)
{
	static const struct {
		const char *unit;
		guint64 seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "min", 60 }, { "h", 3600 } };
	char *end = NULL;
	const guint64 number = g_ascii_isdigit(*value) ? g_ascii_strtoull(value, &end, 10) : 0;

	for (guint i = 0; end != NULL && i < G_N_ELEMENTS(units); i++) {
		if (strcmp(end, units[i].unit) != 0 || number > key->most / units[i].seconds || number * units[i].seconds < key->least)
			continue;
		*(guint64 *) G_STRUCT_MEMBER_P(config, key->offset) = number * units[i].seconds;
		return NULL;
	}
	return g_strdup_printf("\"%s\" is not a time from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " seconds, such as 90s or 5min",
			       value, key->least, key->most);
}

static char *
parse_choice(const Key *key, AshNodeConfig *config, const char *value)
{
	for (guint i = 0; key->choices[i] != NULL; i++) {
		if (strcmp(value, key->choices[i]) == 0) {
			*(int *) G_STRUCT_MEMBER_P(config, key->offset) = (int) i;
			return NULL;
		}
	}
	g_autofree char *known = g_strjoinv(", ", (char **) key->choices);
	return g_strdup_printf("\"%s\" is none of %s", value, known);
}

static char *
parse_window(const Key *key, AshNodeConfig *config, const char *value)
{
	const char *problem = NULL;

	if (*value == '\0') {
		g_ptr_array_set_size(config->windows, 0);
		return NULL;
	}
	AshNodeWindow *window = ash_node_window_parse(value, &problem);
	if (window == NULL)
		return g_strdup_printf("\"%s\": %s", value, problem);
	g_ptr_array_add(config->windows, window);
	return NULL;
}

/* In the order of their enumerations. */
static const char *const automatic_choices[] = { "no", "download", "apply", "reboot", NULL };
static const char *const full_choices[] = { "yes", "no", "ask", NULL };

#define AT(member) G_STRUCT_OFFSET(AshNodeConfig, member)
static const Key keys[] = {
	{ "Update", "Url", parse_urls, AT(urls), 0, 0, NULL },
	{ "Update", "Ref", parse_name, AT(ref), 0, 0, NULL },
	{ "Update", "Channel", parse_name, AT(channel), 0, 0, NULL },
	{ "Update", "Automatic", parse_choice, AT(automatic), 0, 0, automatic_choices },
	{ "Update", "Tries", parse_number, AT(tries), 1, 9, NULL },
	{ "Update", "RootFile", parse_absolute, AT(root_file), 0, 0, NULL },
	{ "Network", "Proxy", parse_text, AT(proxy), 0, 0, NULL },
	{ "Network", "CAFile", parse_absolute, AT(ca_file), 0, 0, NULL },
	{ "Network", "CredentialsFile", parse_absolute, AT(credentials_file), 0, 0, NULL },
	{ "Network", "Connections", parse_number, AT(connections), 1, 32, NULL },
	{ "Network", "Timeout", parse_seconds, AT(timeout), 1, 3600, NULL },
	{ "Limits", "Rate", parse_size, AT(rate), 0, 0, NULL },
	{ "Limits", "BytesPerDay", parse_size, AT(bytes_per_day), 0, 0, NULL },
	{ "Limits", "AllowFull", parse_choice, AT(allow_full), 0, 0, full_choices },
	{ "Limits", "Window", parse_window, AT(windows), 0, 0, NULL },
	{ "Health", "Timeout", parse_seconds, AT(health_timeout), 1, 86400, NULL },
	{ "Health", "RebootDelay", parse_seconds, AT(reboot_delay), 0, 86400, NULL },
	{ "Health", "Units", parse_list, AT(health_units), 0, 0, NULL },
	{ "Report", "Url", parse_report_url, AT(report_url), 0, 0, NULL },
};

AshNodeConfig *
ash_node_config_new(void)
{
	AshNodeConfig *config = g_new0(AshNodeConfig, 1);

	config->urls = g_new0(char *, 1);
	config->health_units = g_new0(char *, 1);
	config->channel = g_strdup("stable");
	config->root_file = g_strdup("/usr/share/ashlar/root.json");
	config->automatic = ASH_NODE_AUTOMATIC_NO;
	config->allow_full = ASH_NODE_FULL_YES;
	config->tries = 3;
	config->connections = 6;
	config->timeout = 30;
	config->health_timeout = 60;
	config->reboot_delay = 30;
	config->windows = g_ptr_array_new_with_free_func((GDestroyNotify) ash_node_window_free);
	return config;
}

void
ash_node_config_free(AshNodeConfig *config)
{
	if (config == NULL)
		return;
	g_strfreev(config->urls);
	g_strfreev(config->health_units);
	g_free(config->ref);
	g_free(config->channel);
	g_free(config->root_file);
	g_free(config->proxy);
	g_free(config->ca_file);
	g_free(config->credentials_file);
	g_free(config->report_url);
	g_ptr_array_unref(config->windows);
	g_free(config);
}

static bool
is_section(const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		if (strcmp(keys[i].section, name) == 0)
			return true;
	return false;
}

/* Owned; NULL: all is well. */
static char *
parse_assignment(AshNodeConfig *config, const char *section, char *line)
{
	char *equals = strchr(line, '=');

	if (equals == NULL)
		return g_strdup_printf("\"%s\" is neither [Section] nor Key=Value", line);
	if (section == NULL)
		return g_strdup_printf("\"%s\" comes before any [Section]", line);
	*equals = '\0';
	const char *name = g_strchomp(line), *value = g_strchug(equals + 1);
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0) {
			g_autofree char *problem = keys[i].parse(&keys[i], config, value);
			return problem != NULL ? g_strdup_printf("%s: %s", name, problem) : NULL;
		}
	return g_strdup_printf("%s: there is no such key in [%s]", name, section);
}

/* Owned; NULL: all is well. */
static char *
parse_line(AshNodeConfig *config, char **section, char *line)
{
	const gsize length = strlen(line);

	if (length == 0 || line[0] == '#' || line[0] == ';')
		return NULL;
	if (line[0] != '[')
		return parse_assignment(config, *section, line);
	g_clear_pointer(section, g_free);
	*section = g_strndup(line + 1, length > 2 ? length - 2 : 0);
	if (line[length - 1] != ']' || !is_section(*section))
		return g_strdup_printf("\"%s\" is none of [Update], [Network], [Limits], [Health], [Report]", line);
	return NULL;
}

gboolean
ash_node_config_parse(AshNodeConfig *config, const char *text, const char *name, GError **error)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autofree char *section = NULL;

	if (!g_utf8_validate(text, -1, NULL))
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: is not UTF-8 text", name);
	for (guint i = 0; lines[i] != NULL; i++) {
		g_autofree char *problem = parse_line(config, &section, g_strstrip(lines[i]));
		if (problem != NULL)
			return ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: %s", name, i + 1, problem);
	}
	return TRUE;
}

static gboolean
load_file(AshNodeConfig *config, const char *path, GError **error)
{
	gsize length = 0;
	g_autofree char *text = ash_file_load(AT_FDCWD, path, MAX_FILE_BYTES, &length, error);

	if (text == NULL)
		return FALSE;
	if (strlen(text) != length)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: is not a text file", path);
	return ash_node_config_parse(config, text, path, error);
}

/* Later ones count. */
static const char *const config_dirs[] = { "/usr/lib/ashlar", "/run/ashlar", "/etc/ashlar" };

/* Name of a drop-in to its path; a link to /dev/null in /etc hides one. */
static GHashTable *
find_drop_ins(const AshNodePlaces *places)
{
	GHashTable *found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

	for (guint i = 0; i < G_N_ELEMENTS(config_dirs); i++) {
		g_autofree char *below = g_strconcat(config_dirs[i], "/node.conf.d", NULL);
		g_autofree char *path = ash_node_places_path(places, below);
		g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
		const char *name;
		while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
			if (g_str_has_suffix(name, ".conf") && name[0] != '.')
				g_hash_table_replace(found, g_strdup(name), g_build_filename(path, name, NULL));
	}
	return found;
}

static gboolean
load_main_file(AshNodeConfig *config, const AshNodePlaces *places, GError **error)
{
	for (guint i = G_N_ELEMENTS(config_dirs); i-- > 0;) {
		g_autofree char *below = g_strconcat(config_dirs[i], "/node.conf", NULL);
		g_autofree char *path = ash_node_places_path(places, below);
		if (g_file_test(path, G_FILE_TEST_EXISTS))
			return load_file(config, path, error);
	}
	return TRUE;
}

AshNodeConfig *
ash_node_config_load(const AshNodePlaces *places, GError **error)
{
	g_autoptr(AshNodeConfig) config = ash_node_config_new();

	if (places->config != NULL)
		return load_file(config, places->config, error) ? g_steal_pointer(&config) : NULL;
	if (!load_main_file(config, places, error))
		return NULL;
	g_autoptr(GHashTable) drop_ins = find_drop_ins(places);
	g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(drop_ins), (GCompareFunc) strcmp);
	for (GList *i = names; i != NULL; i = i->next)
		if (!load_file(config, g_hash_table_lookup(drop_ins, i->data), error))
			return NULL;
	return g_steal_pointer(&config);
}

gboolean
ash_node_config_check(const AshNodeConfig *config, GError **error)
{
	if (config->urls[0] == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "no address to take updates from: set Url= in /etc/ashlar/node.conf, [Update]");
	if (config->ref == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "which system this is, is not said: set Ref= in /etc/ashlar/node.conf, [Update]");
	if (config->channel == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "Channel= in /etc/ashlar/node.conf, [Update], is empty");
	return TRUE;
}
