/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "config/kickstart.h"
#include "config/kslayout.h"

#include "fuzz.h"

const char *const fuzz_corpora[] = { "fuzz/corpus/kickstart", "golden/kickstart",
				     "golden/kickstart/must-fail", "golden/repofile/must-fail",
				     NULL };

/* A machine, as our own types have it. */
static AshImageType *
make_type(void)
{
	static const AshPartitionRole roles[] = { ASH_PARTITION_ESP, ASH_PARTITION_ROOT, ASH_PARTITION_VAR };
	static const AshFsKind kinds[] = { ASH_FS_VFAT, ASH_FS_EROFS, ASH_FS_EXT4 };
	AshImageType *type = ash_image_type_new("fuzz");

	type->layout = ash_layout_new();
	for (guint i = 0; i < G_N_ELEMENTS(roles); i++) {
		AshPartition *partition = ash_partition_new(roles[i]);

		partition->fs = kinds[i];
		g_ptr_array_add(type->layout->partitions, partition);
	}
	return type;
}

/* What it says about disks is carried out, or an error of ours. */
static void
try_layout(const AshSpec *spec)
{
	g_autoptr(AshImageType) type = make_type();
	g_autoptr(GPtrArray) notices = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) error = NULL;

	if (!ash_kslayout_apply(spec, type, notices, &error))
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

/*
 * A reading that goes on after errors finds some if the other one found one, and none else; and what it writes as one file
 * means the same.
 */
static void
try_findings(const char *text, gsize size, const AshRepoVars *vars, const AshSpec *expected)
{
	g_autoptr(AshKsFindings) findings = ash_ks_findings_new();
	g_autoptr(GString) flat = g_string_new(NULL);
	const AshKickstartOptions options = { .vars = *vars, .findings = findings, .flat = flat };
	const AshKickstartOptions plain = { .vars = *vars };
	g_autoptr(AshSpec) spec = ash_kickstart_parse(text, size, "fuzz.ks", NULL, &options, NULL);
	g_autoptr(AshSpec) again = NULL;
	g_autofree char *first = NULL, *second = NULL;

	if (expected == NULL) {
		g_assert_true(spec == NULL || findings->problems->len + findings->refusals->len > 0);
		return;
	}
	g_assert_nonnull(spec);
	g_assert_cmpuint(findings->problems->len + findings->refusals->len, ==, 0);
	again = ash_kickstart_parse(flat->str, flat->len, "fuzz.ks", NULL, &plain, NULL);
	g_assert_nonnull(again);
	first = ash_spec_format(expected);
	second = ash_spec_format(again);
	g_assert_cmpstr(first, ==, second);
}

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
		g_assert_no_error(error);
		try_layout(spec);
	} else {
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	}
	try_findings((const char *) data, size, &vars, spec);
	if (confs == NULL)
		g_assert_error(repo_error, ASH_ERROR, ASH_ERROR_CONFIG);
	return 0;
}
