/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/inputcache.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/shared.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "ashlar input cache 1"
#define ENTRIES_MAX 8
#define MANIFEST_MAX (64 * 1024 * 1024) /* bytes */
#define SUFFIX ".manifest"
/* Line, digest and end of line: what is before it is undamaged. */
#define SUM_PREFIX "sum "
#define SUM_LENGTH (strlen(SUM_PREFIX) + ASH_SHA256_HEX_SIZE - 1 + 1)

/* One run. */
typedef struct {
	char *digest;      /* of the result */
	GPtrArray *inputs; /* of AshInput */
} Entry;

typedef struct {
	char *title;
	GPtrArray *entries; /* of Entry, newest first */
} Manifest;

static void
entry_free(Entry *entry)
{
	g_free(entry->digest);
	g_ptr_array_unref(entry->inputs);
	g_free(entry);
}

static Entry *
entry_new(const char *digest)
{
	Entry *entry = g_new0(Entry, 1);

	entry->digest = g_strdup(digest);
	entry->inputs = g_ptr_array_new_with_free_func((GDestroyNotify) ash_input_free);
	return entry;
}

static void
manifest_free(Manifest *manifest)
{
	g_free(manifest->title);
	g_ptr_array_unref(manifest->entries);
	g_free(manifest);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Manifest, manifest_free)

static Manifest *
manifest_new(const char *title)
{
	Manifest *manifest = g_new0(Manifest, 1);

	manifest->title = g_strdup(title);
	manifest->entries = g_ptr_array_new_with_free_func((GDestroyNotify) entry_free);
	return manifest;
}

static bool
is_digest(const char *text)
{
	guint8 bytes[ASH_SHA256_SIZE];

	return ash_hex_decode(text, bytes, sizeof bytes);
}

/* "KIND DIGEST PATH", the path escaped as in C. */
static AshInput *
parse_input(const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", 3);

	if (g_strv_length(words) != 3 || !is_digest(words[1]))
		return NULL;
	g_autofree char *path = g_strcompress(words[2]);
	for (int kind = 0; kind <= ASH_INPUT_LAST; kind++)
		if (strcmp(ash_input_kind_to_string(kind), words[0]) == 0)
			return ash_input_new(kind, path, words[1]);
	return NULL;
}

/* The lines of a manifest whose sum is right; NULL if one of them is not understood. */
static Manifest *
parse_lines(char **lines)
{
	if (g_strcmp0(lines[0], FORMAT) != 0 || lines[1] == NULL || !g_str_has_prefix(lines[1], "title "))
		return NULL;
	g_autofree char *title = g_strcompress(lines[1] + strlen("title "));
	g_autoptr(Manifest) manifest = manifest_new(title);
	Entry *entry = NULL;
	for (lines += 2; *lines != NULL && **lines != '\0'; lines++) {
		if (g_str_has_prefix(*lines, "result ") && is_digest(*lines + strlen("result "))) {
			entry = entry_new(*lines + strlen("result "));
			g_ptr_array_add(manifest->entries, entry);
			continue;
		}
		AshInput *input = entry != NULL ? parse_input(*lines) : NULL;
		if (input == NULL)
			return NULL;
		g_ptr_array_add(entry->inputs, input);
	}
	return g_steal_pointer(&manifest);
}

/* NULL: there is none that can be used. */
static Manifest *
load_manifest(int dir, const char *name)
{
	gsize length;
	g_autofree char *text = ash_file_load(dir, name, MANIFEST_MAX, &length, NULL);

	if (text == NULL || length < SUM_LENGTH || strlen(text) != length)
		return NULL;
	char *sum_line = text + length - SUM_LENGTH;
	g_autofree char *sum = ash_sha256_hex(text, (gssize) (length - SUM_LENGTH));
	g_autofree char *expected = g_strconcat(SUM_PREFIX, sum, "\n", NULL);
	if (strcmp(sum_line, expected) != 0)
		return NULL;
	*sum_line = '\0';
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	return parse_lines(lines);
}

static char *
format_manifest(const Manifest *manifest)
{
	g_autoptr(GString) text = g_string_new(FORMAT "\n");

	g_autofree char *title = g_strescape(manifest->title, NULL);
	g_string_append_printf(text, "title %s\n", title);
	for (guint i = 0; i < manifest->entries->len; i++) {
		const Entry *entry = g_ptr_array_index(manifest->entries, i);
		g_string_append_printf(text, "result %s\n", entry->digest);
		for (guint j = 0; j < entry->inputs->len; j++) {
			const AshInput *input = g_ptr_array_index(entry->inputs, j);
			g_autofree char *path = g_strescape(input->path, NULL);
			g_string_append_printf(text, "%s %s %s\n", ash_input_kind_to_string(input->kind), input->digest,
					       path);
		}
	}
	g_autofree char *sum = ash_sha256_hex(text->str, (gssize) text->len);
	g_string_append_printf(text, SUM_PREFIX "%s\n", sum);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *
dup_manifest_name(const AshInputCache *cache)
{
	return g_strconcat(cache->key, SUFFIX, NULL);
}

static char *
dup_result_name(const AshInputCache *cache, const char *digest)
{
	return g_strdup_printf("%s-%s.img", cache->key, digest);
}

/* Whoever removes what has not been used for long goes by the times of files. */
static void
touch(int dir, const char *name)
{
	/* A store that is not ours to write is one that nobody removes from, either. */
	(void) utimensat(dir, name, NULL, AT_SYMLINK_NOFOLLOW);
}

char *
ash_input_cache_get(const AshInputCache *cache, const char *digest)
{
	g_autofree char *name = dup_result_name(cache, digest);
	ash_autofd int dir = ash_file_open_dir(AT_FDCWD, cache->dir, false, NULL);
	ash_autofd int fd = dir >= 0 ? ash_fd_open(dir, name, O_RDONLY | O_NOFOLLOW, 0, NULL) : -1;
	g_autofree char *found = fd >= 0 ? ash_sha256_fd_hex(fd, NULL) : NULL;

	if (g_strcmp0(found, digest) != 0)
		return NULL;
	touch(dir, name);
	return g_build_filename(cache->dir, name, NULL);
}

/* The number of inputs that are what they were before the first that is not. */
static guint
count_equal(const Entry *entry, AshInputReader *reader)
{
	guint count = 0;

	while (count < entry->inputs->len && ash_input_reader_matches(reader, g_ptr_array_index(entry->inputs, count)))
		count++;
	return count;
}

static char *
describe_change(AshInputReader *reader, const AshInput *input)
{
	const char *path = strcmp(input->path, ".") == 0 ? "" : input->path;

	if (*ash_input_reader_take(reader, input->kind, input->path) == '\0')
		return g_strdup_printf("\"/%s\" is gone", path);
	if (input->kind == ASH_INPUT_NAMES)
		return g_strdup_printf("the names in \"/%s\" have changed", path);
	return g_strdup_printf("\"/%s\" has changed", path);
}

/* Why there is no manifest: the others tell. */
static char *
describe_new_key(const AshInputCache *cache)
{
	g_autoptr(GDir) names = g_dir_open(cache->dir, 0, NULL);
	ash_autofd int dir = ash_file_open_dir(AT_FDCWD, cache->dir, false, NULL);
	const char *name;
	bool others = false;

	while (dir >= 0 && names != NULL && (name = g_dir_read_name(names)) != NULL) {
		g_autoptr(Manifest) manifest = g_str_has_suffix(name, SUFFIX) ? load_manifest(dir, name) : NULL;
		if (manifest != NULL && strcmp(manifest->title, cache->title) == 0)
			return g_strdup_printf("it is the first run for %s with these options", cache->title);
		others = others || manifest != NULL;
	}
	return others ? g_strdup_printf("%s is new", cache->title) : g_strdup("there was no earlier run");
}

char *
ash_input_cache_match(const AshInputCache *cache, AshInputReader *reader, char **ret_why)
{
	g_autofree char *name = dup_manifest_name(cache);
	ash_autofd int dir = ash_file_open_dir(AT_FDCWD, cache->dir, false, NULL);
	g_autoptr(Manifest) manifest = dir >= 0 ? load_manifest(dir, name) : NULL;
	const AshInput *change = NULL;
	guint most = 0;

	for (guint i = 0; manifest != NULL && i < manifest->entries->len; i++) {
		const Entry *entry = g_ptr_array_index(manifest->entries, i);
		guint equal = count_equal(entry, reader);
		if (equal == entry->inputs->len) {
			touch(dir, name);
			return g_strdup(entry->digest);
		}
		/* The one that has most in common with what is there now; of those, the newest. */
		if (change == NULL || equal > most) {
			change = g_ptr_array_index(entry->inputs, equal);
			most = equal;
		}
	}
	*ret_why = change != NULL ? describe_change(reader, change) : describe_new_key(cache);
	return NULL;
}

/* Without fsync: what a crash leaves is found out by its digest. */
static gboolean
save_text(int dir, const char *name, const char *text, GError **error)
{
	g_autofree char *unique = g_uuid_string_random(), *temporary = g_strdup_printf(".%s.%s", name, unique);
	ash_autofd int fd = ash_fd_open(dir, temporary, O_WRONLY | O_CREAT | O_EXCL, 0644, error);

	if (fd < 0)
		return FALSE;
	gboolean ok = ash_fd_write_all(fd, text, strlen(text), 0, error);
	if (ok && renameat(dir, temporary, dir, name) < 0)
		ok = ash_throw_errno(error, "cannot write \"%s\"", name);
	if (!ok)
		unlinkat(dir, temporary, 0);
	return ok;
}

static gboolean
save_result(int dir, const char *name, int from_dir, const char *from_name, GError **error)
{
	g_autofree char *unique = g_uuid_string_random(), *temporary = g_strdup_printf(".%s.%s", name, unique);

	if (!ash_shared_clone(from_dir, from_name, dir, temporary, true, error))
		return FALSE;
	gboolean ok = renameat(dir, temporary, dir, name) == 0;
	if (!ok)
		ash_throw_errno(error, "cannot write \"%s\"", name);
	/* It is still there, too, if both were names of one file. */
	unlinkat(dir, temporary, 0);
	return ok;
}

/* The digest of a file that is to be kept; from now on it is shared if it can be. */
static char *
share_result(int dir, const char *name, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir, name, O_RDONLY | O_NOFOLLOW, 0, error);
	struct stat info;

	if (fd < 0 || !ash_fd_stat(fd, name, &info, error))
		return NULL;
	/* Where there are no attributes it is copied. */
	if (ash_shared_is_plain(&info))
		(void) ash_shared_mark(fd, NULL);
	return ash_sha256_fd_hex(fd, error);
}

/* Results under our key that no entry names any more. */
static void
remove_old_results(const AshInputCache *cache, int dir, const Manifest *manifest)
{
	g_autoptr(GDir) names = g_dir_open(cache->dir, 0, NULL);
	g_autofree char *prefix = g_strconcat(cache->key, "-", NULL);
	const char *name;

	while (names != NULL && (name = g_dir_read_name(names)) != NULL) {
		bool used = !g_str_has_prefix(name, prefix);
		for (guint i = 0; i < manifest->entries->len && !used; i++) {
			const Entry *entry = g_ptr_array_index(manifest->entries, i);
			g_autofree char *own = dup_result_name(cache, entry->digest);
			used = strcmp(own, name) == 0;
		}
		if (!used)
			unlinkat(dir, name, 0);
	}
}

/* An entry with the same inputs is replaced: its result was missing, or somebody else made it meanwhile. */
static void
remove_equal(Manifest *manifest, const Entry *entry)
{
	for (guint i = 0; i < manifest->entries->len; i++) {
		const Entry *old = g_ptr_array_index(manifest->entries, i);
		bool equal = old->inputs->len == entry->inputs->len;
		for (guint j = 0; equal && j < old->inputs->len; j++) {
			const AshInput *a = g_ptr_array_index(old->inputs, j), *b = g_ptr_array_index(entry->inputs, j);
			equal = a->kind == b->kind && strcmp(a->path, b->path) == 0 && strcmp(a->digest, b->digest) == 0;
		}
		if (equal)
			g_ptr_array_remove_index(manifest->entries, i--);
	}
}

char *
ash_input_cache_add(const AshInputCache *cache, const GPtrArray *inputs, int dir_fd, const char *name, GError **error)
{
	g_autofree char *manifest_name = dup_manifest_name(cache), *digest = share_result(dir_fd, name, error);
	ash_autofd int dir = digest != NULL ? ash_file_open_dir(AT_FDCWD, cache->dir, true, error) : -1;

	if (dir < 0)
		return NULL;
	g_autoptr(Manifest) manifest = load_manifest(dir, manifest_name);
	if (manifest == NULL)
		manifest = manifest_new(cache->title);
	Entry *entry = entry_new(digest);
	for (guint i = 0; i < inputs->len; i++) {
		const AshInput *input = g_ptr_array_index(inputs, i);
		g_ptr_array_add(entry->inputs, ash_input_new(input->kind, input->path, input->digest));
	}
	remove_equal(manifest, entry);
	g_ptr_array_insert(manifest->entries, 0, entry);
	if (manifest->entries->len > ENTRIES_MAX)
		g_ptr_array_set_size(manifest->entries, ENTRIES_MAX);
	g_autofree char *text = format_manifest(manifest), *result = dup_result_name(cache, digest);
	if (!save_result(dir, result, dir_fd, name, error) || !save_text(dir, manifest_name, text, error))
		return NULL;
	remove_old_results(cache, dir, manifest);
	return g_steal_pointer(&digest);
}
