/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repo/keyring.h"

#include <string.h>

#define BLOCK(body) "-----BEGIN PGP PUBLIC KEY BLOCK-----\n" body "-----END PGP PUBLIC KEY BLOCK-----\n"

static void
test_armor(void)
{
	const struct {
		const char *text, *packets; /* NULL: refused */
	} cases[] = {
		{ BLOCK("\nmQ==\n=abcd\n"), "\x99" },
		{ BLOCK("Version: 1\nComment: x\n\nmQEC\nAwQ=\n=abcd\n"), "\x99\x01\x02\x03\x04" },
		{ "preface\r\n" BLOCK("\r\nmQ==\r\n"), "\x99" },
		{ BLOCK("\nmQ==\n") "between\n" BLOCK("\nmgE=\n=abcd\n"), "\x99\x9a\x01" },
		{ "\x99\x01\x02", "\x99\x01\x02" },
		{ "", NULL },
		{ "hello", NULL },
		{ BLOCK(""), NULL },
		{ BLOCK("\n"), NULL },
		{ BLOCK("\n=abcd\n"), NULL },
		{ "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n", NULL },
		{ "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nmQ==\n-----END PGP PRIVATE KEY BLOCK-----\n", NULL },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GByteArray) packets = ash_keyring_dearmor(cases[i].text, strlen(cases[i].text));
		g_test_message("case %zu", i);
		if (cases[i].packets == NULL) {
			g_assert_null(packets);
			continue;
		}
		g_assert_nonnull(packets);
		g_assert_cmpmem(packets->data, packets->len, cases[i].packets, strlen(cases[i].packets));
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/keyring/armor", test_armor);
	return g_test_run();
}
