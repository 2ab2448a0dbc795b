/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/runner.h"
#include "cli/firmware.h"
#include "cli/swtpm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_SECONDS 300
/* A guest that says nothing for so long under KVM will never say anything: nested virtualisation that does not work. */
#define KVM_SILENCE_SECONDS 30
/* What a console says at its login prompt (agetty(8)). */
#define LOGIN_PROMPT " login: "
/*
 * All that QEMU can emulate, as systems of today may need it, without what makes an emulated one slow (a fifth of a boot): "rep movsb" as
 * the fast way to copy, which is emulated byte by byte, and a fifth level of page tables.
 */
#define EMULATED_CPU "max,-erms,-fsrm,-la57"

/* What the disk is attached to. "ide" is AHCI on the machine that is emulated, and PIIX with "-- -machine pc". */
static const struct {
	const char *name;
	const char *interface; /* of -drive */
	const char *device;    /* of -device, for what is no interface; NULL: none */
} disks[] = {
	{ "virtio", "virtio", NULL },
	{ "nvme", "none", "nvme,drive=disk,serial=ashlar,bootindex=0" },
	{ "ide", "ide", NULL },
};

typedef struct {
	AshCommonOptions common;
	char **arguments;
	char *until, *accel, *memory, *ssh, *disk, *secure_boot, *tpm;
	AshCertificate *trusted; /* of @secure_boot; NULL: Secure Boot is off */
	int vars_fd;
	gboolean until_login, keep, bios;
	int timeout;
} BootOptions;

static void
boot_options_clear(BootOptions *options)
{
	ash_common_options_clear(&options->common);
	g_strfreev(options->arguments);
	g_free(options->until);
	g_free(options->accel);
	g_free(options->memory);
	g_free(options->ssh);
	g_free(options->disk);
	g_free(options->secure_boot);
	g_free(options->tpm);
	g_clear_pointer(&options->trusted, ash_certificate_unref);
	ash_fd_clear(&options->vars_fd);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BootOptions, boot_options_clear)

/* QEMU's name for the format of @path: from its name, as "ashlar build" gives it. */
static const char *
image_format(const char *path)
{
	if (g_str_has_suffix(path, ".qcow2"))
		return "qcow2";
	return g_str_has_suffix(path, ".vhd") ? "vpc" : "raw";
}

/* Commas separate QEMU's own options: they are doubled inside a value. */
static char *
escape_commas(const char *path)
{
	g_auto(GStrv) parts = g_strsplit(path, ",", -1);

	return g_strjoinv(",,", parts);
}

/* Index in the table, or -1. */
static gssize
find_disk(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(disks); i++)
		if (strcmp(disks[i].name, name) == 0)
			return (gssize) i;
	return -1;
}

static void
add_disk(AshRun *run, const BootOptions *options)
{
	const char *image = options->arguments[0];
	g_autofree char *path = escape_commas(image);
	gsize disk = (gsize) find_disk(options->disk);

	ash_run_arg(run, "-drive");
	ash_run_argf(run, "if=%s,id=disk,format=%s,snapshot=%s,file=%s", disks[disk].interface, image_format(image),
		     options->keep ? "off" : "on", path);
	if (disks[disk].device != NULL)
		ash_run_args(run, "-device", disks[disk].device, NULL);
}

static AshRun *
make_run(AshContext *ctx, BootOptions *options, const char *accel, GError **error)
{
	g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_QEMU_SYSTEM, error);

	if (run == NULL)
		return NULL;
	ash_run_args(run, "-smp", "2", "-nodefaults", "-no-user-config", "-display", "none", NULL);
	ash_run_args(run, "-m", options->memory != NULL ? options->memory : "2G", "-accel",
		     strcmp(accel, "tcg") == 0 ? "tcg,thread=multi" : accel, "-cpu",
		     strcmp(accel, "tcg") == 0 ? EMULATED_CPU : "host", NULL);
	ash_fd_clear(&options->vars_fd);
	/* QEMU has a BIOS of its own. */
	if (options->bios)
		ash_run_args(run, "-machine", "q35", NULL);
	else if (!ash_firmware_add(run, options->trusted, &options->vars_fd, error))
		return NULL;
	if (options->tpm != NULL && !ash_swtpm_add(ctx, run, options->tpm, error))
		return NULL;
	add_disk(run, options);
	ash_run_args(run, "-device", "virtio-rng-pci", "-device", "virtio-net-pci,netdev=net0", "-netdev", NULL);
	if (options->ssh != NULL)
		ash_run_argf(run, "user,id=net0,hostfwd=tcp:127.0.0.1:%s-:22", options->ssh);
	else
		ash_run_arg(run, "user,id=net0");
	ash_run_args(run, "-serial", options->until != NULL ? "stdio" : "mon:stdio", NULL);
	for (char **extra = options->arguments + 1; *extra != NULL; extra++)
		ash_run_arg(run, *extra);
	return g_steal_pointer(&run);
}

/* Looks for a text in what the console says, and passes it on. */
typedef struct {
	const char *text;
	GString *tail; /* enough of the past to find a text that comes in two pieces */
	gint64 deadline, silence_deadline;
	bool found, silent;
} ConsoleWatch;

static bool
watch_console(const char *data, gsize length, gpointer user_data)
{
	ConsoleWatch *watch = user_data;
	gint64 now = g_get_monotonic_time();

	if (length > 0) {
		fwrite(data, 1, length, stdout);
		fflush(stdout);
		watch->silence_deadline = G_MAXINT64;
		g_string_append_len(watch->tail, data, (gssize) length);
		watch->found = memmem(watch->tail->str, watch->tail->len, watch->text, strlen(watch->text)) != NULL;
		gsize keep = strlen(watch->text);
		if (watch->tail->len > keep)
			g_string_erase(watch->tail, 0, (gssize) (watch->tail->len - keep));
	}
	watch->silent = now >= watch->silence_deadline;
	return !watch->found && !watch->silent && now < watch->deadline;
}

/* *@ret_silent: nothing at all was said, and another accelerator may help. */
static gboolean
boot_until(AshCommandEnv *env, BootOptions *options, const char *accel, bool *ret_silent, GError **error)
{
	g_autoptr(AshRun) run = make_run(env->ctx, options, accel, error);
	g_autoptr(GString) tail = g_string_new(NULL);
	gint64 now = g_get_monotonic_time();
	ConsoleWatch watch = {
		.text = options->until,
		.tail = tail,
		.deadline = now + options->timeout * G_TIME_SPAN_SECOND,
		.silence_deadline = strcmp(accel, "kvm") == 0 ? now + KVM_SILENCE_SECONDS * G_TIME_SPAN_SECOND
							      : G_MAXINT64,
	};

	*ret_silent = false;
	if (run == NULL)
		return FALSE;
	if (!ash_run_foreground(run, env->ctx, watch_console, &watch, NULL, error)) {
		/* QEMU itself may fail where KVM is there but does not work. */
		*ret_silent = watch.silence_deadline != G_MAXINT64 && ash_context_check(env->ctx, NULL);
		return FALSE;
	}
	putchar('\n');
	*ret_silent = watch.silent;
	if (watch.found || watch.silent)
		return TRUE;
	return ash_throw(error, ASH_ERROR_INTERNAL, "\"%s\" did not say \"%s\" within %d seconds",
			 options->arguments[0], options->until, options->timeout);
}

static gboolean
parse(AshCommandEnv *env, int argc, char **argv, BootOptions *options, GError **error)
{
	const GOptionEntry entries[] = {
		{ "until", 0, 0, G_OPTION_ARG_STRING, &options->until, "Stop once the console says TEXT", "TEXT" },
		{ "until-login", 0, 0, G_OPTION_ARG_NONE, &options->until_login, "Stop at the login prompt", NULL },
		{ "timeout", 0, 0, G_OPTION_ARG_INT, &options->timeout, "How long --until waits (default 300)", "SECONDS" },
		{ "accel", 0, 0, G_OPTION_ARG_STRING, &options->accel,
		  "kvm or tcg (default: $ASHLAR_ACCEL, else kvm where it can be used)", "NAME" },
		{ "memory", 'm', 0, G_OPTION_ARG_STRING, &options->memory, "Memory (default 2G)", "SIZE" },
		{ "ssh", 0, 0, G_OPTION_ARG_STRING, &options->ssh, "Forward this port of 127.0.0.1 to the guest's SSH", "PORT" },
		{ "disk", 0, 0, G_OPTION_ARG_STRING, &options->disk, "How the disk is attached: virtio (default), nvme or ide", "NAME" },
		{ "bios", 0, 0, G_OPTION_ARG_NONE, &options->bios, "Boot by BIOS, not by UEFI", NULL },
		{ "secure-boot", 0, 0, G_OPTION_ARG_FILENAME, &options->secure_boot,
		  "Boot with Secure Boot on, and only what the key of this certificate has signed", "CERTIFICATE" },
		{ "tpm", 0, 0, G_OPTION_ARG_FILENAME, &options->tpm, "Give it a TPM 2.0 (swtpm) that remembers in this directory", "DIR" },
		{ "keep", 0, 0, G_OPTION_ARG_NONE, &options->keep, "Write to IMAGE itself, not to a throw-away copy", NULL },
		{ NULL },
	};

	options->timeout = DEFAULT_TIMEOUT_SECONDS;
	if (!ash_command_parse(env, entries, argc, argv, 1, -1, &options->common, &options->arguments, error))
		return FALSE;
	if (access(options->arguments[0], R_OK) < 0)
		return ash_throw_errno(error, "cannot read \"%s\"", options->arguments[0]);
	if (options->bios && options->secure_boot != NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--bios does not go with --secure-boot: a BIOS checks no signatures");
	if (options->secure_boot != NULL) {
		options->trusted = ash_certificate_load(options->secure_boot, error);
		if (options->trusted == NULL)
			return ash_prefix(error, "--secure-boot");
	}
	if (options->until_login && options->until == NULL)
		options->until = g_strdup(LOGIN_PROMPT);
	if (options->disk == NULL)
		options->disk = g_strdup(disks[0].name);
	if (find_disk(options->disk) < 0)
		return ash_throw(error, ASH_ERROR_USAGE, "--disk=%s is none of virtio, nvme and ide", options->disk);
	if (options->accel == NULL)
		options->accel = g_strdup(g_getenv("ASHLAR_ACCEL"));
	if (options->accel != NULL && strcmp(options->accel, "kvm") != 0 && strcmp(options->accel, "tcg") != 0)
		return ash_throw(error, ASH_ERROR_USAGE, "--accel=%s is neither kvm nor tcg", options->accel);
	return TRUE;
}

gboolean
ash_command_boot(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(BootOptions) options = { .vars_fd = -1 };
	bool silent = false;

	if (!parse(env, argc, argv, &options, error))
		return FALSE;
	bool may_fall_back = options.accel == NULL;
	const char *accel = options.accel != NULL ? options.accel : access("/dev/kvm", R_OK | W_OK) == 0 ? "kvm" : "tcg";
	if (options.until == NULL) {
		g_autoptr(AshRun) run = make_run(env->ctx, &options, accel, error);
		fprintf(stderr, "The serial console follows; Ctrl-A X ends it.\n");
		return run != NULL && ash_run_foreground(run, env->ctx, NULL, NULL, NULL, error);
	}
	gboolean ok = boot_until(env, &options, accel, &silent, error);
	if (!silent)
		return ok;
	if (!may_fall_back)
		return ok ? ash_throw(error, ASH_ERROR_INTERNAL, "\"%s\" says nothing under KVM: try --accel tcg",
				      options.arguments[0])
			  : ash_prefix(error, "KVM does not work here (try --accel tcg)");
	g_clear_error(error);
	fprintf(stderr, "ashlar: the guest says nothing under KVM; trying again without it\n");
	return boot_until(env, &options, "tcg", &silent, error);
}
