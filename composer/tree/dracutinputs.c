/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/dracutinputs.h"

#include "base/error.h"
#include "base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* How a directory whose names do not count would be mentioned in a script of dracut's that looks into it after all. */
#define NEVER NULL  /* other file systems are mounted there while dracut runs, or it is the temporary directory it is told not to use */
#define BY_NAME ""  /* by its own name, whatever is before it */

static const struct {
	const char *pattern; /* of a directory; "*" is anything */
	const char *mention;
} unread[] = {
	{ "dev", NEVER },
	{ "proc", NEVER },
	{ "run", NEVER },
	{ "sys", NEVER },
	{ "tmp", NEVER },
	{ "var/tmp", NEVER },
	/* People's */
	{ "home", "/home" },
	{ "media", "/media" },
	{ "mnt", "/mnt/" },
	{ "root", "/root/" },
	{ "opt", "/opt/" },
	{ "srv", "/srv" },
	{ "usr/games", "usr/games" },
	{ "usr/local/share", "local/share" },
	/* State of programs, the package database among them */
	{ "usr/lib/ashlar", "lib/ashlar" },
	{ "usr/lib/rpm", "lib/rpm" },
	{ "usr/lib/sysimage", "lib/sysimage" },
	{ "var/backups", "var/backups" },
	{ "var/cache", "var/cache" },
	{ "var/lib", "var/lib" },
	{ "var/log", "var/log" },
	{ "var/mail", "var/mail" },
	{ "var/spool", "var/spool" },
	/* Other languages' libraries, and what is for compilers */
	{ "usr/include", "usr/include" },
	{ "usr/lib/debug", "lib/debug" },
	{ "usr/lib/python3*", "python3" },
	{ "usr/lib64/python3*", "python3" },
	{ "usr/lib/*/perl", "/perl" },
	{ "usr/lib/*/perl-base", "/perl" },
	{ "usr/lib/*/perl5", "/perl" },
	{ "usr/lib64/perl5", "/perl" },
	{ "usr/share/perl", "/perl" },
	{ "usr/share/perl5", "/perl" },
	{ "usr/share/python3", "python3" },
	{ "usr/src", "usr/src" },
	/* Texts for people, and data of desktops */
	{ "usr/share/applications", BY_NAME },
	{ "usr/share/bash-completion", BY_NAME },
	{ "usr/share/bug", "share/bug" },
	{ "usr/share/ca-certificates", BY_NAME },
	{ "usr/share/common-licenses", BY_NAME },
	{ "usr/share/doc", "share/doc" },
	{ "usr/share/doc-base", BY_NAME },
	{ "usr/share/fish", "share/fish" },
	{ "usr/share/gdb", "share/gdb" },
	{ "usr/share/help", "share/help" },
	{ "usr/share/icons", "share/icons" },
	{ "usr/share/info", "share/info" },
	{ "usr/share/licenses", "share/licenses" },
	{ "usr/share/lintian", BY_NAME },
	{ "usr/share/locale", "share/locale" },
	{ "usr/share/man", "share/man" },
	{ "usr/share/menu", "share/menu" },
	{ "usr/share/metainfo", BY_NAME },
	{ "usr/share/mime", "share/mime" },
	{ "usr/share/vim", "share/vim" },
	{ "usr/share/zoneinfo", BY_NAME },
	{ "usr/share/zsh", "share/zsh" },
	/* Settings of programs that run in the system itself */
	{ "etc/bash_completion.d", BY_NAME },
	{ "etc/ca-certificates", BY_NAME },
	{ "etc/cron*", "/cron" },
	{ "etc/logrotate.d", BY_NAME },
	{ "etc/pam.d", BY_NAME },
	{ "etc/pki", "etc/pki" },
	{ "etc/profile.d", BY_NAME },
	{ "etc/skel", "etc/skel" },
	{ "etc/ssh", "etc/ssh" },
	{ "etc/ssl", "etc/ssl" },
	{ "etc/sudoers.d", BY_NAME },
	{ "etc/systemd/system/*.requires", BY_NAME },
	{ "etc/systemd/system/*.wants", BY_NAME },
	{ "etc/yum.repos.d", BY_NAME },
};

/* What dracut runs itself, of itself: these say where it looks. Hooks are only copied. */
static const char *const scripts[] = {
	"usr/bin/dracut", "usr/sbin/dracut", "usr/lib/dracut/dracut*.sh", "usr/lib/dracut/modules.d/*/module-setup.sh",
	"etc/dracut.conf*", "usr/lib/dracut/dracut.conf.d/*",
};

typedef struct {
	const AshTreeRoot *root;
	const AshDracutLook *look;
	GHashTable *dirs;  /* set of the directories whose names count */
	GPtrArray *inputs; /* of AshInput, owned: all but files */
	GPtrArray *files;  /* of AshInput, owned */
	GString *scripts;  /* all of them */
} Collection;

static void
collection_clear(Collection *collection)
{
	g_clear_pointer(&collection->dirs, g_hash_table_unref);
	g_clear_pointer(&collection->inputs, g_ptr_array_unref);
	g_clear_pointer(&collection->files, g_ptr_array_unref);
	if (collection->scripts != NULL)
		g_string_free(collection->scripts, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Collection, collection_clear)

static gboolean
load_scripts(Collection *collection, char **opened, GError **error)
{
	for (; *opened != NULL; opened++) {
		g_autofree char *text = NULL;
		bool is_script = false;
		for (gsize i = 0; i < G_N_ELEMENTS(scripts) && !is_script; i++)
			is_script = g_pattern_match_simple(scripts[i], *opened);
		/* Directories are opened, too. */
		if (!is_script || *ash_input_reader_take(collection->look->reader, ASH_INPUT_FILE, *opened) == '\0')
			continue;
		if (!ash_tree_root_load(collection->root, *opened, &text, error))
			return FALSE;
		g_string_append_printf(collection->scripts, "%s\n", text != NULL ? text : "");
	}
	return TRUE;
}

static bool
is_unread(const Collection *collection, const char *dir)
{
	for (gsize i = 0; i < G_N_ELEMENTS(unread); i++) {
		if (!g_pattern_match_simple(unread[i].pattern, dir))
			continue;
		const char *slash = strrchr(dir, '/'), *mention = unread[i].mention;
		if (mention != NULL && *mention == '\0')
			mention = slash != NULL ? slash + 1 : dir;
		if (mention == NULL || strstr(collection->scripts->str, mention) == NULL)
			return true;
	}
	return false;
}

/* @path is one of @dirs or below one. */
static bool
is_below(const char *const *dirs, const char *path)
{
	for (; *dirs != NULL; dirs++) {
		gsize length = strlen(*dirs);
		if (strncmp(path, *dirs, length) == 0 && (path[length] == '/' || path[length] == '\0'))
			return true;
	}
	return false;
}

/* A directory from which on nothing can matter, or is taken to. */
static bool
is_left_out(const Collection *collection, const char *dir)
{
	return is_unread(collection, dir) || is_below(collection->look->covered, dir) ||
	       ash_input_reader_is_ignored(collection->look->reader, dir);
}

/* All directories from @dir down whose names count. */
static void
walk(Collection *collection, const char *dir)
{
	g_auto(GStrv) names = ash_tree_root_list(collection->root, dir);

	g_hash_table_add(collection->dirs, g_strdup(dir));
	for (gsize i = 0; names[i] != NULL; i++) {
		struct stat info;
		g_autofree char *path =
			strcmp(dir, ".") == 0 ? g_strdup(names[i]) : g_build_filename(dir, names[i], NULL);
		ash_autofd int fd = ash_fd_open_in_root(collection->root->fd, path, O_PATH | O_NOFOLLOW, 0, NULL);
		if (fd >= 0 && fstat(fd, &info) == 0 && S_ISDIR(info.st_mode) && !is_left_out(collection, path))
			walk(collection, path);
	}
}

/* @dir and all above it. */
static void
count_names(Collection *collection, const char *dir)
{
	for (g_autofree char *path = g_strdup(dir); !g_hash_table_contains(collection->dirs, path);) {
		char *above = g_path_get_dirname(path);
		g_hash_table_add(collection->dirs, g_steal_pointer(&path));
		path = above;
	}
}

static void
add_input(Collection *collection, AshInputKind kind, const char *path)
{
	GPtrArray *inputs = kind == ASH_INPUT_FILE ? collection->files : collection->inputs;

	g_ptr_array_add(inputs, ash_input_new(kind, path, ash_input_reader_take(collection->look->reader, kind, path)));
}

static gboolean
add_opened(Collection *collection, const char *path, GError **error)
{
	struct stat info;
	ash_autofd int fd = ash_fd_open_in_root(collection->root->fd, path, O_PATH | O_NOFOLLOW, 0, NULL);

	if (fd < 0 || fstat(fd, &info) < 0)
		return ash_throw(error, ASH_ERROR_SCRIPT, "dracut has removed \"/%s\" of the tree", path);
	if (S_ISDIR(info.st_mode)) {
		count_names(collection, path);
		return TRUE;
	}
	if (!S_ISREG(info.st_mode))
		return ash_throw(error, ASH_ERROR_SCRIPT, "dracut has opened \"/%s\", which is no file", path);
	g_autofree char *dir = g_path_get_dirname(path);
	count_names(collection, dir);
	add_input(collection, ASH_INPUT_FILE, path);
	return TRUE;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Those of @set, sorted: names of directories, or paths of views. */
static void
add_sorted(Collection *collection, GHashTable *set, AshInputKind kind)
{
	guint count;
	g_autofree gpointer *paths = g_hash_table_get_keys_as_array(set, &count);

	qsort(paths, count, sizeof *paths, compare_strings);
	for (guint i = 0; i < count; i++)
		add_input(collection, kind, paths[i]);
}

/* One that could not be read is no dependency that a later run could compare. */
static gboolean
check_inputs(const GPtrArray *inputs, GError **error)
{
	for (guint i = 0; i < inputs->len; i++) {
		const AshInput *input = g_ptr_array_index(inputs, i);
		if (*input->digest == '\0')
			return ash_throw(error, ASH_ERROR_SCRIPT, "\"/%s\" of the tree cannot be read", input->path);
	}
	return TRUE;
}

GPtrArray *
ash_dracut_inputs(const AshTreeRoot *root, const AshDracutLook *look, char **opened, GError **error)
{
	g_auto(Collection) collection = {
		.root = root,
		.look = look,
		.dirs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
		.inputs = g_ptr_array_new_with_free_func((GDestroyNotify) ash_input_free),
		.files = g_ptr_array_new_with_free_func((GDestroyNotify) ash_input_free),
		.scripts = g_string_new(NULL),
	};

	if (!load_scripts(&collection, opened, error))
		return NULL;
	walk(&collection, ".");
	for (; *opened != NULL; opened++)
		if (!is_below(look->own, *opened) && !is_below(look->covered, *opened) &&
		    !add_opened(&collection, *opened, error))
			return NULL;
	/* Names first: they are quickly compared. */
	add_sorted(&collection, look->views, ASH_INPUT_VIEW);
	add_sorted(&collection, collection.dirs, ASH_INPUT_NAMES);
	g_ptr_array_extend_and_steal(collection.inputs, g_steal_pointer(&collection.files));
	return check_inputs(collection.inputs, error) ? g_steal_pointer(&collection.inputs) : NULL;
}
