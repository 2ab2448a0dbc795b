/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "config/kickstart.h"
#include "config/kscommand.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "golden.h"

static const char *const repo_dirs[] = { "repos", NULL };

/* The folder of the test data stands in the results as "@DIR@". */
static char *
without_folder(const char *text)
{
	g_autofree char *here = g_get_current_dir();
	g_auto(GStrv) parts = g_strsplit(text, here, -1);

	return g_strjoinv("@DIR@", parts);
}

static char *
format_kickstart(const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshSpec) spec = ash_kickstart_load(name, repo_dirs, &error);
	g_autofree char *text = NULL;

	g_assert_no_error(error);
	text = ash_spec_format(spec);
	return without_folder(text);
}

static char *
format_error(const char *name)
{
	g_autoptr(GError) error = NULL;
	AshSpec *spec = ash_kickstart_load(name, repo_dirs, &error);

	g_assert_null(spec);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	return g_strconcat(error->message, "\n", NULL);
}

/* Everything that pykickstart's F44 handler knows. */
static const char f44_commands[] = "auth authconfig authselect autopart autostep bootc bootloader "
				   "btrfs cdrom clearpart cmdline device deviceprobe "
				   "dmraid driverdisk module eula fcoe firewall firstboot "
				   "graphical group halt harddrive hmc ignoredisk install "
				   "iscsi iscsiname keyboard lang liveimg logging logvol "
				   "mediacheck method mount multipath network nfs nvdimm "
				   "timesource ostreecontainer ostreesetup part partition poweroff "
				   "raid rdp realm reboot repo reqpart rescue rootpw "
				   "selinux services shutdown skipx snapshot sshpw sshkey text "
				   "timezone updates url user vnc volgroup xconfig "
				   "zerombr zfcp zipl";

static void
test_all_commands_known(void)
{
	g_auto(GStrv) names = g_strsplit(f44_commands, " ", -1);
	g_autoptr(GPtrArray) commands = ash_kscommand_list();
	g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < commands->len; i++) {
		const AshKsCommand *command = g_ptr_array_index(commands, i);

		/* No name twice, and no way to say nothing. */
		g_assert_true(g_hash_table_add(known, (gpointer) command->name));
		if (command->status == ASH_KS_DONE)
			g_assert_true(command->handler != NULL && command->options != NULL);
		else
			g_assert_cmpstr(command->text, !=, NULL);
	}
	g_assert_cmpuint(g_strv_length(names), ==, 73);
	for (guint i = 0; names[i] != NULL; i++)
		if (!g_hash_table_contains(known, names[i]))
			g_error("command \"%s\" is in no table", names[i]);
}

/* Each command is either carried out, noted or refused by name; none is passed over. */
static void
test_other_commands_speak(void)
{
	g_autoptr(GPtrArray) commands = ash_kscommand_list();

	for (guint i = 0; i < commands->len; i++) {
		const AshKsCommand *command = g_ptr_array_index(commands, i);
		g_autofree char *text = g_strdup_printf("%s\n", command->name);
		g_autofree char *place = g_strdup_printf("x.ks:1: %s: ", command->name);
		g_autoptr(GError) error = NULL;
		g_autoptr(AshSpec) spec = NULL;

		if (command->status == ASH_KS_DONE)
			continue;
		spec = ash_kickstart_parse(text, strlen(text), "x.ks", NULL, NULL, &error);
		if (command->status == ASH_KS_REFUSED) {
			g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
			g_assert_true(g_str_has_prefix(error->message, place));
		} else if (spec != NULL) {
			g_assert_cmpuint(spec->notices->len, ==, 1);
			g_assert_true(g_str_has_prefix(g_ptr_array_index(spec->notices, 0), place));
		}
	}
}

static void
test_overrides(void)
{
	static const char text[] = "repo --name=a --metalink=https://a.example/\nrepo --name=b\n";
	static const char *const urls[] = { "b=file:///b", "a=file:///a", "c=http://c.example/",
					    NULL };
	const AshKickstartOptions options = { .repo_urls = urls };
	g_autoptr(GError) error = NULL;
	g_autoptr(AshSpec) spec =
		ash_kickstart_parse(text, strlen(text), "x.ks", NULL, &options, &error);
	static const char *const expected[][2] = {
		{ "a", "file:///a" },
		{ "b", "file:///b" },
		{ "c", "http://c.example/" },
	};

	g_assert_no_error(error);
	g_assert_cmpuint(spec->repos->len, ==, G_N_ELEMENTS(expected));
	for (guint i = 0; i < spec->repos->len; i++) {
		const AshRepoConf *repo = g_ptr_array_index(spec->repos, i);

		g_assert_cmpstr(repo->id, ==, expected[i][0]);
		g_assert_cmpstr(repo->baseurls[0], ==, expected[i][1]);
		g_assert_null(repo->baseurls[1]);
		g_assert_null(repo->metalink);
	}
}

static void
test_bad_override(void)
{
	static const char *const bad[] = { "a", "=file:///a", "a=", "a=relative",
					   "a=ftp://a.example/" };

	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		const char *const urls[] = { bad[i], NULL };
		const AshKickstartOptions options = { .repo_urls = urls };
		g_autoptr(GError) error = NULL;

		g_assert_null(ash_kickstart_parse("", 0, "x.ks", NULL, &options, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
	}
}

static void
test_releasever(void)
{
	static const char text[] = "url --url=https://mirror.example/$releasever/$basearch\n";
	const AshKickstartOptions options = { .vars = { .basearch = "aarch64",
							.releasever = "4" } };
	g_autoptr(GError) error = NULL;
	g_autoptr(AshSpec) spec =
		ash_kickstart_parse(text, strlen(text), "x.ks", NULL, &options, &error);
	const AshRepoConf *repo = NULL;

	g_assert_no_error(error);
	repo = g_ptr_array_index(spec->repos, 0);
	g_assert_cmpstr(repo->baseurls[0], ==, "https://mirror.example/4/aarch64");
}

static void
test_no_include_from_memory(void)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(
		ash_kickstart_parse("%include /etc/passwd\n", 21, "x.ks", NULL, NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_cmpstr(error->message, ==, "x.ks:1: %include: no file can be included here");
}

/* The kickstarts that we ship, with their repositories given. */
/* A system that is a commit says no more than which. */
static void
test_shipped_commit(void)
{
	const char *top = g_getenv("top_srcdir") != NULL ? g_getenv("top_srcdir") : ".";
	g_autofree char *path = g_build_filename(top, "kickstarts", "from-commit.ks", NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(AshSpec) spec = ash_kickstart_load_full(path, NULL, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(spec->notices->len, ==, 0);
	g_assert_true(spec->ostree.set && spec->ostree.verify && !spec->ostree.container);
	g_assert_cmpstr(spec->ostree.ref, ==, "branch/x86_64/ostree");
}

static void
test_shipped(void)
{
	static const char *const names[] = { "azurelinux-4.ks", "branch-office.ks", "demo-lvm.ks", "demo-vm.ks", "fedora.ks" };
	static const char *const urls[] = { "azurelinux-base=file:///a", "demo=file:///d", "fedora=file:///f",
					    "updates=file:///u", NULL };
	const AshKickstartOptions options = { .repo_urls = urls };
	const char *top = g_getenv("top_srcdir") != NULL ? g_getenv("top_srcdir") : ".";

	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(top, "kickstarts", names[i], NULL);
		g_autoptr(GError) error = NULL;
		g_autoptr(AshSpec) spec = ash_kickstart_load_full(path, &options, &error);

		g_assert_no_error(error);
		g_assert_cmpuint(spec->notices->len, ==, 0);
		g_assert_nonnull(spec->hostname);
		g_assert_true(spec->root_password.locked);
	}
}

/* Stands for the sandbox: what scripts say is written into a file of the folder. */
typedef struct {
	char *dir;
	guint n_scripts;
} FakePre;

static gboolean
fake_run_pre(const GPtrArray *scripts, gpointer data, GError **error)
{
	FakePre *fake = data;
	g_autofree char *path = g_build_filename(fake->dir, "part.ks", NULL);
	g_autofree char *link = g_build_filename(fake->dir, "link.ks", NULL);
	const AshScriptSpec *first = g_ptr_array_index(scripts, 0);

	fake->n_scripts = scripts->len;
	g_assert_cmpint(symlink("/etc/passwd", link), ==, 0);
	g_assert_true(g_file_set_contents(path, first->body, -1, NULL));
	return TRUE;
}

static AshSpec *
parse_with_pre(FakePre *fake, const char *text, GError **error)
{
	fake->dir = g_dir_make_tmp("kickstart-XXXXXX", NULL);
	fake->n_scripts = 0;
	const AshKickstartOptions options = { .run_pre = fake_run_pre,
					      .run_pre_data = fake,
					      .pre_dir = fake->dir };
	AshSpec *spec = ash_kickstart_parse(text, strlen(text), "x.ks", fake->dir, &options, error);
	g_autofree char *path = g_build_filename(fake->dir, "part.ks", NULL);
	g_autofree char *link = g_build_filename(fake->dir, "link.ks", NULL);

	g_unlink(path);
	g_unlink(link);
	g_rmdir(fake->dir);
	g_clear_pointer(&fake->dir, g_free);
	return spec;
}

static void
test_pre(void)
{
	static const char text[] = "%include /tmp/part.ks\n%pre\nlang de_AT.UTF-8\n%end\n%pre-install\nx\n%end\n";
	static const char link[] = "%pre\nx\n%end\n%include /tmp/link.ks\n";
	static const char missing[] = "%pre\nx\n%end\n%include /tmp/missing.ks\n";
	g_autoptr(GError) error = NULL, link_error = NULL, missing_error = NULL;
	FakePre fake = { NULL, 0 };
	g_autoptr(AshSpec) spec = parse_with_pre(&fake, text, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(fake.n_scripts, ==, 2);
	g_assert_cmpstr(spec->lang, ==, "de_AT.UTF-8");
	g_assert_cmpuint(spec->notices->len, ==, 0);
	g_assert_null(parse_with_pre(&fake, link, &link_error));
	g_assert_true(strstr(link_error->message, "x.ks:4: %include: ") == link_error->message);
	g_assert_true(strstr(link_error->message, "leads out") != NULL);
	g_assert_null(parse_with_pre(&fake, missing, &missing_error));
	g_assert_error(missing_error, ASH_ERROR, ASH_ERROR_CONFIG);
}

/* Without %pre a name in /tmp is a file like any other. */
static void
test_no_pre(void)
{
	g_autofree char *path = NULL;
	g_autoptr(GError) error = NULL;
	int fd = g_file_open_tmp("kickstart-XXXXXX.ks", &path, NULL);
	FakePre fake = { NULL, 0 };

	g_assert_cmpint(fd, >=, 0);
	g_assert_true(g_close(fd, NULL));
	g_assert_true(g_file_set_contents(path, "lang C.UTF-8\n", -1, NULL));
	g_autofree char *text = g_strdup_printf("%%include %s\n", path);
	g_autoptr(AshSpec) spec = parse_with_pre(&fake, text, &error);

	g_unlink(path);
	g_assert_no_error(error);
	g_assert_cmpuint(fake.n_scripts, ==, 0);
	g_assert_cmpstr(spec->lang, ==, "C.UTF-8");
}

/* What of "selinux" is for the kernel, unless the kickstart tells the kernel itself. */
static void
test_selinux_append(void)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "", NULL },
		{ "bootloader --append=\"a b\"\n", "a b" },
		{ "selinux --enforcing\n", "security=selinux" },
		{ "selinux --permissive\nbootloader --append=\"a b\"\n", "a b security=selinux" },
		{ "selinux --disabled\nbootloader --append=a\n", "a selinux=0" },
		{ "selinux --disabled\nbootloader --append=\"selinux=1 b\"\n", "selinux=1 b" },
		{ "selinux --enforcing\nbootloader --append=\"a lsm=selinux,bpf\"\n", "a lsm=selinux,bpf" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(AshSpec) spec =
			ash_kickstart_parse(cases[i].text, strlen(cases[i].text), "x.ks", NULL, NULL, &error);
		g_assert_no_error(error);
		g_autofree char *append = ash_spec_dup_kernel_append(spec);
		g_assert_cmpstr(append, ==, cases[i].expected);
	}
}

static void
test_missing_file(void)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(ash_kickstart_load("/nonexistent/x.ks", NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	golden_add("/kickstart/golden", "kickstart", ".ks", ".expected", format_kickstart);
	golden_add("/kickstart/must-fail", "kickstart/must-fail", ".ks", ".error", format_error);
	g_test_add_func("/kickstart/all-commands-known", test_all_commands_known);
	g_test_add_func("/kickstart/other-commands-speak", test_other_commands_speak);
	g_test_add_func("/kickstart/overrides", test_overrides);
	g_test_add_func("/kickstart/bad-override", test_bad_override);
	g_test_add_func("/kickstart/releasever", test_releasever);
	g_test_add_func("/kickstart/no-include-from-memory", test_no_include_from_memory);
	g_test_add_func("/kickstart/shipped", test_shipped);
	g_test_add_func("/kickstart/shipped-commit", test_shipped_commit);
	g_test_add_func("/kickstart/pre", test_pre);
	g_test_add_func("/kickstart/no-pre", test_no_pre);
	g_test_add_func("/kickstart/selinux-append", test_selinux_append);
	g_test_add_func("/kickstart/missing-file", test_missing_file);
	return g_test_run();
}
