/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/modes.h"
#include "audit/secrets.h"
#include "audit/sysctl.h"
#include "audit/unitfile.h"
#include "audit/units.h"
#include "test-audit-common.h"

static void
test_sysctl(void)
{
	g_autoptr(AshSysctl) sysctl = ash_sysctl_new();
	const char *path = NULL;

	ash_sysctl_parse(sysctl, "# comment\n; another\n kernel.kptr_restrict = 1 \nfs/protected_fifos=1\nnet.ipv4.conf.*.rp_filter = 2\n"
				 "-kernel.dmesg_restrict=1\nno equals sign\n= x\n", "a.conf");
	ash_sysctl_parse(sysctl, "kernel.kptr_restrict = 2\nnet.ipv4.conf.all.rp_filter = 0\n-net.ipv4.conf.lo.rp_filter\n"
				 "net/ipv4/conf/eth0.1/rp_filter = 7\nnet.ipv4.conf.*.rp_filter = 1\n", "b.conf");
	g_assert_cmpstr(ash_sysctl_get(sysctl, "kernel/kptr_restrict", &path), ==, "2");
	g_assert_cmpstr(path, ==, "b.conf");
	g_assert_cmpstr(ash_sysctl_get(sysctl, "fs/protected_fifos", NULL), ==, "1");
	g_assert_cmpstr(ash_sysctl_get(sysctl, "kernel/dmesg_restrict", NULL), ==, "1");
	/* A name in full wins over a pattern that comes later. */
	g_assert_cmpstr(ash_sysctl_get(sysctl, "net/ipv4/conf/all/rp_filter", NULL), ==, "0");
	g_assert_cmpstr(ash_sysctl_get(sysctl, "net/ipv4/conf/default/rp_filter", NULL), ==, "1");
	g_assert_cmpstr(ash_sysctl_get(sysctl, "net/ipv4/conf/eth0.1/rp_filter", NULL), ==, "7");
	g_assert_null(ash_sysctl_get(sysctl, "net/ipv4/conf/lo/rp_filter", NULL));
	g_assert_null(ash_sysctl_get(sysctl, "kernel/sysrq", NULL));
}

static void
test_unitfile(void)
{
	g_autoptr(AshUnitFile) unit = ash_unitfile_new();
	g_auto(GStrv) words = NULL, wants = NULL;

	ash_unitfile_parse(unit, "Key=before any section\n[Unit]\nWants=a.service  \"b.service\"\n# comment \\\nWants=c.service\n"
				 "[Service]\nExecStart=/bin/a \\\n; between\n  --long \\\n  --longer\nSystemCallFilter=@system-service\nUser=x\n"
				 "User = y\n[Broken\nUser=z\n[]\nUser=z\nUser");
	g_assert_cmpstr(ash_unitfile_get(unit, "Service", "ExecStart"), ==, "/bin/a    --long    --longer");
	g_assert_cmpstr(ash_unitfile_get(unit, "Service", "User"), ==, "y");
	wants = ash_unitfile_get_words(unit, "Unit", "Wants");
	g_assert_cmpuint(g_strv_length(wants), ==, 3);
	g_assert_cmpstr(wants[1], ==, "b.service");
	g_assert_cmpstr(wants[2], ==, "c.service");
	/* A drop-in that begins anew. */
	ash_unitfile_parse(unit, "[Service]\nSystemCallFilter=\nSystemCallFilter=~@mount @swap\nUser=\n");
	words = ash_unitfile_get_words(unit, "Service", "SystemCallFilter");
	g_assert_cmpuint(g_strv_length(words), ==, 2);
	g_assert_cmpstr(words[0], ==, "~@mount");
	g_assert_null(ash_unitfile_get(unit, "Service", "User"));
	g_assert_null(ash_unitfile_get_all(unit, "Install", "WantedBy"));
}

static void
test_address(void)
{
	static const struct {
		const char *text;
		guint port;
		bool local;
	} cases[] = {
		{ "22", 22, false },	  { "0.0.0.0:80", 80, false }, { "[::]:443", 443, false }, { "127.0.0.1:631", 631, true },
		{ "[::1]:631", 631, true }, { "/run/x", 0, true },	{ "@abstract", 0, true },  { "vsock:2:1234", 0, true },
		{ "0", 0, true },	  { "70000", 0, true },	       { "", 0, true },		   { "%t/x", 0, true },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		guint port = 1;
		bool local = false;

		ash_units_parse_address(cases[i].text, &port, &local);
		g_assert_cmpuint(port, ==, cases[i].port);
		g_assert_cmpint(local, ==, cases[i].local);
	}
}

#define BODY "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\nVJTUt9Us8cKjMzEfYyjiWA4R4\n"

static void
test_keys(void)
{
	static const struct {
		const char *text, *label;
	} cases[] = {
		{ "-----BEGIN PRIVATE KEY-----\n" BODY "-----END PRIVATE KEY-----\n", "PRIVATE KEY" },
		{ "x\n-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES-256-CBC,0011\r\n\r\n" BODY, "RSA PRIVATE KEY" },
		{ "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw\\nggSjAgEAAoIBAQC7VJTUt9Us\"}", "PRIVATE KEY" },
		{ "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n" BODY, "PGP PRIVATE KEY BLOCK" },
		{ "-----BEGIN CERTIFICATE-----\n" BODY "-----BEGIN EC PRIVATE KEY-----\n" BODY, "EC PRIVATE KEY" },
		{ "-----BEGIN CERTIFICATE-----\n" BODY, NULL },
		{ "-----BEGIN PUBLIC KEY-----\n" BODY, NULL },
		{ "if line == \"-----BEGIN PRIVATE KEY-----\": return parse(line[10:], decode=True)", NULL },
		{ "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n" BODY, NULL },
		{ "-----BEGIN PRIVATE KEY-----", NULL },
		{ "-----BEGIN ", NULL },
		{ "", NULL },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *label = ash_secrets_find_key(cases[i].text, strlen(cases[i].text));

		g_assert_cmpstr(label, ==, cases[i].label);
	}
}

static void
test_capability(void)
{
	/* Revision 2, effective: cap_net_raw (13) and cap_bpf (39). */
	static const guint8 value[20] = { 1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0 };
	guint64 mask = 0;
	g_autofree char *text = ash_modes_describe_capability(value, sizeof(value), &mask);

	g_assert_cmpstr(text, ==, "cap_net_raw, cap_bpf");
	g_assert_cmpuint(mask, ==, G_GUINT64_CONSTANT(0x8000002000));
	g_assert_null(ash_modes_describe_capability(value, 8, &mask));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/audit/sysctl/precedence", test_sysctl);
	g_test_add_func("/audit/unitfile/syntax", test_unitfile);
	g_test_add_func("/audit/units/address", test_address);
	g_test_add_func("/audit/secrets/keys", test_keys);
	g_test_add_func("/audit/modes/capability", test_capability);
	return g_test_run();
}
