/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/site.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_PATH   1024
#define HEX_DIGITS 64

/* Names never get other content: a year is what caches take for ever (RFC 8246). */
#define IMMUTABLE "public, max-age=31536000, immutable"
#define ASK_AGAIN "no-cache"

/* In the order of AshSiteClass; folders are those of the release directory. */
static const struct {
	const char *name, *folder;
} classes[ASH_SITE_N_CLASSES] = {
	{ "metadata", "metadata/" }, { "targets", "targets/" }, { "objects", "objects/" }, { "ostree", "ostree/" },
	{ "sysupdate", "sysupdate/" }, { "other", NULL },       { "page", NULL },          { "api", NULL },
	{ "report", NULL },            { "metrics", NULL },
};

/* Nothing here is ever taken for a page or a script by a browser. */
static const struct {
	const char *suffix, *type;
} types[] = {
	{ ".json", "application/json" },
	{ ".gz", "application/gzip" },
	{ ".zst", "application/zstd" },
	{ ".gpg", "application/pgp-signature" },
	{ ".sig", "application/octet-stream" },
	{ "/SHA256SUMS", "text/plain; charset=utf-8" },
	{ "/config", "text/plain; charset=utf-8" },
};

const char *
ash_site_class_to_string(AshSiteClass class)
{
	return classes[class].name;
}

void
ash_site_file_clear(AshSiteFile *file)
{
	ash_fd_clear(&file->fd);
	g_clear_pointer(&file->etag, g_free);
}

static bool
is_served(const char *path)
{
	if (g_str_has_prefix(path, "tmp/") || strcmp(path, "tmp") == 0)
		return false;
	for (const char *c = path; *c != '\0'; c++)
		if ((guchar) *c < 0x20 || *c == 0x7f)
			return false;
	for (const char *part = path; part != NULL;) {
		const char *slash = strchr(part, '/');
		if (*part == '.' || *part == '/' || *part == '\0')
			return false;
		part = slash != NULL ? slash + 1 : NULL;
	}
	return true;
}

char *
ash_site_decode_path(const char *target)
{
	if (*target != '/' || strlen(target) > MAX_PATH)
		return NULL;
	g_autofree char *path = g_uri_unescape_string(target + 1, "/");
	return path != NULL && is_served(path) ? g_steal_pointer(&path) : NULL;
}

AshSiteClass
ash_site_classify(const char *path)
{
	for (guint i = 0; i < ASH_SITE_N_CLASSES; i++)
		if (classes[i].folder != NULL && g_str_has_prefix(path, classes[i].folder))
			return (AshSiteClass) i;
	return ASH_SITE_OTHER;
}

static const char *
find_type(const char *path)
{
	for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
		if (g_str_has_suffix(path, types[i].suffix))
			return types[i].type;
	return "application/octet-stream";
}

static bool
begins_with_digest(const char *name)
{
	return strspn(name, "0123456789abcdef") == HEX_DIGITS && (name[HEX_DIGITS] == '\0' || name[HEX_DIGITS] == '.');
}

/* The digest in the name of an object or a target, NULL: it has none. Borrowed, HEX_DIGITS long. */
static const char *
find_digest(const char *path)
{
	const AshSiteClass class = ash_site_classify(path);
	const char *slash = strrchr(path, '/');

	if ((class != ASH_SITE_OBJECTS && class != ASH_SITE_TARGETS) || slash == NULL)
		return NULL;
	return begins_with_digest(slash + 1) ? slash + 1 : NULL;
}

/* Consistent snapshots: of metadata, only timestamp.json changes (TUF 1.0 6); of an OSTree repository, objects and deltas do not. */
static bool
is_immutable(const char *path)
{
	if (find_digest(path) != NULL)
		return true;
	if (g_str_has_prefix(path, "metadata/"))
		return g_ascii_isdigit(path[strlen("metadata/")]);
	return g_str_has_prefix(path, "ostree/objects/");
}

/* -errno on failure. */
static int
open_beneath(int dir_fd, const char *path)
{
	/* A FIFO that somebody put there must not stop us. */
	const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	do {
		fd = (int) syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd >= 0 ? fd : -errno;
}

static bool
is_missing(int code)
{
	static const int codes[] = { ENOENT, ENOTDIR, ELOOP, EXDEV, EACCES, ENAMETOOLONG, ENXIO, ENODEV };

	for (gsize i = 0; i < G_N_ELEMENTS(codes); i++)
		if (codes[i] == code)
			return true;
	return false;
}

int
ash_site_open(int dir_fd, const char *path, AshSiteFile *ret_file)
{
	struct stat st;
	ash_autofd int fd = open_beneath(dir_fd, path);

	if (fd < 0) {
		const int code = -fd;
		fd = -1;
		return is_missing(code) ? ENOENT : code;
	}
	if (fstat(fd, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return ENOENT;
	const char *digest = find_digest(path);
	ret_file->bytes = (guint64) st.st_size;
	ret_file->modified = st.st_mtim.tv_sec;
	ret_file->etag = digest != NULL ? g_strdup_printf("\"%.*s\"", HEX_DIGITS, digest)
					: g_strdup_printf("\"%" G_GINT64_MODIFIER "x.%lx-%" G_GINT64_MODIFIER "x\"", (guint64) st.st_mtim.tv_sec,
							  (unsigned long) st.st_mtim.tv_nsec, (guint64) st.st_size);
	ret_file->type = find_type(path);
	ret_file->caching = is_immutable(path) ? IMMUTABLE : ASK_AGAIN;
	ret_file->fd = ash_fd_steal(&fd);
	return 0;
}
