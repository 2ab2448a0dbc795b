/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/scriptexec.h"

#include "install/scriptrunner.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* What librpm calls has no other way to know; constant while the transaction runs. */
static int runner_channel = -1;
static pid_t runner_owner;

void
ash_script_exec_use(int channel)
{
	runner_channel = channel;
	runner_owner = getpid();
}

/* As if we had become the program: ends as it has ended. */
G_NORETURN static void
end_as(int status)
{
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		kill(getpid(), WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int
execv(const char *path, char *const argv[])
{
	int status = 0;

	if (runner_channel >= 0 && getpid() != runner_owner && ash_script_runner_ask(runner_channel, argv, environ, &status))
		end_as(status);
	return execve(path, argv, environ);
}
