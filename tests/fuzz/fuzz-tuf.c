/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tuf/metadata.h"

#include "fuzz.h"

const char *const fuzz_corpora[] = { "fuzz/corpus/tuf", "golden/tuf/must-fail", NULL };

/* Any bytes give metadata, whose targets have paths that lead nowhere else, or an error of ours. */
static void
check(GBytes *bytes, AshTufRole role)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshTufMetadata) metadata = ash_tuf_metadata_parse(bytes, role, "fuzz", &error);
	GHashTableIter iter;
	gpointer path;

	if (metadata == NULL) {
		g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
		return;
	}
	g_assert_cmpint(metadata->version, >, 0);
	if (role == ASH_TUF_ROOT)
		ash_tuf_metadata_verify_by_root(metadata, metadata, "fuzz", NULL);
	if (role != ASH_TUF_TARGETS)
		return;
	g_hash_table_iter_init(&iter, metadata->targets);
	while (g_hash_table_iter_next(&iter, &path, NULL))
		g_assert_true(ash_tuf_target_is_path(path));
	for (guint i = 0; i < metadata->delegations->len; i++)
		ash_tuf_delegation_has_path(g_ptr_array_index(metadata->delegations, i), "dir/file");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);

	for (int role = 0; role < ASH_TUF_N_ROLES; role++)
		check(bytes, (AshTufRole) role);
	return 0;
}
