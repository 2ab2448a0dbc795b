/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../tools/tree-dump.h"
#include "install-fixture.h"
#include "sanitizers.h"

#include "base/copyup.h"
#include "base/file.h"
#include "base/json.h"
#include "install/transaction.h"

#include <fcntl.h>
#include <string.h>

#define EPOCH 1700000000

typedef struct {
	AshRpmFixture rpms;
	AshContext *ctx;
	char *root, *memo;
	char *shell; /* package */
	gint64 since;
	bool usable;
} Fixture;

static JsonObject *
run_remove(AshContext *ctx, JsonObject *request, GError **error)
{
	return ash_file_remove_tree(AT_FDCWD, ash_json_get_string(request, "path", NULL), error) ? json_object_new() : NULL;
}

static const AshWorkerEntry workers[] = {
	{ ASH_TRANSACTION_WORKER, ash_transaction_worker },
	{ TREE_DUMP_WORKER, tree_dump_worker },
	{ "remove", run_remove },
	{ NULL, NULL },
};

static void
setup(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	if (!ash_worker_check(&error)) {
		g_test_skip(error->message);
		return;
	}
	if (ASH_TEST_UNDER_ASAN || !ash_copyup_available()) {
		g_test_skip("calls cannot be watched here");
		return;
	}
	fixture->usable = ash_rpm_fixture_setup(&fixture->rpms);
	if (!fixture->usable)
		return;
	fixture->ctx = ash_context_new();
	fixture->root = g_build_filename(fixture->rpms.dir, "root", NULL);
	fixture->memo = g_build_filename(fixture->rpms.dir, "memo", NULL);
	fixture->shell = ash_rpm_fixture_build_shell(&fixture->rpms);
	fixture->since = g_get_real_time() / G_USEC_PER_SEC - 1;
}

static void
remove_root(Fixture *fixture)
{
	g_autoptr(JsonObject) request = json_object_new();

	json_object_set_string_member(request, "path", fixture->root);
	g_autoptr(JsonObject) reply = ash_worker_call(fixture->ctx, "remove", request, NULL);
	g_assert_nonnull(reply);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	if (!fixture->usable)
		return;
	remove_root(fixture);
	ash_context_free(fixture->ctx);
	ash_rpm_fixture_clear(&fixture->rpms);
	g_free(fixture->root);
	g_free(fixture->memo);
	g_free(fixture->shell);
}

/* Builds the package "data" with these files: pairs of path and text, NULL-terminated. */
static char *
build_data(Fixture *fixture, const char *const *files)
{
	g_autofree char *top = g_build_filename(fixture->rpms.dir, "FILES", NULL);
	g_autoptr(GString) body = g_string_new("%files\n");

	for (gsize i = 0; files[i] != NULL; i += 2) {
		g_autofree char *whole = g_build_filename(top, files[i], NULL), *dir = g_path_get_dirname(whole);
		g_assert_true(ash_file_mkdirs(AT_FDCWD, dir, 0755, NULL));
		g_assert_true(ash_file_save(AT_FDCWD, whole, files[i + 1], -1, 0644, NULL));
		g_string_append_printf(body, "/%s\n", files[i]);
	}
	/* The same time whenever it was made, as packages have it. */
	g_free(ash_fixture_run("find %s -exec touch -h -d @1500000000 {} +", top));
	char *path = ash_rpm_fixture_build(&fixture->rpms, "data", "", body->str);
	ash_file_remove_tree(AT_FDCWD, top, NULL);
	return path;
}

/* The package "script" with this %post; a word in it makes the runner look at it. */
static char *
build_script(Fixture *fixture, const char *script)
{
	g_autofree char *body = g_strdup_printf("%%post\n%s\n%%files\n", script);

	return ash_rpm_fixture_build(&fixture->rpms, "script", "Requires(post): shell\nRequires(post): data", body);
}

typedef struct {
	char *dump, *output;
	guint reused, kept;
} Outcome;

static void
outcome_clear(Outcome *outcome)
{
	g_free(outcome->dump);
	g_free(outcome->output);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_clear)

static Outcome
install(Fixture *fixture, const char *data, const char *script, bool memo)
{
	g_autoptr(AshTransactionPlan) plan = ash_transaction_plan_new(fixture->root);
	g_autoptr(GError) error = NULL;
	Outcome outcome = { NULL, NULL, 0, 0 };

	remove_root(fixture);
	plan->epoch = EPOCH;
	plan->memo_dir = memo ? g_strdup(fixture->memo) : NULL;
	ash_transaction_plan_add(plan, fixture->shell, "shell-1-1.noarch");
	ash_transaction_plan_add(plan, data, "data-1-1.noarch");
	ash_transaction_plan_add(plan, script, "script-1-1.noarch");
	g_autoptr(AshTransactionResult) result = ash_transaction_install(fixture->ctx, plan, &error);
	g_assert_no_error(error);
	const AshScriptRecord *record = g_ptr_array_index(result->scripts, result->scripts->len - 1);
	outcome.output = g_strdup(record->output);
	outcome.reused = result->reused_scripts;
	outcome.kept = result->kept_scripts;
	outcome.dump = tree_dump(fixture->ctx, fixture->root, fixture->since, &error);
	g_assert_no_error(error);
	return outcome;
}

/* Installs plainly and with the memo; says what the memo did, and that it made no difference. */
static void
assert_install(Fixture *fixture, const char *data, const char *script, guint reused, guint kept)
{
	g_auto(Outcome) plain = install(fixture, data, script, false);
	g_auto(Outcome) with = install(fixture, data, script, true);

	g_assert_cmpstr(plain.dump, ==, with.dump);
	g_assert_cmpstr(plain.output, ==, with.output);
	g_assert_cmpuint(with.reused, ==, reused);
	g_assert_cmpuint(with.kept, ==, kept);
}

/* Most of what a scriptlet can do to files. */
#define BUSY_SCRIPT                                                                                                    \
	"# ldconfig\n"                                                                                                 \
	"echo start; echo wrong >&2\n"                                                                                 \
	"mkdir -p /var/lib/made/deep /var/lib/gone\n"                                                                  \
	"cat /usr/share/data/* >/var/lib/made/all\n"                                                                   \
	"ln -s ../../../usr/share/data /var/lib/made/link\n"                                                           \
	"cat /var/lib/made/link/one >>/etc/data.conf\n"                                                                \
	"ln -sf nowhere /var/lib/made/dangling\n"                                                                      \
	"test -e /var/lib/made/dangling || echo dangling\n"                                                            \
	"test -e /usr/share/data/extra && echo extra\n"                                                                \
	"echo x >/tmp/passing; mv /tmp/passing /var/lib/made/deep/moved 2>/dev/null || :\n"                            \
	"echo x >/usr/share/data/passing; rm /usr/share/data/passing\n"                                                 \
	"rm -f /tmp/passing /etc/data.old; touch -d @1400000000 /var/lib/made/old\n"                                   \
	"ls /usr/share/data >/var/lib/made/list; (umask 077; echo secret >/var/lib/made/secret)\n"                     \
	"exit 0\n"

static const char *const base_files[] = {
	"usr/share/data/one", "one\n", "usr/share/data/two", "two\n", "etc/data.conf", "conf\n", "etc/data.old", "old\n", NULL,
};

static void
test_reuse(Fixture *fixture, gconstpointer data)
{
	if (!fixture->usable)
		return;
	g_autofree char *files = build_data(fixture, base_files), *script = build_script(fixture, BUSY_SCRIPT);
	assert_install(fixture, files, script, 0, 1);
	assert_install(fixture, files, script, 1, 0);
	g_auto(Outcome) again = install(fixture, files, script, true);
	g_assert_cmpuint(again.reused, ==, 1);
	g_assert_cmpstr(again.output, ==, "start\nwrong\ndangling\n");
	g_assert_nonnull(strstr(again.dump, "var/lib/made/deep/moved"));
	g_assert_null(strstr(again.dump, "etc/data.old"));
}

/* Each change of what it read, asked for or listed is seen; going back finds the first run again. */
static void
test_changes(Fixture *fixture, gconstpointer data)
{
	static const char *const content[] = {
		"usr/share/data/one", "ONE\n", "usr/share/data/two", "two\n", "etc/data.conf", "conf\n", "etc/data.old", "old\n", NULL,
	};
	static const char *const appended[] = {
		"usr/share/data/one", "one\n", "usr/share/data/two", "two\n", "etc/data.conf", "CONF\n", "etc/data.old", "old\n", NULL,
	};
	static const char *const more[] = {
		"usr/share/data/one", "one\n", "usr/share/data/two", "two\n", "usr/share/data/extra", "", "etc/data.conf", "conf\n",
		"etc/data.old", "old\n", NULL,
	};
	static const char *const less[] = {
		"usr/share/data/one", "one\n", "usr/share/data/two", "two\n", "etc/data.conf", "conf\n", NULL,
	};
	static const char *const target[] = {
		"usr/share/data/one", "one\n", "usr/share/data/two", "two\n", "etc/data.conf", "conf\n", "etc/data.old", "old\n",
		"var/lib/made/nowhere", "here\n", NULL,
	};
	static const char *const elsewhere[] = {
		"usr/share/data/one", "one\n", "usr/share/data/two", "two\n", "etc/data.conf", "conf\n", "etc/data.old", "old\n",
		"usr/share/other", "other\n", NULL,
	};
	static const char *const *const changes[] = { content, appended, more, less, target };

	if (!fixture->usable)
		return;
	g_autofree char *script = build_script(fixture, BUSY_SCRIPT);
	for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
		g_autofree char *base = build_data(fixture, base_files);
		assert_install(fixture, base, script, i > 0, i == 0);
		g_autofree char *changed = build_data(fixture, changes[i]);
		assert_install(fixture, changed, script, 0, 1);
		assert_install(fixture, changed, script, 1, 0);
		g_autofree char *back = build_data(fixture, base_files);
		assert_install(fixture, back, script, 1, 0);
		g_assert_true(ash_file_remove_tree(AT_FDCWD, fixture->memo, NULL));
		assert_install(fixture, back, script, 0, 1);
	}
	g_autofree char *other = build_data(fixture, elsewhere);
	assert_install(fixture, other, script, 1, 0);
}

/* What cannot be told by names of files, or is not worth it, runs each time. */
static void
test_odd(Fixture *fixture, gconstpointer data)
{
	static const char *const scripts[] = {
		"echo nothing slow >/etc/made",
		"echo left >/run/left # ldconfig",
		"mkdir /etc/old; mv /etc/old /etc/new # ldconfig",
		"echo a >/etc/a; ln /etc/a /etc/b # ldconfig",
		"mkdir /etc/d; cd /etc/d; rm -r /etc/d; test -e x || : # ldconfig",
	};

	if (!fixture->usable)
		return;
	g_autofree char *files = build_data(fixture, base_files);
	for (gsize i = 0; i < G_N_ELEMENTS(scripts); i++) {
		g_autofree char *script = build_script(fixture, scripts[i]);
		g_test_message("%s", scripts[i]);
		assert_install(fixture, files, script, 0, 0);
		assert_install(fixture, files, script, 0, 0);
	}
}

/* One that failed fails again, and says the same. */
static void
test_failure(Fixture *fixture, gconstpointer data)
{
	if (!fixture->usable)
		return;
	g_autofree char *files = build_data(fixture, base_files);
	g_autofree char *script = build_script(fixture, "# ldconfig\necho sorry; exit 3");
	for (int i = 0; i < 2; i++) {
		g_autoptr(AshTransactionPlan) plan = ash_transaction_plan_new(fixture->root);
		g_autoptr(GError) error = NULL;
		remove_root(fixture);
		plan->memo_dir = g_strdup(fixture->memo);
		ash_transaction_plan_add(plan, fixture->shell, "shell-1-1.noarch");
		ash_transaction_plan_add(plan, files, "data-1-1.noarch");
		ash_transaction_plan_add(plan, script, "script-1-1.noarch");
		g_autoptr(AshTransactionResult) result = ash_transaction_install(fixture->ctx, plan, &error);
		g_assert_null(result);
		g_assert_nonnull(strstr(error->message, "exit status 3"));
		g_assert_nonnull(strstr(error->message, "sorry"));
	}
}

/* A byte more in any file of it, or a file less: then it does not exist. */
static void
test_damage(Fixture *fixture, gconstpointer data)
{
	static const char *const damages[] = {
		"for f in *.manifest; do sed -i s/secret/secre7/ $f; done", "for f in *.manifest; do : >$f; done",
		"for f in *.img; do echo more >>$f; done", "rm *.img", "rm *.manifest",
		"for f in *.manifest; do echo more >>$f; done",
	};

	if (!fixture->usable)
		return;
	g_autofree char *files = build_data(fixture, base_files), *script = build_script(fixture, BUSY_SCRIPT);
	assert_install(fixture, files, script, 0, 1);
	for (gsize i = 0; i < G_N_ELEMENTS(damages); i++) {
		g_free(ash_fixture_run("cd %s && %s", fixture->memo, damages[i]));
		assert_install(fixture, files, script, 0, 1);
		assert_install(fixture, files, script, 1, 0);
	}
}

/* The list of files that a file trigger gets counts if it is read. */
static void
test_stdin(Fixture *fixture, gconstpointer data)
{
	static const char *const two[] = { "usr/share/data/one", "one\n", "usr/share/data/two", "two\n", NULL };
	static const char *const other[] = { "usr/share/data/one", "one\n", "usr/share/data/TWO", "two\n", NULL };

	if (!fixture->usable)
		return;
	for (int reads = 0; reads < 2; reads++) {
		g_autofree char *body = g_strdup_printf("%%transfiletriggerin -- /usr/share/data\n# ldconfig\n%s\n%%files\n",
							reads ? "cat >/usr/share/list" : "echo seen >/usr/share/list");
		g_autofree char *script = ash_rpm_fixture_build(&fixture->rpms, "script", "Requires: shell", body);
		g_autofree char *files = build_data(fixture, two);
		assert_install(fixture, files, script, 0, 1);
		assert_install(fixture, files, script, 1, 0);
		g_autofree char *changed = build_data(fixture, other);
		assert_install(fixture, changed, script, !reads, reads);
	}
}

#define TEST(name, function) g_test_add("/install/scriptmemo/" name, Fixture, NULL, setup, function, teardown)

int
main(int argc, char **argv)
{
	int status = 0;

	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	g_test_init(&argc, &argv, NULL);
	TEST("reuse", test_reuse);
	TEST("changes", test_changes);
	TEST("odd", test_odd);
	TEST("failure", test_failure);
	TEST("damage", test_damage);
	TEST("stdin", test_stdin);
	return g_test_run();
}
