/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kscommand.h"

#include <string.h>

/* Commands that name a system which is not composed of packages. */

typedef struct {
	char *osname, *remote, *url, *ref, *transport;
	bool unverified;
} OstreeValues;

#define FIELD(member) G_STRUCT_OFFSET(OstreeValues, member)

static const AshOptionDef ostreesetup_options[] = {
	{ "--osname", ASH_OPTION_STRING, FIELD(osname), .required = true },
	{ "--remote", ASH_OPTION_STRING, FIELD(remote) },
	{ "--url", ASH_OPTION_STRING, FIELD(url), .required = true },
	{ "--ref", ASH_OPTION_STRING, FIELD(ref), .required = true },
	{ "--nogpg", ASH_OPTION_FLAG, FIELD(unverified) },
	{ NULL },
};

static const AshOptionDef ostreecontainer_options[] = {
	{ "--stateroot", ASH_OPTION_STRING, FIELD(osname) },
	{ "--url", ASH_OPTION_STRING, FIELD(url), .required = true },
	{ "--transport", ASH_OPTION_STRING, FIELD(transport) },
	{ "--remote", ASH_OPTION_STRING, FIELD(remote) },
	{ "--no-signature-verification", ASH_OPTION_FLAG, FIELD(unverified) },
	{ NULL },
};

#undef FIELD

static gboolean
check_names(AshKsCall *call, const OstreeValues *values, GError **error)
{
	const struct {
		const char *option, *value, *others;
	} names[] = {
		{ "--osname", values->osname, "_.-" },
		{ "--remote", values->remote, "_.-" },
		{ "--ref", values->ref, "_./-${}" },
		{ "--transport", values->transport, "_:-" },
	};

	for (guint i = 0; i < G_N_ELEMENTS(names); i++)
		if (names[i].value != NULL && !ash_check_word(names[i].value, names[i].others))
			return ash_option_throw(&call->place, error, "%s: \"%s\" is no name",
						names[i].option, names[i].value);
	return TRUE;
}

/* What can be fetched. */
static gboolean
check_url(const AshKsCall *call, const OstreeValues *values, bool container, GError **error)
{
	static const char *const schemes[] = { "file:///", "http://", "https://" };

	if (container)
		return *values->url != '\0' || ash_option_throw(&call->place, error, "--url: the name of an image is expected");
	for (guint i = 0; i < G_N_ELEMENTS(schemes); i++)
		if (g_str_has_prefix(values->url, schemes[i]) && values->url[strlen(schemes[i])] != '\0')
			return TRUE;
	return ash_option_throw(&call->place, error, "--url: \"%s\" does not begin with file:///, http:// or https://", values->url);
}

static gboolean
set_ostree(AshKsCall *call, bool container, GError **error)
{
	OstreeValues *values = call->values;
	AshOstreeSpec *ostree = &call->spec->ostree;

	if (!check_names(call, values, error) || !check_url(call, values, container, error))
		return FALSE;
	ostree->set = true;
	ostree->container = container;
	ostree->verify = !values->unverified;
	g_free(ostree->osname);
	ostree->osname = values->osname != NULL ? g_steal_pointer(&values->osname) : g_strdup("default");
	g_free(ostree->remote);
	ostree->remote = values->remote != NULL || container ? g_steal_pointer(&values->remote)
							     : g_strdup(ostree->osname);
	g_free(ostree->url);
	ostree->url = g_steal_pointer(&values->url);
	g_free(ostree->ref);
	ostree->ref = g_steal_pointer(&values->ref);
	g_free(ostree->transport);
	ostree->transport = values->transport != NULL || !container ? g_steal_pointer(&values->transport)
								    : g_strdup("registry");
	g_free(ostree->origin);
	ostree->origin = g_strdup(call->place.origin);
	return TRUE;
}

static gboolean
handle_ostreesetup(AshKsCall *call, GError **error)
{
	return set_ostree(call, false, error);
}

static gboolean
handle_ostreecontainer(AshKsCall *call, GError **error)
{
	return set_ostree(call, true, error);
}

const AshKsCommand ash_ks_source_commands[] = {
	{ .name = "ostreesetup",
	  .handler = handle_ostreesetup,
	  .options = ostreesetup_options,
	  .values_size = sizeof(OstreeValues),
	  .conflicts = "ostreecontainer",
	  .once = true,
	  .with_commit = true },
	{ .name = "ostreecontainer",
	  .handler = handle_ostreecontainer,
	  .options = ostreecontainer_options,
	  .values_size = sizeof(OstreeValues),
	  .conflicts = "ostreesetup",
	  .once = true,
	  .with_commit = true },
	{ NULL },
};
