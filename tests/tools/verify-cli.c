/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "install/verify.h"
#include "model/repoconf.h"

#include <stdio.h>
#include <string.h>

/* For developers: verifies .rpm files called NEVRA.rpm (no epochs) as a build does. verify-cli KEY FILE... ("-": no key) */

int
main(int argc, char **argv)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(AshPackageSet) set = ash_package_set_new();
	g_autoptr(GPtrArray) confs = g_ptr_array_new_with_free_func((GDestroyNotify) ash_repo_conf_free);
	g_autoptr(GError) error = NULL;
	AshRepoConf *conf = ash_repo_conf_new("r", "here:1");

	g_ptr_array_add(confs, conf);
	conf->gpgcheck = strcmp(argv[1], "-") != 0;
	g_strfreev(conf->gpgkeys);
	conf->gpgkeys = conf->gpgcheck ? g_strsplit(argv[1], ",", -1) : g_new0(char *, 1);
	for (int i = 2; i < argc; i++) {
		AshPackage *package = ash_package_new();
		g_autofree char *name = g_path_get_basename(argv[i]);
		name[strlen(name) - strlen(".rpm")] = '\0';
		ash_package_parse_nevra(name, package);
		package->repo_id = g_strdup("r");
		package->path = g_strdup(argv[i]);
		g_ptr_array_add(set->packages, package);
	}
	if (!ash_verify_packages(ctx, set, confs, &error)) {
		fprintf(stderr, "verify-cli: %s\n", error->message);
		return ash_error_exit_status(error);
	}
	return 0;
}
