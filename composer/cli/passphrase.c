/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/passphrase.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define MAX_BYTES 1023

static char *
read_file(const char *path, GError **error)
{
	char *text = ash_file_load(AT_FDCWD, path, MAX_BYTES + 1, NULL, error);

	if (text == NULL)
		return ash_prefix(error, "passphrase"), NULL;
	text[strcspn(text, "\r\n")] = '\0';
	return text;
}

/* One byte; Ctrl-C is a cancellation, which the read would not see. */
static gboolean
read_byte(int fd, AshContext *ctx, char *ret_byte, GError **error)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
				{ .fd = g_cancellable_get_fd(ctx->cancellable), .events = POLLIN } };
	int count = poll(fds, G_N_ELEMENTS(fds), -1);

	g_cancellable_release_fd(ctx->cancellable);
	if (!ash_context_check(ctx, error))
		return FALSE;
	if (count < 0 && errno != EINTR)
		return ash_throw_errno(error, "cannot read the passphrase");
	if (count > 0 && read(fd, ret_byte, 1) == 1)
		return TRUE;
	return ash_throw(error, ASH_ERROR_USAGE, "no passphrase was typed");
}

static char *
read_line(int fd, AshContext *ctx, GError **error)
{
	char line[MAX_BYTES + 1] = "", byte = 0;
	gsize length = 0;

	while (read_byte(fd, ctx, &byte, error)) {
		if (byte == '\n' || byte == '\r' || length == MAX_BYTES) {
			char *text = g_strndup(line, length);
			explicit_bzero(line, sizeof(line));
			return text;
		}
		line[length++] = byte;
	}
	explicit_bzero(line, sizeof(line));
	return NULL;
}

static char *
ask_terminal(const AshPassphraseSource *source, const char *prompt, const char *what, GError **error)
{
	struct termios before, silent;

	ash_autofd int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || tcgetattr(fd, &before) != 0)
		return ash_throw_null(error, ASH_ERROR_USAGE,
				      "\"%s\" needs a passphrase or PIN, and there is no terminal to ask; give %s", what,
				      source->option);
	silent = before;
	silent.c_lflag &= ~(tcflag_t) ECHO;
	(void) tcsetattr(fd, TCSAFLUSH, &silent);
	(void) dprintf(fd, "%s \"%s\": ", prompt, what);
	char *text = read_line(fd, source->ctx, error);
	(void) tcsetattr(fd, TCSAFLUSH, &before);
	(void) dprintf(fd, "\n");
	return text;
}

static char *
ask(gpointer data, const char *what, GError **error)
{
	const AshPassphraseSource *source = data;

	if (source->file != NULL)
		return read_file(source->file, error);
	return ask_terminal(source, "Passphrase or PIN of", what, error);
}

void
ash_passphrase_source_init(AshPassphraseSource *source, AshContext *ctx, const char *file)
{
	*source = (AshPassphraseSource) { .ctx = ctx, .file = file, .option = "--passphrase-file", .ask = { ask, source } };
}

char *
ash_passphrase_choose(const AshPassphraseSource *source, const char *what, GError **error)
{
	if (source->file != NULL)
		return read_file(source->file, error);
	char *first = ask_terminal(source, "New passphrase for", what, error);
	char *second = first != NULL ? ask_terminal(source, "The same again for", what, error) : NULL;
	bool same = second != NULL && strcmp(first, second) == 0;
	if (second != NULL && !same)
		ash_throw(error, ASH_ERROR_USAGE, "the two passphrases differ");
	ash_key_file_wipe(second);
	if (same)
		return first;
	ash_key_file_wipe(first);
	return NULL;
}
