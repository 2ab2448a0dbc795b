/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "config/kscommand.h"
#include "model/strv.h"

#include <string.h>

/* Options of "url" and "repo"; pykickstart has cost and package lists for "repo" only. */
typedef struct {
	char *name, *baseurl, *mirrorlist, *metalink;
	char *proxy, *sslcacert, *sslclientcert, *sslclientkey;
	bool noverifyssl, install;
	int cost;
	char **excludepkgs, **includepkgs;
} RepoValues;

#define FIELD(member) G_STRUCT_OFFSET(RepoValues, member)

/* clang-format off */
#define COMMON_OPTIONS \
	{ "--mirrorlist", ASH_OPTION_STRING, FIELD(mirrorlist) }, \
	{ "--metalink", ASH_OPTION_STRING, FIELD(metalink) }, \
	{ "--proxy", ASH_OPTION_STRING, FIELD(proxy) }, \
	{ "--noverifyssl", ASH_OPTION_FLAG, FIELD(noverifyssl) }, \
	{ "--sslcacert", ASH_OPTION_STRING, FIELD(sslcacert) }, \
	{ "--sslclientcert", ASH_OPTION_STRING, FIELD(sslclientcert) }, \
	{ "--sslclientkey", ASH_OPTION_STRING, FIELD(sslclientkey) }, \
	{ "--cost", ASH_OPTION_INT, FIELD(cost) }, \
	{ "--excludepkgs", ASH_OPTION_LIST, FIELD(excludepkgs) }, \
	{ "--includepkgs", ASH_OPTION_LIST, FIELD(includepkgs) }
/* clang-format on */

static const AshOptionDef url_options[] = {
	{ "--url", ASH_OPTION_STRING, FIELD(baseurl) },
	COMMON_OPTIONS,
	{ NULL },
};

static const AshOptionDef repo_options[] = {
	{ "--name", ASH_OPTION_STRING, FIELD(name), .required = true },
	{ "--baseurl", ASH_OPTION_STRING, FIELD(baseurl) },
	COMMON_OPTIONS,
	{ "--install", ASH_OPTION_FLAG, FIELD(install) },
	{ "--ignoregroups", ASH_OPTION_IGNORED_VALUE,
	  .text = "groups of all repositories can be named" },
	{ NULL },
};

static AshRepoConf *
find_repo(const AshSpec *spec, const char *id)
{
	for (guint i = 0; i < spec->repos->len; i++) {
		AshRepoConf *repo = g_ptr_array_index(spec->repos, i);

		if (g_str_equal(repo->id, id))
			return repo;
	}
	return NULL;
}

/* The URL that the command line gives for @id, or NULL. */
static const char *
find_override(const AshKsState *state, const char *id)
{
	for (guint i = 0; state->repo_urls[i] != NULL; i++) {
		gsize length = strlen(id);

		if (strncmp(state->repo_urls[i], id, length) == 0 &&
		    state->repo_urls[i][length] == '=')
			return state->repo_urls[i] + length + 1;
	}
	return NULL;
}

static gboolean
check_url(AshKsCall *call, char **url, const char *option, GError **error)
{
	g_autofree char *place =
		g_strdup_printf("%s: %s: %s", call->place.origin, call->place.command, option);
	g_autofree char *expanded = NULL;
	g_autoptr(GError) problem = NULL;

	if (*url == NULL)
		return TRUE;
	expanded = ash_repofile_expand(*url, call->state->vars, place, &problem);
	if (expanded == NULL && call->state->refusals != NULL) {
		g_ptr_array_add(call->state->refusals, g_strdup(problem->message));
		return TRUE;
	}
	if (expanded == NULL) {
		g_propagate_error(error, g_steal_pointer(&problem));
		return FALSE;
	}
	if (!ash_repofile_is_url(expanded))
		return ash_option_throw(&call->place, error,
					"%s: \"%s\" is not a file:, http: or https: URL", option,
					expanded);
	g_free(*url);
	*url = g_steal_pointer(&expanded);
	return TRUE;
}

static gboolean
check_urls(AshKsCall *call, guint *ret_count, GError **error)
{
	RepoValues *values = call->values;
	const char *base_option = g_str_equal(call->place.command, "url") ? "--url" : "--baseurl";

	*ret_count = (values->baseurl != NULL) + (values->mirrorlist != NULL) +
		     (values->metalink != NULL);
	if (*ret_count > 1)
		return ash_option_throw(&call->place, error,
					"only one of %s, --mirrorlist and --metalink can be given",
					base_option);
	return check_url(call, &values->baseurl, base_option, error) &&
	       check_url(call, &values->mirrorlist, "--mirrorlist", error) &&
	       check_url(call, &values->metalink, "--metalink", error);
}

static void
set_urls(AshRepoConf *repo, const char *baseurl, const char *mirrorlist, const char *metalink)
{
	const char *baseurls[] = { baseurl, NULL };

	ash_strv_replace(&repo->baseurls, baseurls);
	g_free(repo->mirrorlist);
	repo->mirrorlist = g_strdup(mirrorlist);
	g_free(repo->metalink);
	repo->metalink = g_strdup(metalink);
}

static void
take_string(char **field, char **value)
{
	if (*value == NULL)
		return;
	g_free(*field);
	*field = g_steal_pointer(value);
}

/* What the kickstart says goes before what the .repo file says. */
static void
apply_values(AshRepoConf *repo, RepoValues *values)
{
	take_string(&repo->proxy, &values->proxy);
	take_string(&repo->sslcacert, &values->sslcacert);
	take_string(&repo->sslclientcert, &values->sslclientcert);
	take_string(&repo->sslclientkey, &values->sslclientkey);
	if (values->noverifyssl)
		repo->sslverify = false;
	if (values->install)
		repo->install = true;
	if (values->cost != -1)
		repo->cost = values->cost;
	ash_strv_add_all(&repo->excludes, (const char *const *) values->excludepkgs);
	ash_strv_add_all(&repo->includes, (const char *const *) values->includepkgs);
}

/*
 * The .repo file's section of the same id is what a repository starts from: there is no kickstart
 * option for keys, so they come from there. A repository named on purpose is used even if its
 * section says enabled=0.
 */
static AshRepoConf *
start_repo(AshKsState *state, const char *id, const char *origin, GError **error)
{
	AshRepoConf *repo = NULL;

	if (!ash_repofile_find(id, state->repo_dirs, state->vars, state->spec->notices, &repo,
			       error))
		return NULL;
	if (repo == NULL)
		return ash_repo_conf_new(id, origin);
	repo->enabled = true;
	return repo;
}

static bool
has_url(const AshRepoConf *repo)
{
	return repo->baseurls[0] != NULL || repo->mirrorlist != NULL || repo->metalink != NULL;
}

static gboolean
add_repo(AshKsCall *call, const char *id, GError **error)
{
	RepoValues *values = call->values;
	const char *override = find_override(call->state, id);
	g_autoptr(AshRepoConf) repo = NULL;
	const AshRepoConf *other = find_repo(call->spec, id);
	guint n_urls = 0;

	if (!ash_repofile_is_id(id))
		return ash_option_throw(
			&call->place, error,
			"\"%s\" is no repository id: use letters, digits and \"_.:-\"", id);
	if (other != NULL)
		return ash_option_throw(&call->place, error, "repository \"%s\" is already at %s",
					id, other->origin);
	if (!check_urls(call, &n_urls, error))
		return FALSE;
	repo = start_repo(call->state, id, call->place.origin, error);
	if (repo == NULL)
		return FALSE;
	if (n_urls > 0)
		set_urls(repo, values->baseurl, values->mirrorlist, values->metalink);
	if (override != NULL)
		set_urls(repo, override, NULL, NULL);
	if (!has_url(repo))
		return ash_option_refuse(
			&call->place, error,
			"\"%s\" has no URL, and no .repo file beside the kickstart or in the "
			"folders of "
			"--repos has a section [%s] with one; add --baseurl= or the file",
			id, id);
	apply_values(repo, values);
	g_ptr_array_add(call->spec->repos, g_steal_pointer(&repo));
	return TRUE;
}

static gboolean
handle_url(AshKsCall *call, GError **error)
{
	const RepoValues *values = call->values;

	if (values->baseurl == NULL && values->mirrorlist == NULL && values->metalink == NULL)
		return ash_option_throw(&call->place, error,
					"one of --url, --mirrorlist and --metalink is required");
	return add_repo(call, "url", error);
}

static gboolean
handle_repo(AshKsCall *call, GError **error)
{
	const RepoValues *values = call->values;

	return add_repo(call, values->name, error);
}

static gboolean
add_override(AshKsState *state, const char *text, GError **error)
{
	const char *equals = strchr(text, '=');
	g_autofree char *id = equals != NULL ? g_strndup(text, equals - text) : NULL;
	g_autoptr(AshRepoConf) repo = NULL;

	if (id == NULL || !ash_repofile_is_id(id) || !ash_repofile_is_url(equals + 1))
		return ash_throw(
			error, ASH_ERROR_USAGE,
			"--repo=%s: \"NAME=URL\" is expected, with a file:, http: or https: URL",
			text);
	if (find_repo(state->spec, id) != NULL)
		return TRUE;
	repo = start_repo(state, id, "--repo", error);
	if (repo == NULL)
		return FALSE;
	set_urls(repo, equals + 1, NULL, NULL);
	g_ptr_array_add(state->spec->repos, g_steal_pointer(&repo));
	return TRUE;
}

gboolean
ash_ks_add_remaining_repos(AshKsState *state, GError **error)
{
	for (guint i = 0; state->repo_urls[i] != NULL; i++)
		if (!add_override(state, state->repo_urls[i], error))
			return FALSE;
	return TRUE;
}

const AshKsCommand ash_ks_repo_commands[] = {
	{ .name = "url",
	  .handler = handle_url,
	  .options = url_options,
	  .values_size = sizeof(RepoValues) },
	{ .name = "repo",
	  .handler = handle_repo,
	  .options = repo_options,
	  .values_size = sizeof(RepoValues) },
	{ NULL },
};
