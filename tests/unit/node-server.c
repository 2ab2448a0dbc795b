/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node-server.h"

#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static guint
read_port(int out)
{
	char text[16] = "";
	gsize length = 0;

	while (strchr(text, '\n') == NULL && length < sizeof(text) - 1) {
		gssize n = read(out, text + length, sizeof(text) - 1 - length);

		g_assert_cmpint(n, >, 0);
		length += (gsize) n;
	}
	return (guint) g_ascii_strtoull(text, NULL, 10);
}

NodeServer *
node_server_new(const char *dir, const char *cert, const char *key)
{
	g_autofree char *python = g_find_program_in_path("python3");
	const char *source = g_getenv("top_srcdir");
	g_autofree char *program = g_build_filename(source != NULL ? source : "..", "tests/faults/server.py", NULL);
	NodeServer *server;
	GError *error = NULL;
	ash_autofd int out = -1;

	if (python == NULL)
		return NULL;
	server = g_new0(NodeServer, 1);
	server->script = g_strdup_printf("%s/script%s", dir, cert != NULL ? "-tls" : "");
	server->log = g_strconcat(server->script, ".log", NULL);
	node_server_set_script(server, "[]");
	const char *argv[] = { python, program, dir, server->script, cert != NULL ? "--tls" : NULL, cert, key, NULL };
	g_spawn_async_with_pipes(NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &server->pid, &server->in, &out, NULL,
				 &error);
	g_assert_no_error(error);
	server->url = g_strdup_printf("http%s://%s:%u", cert != NULL ? "s" : "", cert != NULL ? "localhost" : "127.0.0.1", read_port(out));
	return server;
}

void
node_server_free(NodeServer *server)
{
	if (server == NULL)
		return;
	ash_fd_clear(&server->in);
	waitpid(server->pid, NULL, 0);
	g_free(server->script);
	g_free(server->log);
	g_free(server->url);
	g_free(server);
}

void
node_server_set_script(NodeServer *server, const char *script)
{
	static guint number; /* so that no two scripts are equal: counts begin anew */
	g_autofree char *text = g_strdup_printf("%s%*s", script, (int) ++number, "\n");
	GError *error = NULL;

	g_strdelimit(text, "'", '"');
	ash_file_write(AT_FDCWD, server->script, text, -1, 0644, &error);
	ash_file_write(AT_FDCWD, server->log, "", 0, 0644, &error);
	g_assert_no_error(error);
}

guint
node_server_take_requests(NodeServer *server)
{
	g_autofree char *text = NULL;
	guint n = 0;
	GError *error = NULL;

	g_file_get_contents(server->log, &text, NULL, &error);
	g_assert_no_error(error);
	for (const char *p = text; *p != '\0'; p++)
		n += *p == '\n' ? 1 : 0;
	ash_file_write(AT_FDCWD, server->log, "", 0, 0644, &error);
	g_assert_no_error(error);
	return n;
}
