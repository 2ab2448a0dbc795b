/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "tree/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TMPFILES_PATH "usr/lib/tmpfiles.d/ashlar-var.conf"
/* Where tmpfiles.d(5) expects the contents of its C lines. */
#define FACTORY_DIR "usr/share/factory"

/* From so many files on, a directory is one line. */
#define WHOLE_DIRECTORY_FILES 16

/* Directories at the top that machines write into: they become links into /var. */
static const struct {
	const char *name, *target;
	mode_t mode;       /* of the directory in /var */
	bool only_if_empty; /* what a package put there must stay readable */
	const char *link;   /* NULL: @target will do; else it is for OSTree alone */
} toplevel[] = {
	{ "home", "var/home", 0755, false },
	{ "root", "var/roothome", 0700, false },
	{ "srv", "var/srv", 0755, true },
	{ "opt", "var/opt", 0755, true },
	{ "mnt", "var/mnt", 0755, true },
	/* What an administrator puts there is no part of a deployment. */
	{ "usr/local", "var/usrlocal", 0755, false, "../var/usrlocal" },
};

/* Not worth a line: made by programs when they need them. */
static const char *const ignored[] = { "/var/cache/ldconfig", "/var/lost+found" };

/* What the walk through /var makes. */
typedef struct {
	const AshTreeRoot *root;
	GHashTable *known; /* paths that tmpfiles.d lines of packages make */
	GString *lines;
} VarWalk;

static gboolean
move_toplevel(const AshTreeRoot *root, gsize index, GError **error)
{
	const char *name = toplevel[index].name, *target = toplevel[index].target, *base;
	g_autofree char *path = g_strconcat("/", name, NULL);
	struct stat info;

	/* A partition of its own can be written to. */
	if (ash_mounts_find(root->request->type->mounts, path) != NULL)
		return TRUE;
	if (fstatat(root->fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || ash_throw_errno(error, "cannot read \"/%s\"", name);
	g_auto(GStrv) names = ash_tree_root_list(root, name);
	if (!S_ISDIR(info.st_mode) || (toplevel[index].only_if_empty && names[0] != NULL))
		return TRUE;
	/* A directory that a package already has in /var gives way only if it is empty: rename(2) sees to that. */
	ash_autofd int var = ash_tree_root_open_parent(root, target, true, &base, error);
	if (var < 0)
		return FALSE;
	if (renameat(root->fd, name, var, base) < 0)
		return ash_throw_errno(error, "cannot move \"/%s\" to \"/%s\"", name, target);
	if (names[0] == NULL && fchmodat(var, base, toplevel[index].mode, 0) < 0)
		return ash_throw_errno(error, "cannot set the mode of \"/%s\"", target);
	return ash_tree_root_link(root, name, toplevel[index].link != NULL ? toplevel[index].link : target, error);
}

/* /home, /root and the like are in /var, because the root is read-only. */
gboolean
ash_step_toplevel(AshTreeRoot *root, GError **error)
{
	bool is_ostree = root->request->type->system == ASH_SYSTEM_OSTREE;

	for (gsize i = 0; i < G_N_ELEMENTS(toplevel); i++)
		if ((toplevel[i].link == NULL || is_ostree) && !move_toplevel(root, i, error))
			return FALSE;
	return TRUE;
}

/* The second word of each line that makes something; lines with specifiers name no fixed path. */
static gboolean
read_known(VarWalk *walk, const char *dir, GError **error)
{
	g_auto(GStrv) names = ash_tree_root_list(walk->root, dir);

	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *path = g_build_filename(dir, names[i], NULL), *text = NULL;
		if (!g_str_has_suffix(names[i], ".conf"))
			continue;
		if (!ash_tree_root_load(walk->root, path, &text, error))
			return FALSE;
		g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);
		for (gsize j = 0; lines[j] != NULL; j++) {
			g_auto(GStrv) words = g_strsplit_set(g_strstrip(lines[j]), " \t", 2);
			if (words[0] == NULL || words[1] == NULL || strchr("dDvqQeLCfFp", *words[0]) == NULL ||
			    *words[0] == 'e' || *words[0] == '\0')
				continue;
			char *start = g_strchug(words[1]);
			gsize length = strcspn(start, " \t");
			while (length > 1 && start[length - 1] == '/')
				length--;
			g_hash_table_add(walk->known, g_strndup(start, length));
		}
	}
	return TRUE;
}

/* A path as tmpfiles.d(5) reads it: specifiers doubled, and quoted where it must be. Owned. */
static char *
quote(const char *text)
{
	g_autoptr(GString) quoted = g_string_new(NULL);
	bool plain = strpbrk(text, " \t\\\"'") == NULL;

	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '%')
			g_string_append_c(quoted, '%');
		if (*c == '\\' || *c == '"')
			g_string_append_c(quoted, '\\');
		g_string_append_c(quoted, *c);
	}
	return plain ? g_string_free(g_steal_pointer(&quoted), FALSE) : g_strdup_printf("\"%s\"", quoted->str);
}

/* The last word of a line is taken as it is, but for specifiers. Owned. */
static char *
escape(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "%", -1);

	return g_strjoinv("%%", parts);
}

static void
add_copy(VarWalk *walk, const char *path, const struct stat *info)
{
	g_autofree char *quoted = quote(path), *escaped = escape(path);

	g_string_append_printf(walk->lines, "C %s %04o %u %u - /%s%s\n", quoted, info->st_mode & 07777, info->st_uid,
			       info->st_gid, FACTORY_DIR, escaped);
}

static bool
is_ignored(const char *path)
{
	for (gsize i = 0; i < G_N_ELEMENTS(ignored); i++)
		if (strcmp(path, ignored[i]) == 0)
			return true;
	return false;
}

/* Moves something below /var to the same place below FACTORY_DIR. */
static gboolean
move_to_factory(VarWalk *walk, int dir_fd, const char *name, const char *path, GError **error)
{
	g_autofree char *factory = g_strconcat(FACTORY_DIR, path, NULL);
	const char *base;
	ash_autofd int to = ash_tree_root_open_parent(walk->root, factory, true, &base, error);

	if (to < 0 || !ash_file_remove_tree(to, base, error))
		return FALSE;
	if (renameat(dir_fd, name, to, base) < 0)
		return ash_throw_errno(error, "cannot move \"%s\" to \"/%s\"", path, factory);
	return TRUE;
}

/* Regular files below a directory; counting stops at @limit. */
static guint
count_files(int dir_fd, const char *name, guint limit)
{
	struct stat info;
	guint count = 0;
	ash_autofd int fd = ash_file_open_dir(dir_fd, name, false, NULL);
	const AshTreeRoot inner = { .fd = fd };
	g_auto(GStrv) names = ash_tree_root_list(&inner, ".");

	for (gsize i = 0; names[i] != NULL && count < limit; i++) {
		if (fstatat(fd, names[i], &info, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(info.st_mode))
			count += count_files(fd, names[i], limit - count);
		else if (S_ISREG(info.st_mode))
			count++;
	}
	return count;
}

static bool
has_known_below(const VarWalk *walk, const char *path)
{
	g_autofree char *prefix = g_strconcat(path, "/", NULL);
	GHashTableIter iterator;
	gpointer known;

	g_hash_table_iter_init(&iterator, walk->known);
	while (g_hash_table_iter_next(&iterator, &known, NULL))
		if (g_str_has_prefix(known, prefix))
			return true;
	return false;
}

/*
 * Home directories are copied whole, once: files that their owner removes must not come back. So are directories with a lot
 * in them (a policy store, say), which belong together.
 */
static bool
is_copied_whole(const VarWalk *walk, int dir_fd, const char *name, const char *path)
{
	const char *home = g_str_has_prefix(path, "/var/home/") ? path + strlen("/var/home/") : NULL;
	bool deep = strchr(path + strlen("/var/"), '/') != NULL;

	if ((home != NULL && strchr(home, '/') == NULL) || strcmp(path, "/var/roothome") == 0)
		return true;
	return deep && count_files(dir_fd, name, WHOLE_DIRECTORY_FILES) == WHOLE_DIRECTORY_FILES &&
	       !g_hash_table_contains(walk->known, path) && !has_known_below(walk, path);
}

static gboolean walk_dir(VarWalk *walk, int dir_fd, const char *path, GError **error);

static gboolean
walk_link(VarWalk *walk, int dir_fd, const char *name, const char *path, GError **error)
{
	char target[4096];
	ssize_t length = readlinkat(dir_fd, name, target, sizeof target - 1);

	if (length < 0)
		return ash_throw_errno(error, "cannot read the link \"%s\"", path);
	target[length] = '\0';
	g_autofree char *quoted = quote(path), *escaped = escape(target);
	g_string_append_printf(walk->lines, "L %s - - - - %s\n", quoted, escaped);
	return TRUE;
}

static gboolean
walk_entry(VarWalk *walk, int dir_fd, const char *name, const char *path, GError **error)
{
	struct stat info;
	bool known = g_hash_table_contains(walk->known, path);
	g_autofree char *quoted = quote(path);

	if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot read \"%s\"", path);
	if (is_ignored(path))
		return TRUE;
	if (S_ISDIR(info.st_mode) && is_copied_whole(walk, dir_fd, name, path)) {
		add_copy(walk, path, &info);
		return move_to_factory(walk, dir_fd, name, path, error);
	}
	if (S_ISDIR(info.st_mode)) {
		if (!known)
			g_string_append_printf(walk->lines, "d %s %04o %u %u - -\n", quoted, info.st_mode & 07777,
					       info.st_uid, info.st_gid);
		ash_autofd int fd = ash_file_open_dir(dir_fd, name, false, error);
		return fd >= 0 && walk_dir(walk, fd, path, error);
	}
	if (known)
		return TRUE;
	if (S_ISLNK(info.st_mode))
		return walk_link(walk, dir_fd, name, path, error);
	/* Sockets, fifos and devices are for whoever uses them to make. */
	if (!S_ISREG(info.st_mode))
		return TRUE;
	add_copy(walk, path, &info);
	return move_to_factory(walk, dir_fd, name, path, error);
}

static gboolean
walk_dir(VarWalk *walk, int dir_fd, const char *path, GError **error)
{
	const AshTreeRoot inner = { .fd = dir_fd };
	g_auto(GStrv) names = ash_tree_root_list(&inner, ".");

	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *below = g_build_filename(path, names[i], NULL);
		if (!walk_entry(walk, dir_fd, names[i], below, error))
			return FALSE;
	}
	return TRUE;
}

/* rpm(8) looks here by tradition. */
static gboolean
link_rpmdb(const AshTreeRoot *root, GError **error)
{
	g_auto(GStrv) names = ash_tree_root_list(root, "var/lib/rpm");

	if (!ash_tree_root_has(root, "usr/lib/sysimage/rpm") || names[0] != NULL || !ash_tree_root_has(root, "var/lib"))
		return TRUE;
	return ash_tree_root_remove(root, "var/lib/rpm", error) &&
	       ash_tree_root_link(root, "var/lib/rpm", "../../usr/lib/sysimage/rpm", error);
}

/*
 * /var of a bootable system is a partition of its own, empty at first. What packages put there becomes tmpfiles.d(5)
 * lines: directories and links as they are, files as copies of usr/share/factory, unless packages have lines of their own.
 */
gboolean
ash_step_var(AshTreeRoot *root, GError **error)
{
	g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GString) lines = g_string_new("# What packages have in /var, made when the image was composed.\n");
	VarWalk walk = { root, known, lines };

	if (!link_rpmdb(root, error) || !read_known(&walk, "usr/lib/tmpfiles.d", error) ||
	    !read_known(&walk, "etc/tmpfiles.d", error))
		return FALSE;
	ash_autofd int var = ash_fd_open_in_root(root->fd, "var", O_RDONLY | O_DIRECTORY, 0, error);
	if (var < 0 || !walk_dir(&walk, var, "/var", error))
		return FALSE;
	return ash_tree_root_save(root, TMPFILES_PATH, lines->str, 0644, error) &&
	       ash_tree_root_empty(root, "var", error);
}
