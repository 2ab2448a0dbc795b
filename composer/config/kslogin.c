/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kscommand.h"
#include "model/strv.h"

#include <string.h>

/* How people log in: authselect, what was before it, and the graphical desktop. */

/* Words of another program, as they are; none of them may reach beyond its own arguments. */
static gboolean
handle_authselect(AshKsCall *call, GError **error)
{
	for (guint i = 0; call->args[i] != NULL; i++)
		if (!ash_check_word(call->args[i], "-_./="))
			return ash_option_throw(&call->place, error,
						"\"%s\" is no argument of authselect", call->args[i]);
	if (call->args[0] == NULL)
		return ash_option_throw(&call->place, error,
					"a command of authselect is expected (\"select sssd\")");
	ash_strv_replace(&call->spec->authselect, (const char *const *) call->args);
	return TRUE;
}

/* Options of authconfig that say what a system does anyway; they end in "*" if a value follows. */
static const char *const usual[] = {
	"--useshadow", "--enableshadow", "--passalgo=sha512", "--passalgo=yescrypt", "--kickstart",
	"--update", "--updateall", "--nostart", "--disable*", NULL,
};
static const char *const weaker[] = { "--enablemd5", "--passalgo=md5", "--passalgo=sha256",
				      "--passalgo=descrypt", "--passalgo=bigcrypt", NULL };

static gboolean
handle_auth(AshKsCall *call, GError **error)
{
	for (guint i = 0; call->args[i] != NULL; i++) {
		if (ash_strv_any_glob_matches(weaker, call->args[i]))
			ash_option_notice(&call->place, "%s has no effect: passwords are hashed with SHA-512",
					  call->args[i]);
		else if (!ash_strv_any_glob_matches(usual, call->args[i]) &&
			 !ash_option_refuse(&call->place, error,
					    "\"%s\" is not carried out: use \"authselect\"", call->args[i]))
			return FALSE;
	}
	return TRUE;
}

typedef struct {
	bool startxonboot;
	char *defaultdesktop;
} XconfigValues;

#define NO_XORG_CONF "X finds out about the hardware at boot"

/* clang-format off */
static const AshOptionDef xconfig_options[] = {
	{ "--startxonboot", ASH_OPTION_FLAG, G_STRUCT_OFFSET(XconfigValues, startxonboot) },
	{ "--defaultdesktop", ASH_OPTION_STRING, G_STRUCT_OFFSET(XconfigValues, defaultdesktop) },
	{ "--driver", ASH_OPTION_IGNORED_VALUE, .text = NO_XORG_CONF, .deprecated = true },
	{ "--depth", ASH_OPTION_IGNORED_VALUE, .text = NO_XORG_CONF, .deprecated = true },
	{ "--resolution", ASH_OPTION_IGNORED_VALUE, .text = NO_XORG_CONF, .deprecated = true },
	{ "--videoram", ASH_OPTION_IGNORED_VALUE, .text = NO_XORG_CONF, .deprecated = true },
	{ "--card", ASH_OPTION_IGNORED_VALUE, .text = NO_XORG_CONF, .deprecated = true },
	{ "--monitor", ASH_OPTION_IGNORED_VALUE, .text = NO_XORG_CONF, .deprecated = true },
	{ "--hsync", ASH_OPTION_IGNORED_VALUE, .text = NO_XORG_CONF, .deprecated = true },
	{ "--vsync", ASH_OPTION_IGNORED_VALUE, .text = NO_XORG_CONF, .deprecated = true },
	{ "--server", ASH_OPTION_IGNORED_VALUE, .text = NO_XORG_CONF, .deprecated = true },
	{ "--noprobe", ASH_OPTION_IGNORED, .text = NO_XORG_CONF, .deprecated = true },
	{ NULL },
};
/* clang-format on */

static gboolean
handle_xconfig(AshKsCall *call, GError **error)
{
	XconfigValues *values = call->values;

	if (values->defaultdesktop != NULL && !ash_check_word(values->defaultdesktop, "_.-"))
		return ash_option_throw(&call->place, error, "--defaultdesktop: \"%s\" is no desktop",
					values->defaultdesktop);
	call->spec->start_x = values->startxonboot;
	g_free(call->spec->desktop);
	call->spec->desktop = g_steal_pointer(&values->defaultdesktop);
	return TRUE;
}

typedef struct {
	char *fallback;
} LangsupportValues;

static const AshOptionDef langsupport_options[] = {
	{ "--default", ASH_OPTION_STRING, G_STRUCT_OFFSET(LangsupportValues, fallback) },
	{ NULL },
};

static gboolean
handle_langsupport(AshKsCall *call, GError **error)
{
	const LangsupportValues *values = call->values;

	for (guint i = 0; call->args[i] != NULL; i++)
		if (!ash_check_word(call->args[i], "_.@-"))
			return ash_option_throw(&call->place, error, "\"%s\" is no locale", call->args[i]);
	ash_strv_add_all(&call->spec->lang_support, (const char *const *) call->args);
	if (values->fallback != NULL && ash_check_word(values->fallback, "_.@-") &&
	    call->spec->lang == NULL)
		call->spec->lang = g_strdup(values->fallback);
	return TRUE;
}

static const AshOptionDef no_options[] = {
	{ NULL },
};

const AshKsCommand ash_ks_login_commands[] = {
	{ .name = "authselect",
	  .handler = handle_authselect,
	  .options = no_options,
	  .free_words = true,
	  .max_args = G_MAXUINT,
	  .once = true },
	{ .name = "auth",
	  .handler = handle_auth,
	  .options = no_options,
	  .free_words = true,
	  .max_args = G_MAXUINT,
	  .deprecated = true,
	  .text = "use \"authselect\"" },
	{ .name = "authconfig",
	  .handler = handle_auth,
	  .options = no_options,
	  .free_words = true,
	  .max_args = G_MAXUINT,
	  .deprecated = true,
	  .text = "use \"authselect\"" },
	{ .name = "xconfig",
	  .handler = handle_xconfig,
	  .options = xconfig_options,
	  .values_size = sizeof(XconfigValues),
	  .once = true },
	{ .name = "langsupport",
	  .handler = handle_langsupport,
	  .options = langsupport_options,
	  .values_size = sizeof(LangsupportValues),
	  .max_args = G_MAXUINT,
	  .deprecated = true,
	  .text = "use \"lang --addsupport=\"" },
	{ NULL },
};
