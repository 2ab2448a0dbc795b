/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/option.h"

#include "base/error.h"
#include "config/nearest.h"
#include "model/strv.h"

#include <string.h>

void
ash_option_notice(const AshOptionPlace *place, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	g_ptr_array_add(place->notices,
			g_strdup_printf("%s: %s: %s", place->origin, place->command, text));
}

gboolean
ash_option_throw(const AshOptionPlace *place, GError **error, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	return ash_throw(error, ASH_ERROR_CONFIG, "%s: %s: %s", place->origin, place->command,
			 text);
}

gboolean
ash_option_refuse(const AshOptionPlace *place, GError **error, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	if (place->refusals == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: %s: %s", place->origin,
				 place->command, text);
	g_ptr_array_add(place->refusals,
			g_strdup_printf("%s: %s: %s", place->origin, place->command, text));
	return TRUE;
}

char **
ash_option_split_commas(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, ",", -1);
	char **words = ash_strv_new();

	for (guint i = 0; parts[i] != NULL; i++)
		if (*g_strstrip(parts[i]) != '\0')
			ash_strv_add(&words, parts[i]);
	return words;
}

static void
init_value(const AshOptionDef *def, gpointer field)
{
	switch (def->kind) {
	case ASH_OPTION_INT:
	case ASH_OPTION_BOOL:
	case ASH_OPTION_SET:
		*(int *) field = -1;
		break;
	case ASH_OPTION_LIST:
	case ASH_OPTION_CONST:
		if (*(char ***) field == NULL)
			*(char ***) field = ash_strv_new();
		break;
	default:
		break;
	}
}

static void
clear_value(const AshOptionDef *def, gpointer field)
{
	switch (def->kind) {
	case ASH_OPTION_STRING:
	case ASH_OPTION_OPTIONAL:
		g_clear_pointer((char **) field, g_free);
		break;
	case ASH_OPTION_LIST:
	case ASH_OPTION_CONST:
		g_clear_pointer((char ***) field, g_strfreev);
		break;
	default:
		break;
	}
}

void
ash_option_init(const AshOptionDef *defs, gpointer values)
{
	for (; defs->name != NULL; defs++)
		init_value(defs, (char *) values + defs->offset);
}

void
ash_option_clear(const AshOptionDef *defs, gpointer values)
{
	for (; defs->name != NULL; defs++)
		clear_value(defs, (char *) values + defs->offset);
}

bool
ash_option_takes_value(AshOptionKind kind)
{
	return kind == ASH_OPTION_STRING || kind == ASH_OPTION_INT || kind == ASH_OPTION_BOOL ||
	       kind == ASH_OPTION_LIST || kind == ASH_OPTION_IGNORED_VALUE ||
	       kind == ASH_OPTION_REFUSED_VALUE;
}

static const AshOptionDef *
find_def(const AshOptionDef *defs, const char *name)
{
	for (; defs->name != NULL; defs++)
		if (g_str_equal(defs->name, name))
			return defs;
	return NULL;
}

/* The only one that begins with @name, "--" and a letter at least; NULL if there are more, or none. */
static const AshOptionDef *
find_cut_short(const AshOptionDef *defs, const char *name)
{
	const AshOptionDef *found = NULL;

	if (!g_str_has_prefix(name, "--") || name[2] == '\0')
		return NULL;
	for (; defs->name != NULL; defs++) {
		if (!g_str_has_prefix(defs->name, name))
			continue;
		if (found != NULL && found->offset != defs->offset)
			return NULL;
		found = defs;
	}
	return found;
}

static gboolean
throw_unknown(const AshOptionPlace *place, const AshOptionDef *defs, const char *name,
	      GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	g_autofree char *hint = NULL;

	for (; defs->name != NULL; defs++)
		g_ptr_array_add(names, (gpointer) defs->name);
	g_ptr_array_add(names, NULL);
	hint = ash_nearest_hint(name, (const char *const *) names->pdata);
	return ash_option_throw(place, error, "unknown option \"%s\"%s", name, hint);
}

static gboolean
parse_int(const AshOptionPlace *place, const AshOptionDef *def, const char *text, int *ret_value,
	  GError **error)
{
	guint64 number = 0;

	if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &number, NULL))
		return ash_option_throw(place, error, "%s takes a whole number, not \"%s\"",
					def->name, text);
	*ret_value = (int) number;
	return TRUE;
}

static gboolean
parse_bool(const AshOptionPlace *place, const AshOptionDef *def, const char *text, int *ret_value,
	   GError **error)
{
	static const char *const yes[] = { "on", "yes", "true", "1", NULL };
	static const char *const no[] = { "off", "no", "false", "0", NULL };
	g_autofree char *lower = g_ascii_strdown(text, -1);

	if (!g_strv_contains(yes, lower) && !g_strv_contains(no, lower))
		return ash_option_throw(place, error, "%s takes \"yes\" or \"no\", not \"%s\"",
					def->name, text);
	*ret_value = g_strv_contains(yes, lower);
	return TRUE;
}

static gboolean
store_value(const AshOptionPlace *place, const AshOptionDef *def, const char *text, gpointer field,
	    GError **error)
{
	switch (def->kind) {
	case ASH_OPTION_FLAG:
	case ASH_OPTION_UNFLAG:
		*(bool *) field = def->kind == ASH_OPTION_FLAG;
		return TRUE;
	case ASH_OPTION_STRING:
	case ASH_OPTION_OPTIONAL:
		g_free(*(char **) field);
		*(char **) field = g_strdup(text);
		return TRUE;
	case ASH_OPTION_INT:
		return parse_int(place, def, text, field, error);
	case ASH_OPTION_BOOL:
		return parse_bool(place, def, text, field, error);
	case ASH_OPTION_SET:
		*(int *) field = def->value;
		return TRUE;
	case ASH_OPTION_LIST: {
		g_auto(GStrv) words = ash_option_split_commas(text);

		ash_strv_add_all(field, (const char *const *) words);
		return TRUE;
	}
	case ASH_OPTION_CONST:
		ash_strv_add_unique(field, def->text);
		return TRUE;
	case ASH_OPTION_IGNORED:
	case ASH_OPTION_IGNORED_VALUE:
		ash_option_notice(place, "%s has no effect: %s", def->name, def->text);
		return TRUE;
	case ASH_OPTION_REFUSED:
	case ASH_OPTION_REFUSED_VALUE:
		return ash_option_refuse(place, error, "%s is not carried out: %s", def->name,
					 def->text);
	}
	return TRUE;
}

/*
 * As argparse has it: "-" and "-5" are no options; what begins with a known one is; of the rest,
 * what has a space in it is not.
 */
static bool
is_option(const AshOptionDef *defs, const char *word)
{
	g_autofree char *name = g_strndup(word, strcspn(word, "="));

	if (word[0] != '-' || word[1] == '\0' || g_ascii_isdigit(word[1]))
		return false;
	return find_def(defs, name) != NULL || strchr(word, ' ') == NULL;
}

/* Reads the option at words[*index]; advances it past a value in a word of its own. */
static gboolean
parse_option(const AshOptionPlace *place, const AshOptionDef *defs, const char *const *words,
	     guint *index, gpointer values, GError **error)
{
	const char *equals = strchr(words[*index], '=');
	g_autofree char *name = equals != NULL ? g_strndup(words[*index], equals - words[*index])
					       : g_strdup(words[*index]);
	const char *text = equals != NULL ? equals + 1 : NULL;
	const AshOptionDef *def = find_def(defs, name);

	if (def == NULL) {
		def = find_cut_short(defs, name);
		if (def == NULL)
			return throw_unknown(place, defs, name, error);
		ash_option_notice(place, "%s is taken as %s", name, def->name);
	}
	if (def->deprecated)
		ash_option_notice(place, ASH_OPTION_DEPRECATED "%s", def->name);
	if (def->kind == ASH_OPTION_OPTIONAL && text == NULL) {
		const char *next = words[*index + 1];

		text = next != NULL && *next != '/' && !is_option(defs, next) ? words[++*index] : "";
		return store_value(place, def, text, (char *) values + def->offset, error);
	}
	if (!ash_option_takes_value(def->kind) && def->kind != ASH_OPTION_OPTIONAL && text != NULL)
		return ash_option_throw(place, error, "%s takes no value", name);
	if (ash_option_takes_value(def->kind) && text == NULL) {
		if (words[*index + 1] == NULL || is_option(defs, words[*index + 1]))
			return ash_option_throw(place, error, "%s needs a value", name);
		text = words[++*index];
	}
	return store_value(place, def, text, (char *) values + def->offset, error);
}

static gboolean
check_required(const AshOptionPlace *place, const AshOptionDef *defs, gpointer values,
	       GError **error)
{
	for (; defs->name != NULL; defs++) {
		const char *text = NULL;

		if (!defs->required)
			continue;
		text = *(const char **) ((char *) values + defs->offset);
		if (text == NULL || *text == '\0')
			return ash_option_throw(place, error, "%s=VALUE is required", defs->name);
	}
	return TRUE;
}

gboolean
ash_option_parse(const AshOptionPlace *place, const AshOptionDef *defs, const char *const *words,
		 gpointer values, char ***positional, GError **error)
{
	bool options = true;

	for (guint i = 0; words[i] != NULL; i++) {
		if (options && g_str_equal(words[i], "--"))
			options = false;
		else if (!options || !is_option(defs, words[i]))
			ash_strv_add(positional, words[i]);
		else if (!parse_option(place, defs, words, &i, values, error))
			return FALSE;
	}
	return check_required(place, defs, values, error);
}
