/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/secret.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define RECOVERY_BYTES  32
#define GROUP_LETTERS   8
#define RECOVERY_GROUPS (RECOVERY_BYTES * 2 / GROUP_LETTERS)

static AshSecret *
new_empty(gsize length)
{
	AshSecret *secret = g_new0(AshSecret, 1);

	secret->data = g_malloc0(length + 1);
	secret->length = length;
	return secret;
}

AshSecret *
ash_secret_new(const void *data, gssize length)
{
	const gsize n = length < 0 ? strlen(data) : (gsize) length;
	AshSecret *secret = new_empty(n);

	memcpy(secret->data, data, n);
	return secret;
}

AshSecret *
ash_secret_new_random(gsize length, GError **error)
{
	g_autoptr(AshSecret) secret = new_empty(length);

	for (gsize have = 0; have < length;) {
		ssize_t got = getrandom(secret->data + have, length - have, 0);
		if (got < 0 && errno != EINTR)
			return ash_throw_errno_null(error, "there are no random numbers");
		have += got > 0 ? (gsize) got : 0;
	}
	return g_steal_pointer(&secret);
}

void
ash_secret_free(AshSecret *secret)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret->data, secret->length);
	g_free(secret->data);
	g_free(secret);
}

static gboolean
check_file(int fd, const char *path, GError **error)
{
	struct stat st;

	if (!ash_fd_stat(fd, path, &st, error))
		return FALSE;
	if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRGRP | S_IROTH)) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" holds a secret and others may read it: chmod 600 it", path);
	return TRUE;
}

/* All of a file or pipe, up to one byte more than there may be. */
static gboolean
read_all(int fd, const char *path, AshSecret *into, GError **error)
{
	gsize have = 0;

	for (ssize_t got = 1; got > 0 && have < into->length;) {
		got = read(fd, into->data + have, into->length - have);
		if (got < 0 && errno != EINTR)
			return ash_throw_errno(error, "cannot read \"%s\"", path);
		have += got > 0 ? (gsize) got : 0;
		got = got < 0 ? 1 : got;
	}
	if (have > ASH_SECRET_MAX_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" has more than %d bytes: that is no passphrase or key", path,
				 ASH_SECRET_MAX_BYTES);
	into->length = have;
	return TRUE;
}

AshSecret *
ash_secret_load(const char *path, bool is_text, GError **error)
{
	g_autoptr(AshSecret) all = new_empty(ASH_SECRET_MAX_BYTES + 1);
	ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0, error);
	gsize length;

	if (fd < 0 || !check_file(fd, path, error) || !read_all(fd, path, all, error))
		return NULL;
	length = is_text ? strcspn((const char *) all->data, "\r\n") : all->length;
	if (length == 0)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\" is empty: a passphrase or key is expected", path);
	/* A passphrase is typed: what cannot be is a file of another kind. */
	if (is_text && length < all->length && all->data[length] == '\0')
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\" has a NUL in its first line: it is no passphrase", path);
	return ash_secret_new(all->data, (gssize) length);
}

AshSecret *
ash_secret_format_recovery_key(const guint8 bytes[32])
{
	static const char letters[] = "cbdefghijklnrtuv";
	AshSecret *text = new_empty(RECOVERY_BYTES * 2 + RECOVERY_GROUPS - 1);
	guint8 *at = text->data;

	for (guint i = 0; i < RECOVERY_BYTES * 2; i++) {
		if (i > 0 && i % GROUP_LETTERS == 0)
			*at++ = '-';
		*at++ = (guint8) letters[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15];
	}
	return text;
}

AshSecret *
ash_secret_new_recovery_key(GError **error)
{
	g_autoptr(AshSecret) bytes = ash_secret_new_random(RECOVERY_BYTES, error);

	return bytes != NULL ? ash_secret_format_recovery_key(bytes->data) : NULL;
}

gboolean
ash_secret_save(const AshSecret *secret, int dir_fd, const char *path, GError **error)
{
	ash_autofd int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" is there already: a secret is not overwritten, move it away", path);
	if (fd < 0)
		return ash_throw_errno(error, "cannot create \"%s\"", path);
	if (!ash_fd_write_all(fd, secret->data, secret->length, 0, error) || !ash_fd_write_all(fd, "\n", 1, secret->length, error))
		return ash_prefix(error, "\"%s\"", path);
	return TRUE;
}
