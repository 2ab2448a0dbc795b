/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "config/kickstart.h"

#include "fuzz.h"

const char *const fuzz_corpora[] = { "fuzz/corpus/kickstart", "golden/kickstart",
				     "golden/kickstart/must-fail", "golden/repofile/must-fail",
				     NULL };

/* Any bytes give a spec or an error of ours, as a kickstart and as a .repo file; files are not
 * looked for. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const AshRepoVars vars = { .releasever = "1" };
	const AshKickstartOptions options = { .vars = vars };
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) repo_error = NULL;
	g_autoptr(GPtrArray) notices = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(AshSpec) spec =
		ash_kickstart_parse((const char *) data, size, "fuzz.ks", NULL, &options, &error);
	g_autoptr(GPtrArray) confs = ash_repofile_parse((const char *) data, size, "/fuzz.repo",
							&vars, notices, &repo_error);

	if (spec != NULL) {
		g_autofree char *text = ash_spec_format(spec);

		g_assert_no_error(error);
		g_assert_nonnull(text);
	} else {
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	}
	if (confs == NULL)
		g_assert_error(repo_error, ASH_ERROR, ASH_ERROR_CONFIG);
	return 0;
}
