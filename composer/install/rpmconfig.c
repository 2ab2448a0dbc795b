/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/rpmconfig.h"

#include "base/error.h"
#include "install/transaction.h"

#include <rpm/rpmfileutil.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>

/* Every macro that librpm expands while it verifies and installs. */
static const struct {
	const char *name, *body;
} macros[] = {
	{ "_dbpath", "/" ASH_RPMDB_DIR },
	{ "_db_backend", "sqlite" },
	{ "_keyring", "rpmdb" },
	{ "_keyringpath", "%{_dbpath}/pubkeys/" },
	{ "_rpmlock_path", "%{_dbpath}/.rpm.lock" },
	{ "_install_langs", "all" },
	{ "_install_script_path", "/usr/sbin:/usr/bin:/sbin:/bin" },
	/* The sandbox's own: no scriptlet file is ever in the tree. */
	{ "_tmppath", "/tmp" },
	/* The sandbox mounts these; what a package says of them is noted in the database only. */
	{ "_netsharedpath", "/proc:/sys:/dev" },
	{ "_pkgverify_level", "all" },
	{ "_pkgverify_flags", "0x0" },
	{ "_transaction_color", "0" },
	{ "_prefer_color", "2" },
	{ "_query_all_fmt", "%%{nvr}%%{archsuffix}" },
	{ "_color_output", "never" },
	{ "_passwd_path", "/etc/passwd" },
	{ "_group_path", "/etc/group" },
};

static gpointer
configure_once(gpointer data)
{
	g_autofree char *rpmrc = g_build_filename(rpmConfigDir(), "rpmrc", NULL);

	rpmSetVerbosity(RPMLOG_ERR);
	/* Freed by librpm. An empty list: no macro file of the host is read. */
	macrofiles = g_strdup("");
	if (rpmReadConfigFiles(rpmrc, NULL) != 0)
		return NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(macros); i++)
		rpmPushMacro(NULL, macros[i].name, NULL, macros[i].body, RMIL_CMDLINE);
	return GINT_TO_POINTER(TRUE);
}

gboolean
ash_rpm_configure(GError **error)
{
	/* librpm's configuration is the process's, and so is this. */
	static GOnce once = G_ONCE_INIT;

	if (g_once(&once, configure_once, NULL) == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "cannot read \"%s/rpmrc\": install the package rpm",
				 rpmConfigDir());
	return TRUE;
}

void
ash_rpm_set_languages(const char *const *langs)
{
	if (langs == NULL || langs[0] == NULL)
		return;
	g_autofree char *joined = g_strjoinv(":", (char **) langs);
	rpmPushMacro(NULL, "_install_langs", NULL, joined, RMIL_CMDLINE);
}

const char *
ash_transaction_version(void)
{
	return rpmEVR;
}
