/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/reflog.h"

#include "base/error.h"
#include "base/file.h"
#include "store/entries.h"
#include "store/internal.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static char *
history_path(const char *ref)
{
	return g_strconcat("history/", ref, NULL);
}

static const char *
last_line(const GPtrArray *lines)
{
	return lines->len > 0 ? g_ptr_array_index(lines, lines->len - 1) : NULL;
}

static GPtrArray *
load_lines(AshStore *store, const char *ref, GError **error)
{
	g_autofree char *path = history_path(ref);
	g_autofree char *text = NULL;
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

	if (!ash_file_load_optional(store->dir_fd, path, &text, NULL, error))
		return NULL;
	g_auto(GStrv) split = g_strsplit(text != NULL ? text : "", "\n", -1);
	for (char **line = split; *line != NULL; line++)
		if (ostree_validate_checksum_string(*line, NULL))
			g_ptr_array_add(lines, g_strdup(*line));
	return g_steal_pointer(&lines);
}

GPtrArray *
ash_reflog_load(AshStore *store, const char *ref, GError **error)
{
	g_autoptr(GPtrArray) lines = load_lines(store, ref, error);
	g_autofree char *current = NULL;

	if (lines == NULL)
		return NULL;
	if (!ostree_repo_resolve_rev(store->repo, ref, TRUE, &current, error))
		return ash_prefix(error, "cannot resolve \"%s\" in the store \"%s\"", ref, store->dir), NULL;
	/* Killed between the ref and its history, or set by stock ostree: what the ref says counts. */
	if (current != NULL && g_strcmp0(last_line(lines), current) != 0)
		g_ptr_array_add(lines, g_steal_pointer(&current));
	return g_steal_pointer(&lines);
}

gboolean
ash_reflog_append(AshStore *store, const char *ref, const char *checksum, GError **error)
{
	g_autoptr(GPtrArray) lines = load_lines(store, ref, error);

	if (lines == NULL)
		return FALSE;
	if (g_strcmp0(last_line(lines), checksum) == 0)
		return TRUE;
	g_ptr_array_add(lines, g_strdup(checksum));
	return ash_reflog_save(store, ref, lines, error);
}

gboolean
ash_reflog_save(AshStore *store, const char *ref, const GPtrArray *lines, GError **error)
{
	g_autofree char *path = history_path(ref);
	g_autofree char *dir = g_path_get_dirname(path);
	g_autoptr(GString) text = g_string_new(NULL);

	if (lines->len == 0)
		return unlinkat(store->dir_fd, path, 0) == 0 || errno == ENOENT ||
		       ash_throw_errno(error, "cannot remove \"%s/%s\"", store->dir, path);
	for (guint i = 0; i < lines->len; i++)
		g_string_append_printf(text, "%s\n", (const char *) g_ptr_array_index(lines, i));
	return ash_file_mkdirs(store->dir_fd, dir, 0755, error) &&
	       ash_file_save(store->dir_fd, path, text->str, (gssize) text->len, 0644, error);
}

/* What ash_file_save() leaves if it is killed: "NAME.xxxxxxxx.tmp". */
static bool
is_leftover(const char *name)
{
	gsize length = strlen(name), end = strlen(".xxxxxxxx.tmp");

	return length > end && name[length - end] == '.' && g_str_has_suffix(name, ".tmp") &&
	       strspn(name + length - end + 1, "0123456789abcdef") == 8;
}

GPtrArray *
ash_reflog_list(AshStore *store, GError **error)
{
	GPtrArray *refs = ash_store_list_files(store, "history", error);

	for (guint i = refs != NULL ? refs->len : 0; i > 0; i--)
		if (is_leftover(g_ptr_array_index(refs, i - 1)))
			g_ptr_array_remove_index(refs, i - 1);
	return refs;
}
