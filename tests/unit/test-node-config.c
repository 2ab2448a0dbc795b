/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "node/esp.h"
#include "node/nodeconfig.h"

#include <string.h>

static void
test_good(void)
{
	g_autoptr(AshNodeConfig) config = ash_node_config_new();
	g_autoptr(GError) error = NULL;

	ash_node_config_parse(config,
			      "# a comment\n[Update]\nUrl=https://a/ http://b/\nUrl = file:///c\nRef=demo/x86_64/vm\nAutomatic=reboot\nTries=5\n"
			      "[Limits]\nRate=2M\nWindow=Mon..Fri 22:00-05:00 UTC\nWindow=Sat 00:00-24:00 UTC\nAllowFull=ask\n"
			      "[Health]\nTimeout=2min\nUnits=a.service b.service\nUnits=\nUnits=c.service\n", "x", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(g_strv_length(config->urls), ==, 3);
	g_assert_cmpstr(config->urls[2], ==, "file:///c");
	g_assert_cmpint(config->automatic, ==, ASH_NODE_AUTOMATIC_REBOOT);
	g_assert_cmpint(config->allow_full, ==, ASH_NODE_FULL_ASK);
	g_assert_cmpuint(config->tries, ==, 5);
	g_assert_cmpuint(config->rate, ==, 2 * 1024 * 1024);
	g_assert_cmpuint(config->windows->len, ==, 2);
	g_assert_cmpuint(config->health_timeout, ==, 120);
	g_assert_cmpuint(g_strv_length(config->health_units), ==, 1);
	g_assert_true(ash_node_config_check(config, NULL));
}

static void
test_bad(void)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "Url=https://a\n", "x:1: \"Url=https://a\" comes before any [Section]" },
		{ "[Update]\nurl=https://a\n", "x:2: url: there is no such key" },
		{ "[Limits]\nUrl=https://a\n", "x:2: Url: there is no such key in [Limits]" },
		{ "[Update\n", "x:1: \"[Update\" is none of" },
		{ "[Nonsense]\n", "x:1: \"[Nonsense]\" is none of" },
		{ "[Update]\nnonsense\n", "x:2: \"nonsense\" is neither" },
		{ "[Update]\nUrl=ftp://a\n", "x:2: Url: \"ftp://a\" begins with none" },
		{ "[Update]\nRef=../x\n", "x:2: Ref: \"../x\" is no name" },
		{ "[Update]\nChannel=a/b\n", "x:2: Channel: \"a/b\" is no name" },
		{ "[Update]\nTries=0\n", "x:2: Tries: \"0\" is not a number from 1 to 9" },
		{ "[Update]\nTries=-1\n", "x:2: Tries:" },
		{ "[Update]\nAutomatic=yes\n", "x:2: Automatic: \"yes\" is none of no, download" },
		{ "[Update]\nRootFile=root.json\n", "x:2: RootFile: \"root.json\" does not begin" },
		{ "[Limits]\nRate=fast\n", "x:2: Rate: \"fast\" is not a size" },
		{ "[Limits]\nWindow=Xon 01:00-02:00\n", "x:2: Window: \"Xon 01:00-02:00\": days are" },
		{ "[Limits]\nWindow=25:00-26:00\n", "x:2: Window:" },
		{ "[Limits]\nWindow=01:00-02:00 Nowhere/Atall\n", "the time zone is not known" },
		{ "[Limits]\nWindow=01:00-02:00 UTC UTC\n", "has words behind" },
		{ "[Health]\nTimeout=0\n", "x:2: Timeout: \"0\" is not a time" },
		{ "[Health]\nTimeout=99999999999999999999s\n", "x:2: Timeout:" },
		{ "[Update]\nUrl=\xff\n", "x: is not UTF-8" },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(AshNodeConfig) config = ash_node_config_new();
		g_autoptr(GError) error = NULL;
		g_assert_false(ash_node_config_parse(config, cases[i].text, "x", &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		if (strstr(error->message, cases[i].message) == NULL)
			g_error("\"%s\" does not say \"%s\"", error->message, cases[i].message);
	}
}

static void
test_windows(void)
{
	static const struct {
		const char *window, *time;
		bool contains;
	} cases[] = {
		/* 2026-11-23 is a Monday. */
		{ "01:00-02:00 UTC", "2026-11-23T01:00:00Z", true },
		{ "01:00-02:00 UTC", "2026-11-23T01:59:59Z", true },
		{ "01:00-02:00 UTC", "2026-11-23T02:00:00Z", false },
		{ "Mon 22:00-04:00 UTC", "2026-11-23T23:00:00Z", true },
		{ "Mon 22:00-04:00 UTC", "2026-11-24T03:59:00Z", true },
		{ "Mon 22:00-04:00 UTC", "2026-11-23T03:00:00Z", false },
		{ "Sun 22:00-04:00 UTC", "2026-11-23T03:00:00Z", true },
		{ "Fri..Mon 10:00-11:00 UTC", "2026-11-23T10:30:00Z", true },
		{ "Fri..Mon 10:00-11:00 UTC", "2026-11-24T10:30:00Z", false },
		{ "sat,sun 00:00-24:00 UTC", "2026-11-22T23:59:00Z", true },
		/* Summer time ends there on 2026-10-25 at 03:00: 02:30 comes twice. */
		{ "02:00-03:00 Europe/Vienna", "2026-10-25T00:30:00Z", true },
		{ "02:00-03:00 Europe/Vienna", "2026-10-25T01:30:00Z", true },
		{ "02:00-03:00 Europe/Vienna", "2026-10-25T02:30:00Z", false },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		const char *problem = NULL;
		g_autoptr(AshNodeWindow) window = ash_node_window_parse(cases[i].window, &problem);
		g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(cases[i].time, NULL);
		g_assert_nonnull(window);
		if (ash_node_window_contains(window, (guint64) g_date_time_to_unix(time)) != cases[i].contains)
			g_error("%s at %s is wrong", cases[i].window, cases[i].time);
	}
	g_autoptr(GPtrArray) windows = g_ptr_array_new_with_free_func((GDestroyNotify) ash_node_window_free);
	const char *problem = NULL;
	guint64 next = 1;
	g_assert_true(ash_node_windows_allow(windows, 0, &next));
	g_ptr_array_add(windows, ash_node_window_parse("Tue 05:00-06:00 UTC", &problem));
	g_assert_false(ash_node_windows_allow(windows, 1795392030, &next)); /* Monday, 2026-11-23 00:00:30 */
	g_assert_cmpuint(next, ==, 1795392000 + 29 * 3600);
}

static void
test_entries(void)
{
	static const struct {
		const char *file, *version; /* NULL: no entry */
		bool counted;
		guint left, done;
	} cases[] = {
		{ "lab_1.2.efi", "1.2", false, 0, 0 },
		{ "lab_1.2+3.efi", "1.2", true, 3, 0 },
		{ "lab_1.2+0-3.efi", "1.2", true, 0, 3 },
		{ "LAB_1.2+2-1.EFI", "1.2", true, 2, 1 },
		{ "lab_a_b.efi", "a_b", false, 0, 0 },
		{ "lab_1.2.efi.part", NULL, false, 0, 0 },
		{ "lab_.efi", NULL, false, 0, 0 },
		{ "lab_1+x.efi", NULL, false, 0, 0 },
		{ "lab_1+3-.efi", NULL, false, 0, 0 },
		{ "lab_1+99999999999.efi", NULL, false, 0, 0 },
		{ "lab.efi", NULL, false, 0, 0 },
		{ "label_1.efi", NULL, false, 0, 0 },
		{ "other_1.efi", NULL, false, 0, 0 },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		AshBootEntry entry;
		const bool is_entry = ash_boot_entry_parse("lab", cases[i].file, &entry);
		g_assert_cmpint(is_entry, ==, cases[i].version != NULL);
		if (!is_entry)
			continue;
		g_assert_cmpstr(entry.version, ==, cases[i].version);
		g_assert_cmpint(entry.counted, ==, cases[i].counted);
		g_assert_cmpuint(entry.left, ==, cases[i].left);
		g_assert_cmpuint(entry.done, ==, cases[i].done);
		g_free(entry.file);
		g_free(entry.version);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/node/config/good", test_good);
	g_test_add_func("/node/config/bad", test_bad);
	g_test_add_func("/node/window", test_windows);
	g_test_add_func("/node/entries", test_entries);
	return g_test_run();
}
