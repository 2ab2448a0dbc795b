/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../tools/tree-dump.h"
#include "install-fixture.h"
#include "sanitizers.h"

#include "base/copyup.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "install/import.h"
#include "install/transaction.h"
#include "model/repoconf.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The import cache must give what librpm gives by itself: each set of packages is installed both ways and compared. The one
 * thing that is not the same to a scriptlet is how many names a shared file has.
 */

#define EPOCH 1700000000

typedef struct {
	AshRpmFixture rpms;
	AshContext *ctx;
	AshPackageSet *set;
	char *plain, *imported, *cache, *staging;
	gint64 since;
	bool docs;
	const char *const *langs;
	bool usable;
} Fixture;

/* What one installation came to. */
typedef struct {
	char *dump;    /* NULL if it failed */
	GString *said; /* scriptlets' output and notices */
	GError *error;
} Outcome;

static void
outcome_clear(Outcome *outcome)
{
	g_free(outcome->dump);
	if (outcome->said != NULL)
		g_string_free(outcome->said, TRUE);
	g_clear_error(&outcome->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_clear)

static JsonObject *
run_remove(AshContext *ctx, JsonObject *request, GError **error)
{
	return ash_file_remove_tree(AT_FDCWD, json_object_get_string_member(request, "path"), error) ? json_object_new() : NULL;
}

/* A question for the process that enters the sandbox. */
static JsonObject *
run_asks(AshContext *ctx, JsonObject *request, GError **error)
{
	JsonObject *reply = json_object_new();

	json_object_set_boolean_member(reply, "links", ash_copyup_available());
	return reply;
}

static const AshWorkerEntry workers[] = {
	{ "asks", run_asks },
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
	if (ASH_TEST_UNDER_ASAN) {
		g_test_skip("the leak sanitizer cannot work in a confined process");
		return;
	}
	if (!ash_importer_available()) {
		g_test_skip("this librpm is none that the import cache knows");
		return;
	}
	fixture->usable = ash_rpm_fixture_setup(&fixture->rpms);
	if (!fixture->usable)
		return;
	fixture->ctx = ash_context_new();
	fixture->set = ash_package_set_new();
	fixture->plain = g_build_filename(fixture->rpms.dir, "plain", NULL);
	fixture->imported = g_build_filename(fixture->rpms.dir, "imported", NULL);
	fixture->cache = g_build_filename(fixture->rpms.dir, "cache", NULL);
	fixture->staging = g_build_filename(fixture->rpms.dir, "staging", NULL);
	fixture->since = g_get_real_time() / G_USEC_PER_SEC;
	fixture->docs = true;
}

static void
remove_tree(Fixture *fixture, const char *path)
{
	g_autoptr(JsonObject) request = json_object_new();

	json_object_set_string_member(request, "path", path);
	g_autoptr(JsonObject) reply = ash_worker_call(fixture->ctx, "remove", request, NULL);
	g_assert_nonnull(reply);
}

/* Whether files are linked here, or copied. */
static bool
has_links(Fixture *fixture)
{
	g_autoptr(JsonObject) request = json_object_new();
	g_autoptr(JsonObject) reply = ash_worker_call(fixture->ctx, "asks", request, NULL);

	g_assert_nonnull(reply);
	return json_object_get_boolean_member(reply, "links");
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	if (!fixture->usable)
		return;
	remove_tree(fixture, fixture->plain);
	remove_tree(fixture, fixture->imported);
	ash_context_free(fixture->ctx);
	ash_package_set_free(fixture->set);
	ash_rpm_fixture_clear(&fixture->rpms);
	g_free(fixture->plain);
	g_free(fixture->imported);
	g_free(fixture->cache);
	g_free(fixture->staging);
}

static AshPackage *
add_path(Fixture *fixture, const char *name, char *path)
{
	AshPackage *package = ash_package_new();
	g_autofree char *nevra = g_strconcat(name, "-1-1.noarch", NULL);
	ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, NULL);

	g_assert_true(ash_package_parse_nevra(nevra, package));
	package->path = path;
	package->repo_id = g_strdup("local");
	package->sha256 = ash_sha256_fd_hex(fd, NULL);
	g_ptr_array_add(fixture->set->packages, package);
	return package;
}

/* The files made since the last package are this one's build root. */
static AshPackage *
add(Fixture *fixture, const char *name, const char *preamble, const char *body)
{
	AshPackage *package = add_path(fixture, name, ash_rpm_fixture_build(&fixture->rpms, name, preamble, body));
	g_autofree char *files = g_build_filename(fixture->rpms.dir, "FILES", NULL);

	g_assert_true(ash_file_remove_tree(AT_FDCWD, files, NULL));
	return package;
}

static void
add_shell(Fixture *fixture)
{
	add_path(fixture, "shell", ash_rpm_fixture_build_shell(&fixture->rpms));
}

/* Shell commands in the build root of the next package. */
static void
make(Fixture *fixture, const char *commands)
{
	g_free(ash_fixture_run("mkdir -p %s/FILES && cd %s/FILES && umask 022 && %s", fixture->rpms.dir, fixture->rpms.dir,
			       commands));
}

/* More programs for scriptlets, found on this machine. */
static void
add_tools(Fixture *fixture)
{
	make(fixture, "mkdir -p usr/tools && for p in stat ln mkdir chmod chown rm mv ls dd; do cp -L $(command -v $p) usr/tools; done; "
		      "for l in $(ldd usr/tools/* | grep -o '/[^ ]*' | grep -v :$ | sort -u); do "
		      "mkdir -p usr/$(dirname $l) && cp -L $l usr/$(dirname $l | sed s,^/usr,,); done");
	add(fixture, "tools", "Requires: shell", "%files\n/usr/tools\n");
}

static GPtrArray *
make_confs(void)
{
	GPtrArray *confs = g_ptr_array_new_with_free_func((GDestroyNotify) ash_repo_conf_free);
	AshRepoConf *conf = ash_repo_conf_new("local", "test");

	conf->gpgcheck = false;
	g_ptr_array_add(confs, conf);
	return confs;
}

/* Returns how many were found; -1 and @error on failure. */
static int
import_confs(Fixture *fixture, GPtrArray *confs, GError **error)
{
	int found = 0;

	g_assert_true(ash_file_mkdirs(AT_FDCWD, fixture->staging, 0700, NULL));
	g_autoptr(AshImporter) importer = ash_importer_new(fixture->ctx, fixture->cache, fixture->staging, confs, error);
	if (importer == NULL)
		return -1;
	for (guint i = 0; i < fixture->set->packages->len; i++) {
		AshPackage *package = g_ptr_array_index(fixture->set->packages, i);
		bool here = false;
		if (!ash_importer_find(importer, package, &here, error))
			return -1;
		found += here;
		if (!here)
			ash_importer_push(importer, package);
	}
	gboolean good = ash_importer_finish(importer, error);
	g_clear_pointer(&importer, ash_importer_free);
	g_autofree char *left = ash_fixture_run("ls -A %s", fixture->staging);
	if (good)
		g_assert_cmpstr(left, ==, "");
	g_assert_true(ash_file_remove_tree(AT_FDCWD, fixture->staging, NULL));
	return good ? found : -1;
}

static int
import(Fixture *fixture, GError **error)
{
	g_autoptr(GPtrArray) confs = make_confs();

	return import_confs(fixture, confs, error);
}

static void
install(Fixture *fixture, const char *root, bool imported, Outcome *ret_outcome)
{
	g_autoptr(AshTransactionPlan) plan = ash_transaction_plan_new(root);

	*ret_outcome = (Outcome) { .said = g_string_new(NULL) };
	plan->epoch = EPOCH;
	plan->docs = fixture->docs;
	plan->inst_langs = g_strdupv((char **) fixture->langs);
	plan->import_dir = imported ? g_strdup(fixture->cache) : NULL;
	ash_transaction_plan_add_set(plan, fixture->set);
	g_autoptr(AshTransactionResult) result = ash_transaction_install(fixture->ctx, plan, &ret_outcome->error);
	if (result == NULL)
		return;
	for (guint i = 0; i < result->scripts->len; i++) {
		const AshScriptRecord *record = g_ptr_array_index(result->scripts, i);
		g_string_append_printf(ret_outcome->said, "%s %s\n%s", record->package, record->kind, record->output);
	}
	for (gsize i = 0; result->notices[i] != NULL; i++)
		g_string_append_printf(ret_outcome->said, "notice: %s\n", result->notices[i]);
	ret_outcome->dump = tree_dump(fixture->ctx, root, fixture->since, &ret_outcome->error);
	g_assert_no_error(ret_outcome->error);
}

static void
assert_same(const char *plain, const char *imported)
{
	g_auto(GStrv) a = g_strsplit(plain, "\n", -1), b = g_strsplit(imported, "\n", -1);

	for (gsize i = 0; a[i] != NULL || b[i] != NULL; i++) {
		if (g_strcmp0(a[i], b[i]) != 0)
			g_error("line %zu differs:\nplain:    %s\nimported: %s", i + 1, a[i], b[i]);
	}
}

/* Installs both ways, and says what is in the tree and what was said. */
static void
install_both(Fixture *fixture, Outcome *ret_imported)
{
	g_auto(Outcome) plain = { 0 };
	g_autoptr(GError) error = NULL;

	remove_tree(fixture, fixture->plain);
	remove_tree(fixture, fixture->imported);
	for (guint i = 0; i < fixture->set->packages->len; i++) {
		AshPackage *package = g_ptr_array_index(fixture->set->packages, i);
		g_free(package->path);
		package->path = g_strdup_printf("%s/%s-1-1.noarch.rpm", fixture->rpms.dir, package->name);
	}
	install(fixture, fixture->plain, false, &plain);
	g_assert_no_error(plain.error);
	import(fixture, &error);
	g_assert_no_error(error);
	install(fixture, fixture->imported, true, ret_imported);
	g_assert_no_error(ret_imported->error);
	assert_same(plain.said->str, ret_imported->said->str);
	assert_same(plain.dump, ret_imported->dump);
}

static void
assert_has(const char *text, const char *pattern)
{
	if (!g_regex_match_simple(pattern, text, G_REGEX_MULTILINE, 0))
		g_error("nothing matches \"%s\" in:\n%s", pattern, text);
}

/* Every kind of file, and everything that a package may say of one. */
static void
add_odd(Fixture *fixture)
{
	make(fixture,
	     "mkdir -p etc/odd usr/odd/sub/deep usr/odd/empty usr/share/doc/odd usr/share/locale/de usr/share/locale/fr var/lib/odd && "
	     "echo conf > etc/odd/conf && echo keep > etc/odd/keep && echo plain > etc/odd/plain && echo state > var/lib/odd/state && "
	     "echo one > usr/odd/link1 && ln usr/odd/link1 usr/odd/sub/link2 && ln usr/odd/link1 usr/odd/sub/deep/link3 && "
	     "echo doc > usr/share/doc/odd/doclink && ln usr/share/doc/odd/doclink usr/odd/doclink && "
	     ": > usr/odd/elink1 && ln usr/odd/elink1 usr/odd/elink2 && "
	     "echo suid > usr/odd/suid && echo caps > usr/odd/caps && echo owned > usr/odd/owned && echo nobody > usr/odd/unknown && "
	     ": > usr/odd/nothing && truncate -s 1M usr/odd/sparse && echo end >> usr/odd/sparse && "
	     "head -c 5000000 /dev/urandom > usr/odd/big && echo readonly > usr/odd/readonly && echo secret > usr/odd/secret && "
	     "echo dark > usr/odd/dark && echo open > usr/odd/open && echo sticky > usr/odd/sticky && "
	     "echo 1 > 'usr/odd/sub/a b' && echo 2 > \"usr/odd/sub/it's\" && echo 3 > 'usr/odd/sub/\"q\"' && echo 4 > 'usr/odd/sub/*' && "
	     "echo 5 > usr/odd/sub/';x' && echo 6 > 'usr/odd/sub/$(x)' && "
	     "echo 8 > usr/odd/sub/ü && ln -s ../nothing usr/odd/sub/relative && ln -s /usr/odd/big usr/odd/absolute && "
	     "ln -s nowhere usr/odd/dangling && echo de > usr/share/locale/de/odd.mo && echo fr > usr/share/locale/fr/odd.mo && "
	     "echo read > usr/share/doc/odd/README && echo license > usr/share/doc/odd/LICENSE && echo shared > usr/odd/shared && "
	     "touch -d 1999-12-31 usr/odd/readonly usr/odd/empty");
	add(fixture, "odd", "Requires(pre): shell, tools, accounts",
	    "%pre\necho alice:x:1234:1234::/:/bin/sh >> /etc/passwd\necho staff:x:4321: >> /etc/group\n"
	    "%post\n/usr/tools/stat -c '%n %A %u:%g %h %s %Y' /usr/odd/suid /usr/odd/sub/link2 /etc/odd/conf > /var/lib/odd/stat\n"
	    "echo more >> /etc/odd/conf\n"
	    "%files\n%config /etc/odd/conf\n%config(noreplace) /etc/odd/keep\n/etc/odd/plain\n%ghost /var/lib/odd/ghost\n"
	    "%config %ghost /etc/odd/ghost\n/var/lib/odd/state\n%dir %attr(0750, alice, staff) /usr/odd\n/usr/odd/link1\n"
	    "/usr/odd/elink1\n/usr/odd/elink2\n/usr/odd/sub\n%dir %attr(02775, root, staff) /usr/odd/empty\n"
	    "/usr/odd/doclink\n%doc /usr/share/doc/odd/doclink\n"
	    "%attr(4755, root, root) /usr/odd/suid\n%caps(cap_net_raw,cap_net_admin=ep) %attr(0755, root, root) /usr/odd/caps\n"
	    "%attr(0644, alice, staff) /usr/odd/owned\n%attr(6755, ghostly, ghostly) /usr/odd/unknown\n/usr/odd/nothing\n/usr/odd/sparse\n"
	    "/usr/odd/big\n%attr(0444, root, root) /usr/odd/readonly\n%attr(0600, root, root) /usr/odd/secret\n"
	    "%attr(0000, root, root) /usr/odd/dark\n%attr(0666, root, root) /usr/odd/open\n%attr(1644, root, root) /usr/odd/sticky\n"
	    "/usr/odd/absolute\n/usr/odd/dangling\n%lang(de) /usr/share/locale/de/odd.mo\n%lang(fr) /usr/share/locale/fr/odd.mo\n"
	    "%dir /usr/share/doc/odd\n%doc /usr/share/doc/odd/README\n%license /usr/share/doc/odd/LICENSE\n/usr/odd/shared\n");
}

static void
add_others(Fixture *fixture)
{
	/* As in "odd": one directory of both, one file of both, and a file in a directory of the other alone. */
	make(fixture, "mkdir -p usr/odd/sub usr/only && echo shared > usr/odd/shared && echo x > usr/odd/sub/other && echo y > usr/only/other");
	add(fixture, "other", "Requires: odd",
	    "%files\n%dir %attr(0750, alice, staff) /usr/odd\n/usr/odd/shared\n/usr/odd/sub/other\n/usr/only/other\n");
	make(fixture, "mkdir -p usr/watch var/log && echo w > usr/watch/file && : > var/log/watch");
	add(fixture, "watch", "Requires(post): shell, tools",
	    "%triggerin -- odd\n/usr/tools/stat -c '%n %A %u:%g %s %y' /usr/odd/readonly /usr/odd/big /usr/odd/sub/link2 >> /var/log/watch\n"
	    "%filetriggerin -- /usr/odd\nwhile read -r f; do echo \"$f\"; done >> /var/log/watch\n"
	    "%transfiletriggerin -- /usr/odd /usr/share/doc\nwhile read -r f; do echo \"T $f\"; done >> /var/log/watch\n"
	    "%files\n/usr/watch\n/var/log/watch\n");
	make(fixture, "mkdir -p usr/lua && echo l > usr/lua/file");
	add(fixture, "lua", "",
	    "%pre -p <lua>\nprint(tostring(posix.stat(\"/usr/lua/file\")))\n"
	    "%post -p <lua>\nlocal s = posix.stat(\"/usr/lua/file\"); print(s.mode, s.uid, s.size, s.mtime)\n"
	    "%posttrans -p <lua>\nlocal f = io.open(\"/usr/lua/made\", \"w\"); f:write(\"made\\n\"); f:close()\n"
	    "%files\n/usr/lua\n");
}

static void
add_accounts(Fixture *fixture)
{
	make(fixture, "mkdir -p etc && echo root:x:0:0:root:/root:/bin/sh > etc/passwd && echo root:x:0: > etc/group");
	add(fixture, "accounts", "", "%files\n%config /etc/passwd\n%config /etc/group\n");
}

static void
add_all(Fixture *fixture)
{
	add_shell(fixture);
	add_tools(fixture);
	add_accounts(fixture);
	add_odd(fixture);
	add_others(fixture);
	ash_package_set_sort(fixture->set);
}

static void
test_everything(Fixture *fixture, gconstpointer data)
{
	g_auto(Outcome) outcome = { 0 };

	if (!fixture->usable)
		return;
	add_all(fixture);
	install_both(fixture, &outcome);
	/* That the comparison is not one of two empty trees. */
	assert_has(outcome.dump, "^/usr/odd/suid 104755 0:0");
	assert_has(outcome.dump, "^/usr/odd/caps 100755 0:0 .* security.capability=");
	assert_has(outcome.dump, "^/usr/odd/owned 100644 1234:4321");
	assert_has(outcome.dump, "^/usr/odd/unknown 100755 0:0");
	assert_has(outcome.dump, "^/usr/odd/sub/link2 100644 .* = /usr/odd/link1$");
	assert_has(outcome.dump, "^/usr/odd/dark 100000 0:0");
	assert_has(outcome.dump, "^/var/log/watch 100644 .* now ");
	assert_has(outcome.said->str, "^notice: user ghostly does not exist - using root$");
	/* Most files are links, where scriptlets cannot write through them. */
	g_autofree char *linked = ash_fixture_run("find %s -type f -links +1 2>/dev/null | wc -l", fixture->imported);
	g_assert_true((atoi(linked) > 20) == has_links(fixture));
}

static void
test_without_docs(Fixture *fixture, gconstpointer data)
{
	static const char *const langs[] = { "de", NULL };
	g_auto(Outcome) outcome = { 0 };

	if (!fixture->usable)
		return;
	add_all(fixture);
	fixture->docs = false;
	fixture->langs = langs;
	install_both(fixture, &outcome);
	g_assert_null(strstr(outcome.dump, "/usr/share/doc/odd/README"));
	g_assert_null(strstr(outcome.dump, "/usr/share/locale/fr/odd.mo"));
	assert_has(outcome.dump, "^/usr/share/locale/de/odd.mo 100644");
	assert_has(outcome.dump, "^/usr/share/doc/odd/LICENSE 100644");
	/* Its content came with the documentation. */
	assert_has(outcome.dump, "^/usr/odd/doclink 100644 ");
}

/* Scriptlets that leave something where the package's own files go. */
static void
test_in_the_way(Fixture *fixture, gconstpointer data)
{
	g_auto(Outcome) outcome = { 0 };

	if (!fixture->usable)
		return;
	add_shell(fixture);
	add_tools(fixture);
	make(fixture, "mkdir -p etc usr/way/dir usr/way/dir2 usr/way/linked usr/way/unsafe && "
		      "for f in file suid symlink dangling dir/f dir2/f linked/f unsafe/f hard1; do echo mine > usr/way/$f; done && "
		      "ln usr/way/hard1 usr/way/hard2 && ln -s target usr/way/wasfile && ln -s target usr/way/same && "
		      "echo mine > etc/backed && echo mine > etc/kept && echo mine > etc/same && echo mine > etc/noconf");
	add(fixture, "way", "Requires(pre): shell, tools",
	    "%pretrans -p <lua>\nposix.mkdir(\"/etc\")\nfor _, n in ipairs { \"backed\", \"kept\", \"noconf\" } do\n"
	    "local f = io.open(\"/etc/\" .. n, \"w\"); f:write(\"theirs\\n\"); f:close() end\n"
	    "local f = io.open(\"/etc/same\", \"w\"); f:write(\"mine\\n\"); f:close()\n"
	    "%pre\nset -e\nPATH=/usr/tools:$PATH\ncd /usr\nmkdir way away way/elsewhere\ncd way\necho theirs > file\necho theirs > suid\n"
	    "chmod 6755 suid\nln suid ../suid-kept\nln -s ../away symlink\nln -s nowhere dangling\nln -s ../away dir\necho theirs > dir2\n"
	    "ln -s elsewhere linked\nln -s ../away unsafe\nchown -h 5:5 unsafe\necho theirs > hard1\necho theirs > hard2\necho theirs > wasfile\n"
	    "ln -s target same\nchown -h 7:7 same\nmkdir ';x'\n"
	    "%files\n%config /etc/backed\n%config(noreplace) /etc/kept\n%config /etc/same\n/etc/noconf\n/usr/way\n");
	ash_package_set_sort(fixture->set);
	install_both(fixture, &outcome);
	assert_has(outcome.dump, "^/etc/backed.rpmorig 100644");
	assert_has(outcome.dump, "^/etc/kept.rpmnew 100644");
	assert_has(outcome.dump, "^/usr/suid-kept 100755 ");
	assert_has(outcome.dump, "^/usr/way/elsewhere/f 100644");
	assert_has(outcome.said->str, "^notice: /etc/backed saved as /etc/backed.rpmorig$");
}

/* librpm finds these before anything is placed, and says what it always says. */
static void
test_conflict(Fixture *fixture, gconstpointer data)
{
	g_auto(Outcome) plain = { 0 }, imported = { 0 };
	g_autoptr(GError) error = NULL;

	if (!fixture->usable)
		return;
	make(fixture, "mkdir usr && echo one > usr/x");
	add(fixture, "one", "", "%files\n/usr/x\n");
	make(fixture, "mkdir usr && echo two > usr/x");
	add(fixture, "two", "", "%files\n/usr/x\n");
	install(fixture, fixture->plain, false, &plain);
	g_assert_cmpint(import(fixture, &error), ==, 0);
	install(fixture, fixture->imported, true, &imported);
	g_assert_error(imported.error, ASH_ERROR, ASH_ERROR_UNSOLVABLE);
	g_assert_cmpstr(imported.error->message, ==, plain.error->message);
	assert_has(imported.error->message, "/usr/x.*one-1-1.noarch");
	assert_has(imported.error->message, "two-1-1.noarch");
	g_autofree char *placed = ash_fixture_run("ls %s/usr", fixture->imported);
	g_assert_null(strstr(placed, "x\n"));
}

/* A directory where a file goes: an error that names both, not a wrong tree. */
static void
test_directory_in_the_way(Fixture *fixture, gconstpointer data)
{
	g_auto(Outcome) imported = { 0 };
	g_autoptr(GError) error = NULL;

	if (!fixture->usable)
		return;
	make(fixture, "mkdir usr && echo one > usr/x");
	add(fixture, "one", "", "%pre -p <lua>\nposix.mkdir(\"/usr\")\nposix.mkdir(\"/usr/x\")\n%files\n/usr/x\n");
	g_assert_cmpint(import(fixture, &error), ==, 0);
	install(fixture, fixture->imported, true, &imported);
	g_assert_nonnull(imported.error);
	assert_has(imported.error->message, "package \"one-1-1.noarch\": cannot place \"/usr/x\"");
}

static char *
entry_dir(Fixture *fixture, const AshPackage *package)
{
	return g_strdup_printf("%s/1/%.2s/%s", fixture->cache, package->sha256, package->sha256);
}

static void
reset_paths(Fixture *fixture)
{
	for (guint i = 0; i < fixture->set->packages->len; i++) {
		AshPackage *package = g_ptr_array_index(fixture->set->packages, i);
		g_free(package->path);
		package->path = g_strdup_printf("%s/%s-1-1.noarch.rpm", fixture->rpms.dir, package->name);
	}
}

/* What is damaged is made anew; what is whole stays. */
static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	static const char *const damages[] = {
		"printf x >> file", "touch file", "chmod 600 file", "rm file", "rm manifest", ": > manifest", "printf x >> header",
		"rm header", "rm file && mkdir file", "rm file && ln -s manifest file",
		"printf \\377 | dd of=manifest bs=1 seek=40 conv=notrunc 2>/dev/null",
		"printf x | dd of=header bs=1 seek=1000 conv=notrunc 2>/dev/null",
	};
	g_autoptr(GError) error = NULL;

	if (!fixture->usable)
		return;
	make(fixture, "mkdir usr && echo one > usr/x");
	AshPackage *one = add(fixture, "one", "", "%files\n/usr/x\n");
	make(fixture, "mkdir usr && echo two > usr/y");
	add(fixture, "two", "", "%files\n/usr/y\n");
	g_assert_cmpint(import(fixture, &error), ==, 0);
	g_assert_true(g_str_has_suffix(one->path, "/header"));
	g_autofree char *dir = entry_dir(fixture, one);
	g_autofree char *file = ash_fixture_run("cd %s && ls | grep -v '[a-z]'", dir);
	g_strchomp(file);
	for (gsize i = 0; i < G_N_ELEMENTS(damages); i++) {
		g_auto(GStrv) parts = g_strsplit(damages[i], "file", -1);
		g_autofree char *command = g_strjoinv(file, parts);
		reset_paths(fixture);
		g_assert_cmpint(import(fixture, &error), ==, 2);
		g_assert_no_error(error);
		g_test_message("%s", command);
		g_free(ash_fixture_run("cd %s && %s", dir, command));
		reset_paths(fixture);
		g_assert_cmpint(import(fixture, &error), ==, 1);
		g_assert_no_error(error);
	}
}

static void
test_other_layout(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	if (!fixture->usable)
		return;
	make(fixture, "mkdir usr && echo one > usr/x");
	add(fixture, "one", "", "%files\n/usr/x\n");
	g_assert_cmpint(import(fixture, &error), ==, 0);
	reset_paths(fixture);
	g_free(ash_fixture_run("cd %s && mv 1 0", fixture->cache));
	g_assert_cmpint(import(fixture, &error), ==, 0);
	g_assert_no_error(error);
}

/* Another decision about whom to trust: the file is verified again, the entry stays and is good for the new one. */
static void
test_other_trust(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) confs = make_confs();
	AshRepoConf *conf = g_ptr_array_index(confs, 0);
	g_autofree char *key = NULL;

	if (!fixture->usable)
		return;
	make(fixture, "mkdir usr && echo one > usr/x");
	AshPackage *one = add(fixture, "one", "", "%files\n/usr/x\n");
	g_assert_cmpint(import(fixture, &error), ==, 0);
	g_assert_no_error(error);
	reset_paths(fixture);
	/* A key that did not sign it. */
	key = g_build_filename(fixture->rpms.dir, "key.asc", NULL);
	g_free(ash_fixture_run("export GNUPGHOME=$(mktemp -d) && gpg -q --batch --passphrase '' --quick-gen-key k rsa2048 sign 2>/dev/null && "
			       "gpg --armor --export k > %s && rm -rf $GNUPGHOME", key));
	conf->gpgcheck = true;
	g_strfreev(conf->gpgkeys);
	conf->gpgkeys = g_strsplit(key, ",", -1);
	g_assert_cmpint(import_confs(fixture, confs, &error), ==, -1);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	assert_has(error->message, "package \"one-1-1.noarch\".*it is not signed");
	/* For those who do not ask it is as good as before. */
	g_clear_error(&error);
	g_assert_cmpint(import(fixture, &error), ==, 1);
	g_assert_no_error(error);
	g_assert_true(g_str_has_suffix(one->path, "/header"));
}

/* Bytes that are not what the header says are found before anything is in the cache. */
static void
test_damaged_package(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	if (!fixture->usable)
		return;
	make(fixture, "mkdir usr && head -c 100000 /dev/urandom > usr/x");
	AshPackage *one = add(fixture, "one", "", "%files\n/usr/x\n");
	/* Four bytes, as one might be what it is by chance. */
	g_free(ash_fixture_run("printf xxxx | dd of=%s bs=1 seek=50000 conv=notrunc 2>/dev/null", one->path));
	g_assert_cmpint(import(fixture, &error), ==, -1);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	assert_has(error->message, "package \"one-1-1.noarch\"");
	g_autofree char *left = ash_fixture_run("find %s -type f", fixture->cache);
	g_assert_cmpstr(left, ==, "");
}

/* "ways" of tests/tools/vandal, one a line. Owned. */
static char *
list_ways(const char *vandal)
{
	return ash_fixture_run("%s", vandal);
}

/*
 * Scriptlets that change files of their own package, of another, and what another's trigger changes: the system has what they
 * did, and the cache is as it was.
 */
static void
test_vandal(Fixture *fixture, gconstpointer data)
{
	g_autofree char *vandal = g_test_build_filename(G_TEST_BUILT, "../tools/vandal", NULL);
	g_autofree char *program = g_canonicalize_filename(vandal, NULL), *ways = NULL;
	g_autoptr(GString) own = g_string_new("set -e\n"), others = g_string_new("set -e\n"), files = g_string_new("mkdir -p usr/v");
	g_autoptr(GError) error = NULL;
	g_auto(Outcome) first = { 0 }, again = { 0 };
	struct stat info;

	if (!fixture->usable)
		return;
	ways = list_ways(program);
	g_auto(GStrv) names = g_strsplit(g_strchomp(ways), "\n", -1);
	for (gsize i = 0; names[i] != NULL; i++) {
		g_string_append_printf(files, " && for w in own other lua; do head -c 9000 /dev/zero | tr '\\0' x > usr/v/$w-%s; done", names[i]);
		g_string_append_printf(own, "/usr/bin/vandal %s /usr/v/own-%s\n", names[i], names[i]);
		g_string_append_printf(others, "/usr/bin/vandal %s /usr/v/other-%s\n", names[i], names[i]);
	}
	add_shell(fixture);
	make(fixture, "mkdir -p usr/bin");
	g_free(ash_fixture_run("cp %s %s/FILES/usr/bin", program, fixture->rpms.dir));
	add(fixture, "tool", "Requires: shell", "%files\n/usr/bin/vandal\n");
	make(fixture, files->str);
	g_autofree char *body = g_strdup_printf("%%post\n%s%%posttrans -p <lua>\n"
						"local f = io.open(\"/usr/v/lua-append\", \"a\"); f:write(\"lua\"); f:close()\n"
						"posix.chmod(\"/usr/v/lua-chmod\", \"rwx------\")\nposix.chown(\"/usr/v/lua-chown\", 3, 4)\n"
						"posix.utime(\"/usr/v/lua-utimens\", 5, 5)\n"
						"%%files\n/usr/v\n", own->str);
	add(fixture, "victim", "Requires(post): tool", body);
	make(fixture, "mkdir -p usr/w && echo w > usr/w/file");
	g_autofree char *other = g_strdup_printf("%%triggerin -- victim\n%s%%files\n/usr/w\n", others->str);
	add(fixture, "other", "Requires(post): tool\nRequires: victim", other);
	ash_package_set_sort(fixture->set);
	g_assert_cmpint(import(fixture, &error), ==, 0);
	g_assert_no_error(error);
	g_autofree char *before = tree_dump(fixture->ctx, fixture->cache, fixture->since, &error);
	install_both(fixture, &first);
	g_autofree char *after = tree_dump(fixture->ctx, fixture->cache, fixture->since, &error);
	g_assert_no_error(error);
	assert_same(before, after);
	g_autofree char *untouched = g_build_filename(fixture->imported, "usr/v/lua-mmap", NULL);
	g_assert_cmpint(stat(untouched, &info), ==, 0);
	g_assert_true((info.st_nlink > 1) == has_links(fixture));
	assert_has(first.dump, "^/usr/v/own-chmod 104711 ");
	assert_has(first.dump, "^/usr/v/own-chown 100644 7:8 ");
	assert_has(first.dump, "^/usr/v/other-futimens 100644 0:0 0:0 7.000000077 ");
	assert_has(first.dump, "^/usr/v/own-setxattr .* user.vandal=");
	/* Nobody else's installation has any of it. */
	remove_tree(fixture, fixture->imported);
	install(fixture, fixture->imported, true, &again);
	g_assert_no_error(again.error);
	assert_same(first.dump, again.dump);
}

#define TEST(name, function) g_test_add("/install/import/" name, Fixture, NULL, setup, function, teardown)

int
main(int argc, char **argv)
{
	int status;

	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	g_test_init(&argc, &argv, NULL);
	TEST("everything", test_everything);
	TEST("without-docs", test_without_docs);
	TEST("in-the-way", test_in_the_way);
	TEST("conflict", test_conflict);
	TEST("directory-in-the-way", test_directory_in_the_way);
	TEST("vandal", test_vandal);
	TEST("damaged", test_damaged);
	TEST("other-layout", test_other_layout);
	TEST("other-trust", test_other_trust);
	TEST("damaged-package", test_damaged_package);
	return g_test_run();
}
