/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/callfilter.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/watchcall.h"
#include "base/writecall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
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

/* Only calls that open for writing, and not those that may only make a new file. */
static int
add_open_rules(scmp_filter_ctx filter, int call, guint argument)
{
	static const guint writing[] = { O_WRONLY, O_RDWR, O_TRUNC };
	static const guint exclusive[] = { O_CREAT, O_EXCL };
	int failed = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(writing); i++)
		for (gsize j = 0; j < G_N_ELEMENTS(exclusive) && failed == 0; j++)
			failed = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, call, 1,
						  SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, writing[i] | exclusive[j], writing[i]));
	return failed;
}

static int
add_ioctl_rules(scmp_filter_ctx filter, int call)
{
	int failed = 0;

	for (gsize i = 0; ash_write_ioctls[i] != 0 && failed == 0; i++)
		failed = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, call, 1,
					  SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU, ash_write_ioctls[i]));
	return failed;
}

static bool
is_watch_call(const char *name)
{
	for (const AshWatchCall *watch = ash_watch_calls; watch->name != NULL; watch++)
		if (strcmp(watch->name, name) == 0)
			return true;
	return false;
}

static int
add_watch_rules(scmp_filter_ctx filter)
{
	int failed = 0;

	for (const AshWatchCall *watch = ash_watch_calls; watch->name != NULL && failed == 0; watch++) {
		int call = seccomp_syscall_resolve_name(watch->name);
		if (call == __NR_SCMP_ERROR)
			continue;
		failed = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, call, 0);
		/* The second name of a call. */
		if (failed == -EEXIST)
			failed = 0;
	}
	return failed;
}

/* @watched: some of them are asked about anyway. */
static int
add_write_rules(scmp_filter_ctx filter, bool watched)
{
	int failed = 0;

	for (const AshWriteCall *write = ash_write_calls; write->name != NULL && failed == 0; write++) {
		int call = seccomp_syscall_resolve_name(write->name);
		if (call == __NR_SCMP_ERROR || (watched && is_watch_call(write->name)))
			continue;
		if (write->kind == ASH_WRITE_CALL_OPEN)
			failed = add_open_rules(filter, call, (guint) write->flags);
		else if (write->kind == ASH_WRITE_CALL_IOCTL)
			failed = add_ioctl_rules(filter, call);
		else
			failed = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, call, 1, SCMP_A5(SCMP_CMP_NE, ASH_WRITE_CALL_OWN));
	}
	return failed;
}

/*
 * fchmodat2(2): the first call that libseccomp 2.5 does not know by name, the same number on all machines (and below that of
 * any x32 call). Each one after it is too new to be judged, and programs do without.
 */
#define FIRST_NEW_CALL 452

static const struct sock_filter no_new_calls[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_NEW_CALL, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
};

static scmp_filter_ctx
make_filter(bool supervised, bool watched, int *ret_failed)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (filter == NULL) {
		*ret_failed = -ENOMEM;
		return NULL;
	}
#ifdef __x86_64__
	/* The 32-bit calls of the same machine must not be a way around. */
	seccomp_arch_add(filter, SCMP_ARCH_X86);
#endif
	seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
	int failed = add_rules(filter);
	if (failed == 0)
		failed = add_argument_rules(filter);
	if (failed == 0 && supervised)
		failed = add_write_rules(filter, watched);
	if (failed == 0 && watched)
		failed = add_watch_rules(filter);
	*ret_failed = failed;
	return filter;
}

GBytes *
ash_call_filter_new(bool supervised, bool watched, GError **error)
{
	ash_autofd int fd = memfd_create("ashlar-filter", MFD_CLOEXEC);
	struct stat info = { 0 };
	int failed = 0;

	if (fd < 0)
		return ash_throw_errno_null(error, "cannot make a system call filter");
	scmp_filter_ctx filter = make_filter(supervised, watched, &failed);
	if (failed == 0)
		failed = seccomp_export_bpf(filter, fd);
	if (filter != NULL)
		seccomp_release(filter);
	if (failed != 0) {
		errno = -failed;
		return ash_throw_errno_null(error, "cannot make a system call filter");
	}
	if (!ash_fd_stat(fd, "system call filter", &info, error))
		return NULL;
	gsize length = sizeof no_new_calls + (gsize) info.st_size;
	g_autofree guint8 *code = g_malloc(length);
	memcpy(code, no_new_calls, sizeof no_new_calls);
	if (!ash_fd_read_exact(fd, code + sizeof no_new_calls, (gsize) info.st_size, 0, error))
		return NULL;
	return g_bytes_new_take(g_steal_pointer(&code), length);
}
