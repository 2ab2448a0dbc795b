/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/callfilter.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

typedef struct {
	int errnum; /* what the calls return: 0 is success */
	const char *const *calls;
} FilterRule;

static const char *const refused_calls[] = {
	/* mounts */
	"mount", "umount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount",
	"fspick", "mount_setattr", "swapon", "swapoff", "quotactl", "quotactl_fd", "open_by_handle_at",
	/* namespaces */
	"unshare", "setns", "sethostname", "setdomainname",
	/* the kernel itself */
	"init_module", "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load", "bpf",
	"perf_event_open", "reboot", "syslog", "acct", "iopl", "ioperm", "nfsservctl", "vhangup", "lookup_dcookie",
	"userfaultfd",
	/* other processes and keyrings */
	"ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "add_key", "keyctl", "request_key",
	/* clocks */
	"settimeofday", "stime", "clock_settime", "clock_settime64", "adjtimex", "clock_adjtime", "clock_adjtime64",
	NULL,
};

static const char *const absent_calls[] = {
	/* Its flags are in memory, where a filter cannot look for namespaces. */
	"clone3",
	"io_uring_setup", "io_uring_enter", "io_uring_register",
	NULL,
};

static const char *const needless_calls[] = {
	"fsync", "fdatasync", "sync", "syncfs", "sync_file_range", NULL,
};

static const FilterRule filter_rules[] = {
	{ EPERM, refused_calls },
	{ ENOSYS, absent_calls },
	{ 0, needless_calls },
};

#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |      \
	 CLONE_NEWCGROUP)

static int
add_rules(scmp_filter_ctx filter)
{
	for (gsize i = 0; i < G_N_ELEMENTS(filter_rules); i++) {
		const FilterRule *rule = &filter_rules[i];
		for (gsize j = 0; rule->calls[j] != NULL; j++) {
			int call = seccomp_syscall_resolve_name(rule->calls[j]);
			if (call == __NR_SCMP_ERROR)
				continue;
			int failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO((guint) rule->errnum), call, 0);
			if (failed != 0)
				return failed;
		}
	}
	return 0;
}

static int
add_argument_rules(scmp_filter_ctx filter)
{
	guint32 refuse = SCMP_ACT_ERRNO(EPERM);
	int failed = 0;

	for (int bit = 0; bit < 32 && failed == 0; bit++)
		if ((NEW_NAMESPACES & (1U << bit)) != 0)
			failed = seccomp_rule_add(filter, refuse, SCMP_SYS(clone), 1,
						  SCMP_A0(SCMP_CMP_MASKED_EQ, 1U << bit, 1U << bit));
	/* Typing into somebody's terminal. */
	if (failed == 0)
		failed = seccomp_rule_add(filter, refuse, SCMP_SYS(ioctl), 1,
					  SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU, TIOCSTI));
	if (failed == 0)
		failed = seccomp_rule_add(filter, refuse, SCMP_SYS(ioctl), 1,
					  SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU, TIOCLINUX));
	return failed;
}

GBytes *
ash_call_filter_new(GError **error)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	ash_autofd int fd = memfd_create("ashlar-filter", MFD_CLOEXEC);
	struct stat info = { 0 };

	if (filter == NULL || fd < 0)
		return ash_throw_errno_null(error, "cannot make a system call filter");
#ifdef __x86_64__
	/* The 32-bit calls of the same machine must not be a way around. */
	seccomp_arch_add(filter, SCMP_ARCH_X86);
#endif
	seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
	int failed = add_rules(filter);
	if (failed == 0)
		failed = add_argument_rules(filter);
	if (failed == 0)
		failed = seccomp_export_bpf(filter, fd);
	seccomp_release(filter);
	if (failed != 0) {
		errno = -failed;
		return ash_throw_errno_null(error, "cannot make a system call filter");
	}
	if (!ash_fd_stat(fd, "system call filter", &info, error))
		return NULL;
	g_autofree guint8 *code = g_malloc((gsize) info.st_size);
	if (!ash_fd_read_exact(fd, code, (gsize) info.st_size, 0, error))
		return NULL;
	return g_bytes_new_take(g_steal_pointer(&code), (gsize) info.st_size);
}
