/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kssection.h"
#include "model/strv.h"

#include <string.h>

typedef struct {
	bool excludedocs, ignoremissing, nocore, multilib, exclude_weakdeps;
	char *inst_langs;
} PackagesValues;

#define FIELD(member) G_STRUCT_OFFSET(PackagesValues, member)
#define DOWNLOADS     "downloads are tried again, and given up, by this program's own rules"
#define BROKEN        "a package that cannot be installed is always an error"

static const AshOptionDef packages_options[] = {
	{ "--nocore", ASH_OPTION_FLAG, FIELD(nocore) },
	{ "--exclude-weakdeps", ASH_OPTION_FLAG, FIELD(exclude_weakdeps) },
	{ "--excludeWeakdeps", ASH_OPTION_FLAG, FIELD(exclude_weakdeps) },
	{ "--excludedocs", ASH_OPTION_FLAG, FIELD(excludedocs) },
	{ "--inst-langs", ASH_OPTION_STRING, FIELD(inst_langs) },
	{ "--instLangs", ASH_OPTION_STRING, FIELD(inst_langs) },
	{ "--ignoremissing", ASH_OPTION_FLAG, FIELD(ignoremissing) },
	{ "--multilib", ASH_OPTION_FLAG, FIELD(multilib) },
	{ "--retries", ASH_OPTION_IGNORED_VALUE, .text = DOWNLOADS },
	{ "--timeout", ASH_OPTION_IGNORED_VALUE, .text = DOWNLOADS },
	{ "--ignorebroken", ASH_OPTION_IGNORED, .text = BROKEN },
	{ "--nobase", ASH_OPTION_IGNORED, .text = "no \"base\" group is implied" },
	{ "--resolvedeps", ASH_OPTION_IGNORED, .text = "dependencies are always resolved" },
	{ "--ignoredeps", ASH_OPTION_IGNORED, .text = "dependencies are always resolved" },
	{ "--default", ASH_OPTION_REFUSED, .text = "name the environment as \"@^ID\"" },
	{ NULL },
};

static void
set_languages(AshPackageRequest *request, const char *text)
{
	g_auto(GStrv) parts = g_strsplit_set(text, ":,", -1);

	ash_strv_replace(&request->inst_langs, (const char *const[]){ NULL });
	for (guint i = 0; parts[i] != NULL; i++)
		if (*g_strstrip(parts[i]) != '\0')
			ash_strv_add_unique(&request->inst_langs, parts[i]);
	if (request->inst_langs[0] == NULL)
		ash_strv_add(&request->inst_langs, "none");
}

/* Several %packages sections add up, their options too. */
static gboolean
packages_begin(AshKsCall *call, gpointer *ret_data, GError **error)
{
	const PackagesValues *values = call->values;
	AshPackageRequest *request = &call->spec->packages;

	if (request->origin == NULL)
		request->origin = g_strdup(call->place.origin);
	if (values->nocore)
		request->core = false;
	if (values->exclude_weakdeps)
		request->weak_deps = false;
	if (values->excludedocs)
		request->docs = false;
	if (values->ignoremissing)
		request->ignore_missing = true;
	if (values->multilib)
		request->multilib = true;
	if (values->inst_langs != NULL)
		set_languages(request, values->inst_langs);
	return TRUE;
}

static void
forget_group(AshPackageRequest *request, const char *id)
{
	ash_strv_remove(&request->groups, id);
	ash_strv_remove(&request->groups_mandatory, id);
	ash_strv_remove(&request->groups_all, id);
}

/* Ids have no spaces; but a group may be named by its name for people, which does. */
static bool
is_group_name(const char *text)
{
	return *text != '\0' && *text != ' ' && ash_check_field(text);
}

/* "core", "standard --nodefaults", "Web Server --optional" */
static gboolean
add_group(AshKsCall *call, const char *text, GError **error)
{
	AshPackageRequest *request = &call->spec->packages;
	g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
	g_auto(GStrv) name_words = ash_strv_new();
	g_autofree char *name = NULL;
	char ***list = &request->groups;
	guint n_options = 0;

	for (guint i = 0; words[i] != NULL; i++) {
		if (g_str_equal(words[i], "--nodefaults")) {
			list = &request->groups_mandatory;
			n_options++;
		} else if (g_str_equal(words[i], "--optional")) {
			list = &request->groups_all;
			n_options++;
		} else if (g_str_has_prefix(words[i], "--")) {
			return ash_option_throw(&call->place, error,
						"unknown option \"%s\" of a group; there are "
						"--nodefaults and --optional",
						words[i]);
		} else if (*words[i] != '\0') {
			ash_strv_add(&name_words, words[i]);
		}
	}
	if (n_options > 1)
		return ash_option_throw(&call->place, error,
					"--nodefaults and --optional contradict each other");
	name = g_strjoinv(" ", name_words);
	if (!is_group_name(name) && strchr(name, ':') != NULL && *name != ':')
		return ash_option_refuse(&call->place, error,
					 "\"@%s\" is not carried out: module streams are not supported; name "
					 "the packages, or a repository without modules",
					 text);
	if (!is_group_name(name))
		return ash_option_throw(&call->place, error, "\"@%s\" names no group", text);
	forget_group(request, name);
	ash_strv_remove(&request->group_excludes, name);
	ash_strv_add(list, name);
	return TRUE;
}

static gboolean
exclude_group(AshKsCall *call, const char *name, GError **error)
{
	AshPackageRequest *request = &call->spec->packages;

	if (!is_group_name(name))
		return ash_option_throw(&call->place, error, "\"-@%s\" names no group", name);
	forget_group(request, name);
	if (g_str_equal(name, "core"))
		request->core = false;
	ash_strv_add_unique(&request->group_excludes, name);
	return TRUE;
}

/* As in pykickstart there is one environment, and the last one named is it. */
static gboolean
set_environment(AshKsCall *call, const char *name, GError **error)
{
	AshPackageRequest *request = &call->spec->packages;

	if (!is_group_name(name))
		return ash_option_throw(&call->place, error, "\"@^%s\" names no environment", name);
	if (request->environments[0] != NULL && !g_str_equal(request->environments[0], name))
		ash_option_notice(&call->place, "\"@^%s\" replaces \"@^%s\"", name,
				  request->environments[0]);
	ash_strv_replace(&request->environments, (const char *const[]){ name, NULL });
	return TRUE;
}

static gboolean
exclude_environment(AshKsCall *call, const char *name, GError **error)
{
	if (!ash_strv_remove(&call->spec->packages.environments, name))
		ash_option_notice(&call->place,
				  "\"-@^%s\" has no effect: the environment was not asked for",
				  name);
	return TRUE;
}

/* What a package name, glob, NEVRA or "name.arch" is made of. */
#define PACKAGE_CHARACTERS "+-._:~^*?[]!{}\\"

static gboolean
check_package(AshKsCall *call, const char *name, GError **error)
{
	if (strpbrk(name, " \t") != NULL)
		return ash_option_throw(&call->place, error,
					"\"%s\": one package a line is expected", name);
	/* A path or a capability in parentheses finds the package that provides it. */
	if (*name == '/' ? !ash_check_path(name) : !ash_check_word(name, PACKAGE_CHARACTERS "()/"))
		return ash_option_throw(&call->place, error, "\"%s\" is no package name", name);
	return TRUE;
}

static gboolean
add_package(AshKsCall *call, const char *name, GError **error)
{
	AshPackageRequest *request = &call->spec->packages;

	if (!check_package(call, name, error))
		return FALSE;
	ash_strv_remove(&request->excludes, name);
	ash_strv_add_unique(&request->names, name);
	return TRUE;
}

static gboolean
exclude_package(AshKsCall *call, const char *name, GError **error)
{
	AshPackageRequest *request = &call->spec->packages;

	if (!check_package(call, name, error))
		return FALSE;
	ash_strv_remove(&request->names, name);
	ash_strv_add_unique(&request->excludes, name);
	return TRUE;
}

typedef gboolean (*ItemHandler)(AshKsCall *call, const char *name, GError **error);

/* Longest prefix first. */
static const struct {
	const char *prefix;
	ItemHandler handler;
} items[] = {
	{ "-@^", exclude_environment }, { "-@", exclude_group },
	{ "@^", set_environment },      { "@", add_group },
	{ "-", exclude_package },       { "", add_package },
};

static gboolean
packages_add_line(AshKsCall *call, gpointer data, const char *line, GError **error)
{
	g_autofree char *item = g_strndup(line, strcspn(line, "#"));

	g_strstrip(item);
	if (*item == '\0')
		return TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(items); i++) {
		gsize length = strlen(items[i].prefix);

		if (strncmp(item, items[i].prefix, length) == 0)
			return items[i].handler(call, g_strstrip(item + length), error);
	}
	return TRUE;
}

const AshKsSectionDef ash_ks_packages_section = {
	.name = "%packages",
	.options = packages_options,
	.values_size = sizeof(PackagesValues),
	.begin = packages_begin,
	.add_line = packages_add_line,
};
