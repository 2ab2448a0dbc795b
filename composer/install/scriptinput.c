/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/scriptinput.h"

#include "base/digest.h"
#include "base/fd.h"
#include "base/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PATH_LENGTH 4096
#define ATTRIBUTES_LENGTH 65536
/* A change within one tick of the kernel's clock does not show in a file's time. */
#define TICK_NANOSECONDS (100 * G_GINT64_CONSTANT(1000000))

struct AshScriptReader {
	int root_fd;
	gint64 fresh;
	char *prefix;       /* of paths in the root, as /proc tells them; "" if it is "/" */
	char *ignored_name; /* and where it is; may be NULL */
	char *ignored_dir;
	GHashTable *contents; /* inode and its times -> digest of the content */
	AshContentCache *shared; /* borrowed; may be NULL */
};

/* -1 with errno. */
static int
open_path(const AshScriptReader *reader, const char *path, int flags)
{
	struct open_how how = {
		.flags = (guint64) (flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	do {
		fd = (int) syscall(SYS_openat2, reader->root_fd, path, &how, sizeof how);
	} while (fd < 0 && errno == EAGAIN);
	return fd;
}

/* What /proc says a descriptor of ours is; NULL if it does not. */
static char *
fd_target(int fd)
{
	char link[32], text[PATH_LENGTH + 1];

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, text, PATH_LENGTH);
	if (length <= 0)
		return NULL;
	text[length] = '\0';
	return g_strdup(text);
}

AshScriptReader *
ash_script_reader_new(int root_fd, gint64 fresh)
{
	AshScriptReader *reader = g_new0(AshScriptReader, 1);

	reader->root_fd = root_fd;
	reader->fresh = fresh;
	reader->prefix = fd_target(root_fd);
	if (g_strcmp0(reader->prefix, "/") == 0)
		*reader->prefix = '\0';
	reader->contents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return reader;
}

void
ash_script_reader_free(AshScriptReader *reader)
{
	if (reader == NULL)
		return;
	g_free(reader->prefix);
	g_free(reader->ignored_name);
	g_free(reader->ignored_dir);
	g_hash_table_unref(reader->contents);
	g_free(reader);
}

void
ash_script_reader_set_contents(AshScriptReader *reader, AshContentCache *contents)
{
	reader->shared = contents;
}

void
ash_script_reader_ignore(AshScriptReader *reader, const char *path)
{
	g_free(reader->ignored_dir);
	g_free(reader->ignored_name);
	reader->ignored_dir = g_path_get_dirname(path);
	reader->ignored_name = g_path_get_basename(path);
}

char *
ash_script_reader_strip(const AshScriptReader *reader, const char *path)
{
	if (reader->prefix == NULL || !g_str_has_prefix(path, reader->prefix))
		return NULL;
	path += strlen(reader->prefix);
	if (*path == '\0' || strcmp(path, "/") == 0)
		return g_strdup(".");
	return *path == '/' ? g_strdup(path + 1) : NULL;
}

int
ash_script_reader_open(const AshScriptReader *reader, const char *path)
{
	return open_path(reader, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

char *
ash_script_reader_read_link(const AshScriptReader *reader, const char *path)
{
	ash_autofd int fd = open_path(reader, path, O_PATH | O_NOFOLLOW);
	char target[PATH_LENGTH];
	ssize_t length = fd >= 0 ? readlinkat(fd, "", target, sizeof target) : -1;

	return length > 0 ? g_strndup(target, (gsize) length) : NULL;
}

char *
ash_script_reader_resolve(const AshScriptReader *reader, const char *path, bool follow, mode_t *ret_mode)
{
	ash_autofd int fd = open_path(reader, path, O_PATH | (follow ? 0 : O_NOFOLLOW));
	struct stat info = { 0 };

	if (fd >= 0 && fstat(fd, &info) == 0) {
		g_autofree char *target = fd_target(fd);
		if (ret_mode != NULL)
			*ret_mode = info.st_mode;
		return target != NULL ? ash_script_reader_strip(reader, target) : NULL;
	}
	if (ret_mode != NULL)
		*ret_mode = 0;
	g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
	ash_autofd int dir = open_path(reader, parent, O_PATH | O_DIRECTORY);
	g_autofree char *target = dir >= 0 ? fd_target(dir) : NULL;
	g_autofree char *where = target != NULL ? ash_script_reader_strip(reader, target) : NULL;
	if (where == NULL || strcmp(name, "..") == 0)
		return NULL;
	return strcmp(where, ".") == 0 ? g_strdup(name) : g_build_filename(where, name, NULL);
}

static void
add_number(AshDigest *digest, gint64 number)
{
	gint64 stable = GINT64_TO_LE(number);

	ash_digest_update(digest, &stable, sizeof stable);
}

static void
add_stat(const AshScriptReader *reader, AshDigest *digest, const struct stat *info)
{
	bool special = S_ISCHR(info->st_mode) || S_ISBLK(info->st_mode);

	add_number(digest, info->st_mode);
	add_number(digest, info->st_uid);
	add_number(digest, info->st_gid);
	add_number(digest, special ? (gint64) info->st_rdev : 0);
	add_number(digest, S_ISREG(info->st_mode) ? (gint64) info->st_size : 0);
	/* Nobody looks at the times of links and devices. */
	if (S_ISREG(info->st_mode) || S_ISDIR(info->st_mode))
		add_number(digest, info->st_mtime >= reader->fresh ? -1 : (gint64) info->st_mtime);
}

static gboolean
add_target(AshDigest *digest, int link_fd)
{
	char target[PATH_LENGTH];
	ssize_t length = readlinkat(link_fd, "", target, sizeof target);

	if (length > 0)
		ash_digest_update(digest, target, (gsize) length);
	return length > 0;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* All attributes but our own marks. */
static void
add_attributes(AshDigest *digest, int fd)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	g_autofree char *value = NULL;
	char path[32], list[PATH_LENGTH];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ssize_t length = listxattr(path, list, sizeof list);
	for (const char *name = list; length > 0 && name < list + length; name += strlen(name) + 1)
		if (strcmp(name, ASH_SHARED_XATTR) != 0 && strcmp(name, ASH_SHARED_OBJECT_XATTR) != 0)
			g_ptr_array_add(names, (gpointer) name);
	g_ptr_array_sort(names, compare_strings);
	for (guint i = 0; i < names->len; i++) {
		if (value == NULL)
			value = g_malloc(ATTRIBUTES_LENGTH);
		const char *name = g_ptr_array_index(names, i);
		ssize_t got = getxattr(path, name, value, ATTRIBUTES_LENGTH);
		ash_digest_update_string(digest, name);
		add_number(digest, got);
		ash_digest_update(digest, value, (gsize) MAX(got, 0));
	}
}

/* The same inode with the same times has the same content, if the last change was not just now. */
static char *
make_content_key(const struct stat *info)
{
	gint64 now = g_get_real_time() * 1000;
	gint64 changed = (gint64) info->st_ctim.tv_sec * 1000000000 + info->st_ctim.tv_nsec;

	if (info->st_ino == 0 || info->st_size == 0 || changed + TICK_NANOSECONDS > now)
		return NULL;
	return g_strdup_printf("%lx %lx %lx %" G_GINT64_MODIFIER "x", (unsigned long) info->st_dev,
			       (unsigned long) info->st_ino, (unsigned long) info->st_size, changed);
}

static char *
digest_content(const AshScriptReader *reader, int fd)
{
	return reader->shared != NULL ? ash_content_cache_digest(reader->shared, fd) : ash_sha256_fd_hex(fd, NULL);
}

static gboolean
add_content(AshScriptReader *reader, AshDigest *digest, int fd, const struct stat *info)
{
	g_autofree char *key = make_content_key(info);
	const char *known = key != NULL ? g_hash_table_lookup(reader->contents, key) : NULL;
	g_autofree char *made = known == NULL ? digest_content(reader, fd) : NULL;

	if (known == NULL && made == NULL)
		return FALSE;
	ash_digest_update_string(digest, known != NULL ? known : made);
	if (known == NULL && key != NULL)
		g_hash_table_insert(reader->contents, g_steal_pointer(&key), g_steal_pointer(&made));
	return TRUE;
}

/* Names and types, sorted. */
static gboolean
add_names(const AshScriptReader *reader, AshDigest *digest, int dir_fd, const char *path)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(DIR) stream = ash_fd_open_stream(dir_fd, ".", NULL);
	const struct dirent *entry;
	bool hides = reader->ignored_name != NULL && strcmp(reader->ignored_dir, path) == 0;

	if (stream == NULL)
		return FALSE;
	while ((entry = ash_fd_next_entry(stream)) != NULL)
		if (!hides || strcmp(entry->d_name, reader->ignored_name) != 0)
			g_ptr_array_add(names, g_strdup_printf("%d %s", entry->d_type, entry->d_name));
	g_ptr_array_sort(names, compare_strings);
	for (guint i = 0; i < names->len; i++)
		ash_digest_update_string(digest, g_ptr_array_index(names, i));
	return TRUE;
}

static gboolean
add_open(AshScriptReader *reader, AshDigest *digest, int path_fd, const char *path, const struct stat *info)
{
	if (!S_ISREG(info->st_mode) && !S_ISDIR(info->st_mode))
		return TRUE;
	g_autofree char *known = S_ISREG(info->st_mode) && reader->shared != NULL ? ash_content_cache_find(reader->shared, path_fd) : NULL;
	if (known != NULL) {
		ash_digest_update_string(digest, known);
		return TRUE;
	}
	ash_autofd int fd = open_path(reader, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return FALSE;
	add_attributes(digest, path_fd);
	return S_ISDIR(info->st_mode) ? add_names(reader, digest, fd, path) : add_content(reader, digest, fd, info);
}

char *
ash_script_reader_look(AshScriptReader *reader, AshScriptInputKind kind, const char *path)
{
	ash_autofd int fd = open_path(reader, path, O_PATH | (kind == ASH_SCRIPT_INPUT_LSTAT ? O_NOFOLLOW : 0));
	g_autoptr(AshDigest) digest = ash_digest_new();
	struct stat info;
	gboolean ok = TRUE;

	if (fd < 0 || fstat(fd, &info) < 0)
		return g_strdup_printf("-%d", errno);
	if (kind == ASH_SCRIPT_INPUT_ATTR)
		add_attributes(digest, fd);
	else
		add_stat(reader, digest, &info);
	if (S_ISLNK(info.st_mode))
		ok = add_target(digest, fd);
	if (kind == ASH_SCRIPT_INPUT_OPEN)
		ok = add_open(reader, digest, fd, path, &info);
	return ok ? ash_digest_finish_hex(digest) : g_strdup_printf("-%d", EIO);
}
