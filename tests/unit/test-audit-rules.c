/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/policy.h"
#include "audit/report.h"
#include "base/error.h"
#include "base/json.h"
#include "test-audit-common.h"

/* A system without any fault: whatever is found in a tree made of it was planted there. */
static AshFsTree *
make_clean(void)
{
	static const ElfPlan plan = {
		.wide = true, .type = ET_DYN, .machine = EM_X86_64, .interpreter = "/lib64/ld.so", .relro = true, .now = true, .pie = true,
		.features = GNU_PROPERTY_X86_FEATURE_1_IBT | GNU_PROPERTY_X86_FEATURE_1_SHSTK, .imports = { "puts", "__stack_chk_fail" },
	};
	AshFsTree *tree = text_tree_new();
	g_autoptr(GBytes) program = elf_make(&plan);

	tree_bytes(tree, "usr/bin/program", 0755, program);
	tree_bytes(tree, "usr/lib/systemd/systemd", 0755, program);
	tree_text(tree, "etc/passwd", 0644, "root:x:0:0:root:/root:/bin/sh\ndaemon:x:2:2::/:/sbin/nologin\n");
	tree_text(tree, "etc/group", 0644, "root:x:0:\ndaemon:x:2:\n");
	tree_text(tree, "etc/shadow", 0600, "root:!*:1::::::\ndaemon:*:1::::::\n");
	tree_text(tree, "etc/machine-id", 0444, "uninitialized\n");
	tree_text(tree, "usr/lib/sysctl.d/50-all.conf", 0644,
		  "fs.protected_symlinks=1\nfs.protected_hardlinks=1\nfs.protected_fifos=1\nfs.protected_regular=2\nkernel.kptr_restrict=1\n"
		  "kernel.dmesg_restrict=1\nkernel.unprivileged_bpf_disabled=1\nkernel.sysrq=16\nnet.ipv4.conf.*.rp_filter=2\n"
		  "net.ipv4.conf.all.accept_redirects=0\nnet.ipv6.conf.all.accept_redirects=0\n");
	tree_text(tree, "usr/lib/systemd/system/default.target", 0644, "[Unit]\nWants=good.service listen.socket\n");
	tree_text(tree, "usr/lib/systemd/system/good.service", 0644, "[Service]\nExecStart=/usr/bin/program\nSystemCallFilter=@system-service\n");
	tree_text(tree, "usr/lib/systemd/system/off.service", 0644, "[Service]\nExecStart=/usr/bin/program\n");
	tree_text(tree, "usr/lib/systemd/system/listen.socket", 0644, "[Socket]\nListenStream=/run/x\nListenStream=127.0.0.1:80\nService=good.service\n");
	tree_text(tree, "usr/lib/systemd/system/off.socket", 0644, "[Socket]\nListenStream=23\n");
	tree_make(tree, "tmp", S_IFDIR | 01777);
	tree_make(tree, "root", S_IFDIR | 0700);
	return tree;
}

#define KEY "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----\n"

static void
plant(AshFsTree *tree)
{
	static const ElfPlan weak = {
		.wide = true, .type = ET_EXEC, .machine = EM_X86_64, .interpreter = "/lib64/ld.so", .exec_stack = true, .textrel = true,
		.writable_code = true, .runpath = "/home/x/lib:$ORIGIN/../lib", .imports = { "memcpy", "sprintf" },
	};
	static const guint8 capability[20] = { 1, 0, 0, 2, 0, 0x20, 0, 0 };
	g_autoptr(GBytes) program = elf_make(&weak);
	g_autoptr(GBytes) cut = g_bytes_new_from_bytes(program, 0, 100);

	tree_bytes(tree, "usr/bin/weak", 0755, program);
	tree_bytes(tree, "usr/bin/cut", 0755, cut);
	tree_text(tree, "usr/bin/setuid", 04757, "#!/bin/sh\n");
	tree_text(tree, "usr/bin/setgid", 02755, "#!/bin/sh\n");
	ash_fs_node_add_xattr(tree_text(tree, "usr/bin/capable", 0755, "#!/bin/sh\n"), "security.capability", capability, sizeof(capability));
	tree_text(tree, "usr/bin/stranger", 0755, "#!/bin/sh\n")->uid = 4242;
	tree_make(tree, "srv/open", S_IFDIR | 0777);
	tree_text(tree, "etc/shadow-", 0644, "");
	tree_text(tree, "etc/ssh/ssh_host_rsa_key", 0600, KEY);
	tree_text(tree, "etc/server.pem", 0600, KEY);
	tree_text(tree, "usr/share/doc/x/example.pem", 0644, KEY);
	tree_text(tree, "etc/token.conf", 0600, "id = AKIAIOSFODNN7EXAMPLE\n");
	tree_text(tree, "var/lib/systemd/random-seed", 0600, "seed");
	tree_text(tree, "var/log/dnf.log", 0600, "log");
	tree_text(tree, "root/.bash_history", 0600, "secret\n");
	tree_text(tree, "root/.aws/credentials", 0600, "[default]\n");
	tree_text(tree, "usr/share/factory/var/home/u/.netrc", 0600, "machine x\n");
	tree_text(tree, "root/.ssh/authorized_keys", 0600, "# comment\nssh-ed25519 AAAA x\n");
	tree_text(tree, "etc/sudoers", 0440, "%wheel ALL=(ALL) NOPASSWD: ALL\n# x NOPASSWD: ALL\n");
	tree_text(tree, "etc/sysctl.d/90-bad.conf", 0644, "kernel.randomize_va_space = 0\n");
	tree_text(tree, "usr/lib/systemd/system/bad.service", 0644, "[Service]\nExecStart=/usr/bin/program\n");
	tree_link(tree, "etc/systemd/system/default.target.wants/bad.service", "/usr/lib/systemd/system/bad.service");
	tree_link(tree, "etc/systemd/system/default.target.wants/telnet.socket", "/usr/lib/systemd/system/telnet.socket");
	tree_text(tree, "usr/lib/systemd/system/telnet.socket", 0644, "[Socket]\nListenStream=23\nAccept=yes\n");
	tree_text(tree, "usr/lib/systemd/system/telnet@.service", 0644, "[Service]\nExecStart=/usr/bin/program\nSystemCallFilter=@system-service\n");
}

static const char *const planted[] = {
	"error elf-exec-stack usr/bin/weak ",
	"error elf-writable-code usr/bin/weak ",
	"error mode-setid-writable usr/bin/setuid ",
	"error mode-shadow-readable etc/shadow- ",
	"error mode-world-writable-dir srv/open ",
	"error mode-world-writable-file usr/bin/setuid ",
	"error sysctl-aslr etc/sysctl.d/90-bad.conf kernel.randomize_va_space",
	"error identity-random-seed var/lib/systemd/random-seed ",
	"error identity-ssh-host-key etc/ssh/ssh_host_rsa_key ",
	"error secret-credentials root/.aws/credentials ",
	"error secret-credentials usr/share/factory/var/home/u/.netrc ",
	"error secret-private-key etc/server.pem ",
	"error secret-token etc/token.conf AKIA",
	"warning elf-no-pie usr/bin/weak ",
	"warning elf-no-relro usr/bin/weak ",
	"warning elf-runpath usr/bin/weak /home/x/lib",
	"warning elf-textrel usr/bin/weak ",
	"warning mode-program-owner usr/bin/stranger ",
	"warning mode-setuid usr/bin/setuid ",
	"warning mode-unknown-owner usr/bin/stranger user",
	"warning port-cleartext usr/lib/systemd/system/telnet.socket 23",
	"warning secret-history root/.bash_history ",
	"note elf-damaged usr/bin/cut ",
	"note elf-no-cet usr/bin/weak ",
	"note elf-no-fortify usr/bin/weak ",
	"note elf-no-stack-protector usr/bin/weak ",
	"note mode-capability usr/bin/capable ",
	"note mode-setgid usr/bin/setgid ",
	"note unit-no-syscall-filter usr/lib/systemd/system/bad.service bad.service",
	"note port-open usr/lib/systemd/system/telnet.socket 23",
	"note account-sudo-nopasswd etc/sudoers %wheel",
	"note identity-logs var/log/dnf.log ",
	"note secret-authorized-keys root/.ssh/authorized_keys ",
	"note secret-example-key usr/share/doc/x/example.pem ",
};

static AshAuditReport *
run(AshFsTree *tree)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	g_autoptr(AshAuditPolicy) policy = ash_audit_policy_new();
	AshAuditReport *report;

	ctx->jobs = 2;
	ash_fs_tree_finish(tree);
	report = ash_audit_run(ctx, tree, &error);
	g_assert_no_error(error);
	/* What another program says is tested where that is. */
	for (guint i = report->findings->len; i > 0; i--) {
		if (((AshAuditFinding *) g_ptr_array_index(report->findings, i - 1))->rule == ASH_RULE_UNIT_EXPOSED)
			g_ptr_array_remove_index(report->findings, i - 1);
	}
	return report;
}

/* One line a finding: level, rule, path, subject. */
static char *
list(const AshAuditReport *report)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < report->findings->len; i++) {
		const AshAuditFinding *finding = g_ptr_array_index(report->findings, i);
		g_autofree char *key = ash_audit_finding_dup_key(finding);

		g_string_append_printf(text, "%s %s\n", ash_audit_level_to_string(finding->level), key);
	}
	return g_string_free(text, FALSE);
}

static void
test_clean(void)
{
	g_autoptr(AshFsTree) tree = make_clean();
	g_autoptr(AshAuditReport) report = run(tree);
	g_autofree char *found = list(report);

	g_assert_cmpstr(found, ==, "");
	g_assert_cmpuint(report->services->len, ==, 2);
	g_assert_cmpuint(report->sockets->len, ==, 3);
	g_assert_cmpuint(report->programs->len, ==, 2);
}

static void
test_planted(void)
{
	g_autoptr(AshFsTree) tree = make_clean();
	g_autofree char *expected = g_strjoinv("\n", (char **) planted);
	g_autofree char *found = NULL;
	g_autoptr(AshAuditReport) report = NULL;

	plant(tree);
	report = run(tree);
	found = list(report);
	g_assert_cmpstr(g_strchomp(found), ==, g_strchomp(expected));
}

static void
test_accounts(void)
{
	g_autoptr(AshFsTree) tree = text_tree_new();
	g_autoptr(AshAuditReport) report = NULL;
	g_autofree char *found = NULL;

	tree_text(tree, "etc/passwd", 0644, "root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\na:x:7:7::/:/bin/sh\nb:x:7:7::/:/bin/sh\n"
					    "c::8:7::/:/bin/sh\nd:$6$x$y:9:7::/:/bin/sh\n+nis\nshort\n");
	tree_text(tree, "etc/group", 0644, "root:x:0:\ng:x:7:\n");
	tree_text(tree, "etc/shadow", 0600, "root:$6$salt$hash:1::::::\na:$1$salt$hash:1::::::\nb::1::::::\nc:!$6$x$y:1::::::\nd:!!:1::::::\n");
	report = run(tree);
	found = list(report);
	g_assert_cmpstr(found, ==,
			"error account-empty-password etc/passwd c\nerror account-empty-password etc/shadow b\n"
			"error account-passwd-hash etc/passwd d\nerror account-uid-zero etc/passwd toor\nerror account-weak-hash etc/shadow a\n"
			"warning account-root-password etc/shadow root\nwarning account-same-uid etc/passwd b\nnote account-password etc/shadow a\n");
}

static guint
count_all(const AshAuditReport *report)
{
	return ash_audit_report_count(report, ASH_AUDIT_ERROR) + ash_audit_report_count(report, ASH_AUDIT_WARNING) +
	       ash_audit_report_count(report, ASH_AUDIT_NOTE);
}

static void
test_policy(void)
{
	g_autoptr(AshFsTree) tree = make_clean();
	g_autoptr(AshAuditPolicy) policy = ash_audit_policy_new(), after = ash_audit_policy_new();
	g_autoptr(AshAuditReport) report = NULL, again = NULL;
	g_autoptr(JsonObject) json = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	guint n;

	plant(tree);
	report = run(tree);
	n = count_all(report);
	g_assert_cmpuint(n, ==, G_N_ELEMENTS(planted));
	g_assert_true(ash_audit_policy_accept(policy, "elf-*", "/usr/bin/w*", NULL, "test", &error));
	g_assert_true(ash_audit_policy_accept(policy, "port-open", NULL, "2?", "test", &error));
	g_assert_true(ash_audit_policy_accept(policy, "port-open", NULL, "24", "stale", &error));
	ash_audit_policy_apply(policy, report);
	g_assert_cmpuint(count_all(report), ==, n - 9 - 1);
	g_assert_cmpstr(g_ptr_array_index(report->notices, report->notices->len - 1), ==, "nothing is accepted by rule \"port-open\"");
	g_assert_false(ash_audit_policy_add_rule(policy, "elf", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	/* What is in the report is known the next time, one new key is not. */
	json = ash_audit_report_to_json(report, "x", false);
	text = ash_json_object_to_string(json, TRUE);
	g_clear_error(&error);
	g_assert_true(ash_audit_policy_add_baseline(after, text, strlen(text), "report", &error));
	tree_text(tree, "etc/second.pem", 0600, KEY);
	again = run(tree);
	ash_audit_policy_apply(after, again);
	g_assert_cmpuint(count_all(again), ==, 1);
	g_assert_cmpuint(ash_audit_report_count(again, ASH_AUDIT_ERROR), ==, 1);
	g_assert_false(ash_audit_policy_add_baseline(after, "{}", 2, "report", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

static void
test_sarif(void)
{
	g_autoptr(AshAuditReport) report = ash_audit_report_new();
	g_autoptr(JsonObject) log = NULL;
	JsonObject *run_object, *result;

	ash_audit_report_add(report, ASH_RULE_MODE_SETUID, "usr/bin/a b%\xff", "x", "mode %o", 04755);
	((AshAuditFinding *) g_ptr_array_index(report->findings, 0))->accepted = g_strdup("because");
	ash_audit_report_finish(report);
	log = ash_audit_report_to_sarif(report, "t", "1.0", true);
	run_object = json_array_get_object_element(json_object_get_array_member(log, "runs"), 0);
	result = json_array_get_object_element(json_object_get_array_member(run_object, "results"), 0);
	g_assert_cmpstr(json_object_get_string_member(log, "version"), ==, "2.1.0");
	g_assert_cmpstr(json_object_get_string_member(result, "ruleId"), ==, "mode-setuid");
	g_assert_cmpint(json_object_get_int_member(result, "ruleIndex"), ==, ASH_RULE_MODE_SETUID);
	g_assert_cmpstr(json_object_get_string_member(result, "baselineState"), ==, "new");
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), result);
	g_autoptr(JsonNode) uri = json_path_query("$.locations[0].physicalLocation.artifactLocation.uri", node, NULL);
	g_assert_cmpstr(json_array_get_string_element(json_node_get_array(uri), 0), ==, "usr/bin/a%20b%25%EF%BF%BD");
	g_assert_cmpint(json_array_get_length(json_object_get_array_member(result, "suppressions")), ==, 1);
}

/* Every rule has all that lists and reports show of it. */
static void
test_rules(void)
{
	g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < _ASH_RULE_COUNT; i++) {
		const AshAuditRule *rule = ash_audit_rule_get((AshAuditRuleId) i);

		g_assert_nonnull(rule->id);
		g_assert_true(g_hash_table_add(ids, (gpointer) rule->id));
		g_assert_cmpint(rule->level, >, ASH_AUDIT_NONE);
		g_assert_true(rule->title != NULL && !g_str_has_suffix(rule->title, "."));
		g_assert_true(g_str_has_suffix(rule->why, ".") && g_str_has_suffix(rule->remedy, "."));
		g_assert_true(g_regex_match_simple("^[a-z]+(-[a-z]+)+$", rule->id, 0, 0));
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/audit/rules/table", test_rules);
	g_test_add_func("/audit/rules/clean", test_clean);
	g_test_add_func("/audit/rules/planted", test_planted);
	g_test_add_func("/audit/rules/accounts", test_accounts);
	g_test_add_func("/audit/policy", test_policy);
	g_test_add_func("/audit/sarif", test_sarif);
	return g_test_run();
}
