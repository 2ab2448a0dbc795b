/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/swtpm.h"

#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/un.h>

/* Keys are in it. */
#define STATE_MODE 0700

gboolean
ash_swtpm_add(AshContext *ctx, AshRun *qemu, const char *dir, GError **error)
{
	g_autofree char *path = g_canonicalize_filename(dir, NULL);
	g_autofree char *socket_path = g_build_filename(path, "swtpm.socket", NULL);
	g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_SWTPM, error);

	if (run == NULL)
		return FALSE;
	if (strlen(socket_path) >= sizeof((struct sockaddr_un *) NULL)->sun_path || strchr(path, ',') != NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" is too long for a socket in it, or has a comma: choose another directory", dir);
	if (!ash_file_mkdirs(AT_FDCWD, path, STATE_MODE, error))
		return FALSE;
	ash_run_args(run, "socket", "--tpm2", "--terminate", "--daemon", "--tpmstate", NULL);
	ash_run_argf(run, "dir=%s", path);
	ash_run_arg(run, "--ctrl");
	ash_run_argf(run, "type=unixio,path=%s", socket_path);
	if (!ash_run_sync(run, ctx, NULL, error))
		return FALSE;
	ash_run_arg(qemu, "-chardev");
	ash_run_argf(qemu, "socket,id=tpm,path=%s", socket_path);
	ash_run_args(qemu, "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0", NULL);
	return TRUE;
}
