/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/input.h"

#include "base/digest.h"
#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TARGET_SIZE 4096 /* PATH_MAX: the longest target of a link */

struct AshInputReader {
	int root_fd;
	gint64 time_limit;
	GHashTable *views;                     /* borrowed */
	GHashTable *ignored;                   /* set of paths */
	GHashTable *taken[ASH_INPUT_LAST + 1]; /* path -> digest */
	AshContentCache *contents; /* borrowed; may be NULL */
};

static const char *const kind_names[] = {
	[ASH_INPUT_FILE] = "file",
	[ASH_INPUT_NAMES] = "names",
	[ASH_INPUT_VIEW] = "view",
};

/* What programs that change accounts leave beside them, or do not: nobody reads it. */
static const char *const ignored_names[] = { "etc/.pwd.lock", "etc/passwd-", "etc/group-", "etc/shadow-",
					     "etc/gshadow-",  "etc/subuid-", "etc/subgid-", NULL };

AshInput *
ash_input_new(AshInputKind kind, const char *path, const char *digest)
{
	AshInput *input = g_new0(AshInput, 1);

	input->kind = kind;
	input->path = g_strdup(path);
	input->digest = g_strdup(digest);
	return input;
}

void
ash_input_free(AshInput *input)
{
	if (input == NULL)
		return;
	g_free(input->path);
	g_free(input->digest);
	g_free(input);
}

const char *
ash_input_kind_to_string(AshInputKind kind)
{
	return kind_names[kind];
}

AshInputReader *
ash_input_reader_new(int root_fd, gint64 time_limit, GHashTable *views)
{
	AshInputReader *reader = g_new0(AshInputReader, 1);

	reader->root_fd = root_fd;
	reader->time_limit = time_limit;
	reader->views = views;
	reader->ignored = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(reader->taken); i++)
		reader->taken[i] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return reader;
}

void
ash_input_reader_free(AshInputReader *reader)
{
	if (reader == NULL)
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(reader->taken); i++)
		g_hash_table_unref(reader->taken[i]);
	g_hash_table_unref(reader->ignored);
	g_free(reader);
}

void
ash_input_reader_set_contents(AshInputReader *reader, AshContentCache *contents)
{
	reader->contents = contents;
}

void
ash_input_reader_ignore(AshInputReader *reader, const char *path)
{
	g_hash_table_add(reader->ignored, g_strdup(path));
}

gboolean
ash_input_reader_is_ignored(AshInputReader *reader, const char *path)
{
	return g_hash_table_contains(reader->ignored, path);
}

static void
add_number(AshDigest *digest, gint64 number)
{
	gint64 stable = GINT64_TO_LE(number);

	ash_digest_update(digest, &stable, sizeof stable);
}

static char *
take_file(const AshInputReader *reader, const char *path)
{
	ash_autofd int fd = ash_fd_open_in_root(reader->root_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, NULL);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
		return NULL;
	g_autofree char *content = reader->contents != NULL ? ash_content_cache_digest(reader->contents, fd) : ash_sha256_fd_hex(fd, NULL);
	if (content == NULL)
		return NULL;
	g_autoptr(AshDigest) digest = ash_digest_new();
	ash_digest_update_string(digest, content);
	add_number(digest, info.st_mode);
	add_number(digest, info.st_uid);
	add_number(digest, info.st_gid);
	add_number(digest, MIN((gint64) info.st_mtime, reader->time_limit));
	return ash_digest_finish_hex(digest);
}

static bool
is_ignored(const AshInputReader *reader, const char *dir, const char *name)
{
	g_autofree char *path = strcmp(dir, ".") == 0 ? g_strdup(name) : g_build_filename(dir, name, NULL);

	return g_hash_table_contains(reader->ignored, path) || g_strv_contains(ignored_names, path);
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Sorted. */
static GPtrArray *
list_names(const AshInputReader *reader, int dir_fd, const char *path)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (dir == NULL) {
		ash_fd_clear(&fd);
		return NULL;
	}
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    !is_ignored(reader, path, entry->d_name))
			g_ptr_array_add(names, g_strdup(entry->d_name));
	closedir(dir);
	g_ptr_array_sort(names, compare_strings);
	return g_steal_pointer(&names);
}

static gboolean
add_name(AshDigest *digest, int dir_fd, const char *name)
{
	char target[TARGET_SIZE];
	ssize_t length = 0;
	struct stat info;

	if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return FALSE;
	if (S_ISLNK(info.st_mode) && (length = readlinkat(dir_fd, name, target, sizeof target)) < 0)
		return FALSE;
	ash_digest_update_string(digest, name);
	add_number(digest, info.st_mode);
	add_number(digest, S_ISREG(info.st_mode) && info.st_size > 0 ? 1 : 0);
	add_number(digest, length);
	ash_digest_update(digest, target, (gsize) length);
	return TRUE;
}

static char *
take_names(const AshInputReader *reader, const char *path)
{
	ash_autofd int fd = ash_fd_open_in_root(reader->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, NULL);
	struct stat info;
	g_autoptr(GPtrArray) names = fd >= 0 && fstat(fd, &info) == 0 ? list_names(reader, fd, path) : NULL;

	if (names == NULL)
		return NULL;
	g_autoptr(AshDigest) digest = ash_digest_new();
	add_number(digest, info.st_mode);
	add_number(digest, info.st_uid);
	add_number(digest, info.st_gid);
	for (guint i = 0; i < names->len; i++)
		if (!add_name(digest, fd, g_ptr_array_index(names, i)))
			return NULL;
	return ash_digest_finish_hex(digest);
}

static char *
take_view(const AshInputReader *reader, const char *path)
{
	const char *text = reader->views != NULL ? g_hash_table_lookup(reader->views, path) : NULL;

	return text != NULL ? ash_sha256_hex(text, -1) : NULL;
}

const char *
ash_input_reader_take(AshInputReader *reader, AshInputKind kind, const char *path)
{
	static char *(*const take[])(const AshInputReader *, const char *) = {
		[ASH_INPUT_FILE] = take_file,
		[ASH_INPUT_NAMES] = take_names,
		[ASH_INPUT_VIEW] = take_view,
	};
	const char *known = g_hash_table_lookup(reader->taken[kind], path);

	if (known != NULL)
		return known;
	char *digest = take[kind](reader, path);
	if (digest == NULL)
		digest = g_strdup("");
	g_hash_table_insert(reader->taken[kind], g_strdup(path), digest);
	return digest;
}

gboolean
ash_input_reader_matches(AshInputReader *reader, const AshInput *input)
{
	return strcmp(ash_input_reader_take(reader, input->kind, input->path), input->digest) == 0;
}
