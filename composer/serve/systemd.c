/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/systemd.h"

#include "base/error.h"
#include "base/fd.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3
#define MAX_FDS  64

/* How many descriptors are ours. */
static guint64
count_fds(void)
{
	const char *pid = g_getenv("LISTEN_PID"), *count = g_getenv("LISTEN_FDS");
	guint64 number = 0, our_pid = 0;

	if (pid == NULL || count == NULL || !g_ascii_string_to_unsigned(pid, 10, 1, G_MAXINT32, &our_pid, NULL) ||
	    our_pid != (guint64) getpid() || !g_ascii_string_to_unsigned(count, 10, 1, MAX_FDS, &number, NULL))
		return 0;
	return number;
}

GPtrArray *
ash_systemd_take_sockets(GError **error)
{
	g_autoptr(GPtrArray) sockets = g_ptr_array_new_with_free_func(g_object_unref);
	const guint64 count = count_fds();

	g_unsetenv("LISTEN_PID");
	g_unsetenv("LISTEN_FDS");
	g_unsetenv("LISTEN_FDNAMES");
	for (guint64 i = 0; i < count; i++) {
		const int fd = FIRST_FD + (int) i;
		int listening = 0;
		socklen_t length = sizeof(listening);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0 || !listening)
			return ash_throw_null(error, ASH_ERROR_CONFIG, "descriptor %d of LISTEN_FDS is not a listening socket: set Accept=no, ListenStream=",
					      fd);
		GSocket *socket = g_socket_new_from_fd(fd, error);
		if (socket == NULL)
			return NULL;
		g_ptr_array_add(sockets, socket);
	}
	return g_steal_pointer(&sockets);
}

void
ash_systemd_notify(const char *state)
{
	const char *path = g_getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
		return;
	ash_autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	if (fd >= 0)
		(void) sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *) &address,
			      (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(path)));
}
