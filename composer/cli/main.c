/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "base/signals.h"
#include "base/worker.h"
#include "cli/command.h"
#include "compose/workers.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static const AshCommand commands[] = {
	{ "build", "KICKSTART -t TYPE...", "compose a system and write its images",
	  "Packages are resolved, checked, installed into a new root, committed to the store, and every\n"
	  "image is written from that commit. See ashlar.kickstart(5) and ashlar.imgtype(5).",
	  ash_command_build },
	{ "plan", "KICKSTART -t TYPE...", "show what a build would do", NULL, ash_command_plan },
	{ "resolve", "KICKSTART -t TYPE...", "resolve the packages and print the lock", NULL, ash_command_resolve },
	{ "image", "REF -t TYPE...", "write images from an existing commit", NULL, ash_command_image },
	{ "publish", "REF|COMMIT -t TYPE --to DIR", "put a commit into a release directory, for nodes to update to",
	  "The directory can be served by any web server, as it is. Nothing in it changes but metadata/timestamp.json;\n"
	  "killed anywhere, it has what it had before. Shown at the end is what the update will cost nodes that run\n"
	  "one of the last five releases. See \"ashlar channel\" for roll-outs.",
	  ash_command_publish },
	{ "channel", "show|promote|withdraw|waves|prune DIR [REF [CHANNEL [VERSION [SPEC]]]]", "show and change which releases nodes take",
	  "  show DIR [REF [CHANNEL]]               what is offered\n"
	  "  promote DIR REF CHANNEL VERSION        offer a version, or change how it is offered\n"
	  "  promote DIR REF CHANNEL --from OTHER   offer the newest version of another channel\n"
	  "  withdraw DIR REF CHANNEL VERSION       nodes do not take it any more; those that run it keep it\n"
	  "  waves DIR REF CHANNEL VERSION SPEC     roll it out in steps: 5@now,25@+6h,100@+2d; \"all\": every node at once\n"
	  "  prune DIR [REF]                        stop publishing old versions, and remove what is of no use any more",
	  ash_command_channel },
	{ "push", "DIR|ARCHIVE... oci://HOST/REPOSITORY[:TAG]", "copy a release directory, or container images, into a registry",
	  "Nodes take their updates from there with Url=oci://HOST/REPOSITORY. Only what is missing is sent, the metadata last. Archives of container\n"
	  "images of several architectures come under one tag (an image index); --add keeps what it has for others. The registry is\n"
	  "spoken to by HTTPS, on this machine's own addresses by HTTP; with oci+http://HOST/REPOSITORY always by HTTP.",
	  ash_command_push },
	{ "delta", "DIR REF FROM... TO", "make deltas between releases, so that nodes fetch less",
	  "For nodes that run one of the releases FROM, of which the release TO shall know how it differs; --last N: from the\n"
	  "last N before it. All is made from what is in the release directory. A node takes the delta if that is less than\n"
	  "what it would fetch without; one that is damaged costs time, but never does harm.",
	  ash_command_delta },
	{ "serve", "DIR", "serve a release directory over HTTP, with a page that shows roll-outs",
	  "Serves until it is interrupted. Nothing in DIR is written. Behind another web server, or in place of one: any that\n"
	  "serves files with ranges does for nodes.",
	  ash_command_serve },
	{ "log", "[REF]", "show the commits of a ref, newest first", NULL, ash_command_log },
	{ "ls", "REF [PATH]", "list the files or (--packages) the packages of a commit", NULL, ash_command_ls },
	{ "diff", "REF [REF]", "compare two commits by package and by file (one REF: with its parent)", NULL,
	  ash_command_diff },
	{ "cat", "REF PATH...", "print files of a commit", NULL, ash_command_cat },
	{ "inspect", "IMAGE", "show what is in a disk image, and check its verity hashes", NULL, ash_command_inspect },
	{ "audit", "REF|IMAGE", "report what weakens the security of a system or an image",
	  "Looks at every file of a commit, or of the file systems in an image, without running anything of it. Findings are\n"
	  "errors, warnings and notes; \"ashlar audit --list-rules\" lists the rules with reasons and remedies.",
	  ash_command_audit },
	{ "boot", "IMAGE [-- QEMU ARGUMENTS]", "boot a throw-away copy of a disk image in QEMU", NULL,
	  ash_command_boot },
	{ "prune", "", "remove old commits and caches from the store", NULL, ash_command_prune },
	{ "fsck", "", "check the store, and repair it", NULL, ash_command_fsck },
	{ "key", "ACTION FILE|DIR", "make, show and exchange the keys of signed releases",
	  "Actions:\n"
	  "  generate FILE           make a key: FILE, and FILE.pub for others\n"
	  "  show KEY|FILE.json|DIR  show a key, the signatures of a metadata file, or who signs a release directory\n"
	  "  init DIR                begin a release directory with keys for all roles\n"
	  "  rotate DIR              draft the next root metadata, with other keys or thresholds or just valid for longer\n"
	  "  sign FILE.json          add signatures to a metadata file, here or on the machine with the offline keys\n"
	  "  refresh DIR             sign anew what expires, and put a signed draft of the root in force; for a timer",
	  ash_command_key },
	{ "kickstart", "check|flatten|commands [FILE...]", "check kickstart files, or make one file of several",
	  "  check FILE...    every problem of each file: what is wrong, what is refused, what has no effect\n"
	  "  flatten FILE     the file with what it includes in it\n"
	  "  commands         which commands, sections and options there are, and what becomes of them\n"
	  "Scripts of %pre are not run; nothing is fetched.",
	  ash_command_kickstart },
	{ "types", "", "list the image types", NULL, ash_command_types },
};

const AshCommand *
ash_command_find(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void
print_help(void)
{
	printf("usage: ashlar COMMAND [OPTIONS] ...\n\nComposes atomic system images from signed RPM packages.\n\nCommands:\n");
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].summary);
	printf("\n\"ashlar COMMAND --help\" shows the options of a command. Manual: ashlar(1).\n");
}

/* Image types and other data: beside an uninstalled program, else where they were installed. */
static char *
find_data_dir(void)
{
	char path[PATH_MAX];
	const char *named = g_getenv("ASHLAR_DATADIR");
	gssize length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (named != NULL)
		return g_strdup(named);
	if (length > 0) {
		path[length] = '\0';
		g_autofree char *dir = g_path_get_dirname(path);
		g_autofree char *beside = g_build_filename(dir, "uninstalled-data", NULL);
		if (g_file_test(beside, G_FILE_TEST_IS_DIR))
			return g_steal_pointer(&beside);
	}
	return g_strdup(PKGDATADIR);
}

static char *
find_cache_dir(void)
{
	const char *named = g_getenv("ASHLAR_CACHE");

	return named != NULL ? g_strdup(named) : g_build_filename(g_get_user_cache_dir(), "ashlar", NULL);
}

static int
report(const AshCommandEnv *env, const GError *error)
{
	if (g_cancellable_is_cancelled(env->ctx->cancellable)) {
		fprintf(stderr, "ashlar: interrupted\n");
		return 130;
	}
	fprintf(stderr, "ashlar: %s\n", error->message);
	return ash_error_exit_status(error);
}

/* What librepo warns of is in its errors too, where it matters: one line is enough. */
static void
ignore_log(const char *domain, GLogLevelFlags level, const char *message, gpointer user_data)
{
}

static int
run_command(const AshCommand *command, int argc, char **argv)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	AshCommandEnv env = { .ctx = ctx };

	ctx->cache_dir = find_cache_dir();
	ctx->data_dir = find_data_dir();
	ash_signals_cancel(ctx);
	g_log_set_handler("librepo", G_LOG_LEVEL_WARNING, ignore_log, NULL);
	gboolean ok = command->run(&env, argc, argv, &error);
	g_clear_pointer(&env.terminal, ash_terminal_free);
	if (fflush(stdout) != 0 && ok) {
		fprintf(stderr, "ashlar: cannot write the result: %s\n", g_strerror(errno));
		return errno == ENOSPC ? 8 : 1;
	}
	return ok ? 0 : report(&env, error);
}

int
main(int argc, char **argv)
{
	int status;

	ash_digest_prepare();
	setlocale(LC_ALL, "");
	/* A worker inherits our blocked signals; what it runs must not. */
	ash_signals_unblock();
	if (ash_worker_main(argc, argv, ash_compose_workers, &status))
		return status;
	if (argc < 2) {
		fprintf(stderr, "ashlar: no command given; see \"ashlar --help\"\n");
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help();
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("ashlar %s\n", PACKAGE_VERSION);
		return 0;
	}
	const AshCommand *command = ash_command_find(argv[1]);
	if (command == NULL) {
		fprintf(stderr, "ashlar: unknown command \"%s\"; see \"ashlar --help\"\n", argv[1]);
		return 2;
	}
	return run_command(command, argc - 1, argv + 1);
}
