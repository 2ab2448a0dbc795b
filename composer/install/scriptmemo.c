/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/scriptmemo.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Raise it whenever a run would be recorded or repeated otherwise. */
#define FORMAT "ashlar script memo 1"
#define RUNS_MAX 4
#define MANIFEST_MAX (64 * 1024 * 1024) /* bytes */
#define SUM_PREFIX "sum "
#define SUM_LENGTH (strlen(SUM_PREFIX) + ASH_SHA256_HEX_SIZE - 1 + 1)

struct AshScriptMemo {
	int dir;
	AshContentCache *contents;
};

/* Where nothing stays: other file systems are mounted there in the sandbox. */
static const char *const passing_dirs[] = { "dev/", "proc/", "run/", "sys/", "tmp/" };

AshScriptRun *
ash_script_run_new(void)
{
	AshScriptRun *run = g_new0(AshScriptRun, 1);

	run->inputs = g_ptr_array_new_with_free_func((GDestroyNotify) ash_script_input_free);
	run->results = g_ptr_array_new_with_free_func((GDestroyNotify) ash_script_result_free);
	return run;
}

void
ash_script_run_free(AshScriptRun *run)
{
	if (run == NULL)
		return;
	g_free(run->stdin_digest);
	g_free(run->output);
	g_ptr_array_unref(run->inputs);
	g_ptr_array_unref(run->results);
	g_free(run);
}

AshScriptMemo *
ash_script_memo_new(const char *dir, GError **error)
{
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, dir, true, error);

	if (fd < 0)
		return NULL;
	AshScriptMemo *memo = g_new0(AshScriptMemo, 1);
	memo->dir = ash_fd_steal(&fd);
	memo->contents = ash_content_cache_new(memo->dir, "contents.manifest");
	return memo;
}

void
ash_script_memo_free(AshScriptMemo *memo)
{
	if (memo == NULL)
		return;
	ash_content_cache_free(memo->contents);
	ash_fd_clear(&memo->dir);
	g_free(memo);
}

AshContentCache *
ash_script_memo_get_contents(AshScriptMemo *memo)
{
	return memo->contents;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

char *
ash_script_memo_make_key(const char *text, char **argv, char **env)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();
	struct utsname names = { 0 };

	/* What programs may ask the kernel about itself. */
	uname(&names);
	ash_digest_update_string(digest, FORMAT);
	ash_digest_update_string(digest, names.nodename);
	ash_digest_update_string(digest, names.release);
	ash_digest_update_string(digest, names.version);
	ash_digest_update_string(digest, names.machine);
	ash_digest_update_string(digest, text);
	for (gsize i = 0; argv[i] != NULL; i++)
		ash_digest_update_string(digest, i == 1 ? "" : argv[i]);
	ash_digest_update_string(digest, "environment");
	for (gsize i = 0; env[i] != NULL; i++)
		g_ptr_array_add(sorted, env[i]);
	g_ptr_array_sort(sorted, compare_strings);
	for (guint i = 0; i < sorted->len; i++)
		ash_digest_update_string(digest, g_ptr_array_index(sorted, i));
	return ash_digest_finish_hex(digest);
}

/* The text of a manifest, one line for each thing; paths and texts are escaped as in C. */

static void
format_result(GString *text, const AshScriptResult *result)
{
	g_autofree char *path = g_strescape(result->path, NULL);

	g_string_append_printf(text, "result %c %o %u %u %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %s\n", result->type,
			       (guint) result->mode, result->uid, result->gid, result->seconds, result->nanoseconds, path);
	if (result->text != NULL) {
		g_autofree char *is = g_strescape(result->text, NULL);
		g_string_append_printf(text, "is %s\n", is);
	}
	for (guint i = 0; i + 1 < result->attributes->len; i += 2)
		g_string_append_printf(text, "attribute %s %s\n", (char *) g_ptr_array_index(result->attributes, i),
				       (char *) g_ptr_array_index(result->attributes, i + 1));
}

static void
format_run(GString *text, const AshScriptRun *run)
{
	g_autofree char *output = g_strescape(run->output, NULL);

	g_string_append_printf(text, "run %s\noutput %s\n", run->stdin_digest != NULL ? run->stdin_digest : "-", output);
	for (guint i = 0; i < run->inputs->len; i++) {
		const AshScriptInput *input = g_ptr_array_index(run->inputs, i);
		g_autofree char *path = g_strescape(input->path, NULL);
		g_string_append_printf(text, "input %c %s %s\n", (char) input->kind, input->state, path);
	}
	for (guint i = 0; i < run->results->len; i++)
		format_result(text, g_ptr_array_index(run->results, i));
}

static char *
format_manifest(const GPtrArray *runs)
{
	g_autoptr(GString) text = g_string_new(FORMAT "\n");

	for (guint i = 0; i < runs->len; i++)
		format_run(text, g_ptr_array_index(runs, i));
	g_autofree char *sum = ash_sha256_hex(text->str, (gssize) text->len);
	g_string_append_printf(text, SUM_PREFIX "%s\n", sum);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static bool
parse_input(const char *rest, AshScriptRun *run)
{
	g_auto(GStrv) words = g_strsplit(rest, " ", 3);

	if (g_strv_length(words) != 3 || strlen(words[0]) != 1 || strchr("lsox", *words[0]) == NULL)
		return false;
	AshScriptInput *input = g_new0(AshScriptInput, 1);
	input->kind = (AshScriptInputKind) *words[0];
	input->state = g_strdup(words[1]);
	input->path = g_strcompress(words[2]);
	g_ptr_array_add(run->inputs, input);
	return true;
}

static bool
parse_result(const char *rest, AshScriptRun *run)
{
	g_auto(GStrv) words = g_strsplit(rest, " ", 7);

	if (g_strv_length(words) != 7 || strlen(words[0]) != 1 || strchr("fdtl-", *words[0]) == NULL)
		return false;
	g_autofree char *path = g_strcompress(words[6]);
	AshScriptResult *result = ash_script_result_new(*words[0], path);
	result->mode = (mode_t) g_ascii_strtoull(words[1], NULL, 8);
	result->uid = (uid_t) g_ascii_strtoull(words[2], NULL, 10);
	result->gid = (gid_t) g_ascii_strtoull(words[3], NULL, 10);
	result->seconds = g_ascii_strtoll(words[4], NULL, 10);
	result->nanoseconds = g_ascii_strtoll(words[5], NULL, 10);
	g_ptr_array_add(run->results, result);
	return true;
}

static bool
parse_is(const char *rest, AshScriptRun *run)
{
	AshScriptResult *result = run->results->len > 0 ? g_ptr_array_index(run->results, run->results->len - 1) : NULL;

	if (result == NULL || result->text != NULL)
		return false;
	result->text = g_strcompress(rest);
	return true;
}

static bool
parse_attribute(const char *rest, AshScriptRun *run)
{
	AshScriptResult *result = run->results->len > 0 ? g_ptr_array_index(run->results, run->results->len - 1) : NULL;
	g_auto(GStrv) words = g_strsplit(rest, " ", 2);

	if (result == NULL || g_strv_length(words) != 2)
		return false;
	g_ptr_array_add(result->attributes, g_strdup(words[0]));
	g_ptr_array_add(result->attributes, g_strdup(words[1]));
	return true;
}

static bool
parse_output(const char *rest, AshScriptRun *run)
{
	if (run->output != NULL)
		return false;
	run->output = g_strcompress(rest);
	return true;
}

static const struct {
	const char *prefix;
	bool (*parse)(const char *rest, AshScriptRun *run);
} line_kinds[] = {
	{ "input ", parse_input },         { "result ", parse_result }, { "is ", parse_is },
	{ "attribute ", parse_attribute }, { "output ", parse_output },
};

static bool
parse_line(const char *line, GPtrArray *runs)
{
	if (g_str_has_prefix(line, "run ")) {
		AshScriptRun *run = ash_script_run_new();
		if (strcmp(line, "run -") != 0)
			run->stdin_digest = g_strdup(line + strlen("run "));
		g_ptr_array_add(runs, run);
		return true;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(line_kinds) && runs->len > 0; i++)
		if (g_str_has_prefix(line, line_kinds[i].prefix))
			return line_kinds[i].parse(line + strlen(line_kinds[i].prefix),
						   g_ptr_array_index(runs, runs->len - 1));
	return false;
}

/* Newest first; empty if there is none that can be used. */
static GPtrArray *
load_manifest(const AshScriptMemo *memo, const char *key)
{
	g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func((GDestroyNotify) ash_script_run_free);
	GPtrArray *none = g_ptr_array_new_with_free_func((GDestroyNotify) ash_script_run_free);
	g_autofree char *name = g_strconcat(key, ".manifest", NULL);
	gsize length = 0;
	g_autofree char *text = ash_file_load(memo->dir, name, MANIFEST_MAX, &length, NULL);

	if (text == NULL || length < SUM_LENGTH || strlen(text) != length)
		return none;
	char *sum_line = text + length - SUM_LENGTH;
	g_autofree char *sum = ash_sha256_hex(text, (gssize) (length - SUM_LENGTH));
	g_autofree char *expected = g_strconcat(SUM_PREFIX, sum, "\n", NULL);
	if (strcmp(sum_line, expected) != 0 || !g_str_has_prefix(text, FORMAT "\n"))
		return none;
	*sum_line = '\0';
	char *line = text + strlen(FORMAT "\n");
	for (char *end = strchr(line, '\n'); end != NULL; line = end + 1, end = strchr(line, '\n')) {
		*end = '\0';
		if (!parse_line(line, runs))
			return none;
	}
	g_ptr_array_unref(none);
	return g_steal_pointer(&runs);
}

static char *
file_name(const char *key, const char *digest)
{
	return g_strdup_printf("%s-%s.img", key, digest);
}

/* Whoever removes what has not been used for long goes by the times of files. */
static void
touch(const AshScriptMemo *memo, const char *name)
{
	(void) utimensat(memo->dir, name, NULL, AT_SYMLINK_NOFOLLOW);
}

/* The content of a file among the results, its digest checked; -1 if it is missing or damaged. */
static int
open_content(const AshScriptMemo *memo, const char *key, const AshScriptResult *result)
{
	g_autofree char *name = file_name(key, result->text != NULL ? result->text : "");
	ash_autofd int fd = ash_fd_open(memo->dir, name, O_RDONLY | O_NOFOLLOW, 0, NULL);
	g_autofree char *found = fd >= 0 ? ash_sha256_fd_hex(fd, NULL) : NULL;

	if (g_strcmp0(found, result->text) != 0)
		return -1;
	touch(memo, name);
	return ash_fd_steal(&fd);
}

static bool
has_files(const AshScriptMemo *memo, const char *key, const AshScriptRun *run)
{
	for (guint i = 0; i < run->results->len; i++) {
		const AshScriptResult *result = g_ptr_array_index(run->results, i);
		ash_autofd int fd = result->type == 'f' ? open_content(memo, key, result) : -1;
		if ((result->type == 'f' && fd < 0) || (result->type == 'l' && result->text == NULL))
			return false;
	}
	return true;
}

static bool
is_same(const AshScriptRun *run, AshScriptReader *reader, const char *stdin_digest)
{
	if (run->output == NULL || (run->stdin_digest != NULL && strcmp(run->stdin_digest, stdin_digest) != 0))
		return false;
	for (guint i = 0; i < run->inputs->len; i++) {
		const AshScriptInput *input = g_ptr_array_index(run->inputs, i);
		g_autofree char *state = ash_script_reader_look(reader, input->kind, input->path);
		if (strcmp(state, input->state) != 0) {
			g_debug("scriptlet: \"/%s\" is not as it was", input->path);
			return false;
		}
	}
	return true;
}

AshScriptRun *
ash_script_memo_find(AshScriptMemo *memo, const char *key, AshScriptReader *reader, const char *stdin_digest)
{
	g_autoptr(GPtrArray) runs = load_manifest(memo, key);
	g_autofree char *name = g_strconcat(key, ".manifest", NULL);

	for (guint i = 0; i < runs->len; i++) {
		const AshScriptRun *run = g_ptr_array_index(runs, i);
		if (!is_same(run, reader, stdin_digest) || !has_files(memo, key, run))
			continue;
		touch(memo, name);
		return g_ptr_array_steal_index(runs, i);
	}
	return NULL;
}

gboolean
ash_script_memo_apply(AshScriptMemo *memo, const char *key, const AshScriptRun *run, int root_fd, GError **error)
{
	/* What is in a directory goes before it, and comes after it. */
	for (guint i = run->results->len; i-- > 0;) {
		const AshScriptResult *result = g_ptr_array_index(run->results, i);
		if (result->type == '-' && !ash_script_result_place(result, root_fd, -1, error))
			return FALSE;
	}
	for (guint i = 0; i < run->results->len; i++) {
		const AshScriptResult *result = g_ptr_array_index(run->results, i);
		ash_autofd int fd = result->type == 'f' ? open_content(memo, key, result) : -1;
		if (result->type == '-')
			continue;
		if (result->type == 'f' && fd < 0)
			return ash_throw(error, ASH_ERROR_INTERNAL, "what was kept of \"/%s\" is gone", result->path);
		if (!ash_script_result_place(result, root_fd, fd, error))
			return FALSE;
	}
	for (guint i = 0; i < run->results->len; i++)
		if (!ash_script_result_finish(g_ptr_array_index(run->results, i), root_fd, error))
			return FALSE;
	return TRUE;
}

/* Without fsync: what a crash leaves is found out by its digest. */
static gboolean
rename_new(const AshScriptMemo *memo, const char *temporary, const char *name, gboolean written, GError **error)
{
	if (written && renameat(memo->dir, temporary, memo->dir, name) < 0)
		written = ash_throw_errno(error, "cannot write \"%s\"", name);
	if (!written)
		unlinkat(memo->dir, temporary, 0);
	return written;
}

static gboolean
save_file(const AshScriptMemo *memo, const char *key, const char *digest, int from, GError **error)
{
	g_autofree char *name = file_name(key, digest), *unique = g_uuid_string_random();
	g_autofree char *temporary = g_strdup_printf(".%s.%s", name, unique);
	ash_autofd int fd = ash_fd_open(memo->dir, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600, error);
	struct stat info;

	if (fd < 0)
		return FALSE;
	gboolean ok = ash_fd_stat(from, name, &info, error) &&
		      ash_fd_copy_range(from, 0, fd, 0, (guint64) info.st_size, error);
	return rename_new(memo, temporary, name, ok, error);
}

static gboolean
save_manifest(const AshScriptMemo *memo, const char *key, const GPtrArray *runs, GError **error)
{
	g_autofree char *name = g_strconcat(key, ".manifest", NULL), *unique = g_uuid_string_random();
	g_autofree char *temporary = g_strdup_printf(".%s.%s", name, unique), *text = format_manifest(runs);
	ash_autofd int fd = ash_fd_open(memo->dir, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600, error);

	if (fd < 0)
		return FALSE;
	gboolean ok = ash_fd_write_all(fd, text, strlen(text), 0, error);
	return rename_new(memo, temporary, name, ok, error);
}

/* Files of runs that are no longer in the manifest. */
static void
remove_old_files(const AshScriptMemo *memo, const char *key, const GPtrArray *runs)
{
	g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autofree char *prefix = g_strconcat(key, "-", NULL);
	g_autoptr(DIR) stream = ash_fd_open_stream(memo->dir, ".", NULL);
	const struct dirent *entry;

	for (guint i = 0; i < runs->len; i++) {
		const AshScriptRun *run = g_ptr_array_index(runs, i);
		for (guint j = 0; j < run->results->len; j++) {
			const AshScriptResult *result = g_ptr_array_index(run->results, j);
			if (result->type == 'f')
				g_hash_table_add(used, file_name(key, result->text));
		}
	}
	while (stream != NULL && (entry = ash_fd_next_entry(stream)) != NULL)
		if (g_str_has_prefix(entry->d_name, prefix) && !g_hash_table_contains(used, entry->d_name))
			unlinkat(memo->dir, entry->d_name, 0);
}

static bool
is_passing(const char *path)
{
	for (gsize i = 0; i < G_N_ELEMENTS(passing_dirs); i++)
		if (g_str_has_prefix(path, passing_dirs[i]))
			return true;
	return false;
}

static gboolean
keep_result(const AshScriptMemo *memo, const char *key, const char *path, int root_fd, gint64 fresh, AshScriptRun *run,
	    GError **error)
{
	ash_autofd int fd = -1;
	g_autoptr(AshScriptResult) result = ash_script_result_take(root_fd, path, fresh, &fd, error);

	if (result == NULL)
		return FALSE;
	if (is_passing(path))
		return result->type == '-' ? TRUE : ash_throw(error, ASH_ERROR_INTERNAL, "it leaves \"/%s\"", path);
	if (result->type == 'f') {
		result->text = ash_sha256_fd_hex(fd, error);
		if (result->text == NULL || !save_file(memo, key, result->text, fd, error))
			return FALSE;
	}
	g_ptr_array_add(run->results, g_steal_pointer(&result));
	return TRUE;
}

/* A directory that came through it with the same names has another time. */
static gboolean
keep_touched(AshScriptTrace *trace, int root_fd, gint64 fresh, AshScriptRun *run, GError **error)
{
	g_autoptr(GPtrArray) touched = ash_script_trace_list_touched(trace);

	for (guint i = 0; i < touched->len; i++) {
		const char *path = g_ptr_array_index(touched, i);
		g_autofree char *below = g_strconcat(path, "/", NULL);
		ash_autofd int fd = -1;
		g_autoptr(AshScriptResult) result =
			is_passing(below) ? NULL : ash_script_result_take(root_fd, path, fresh, &fd, error);
		if (result == NULL && !is_passing(below))
			return FALSE;
		if (result == NULL || result->type != 'd')
			continue;
		result->type = 't';
		g_ptr_array_add(run->results, g_steal_pointer(&result));
	}
	return TRUE;
}

gboolean
ash_script_memo_keep(AshScriptMemo *memo, const char *key, AshScriptTrace *trace, int root_fd, gint64 fresh,
		     const char *stdin_digest, const char *output, GError **error)
{
	g_autoptr(GPtrArray) written = ash_script_trace_list_written(trace);
	g_autoptr(GPtrArray) runs = load_manifest(memo, key);
	g_autoptr(AshScriptRun) run = ash_script_run_new();
	const GPtrArray *inputs = ash_script_trace_list_inputs(trace);

	if (ash_script_trace_get_odd(trace) != NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "%s", ash_script_trace_get_odd(trace));
	run->stdin_digest = g_strdup(stdin_digest);
	run->output = g_strdup(output);
	for (guint i = 0; i < inputs->len; i++) {
		const AshScriptInput *input = g_ptr_array_index(inputs, i);
		AshScriptInput *copy = g_new0(AshScriptInput, 1);
		*copy = (AshScriptInput){ input->kind, g_strdup(input->path), g_strdup(input->state) };
		g_ptr_array_add(run->inputs, copy);
	}
	gboolean ok = TRUE;
	for (guint i = 0; ok && i < written->len; i++)
		ok = keep_result(memo, key, g_ptr_array_index(written, i), root_fd, fresh, run, error);
	ok = ok && keep_touched(trace, root_fd, fresh, run, error);
	if (ok) {
		g_ptr_array_insert(runs, 0, g_steal_pointer(&run));
		g_ptr_array_set_size(runs, (int) MIN(runs->len, RUNS_MAX));
		ok = save_manifest(memo, key, runs, error);
	}
	remove_old_files(memo, key, runs);
	return ok;
}
