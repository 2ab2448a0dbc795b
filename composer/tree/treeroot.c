/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/treeroot.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ERROR_LINES 12

static const char *const program_dirs[] = { "usr/bin", "usr/sbin", "bin", "sbin", "usr/local/bin", "usr/local/sbin" };
static const char *const unit_dirs[] = { "etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
					 "usr/local/lib/systemd/system" };

bool
ash_tree_root_has(const AshTreeRoot *root, const char *path)
{
	ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_PATH, 0, NULL);

	return fd >= 0;
}

bool
ash_tree_root_has_program(const AshTreeRoot *root, const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(program_dirs); i++) {
		g_autofree char *path = g_build_filename(program_dirs[i], name, NULL);
		if (ash_tree_root_has(root, path))
			return true;
	}
	return false;
}

bool
ash_tree_root_has_unit(const AshTreeRoot *root, const char *unit)
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');
	g_autofree char *template =
		at != NULL && dot > at ? g_strdup_printf("%.*s%s", (int) (at - unit + 1), unit, dot) : g_strdup(unit);

	for (gsize i = 0; i < G_N_ELEMENTS(unit_dirs); i++) {
		g_autofree char *exact = g_build_filename(unit_dirs[i], unit, NULL);
		g_autofree char *general = g_build_filename(unit_dirs[i], template, NULL);
		/* A link to /dev/null or to a missing unit counts: it is there under that name. */
		ash_autofd int fd = ash_fd_open_in_root(root->fd, exact, O_PATH | O_NOFOLLOW, 0, NULL);
		if (fd >= 0 || ash_tree_root_has(root, general))
			return true;
	}
	return false;
}

gboolean
ash_tree_root_load(const AshTreeRoot *root, const char *path, char **ret_text, GError **error)
{
	g_autoptr(GError) local = NULL;
	struct stat info;
	ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_RDONLY | O_NONBLOCK, 0, &local);

	if (fd < 0) {
		*ret_text = NULL;
		if (!ash_tree_root_has(root, path))
			return TRUE;
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (!ash_fd_stat(fd, path, &info, error))
		return FALSE;
	if (!S_ISREG(info.st_mode) || info.st_size > 16 * 1024 * 1024)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"/%s\" of the tree is no text file", path);
	g_autofree char *text = g_malloc0((gsize) info.st_size + 1);
	if (!ash_fd_read_exact(fd, text, (gsize) info.st_size, 0, error))
		return FALSE;
	*ret_text = g_steal_pointer(&text);
	return TRUE;
}

int
ash_tree_root_open_parent(const AshTreeRoot *root, const char *path, bool create, const char **ret_name, GError **error)
{
	const char *slash = strrchr(path, '/');
	g_autofree char *dir = slash != NULL ? g_strndup(path, (gsize) (slash - path)) : g_strdup(".");

	if (create && !ash_tree_root_mkdirs(root, dir, 0755, error))
		return -1;
	*ret_name = slash != NULL ? slash + 1 : path;
	return ash_fd_open_in_root(root->fd, dir, O_RDONLY | O_DIRECTORY, 0, error);
}

gboolean
ash_tree_root_save_bytes(const AshTreeRoot *root, const char *path, const void *data, gsize length, mode_t mode,
			 GError **error)
{
	const char *name;
	ash_autofd int dir = ash_tree_root_open_parent(root, path, true, &name, error);

	return dir >= 0 && ash_file_write(dir, name, data, (gssize) length, mode, error);
}

gboolean
ash_tree_root_save(const AshTreeRoot *root, const char *path, const char *text, mode_t mode, GError **error)
{
	return ash_tree_root_save_bytes(root, path, text, strlen(text), mode, error);
}

gboolean
ash_tree_root_rewrite(const AshTreeRoot *root, const char *path, const char *text, mode_t mode, GError **error)
{
	struct stat info = { .st_mode = mode };
	const char *name;
	ash_autofd int dir = ash_tree_root_open_parent(root, path, true, &name, error);

	if (dir < 0)
		return FALSE;
	bool known = fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode);
	if (!ash_file_write(dir, name, text, -1, (known ? info.st_mode : mode) & 07777, error))
		return FALSE;
	if (known && fchownat(dir, name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot set the owner of \"/%s\" in the tree", path);
	return TRUE;
}

gboolean
ash_tree_root_mkdirs(const AshTreeRoot *root, const char *path, mode_t mode, GError **error)
{
	g_auto(GStrv) elements = g_strsplit(path, "/", -1);
	g_autoptr(GString) sofar = g_string_new(NULL);

	for (gsize i = 0; elements[i] != NULL; i++) {
		if (*elements[i] == '\0' || strcmp(elements[i], ".") == 0)
			continue;
		ash_autofd int above = ash_fd_open_in_root(root->fd, sofar->len > 0 ? sofar->str : ".",
							   O_PATH | O_DIRECTORY, 0, error);
		if (above < 0)
			return FALSE;
		if (mkdirat(above, elements[i], mode) < 0 && errno != EEXIST)
			return ash_throw_errno(error, "cannot make \"/%s\" in the tree", path);
		g_string_append_printf(sofar, "%s%s", sofar->len > 0 ? "/" : "", elements[i]);
	}
	return TRUE;
}

gboolean
ash_tree_root_link(const AshTreeRoot *root, const char *path, const char *target, GError **error)
{
	const char *name;
	ash_autofd int dir = ash_tree_root_open_parent(root, path, true, &name, error);

	if (dir < 0)
		return FALSE;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return ash_throw_errno(error, "cannot replace \"/%s\" in the tree", path);
	if (symlinkat(target, dir, name) < 0)
		return ash_throw_errno(error, "cannot link \"/%s\" in the tree", path);
	return TRUE;
}

gboolean
ash_tree_root_remove(const AshTreeRoot *root, const char *path, GError **error)
{
	g_autoptr(GError) missing = NULL;
	const char *name;
	ash_autofd int dir = ash_tree_root_open_parent(root, path, false, &name, &missing);

	return dir < 0 || ash_file_remove_tree(dir, name, error);
}

gboolean
ash_tree_root_empty(const AshTreeRoot *root, const char *path, GError **error)
{
	g_auto(GStrv) names = ash_tree_root_list(root, path);
	ash_autofd int dir = ash_fd_open_in_root(root->fd, path, O_RDONLY | O_DIRECTORY, 0, NULL);

	for (gsize i = 0; dir >= 0 && names[i] != NULL; i++)
		if (!ash_file_remove_tree(dir, names[i], error))
			return FALSE;
	return TRUE;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

char **
ash_tree_root_list(const AshTreeRoot *root, const char *path)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_RDONLY | O_DIRECTORY, 0, NULL);
	g_autofree char *own = fd >= 0 ? ash_file_fd_path(fd) : NULL;
	g_autoptr(GDir) dir = own != NULL ? g_dir_open(own, 0, NULL) : NULL;
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
		g_ptr_array_add(names, g_strdup(name));
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	return (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

gboolean
ash_tree_root_run(const AshTreeRoot *root, const char *const *argv, GError **error)
{
	g_autofree char *output = NULL;
	int status = 0;
	const AshSandboxCommand command = {
		.root_path = root->request->root_path,
		.argv = argv,
		.epoch = root->request->epoch,
	};

	if (!ash_sandbox_run(root->ctx, &command, &output, &status, error))
		return FALSE;
	if (status == 0)
		return TRUE;
	g_autofree char *lines = ash_sandbox_quote_lines(output, ERROR_LINES);
	g_autofree char *line = g_strjoinv(" ", (char **) argv);
	return ash_throw(error, ASH_ERROR_SCRIPT, "\"%s\" in the tree failed (exit status %d)%s", line, status, lines);
}
