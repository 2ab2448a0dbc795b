/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/strictjson.h"

#include <string.h>

#include "fuzz.h"

const char *const fuzz_corpora[] = { "fuzz/corpus/json", "golden/json/must-fail", NULL };

/* Any bytes give a value or an error of ours; what is taken, json-glib takes too. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL, other = NULL;
	g_autoptr(JsonNode) node = ash_strict_json_parse((const char *) data, size, NULL, "fuzz", &error);

	if (node == NULL) {
		g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
		return 0;
	}
	g_autofree char *text = json_to_string(node, FALSE);
	g_autoptr(JsonNode) again = ash_strict_json_parse(text, strlen(text), NULL, "again", &other);
	g_assert_no_error(other);
	g_assert_true(json_node_equal(node, again));
	return 0;
}
