/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/secrets.h"
#include "audit/sysctl.h"
#include "audit/unitfile.h"
#include "audit/units.h"

#include <string.h>

#include "fuzz.h"

const char *const fuzz_corpora[] = { "fuzz/corpus/audit", NULL };

/* Any bytes are a unit, settings and text of some kind: each parser takes from them what it understands. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *) data, size);
	g_autofree char *label = ash_secrets_find_key((const char *) data, size);
	g_autoptr(AshUnitFile) unit = ash_unitfile_new();
	g_autoptr(AshSysctl) sysctl = ash_sysctl_new();
	g_auto(GStrv) words = NULL;
	guint port = 0;
	bool local = false;

	ash_unitfile_parse(unit, text);
	ash_unitfile_parse(unit, text);
	words = ash_unitfile_get_words(unit, "Service", "SystemCallFilter");
	for (char **word = words; *word != NULL; word++)
		g_assert_null(strpbrk(*word, " \t"));
	ash_sysctl_parse(sysctl, text, "file");
	(void) ash_sysctl_get(sysctl, "net/ipv4/conf/all/rp_filter", NULL);
	ash_units_parse_address(text, &port, &local);
	g_assert_cmpuint(port, <=, G_MAXUINT16);
	g_assert_true(label == NULL || g_utf8_validate(label, -1, NULL));
	return 0;
}
