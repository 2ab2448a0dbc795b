/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/firmware.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "disk/secureboot/varstore.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_VARS_BYTES (16 * 1024 * 1024)

/* UEFI firmware for virtual machines, where the distributions put it: code, code that knows Secure Boot, and a template of variables without keys. */
static const struct {
	const char *code, *secure_code, *vars;
} firmwares[] = {
	/* Debian, Ubuntu */
	{ "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd" },
	/* older Debian, Ubuntu */
	{ "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.fd" },
	/* Fedora, Azure Linux */
	{ "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
	/* Arch */
	{ "/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_CODE.secboot.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd" },
};

static void
add_plain(AshRun *run, const char *code, const char *vars)
{
	ash_run_args(run, "-machine", "q35", "-drive", NULL);
	ash_run_argf(run, "if=pflash,unit=0,format=raw,readonly=on,file=%s", code);
	ash_run_arg(run, "-drive");
	ash_run_argf(run, "if=pflash,unit=1,format=raw,snapshot=on,file=%s", vars);
}

/* A file in memory: nothing is left of it. */
static int
make_vars(const char *template_path, const AshCertificate *trusted, GError **error)
{
	gsize length = 0;
	char *text = ash_file_load(AT_FDCWD, template_path, MAX_VARS_BYTES, &length, error);
	g_autoptr(GBytes) template = text != NULL ? g_bytes_new_take(text, length) : NULL;
	g_autoptr(GBytes) vars = template != NULL ? ash_varstore_enroll(template, trusted, error) : NULL;
	ash_autofd int fd = vars != NULL ? memfd_create("ashlar-vars", MFD_CLOEXEC) : -1;

	if (vars == NULL)
		return ash_prefix(error, "\"%s\"", template_path), -1;
	if (fd < 0)
		return ash_throw_errno(error, "cannot make a file in memory"), -1;
	return ash_fd_write_all(fd, g_bytes_get_data(vars, NULL), g_bytes_get_size(vars), 0, error) ? ash_fd_steal(&fd) : -1;
}

/* Only the firmware itself, in system management mode, may write variables: else the guest could enroll keys. */
static gboolean
add_secure(AshRun *run, const char *code, const char *vars, const AshCertificate *trusted, int *ret_vars_fd, GError **error)
{
	int fd = make_vars(vars, trusted, error);

	if (fd < 0)
		return FALSE;
	ash_run_args(run, "-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1",
		     "-drive", NULL);
	ash_run_argf(run, "if=pflash,unit=0,format=raw,readonly=on,file=%s", code);
	ash_run_arg(run, "-drive");
	ash_run_argf(run, "if=pflash,unit=1,format=raw,snapshot=on,file=/proc/self/fd/%d", fd);
	ash_run_inherit_fd(run, fd);
	*ret_vars_fd = fd;
	return TRUE;
}

gboolean
ash_firmware_add(AshRun *run, const AshCertificate *trusted, int *ret_vars_fd, GError **error)
{
	*ret_vars_fd = -1;
	for (gsize i = 0; i < G_N_ELEMENTS(firmwares); i++) {
		const char *code = trusted != NULL ? firmwares[i].secure_code : firmwares[i].code;

		if (access(code, R_OK) < 0 || access(firmwares[i].vars, R_OK) < 0)
			continue;
		if (trusted != NULL)
			return add_secure(run, code, firmwares[i].vars, trusted, ret_vars_fd, error);
		add_plain(run, code, firmwares[i].vars);
		return TRUE;
	}
	return ash_throw(error, ASH_ERROR_CONFIG, "no UEFI firmware for QEMU%s is here: install the package ovmf (Debian) or edk2-ovmf (Fedora)",
			 trusted != NULL ? " that knows Secure Boot" : "");
}
