/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/copyup.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The descriptors of who started us stay with them: somebody may wait for their end. */
static int
keep_only(int channel)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	channel = dup2(channel, STDERR_FILENO + 1);
	close_range(STDERR_FILENO + 2, ~0U, 0);
	return channel;
}

G_NORETURN static void
supervise(int channel)
{
	setsid();
	prctl(PR_SET_NAME, "ashlar-guard", 0, 0, 0);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	g_autoptr(AshCopyup) copyup = ash_copyup_receive(keep_only(channel));
	if (copyup == NULL)
		_exit(1);
	for (;;) {
		struct pollfd wait = { ash_copyup_get_fd(copyup), POLLIN, 0 };
		if (poll(&wait, 1, -1) < 0 && errno != EINTR)
			_exit(1);
		if ((wait.revents & POLLIN) != 0)
			ash_copyup_serve(copyup);
		else if (wait.revents != 0)
			_exit(0);
	}
}

int
ash_copyup_start(GError **error)
{
	int ends[2], status;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		ash_throw_errno(error, "cannot start the guard of shared files");
		return -1;
	}
	ash_autofd int ours = ends[0], theirs = ends[1];
	/* Twice, so that whoever waits for any child of his does not get this one. */
	pid_t pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			supervise(theirs);
		_exit(pid < 0 ? 1 : 0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || status != 0) {
		ash_throw_errno(error, "cannot start the guard of shared files");
		return -1;
	}
	return ash_fd_steal(&ours);
}

/* Asks the kernel in a child: a filter stays for ever. System calls only. */
static bool
probe(void)
{
	struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { G_N_ELEMENTS(allow), allow };
	struct seccomp_notif_addfd add = { .srcfd = 0 };
	int status = -1;

	pid_t pid = (pid_t) syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		int listener = (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
		add.srcfd = (guint32) listener;
		/* There is no such call to answer: ENOENT, and EINVAL before 5.9. */
		_exit(listener >= 0 && ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 && errno == ENOENT ? 0 : 1);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && status == 0;
}

/* A supervisor finds processes in /proc by their number, and reads their memory. */
static bool
can_look(void)
{
	char text[32] = "", copy[sizeof text];
	struct iovec local = { copy, sizeof copy }, remote = { text, sizeof text };

	return readlink("/proc/self", text, sizeof text - 1) > 0 && atoi(text) == getpid() &&
	       process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t) sizeof text;
}

bool
ash_copyup_available(void)
{
	static gsize answer = 0;

	if (g_once_init_enter(&answer))
		g_once_init_leave(&answer, can_look() && probe() ? 2 : 1);
	return answer == 2;
}
