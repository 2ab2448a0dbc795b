/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/dracuthide.h"

#include "base/error.h"
#include "base/fd.h"
#include "tree/dracutmodules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Where scripts of people put new files. */
static const char *const dirs[] = { "etc", "usr/local/bin", "usr/local/sbin" };

/* In /etc: read by the C library, the shell, kmod, udev and systemd, whoever runs them. */
static const char *const always_shown[] = {
	"depmod.d",  "environment", "gcrypt", "group",	     "host.conf",  "hosts",	"ld.so.cache", "ld.so.conf", "ld.so.conf.d",
	"ld.so.preload", "locale.conf", "localtime", "mke2fs.conf", "modprobe.conf", "modprobe.d", "mtab", "nsswitch.conf", "os-release",
	"passwd",    "ssl",	    "systemd", "udev", NULL,
};

/* What says where dracut looks: files, and directories with all that is in them. */
static const char *const sources[] = { "usr/lib/dracut", "etc/dracut.conf", "etc/dracut.conf.d" };
/* The same; only this one speaks of /etc as a whole, which may be a mount point of the running system. */
static const char *const programs[] = { "usr/bin/dracut", "usr/sbin/dracut" };

GHashTable *
ash_dracut_list_installed(const AshTreeRoot *root)
{
	GHashTable *installed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(dirs); i++) {
		g_auto(GStrv) names = ash_tree_root_list(root, dirs[i]);
		for (gsize j = 0; names[j] != NULL; j++)
			g_hash_table_add(installed, g_build_filename(dirs[i], names[j], NULL));
	}
	return installed;
}

static gboolean
load_text(const AshTreeRoot *root, const char *path, GString *text, GError **error)
{
	ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_PATH, 0, NULL);
	struct stat info;

	/* A link that leads nowhere says nothing, and our own module takes nothing of the tree's /etc. */
	if (fd < 0 || fstat(fd, &info) < 0 || strcmp(path, ASH_DRACUT_OWN_MODULE_DIR) == 0)
		return TRUE;
	if (S_ISDIR(info.st_mode)) {
		g_auto(GStrv) names = ash_tree_root_list(root, path);
		for (gsize i = 0; names[i] != NULL; i++) {
			g_autofree char *below = g_build_filename(path, names[i], NULL);
			if (!load_text(root, below, text, error))
				return FALSE;
		}
		return TRUE;
	}
	g_autofree char *content = NULL;
	if (!S_ISREG(info.st_mode))
		return TRUE;
	if (!ash_tree_root_load(root, path, &content, error))
		return FALSE;
	g_auto(GStrv) lines = g_strsplit(content != NULL ? content : "", "\n", -1);
	for (char **line = lines; *line != NULL; line++)
		if ((*line)[strspn(*line, " \t")] != '#')
			g_string_append_printf(text, "%s\n", *line);
	return TRUE;
}

static gboolean
load_all(const AshTreeRoot *root, const char *const *paths, gsize count, GString *text, GError **error)
{
	for (gsize i = 0; i < count; i++)
		if (!load_text(root, paths[i], text, error))
			return FALSE;
	return TRUE;
}

static bool
is_name_char(char c)
{
	return g_ascii_isalnum(c) || (c != '\0' && strchr("-+.@_", c) != NULL);
}

/* As a word of its own: not as a part of a longer name. */
static bool
has_word(const char *text, const char *name)
{
	for (const char *at = text; (at = strstr(at, name)) != NULL; at++) {
		char after = at[strlen(name)];
		if ((at == text || !is_name_char(at[-1])) && (after == '\0' || !is_name_char(after)))
			return true;
	}
	return false;
}

/* "/etc/" as the beginning of a path: of the root, or of $dracutsysrootdir. */
static bool
begins_path(const char *text, const char *at)
{
	static const char variable[] = "sysrootdir";

	if (at == text || !is_name_char(at[-1]))
		return true;
	return (gsize) (at - text) >= strlen(variable) && strncmp(at - strlen(variable), variable, strlen(variable)) == 0;
}

/* What a shell would expand "/etc/PATTERN" to; of variables and brackets it is not known. */
static bool
has_pattern(const char *text, const char *name)
{
	for (const char *at = text; (at = strstr(at, "/etc/")) != NULL; at++) {
		gsize length = strcspn(at + strlen("/etc/"), "/ \t\n\"'`);|&<>");
		g_autofree char *pattern = g_strndup(at + strlen("/etc/"), length);
		if (!begins_path(text, at))
			continue;
		if (strpbrk(pattern, "$[{") != NULL ||
		    (strpbrk(pattern, "*?") != NULL && g_pattern_match_simple(pattern, name)))
			return true;
	}
	return false;
}

/* Somebody may look at all names in /etc, or copy them. */
static bool
has_whole(const char *text)
{
	for (const char *at = text; (at = strstr(at, "/etc")) != NULL; at++) {
		const char *after = at + strlen("/etc");
		after += *after == '/' ? 1 : 0;
		if (begins_path(text, at) && *after != '/' && !is_name_char(*after) && strchr("$[{*?", *after) == NULL)
			return true;
	}
	return false;
}

static bool
is_shown(const char *text, const char *dir, const char *name)
{
	bool etc = strcmp(dir, "etc") == 0;

	return has_word(text, name) || (etc && (g_strv_contains(always_shown, name) || has_pattern(text, name)));
}

/* What packages have not brought. */
static GPtrArray *
list_new(const AshTreeRoot *root)
{
	GPtrArray *found = g_ptr_array_new_with_free_func(g_free);

	for (gsize i = 0; root->installed != NULL && i < G_N_ELEMENTS(dirs); i++) {
		g_auto(GStrv) names = ash_tree_root_list(root, dirs[i]);
		for (gsize j = 0; names[j] != NULL; j++) {
			g_autofree char *path = g_build_filename(dirs[i], names[j], NULL);
			if (!g_hash_table_contains(root->installed, path))
				g_ptr_array_add(found, g_steal_pointer(&path));
		}
	}
	return found;
}

GPtrArray *
ash_dracut_list_hidden(const AshTreeRoot *root, char **words, GError **error)
{
	g_autoptr(GPtrArray) hidden = list_new(root);
	g_autofree char *given = g_strjoinv("\n", words);
	g_autoptr(GString) text = g_string_new(given);

	g_string_append_c(text, '\n');
	if (hidden->len > 0 && !load_all(root, sources, G_N_ELEMENTS(sources), text, error))
		return NULL;
	if (has_whole(text->str))
		g_ptr_array_set_size(hidden, 0);
	if (hidden->len > 0 && !load_all(root, programs, G_N_ELEMENTS(programs), text, error))
		return NULL;
	for (guint i = hidden->len; i > 0; i--) {
		const char *path = g_ptr_array_index(hidden, i - 1), *slash = strrchr(path, '/');
		g_autofree char *dir = g_strndup(path, (gsize) (slash - path));
		if (is_shown(text->str, dir, slash + 1))
			g_ptr_array_remove_index(hidden, i - 1);
	}
	return g_steal_pointer(&hidden);
}

/* The number is its name, because two directories may have the same names. */
static gboolean
move_all(const AshTreeRoot *root, const GPtrArray *hidden, const char *dir, bool back, GError **error)
{
	for (guint i = 0; i < hidden->len; i++) {
		const char *path = g_ptr_array_index(hidden, i), *name, *number;
		g_autofree char *place = g_strdup_printf("%s/%u", dir, i);
		ash_autofd int above = ash_tree_root_open_parent(root, path, false, &name, error);
		ash_autofd int inside = above >= 0 ? ash_tree_root_open_parent(root, place, true, &number, error) : -1;
		if (inside < 0)
			return FALSE;
		int moved = back ? renameat(inside, number, above, name) : renameat(above, name, inside, number);
		/* What was never moved is where it should be. */
		if (moved < 0 && !(back && errno == ENOENT))
			return ash_throw_errno(error, "cannot move \"/%s\" of the tree", path);
	}
	return TRUE;
}

gboolean
ash_dracut_hide(const AshTreeRoot *root, const GPtrArray *hidden, const char *dir, GError **error)
{
	return move_all(root, hidden, dir, false, error);
}

gboolean
ash_dracut_unhide(const AshTreeRoot *root, const GPtrArray *hidden, const char *dir, GError **error)
{
	return move_all(root, hidden, dir, true, error);
}
