/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/filesystem/treedir.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LABEL "security.selinux"

typedef struct {
	AshContext *ctx;
	const AshFsTree *tree;
	int root_fd;
} Writer;

static gboolean write_node(const Writer *writer, int dir_fd, const AshFsNode *node, GError **error);

/* What this user may not do is not said as an errno alone: another mkfs.erofs needs no directory. */
static gboolean
throw_entry(const AshFsNode *node, const char *what, GError **error)
{
	g_autofree char *path = ash_fs_node_dup_path(node);

	if (errno != EPERM && errno != EINVAL && errno != EOPNOTSUPP)
		return ash_throw_errno(error, "cannot make a copy of \"/%s\" (%s)", path, what);
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "\"/%s\" cannot be copied to a directory for mkfs.erofs with its %s: install erofs-utils 1.8 or newer, or set "
			 "\"root_writer\" to \"ashlar\"",
			 path, what);
}

static gboolean
write_content(const Writer *writer, int fd, const AshFsNode *node, GError **error)
{
	ash_autofd int from = ash_fs_tree_open(writer->tree, node, error);

	return from >= 0 && ash_fd_copy_range(from, 0, fd, 0, node->size, error);
}

static gboolean
make_file(const Writer *writer, int dir_fd, const AshFsNode *node, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir_fd, node->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, error);

	return fd >= 0 && (node->size == 0 || write_content(writer, fd, node, error));
}

static gboolean
make_directory(const Writer *writer, int dir_fd, const AshFsNode *node, GError **error)
{
	if (mkdirat(dir_fd, node->name, 0700) < 0)
		return throw_entry(node, "name", error);
	ash_autofd int fd = ash_fd_open(dir_fd, node->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
	if (fd < 0)
		return FALSE;
	for (guint i = 0; i < node->children->len; i++)
		if (!write_node(writer, fd, g_ptr_array_index(node->children, i), error))
			return FALSE;
	return TRUE;
}

static gboolean
make_special(const Writer *writer, int dir_fd, const AshFsNode *node, GError **error)
{
	bool made = S_ISLNK(node->mode) ? symlinkat(node->target, dir_fd, node->name) == 0
					: mknodat(dir_fd, node->name, (node->mode & S_IFMT) | 0600, (dev_t) node->rdev) == 0;

	return made || throw_entry(node, S_ISLNK(node->mode) ? "target" : "device number", error);
}

static gboolean
set_xattrs(int dir_fd, const AshFsNode *node, GError **error)
{
	g_autofree char *dir = ash_file_fd_path(dir_fd);
	g_autofree char *path = g_build_filename(dir, node->parent != NULL ? node->name : ".", NULL);

	for (guint i = 0; node->xattrs != NULL && i < node->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);
		if (strcmp(xattr->name, LABEL) != 0 && lsetxattr(path, xattr->name, xattr->value, xattr->length, 0) < 0)
			return throw_entry(node, xattr->name, error);
	}
	return TRUE;
}

/* A new owner takes set-id bits and capabilities away, and every change moves the time: in this order. */
static gboolean
set_metadata(int dir_fd, const AshFsNode *node, GError **error)
{
	const struct timespec time = { .tv_sec = (time_t) node->mtime }, times[] = { time, time };
	const char *name = node->parent != NULL ? node->name : ".";

	if (fchownat(dir_fd, name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return throw_entry(node, "owner", error);
	if (!S_ISLNK(node->mode) && fchmodat(dir_fd, name, node->mode & 07777, 0) < 0)
		return throw_entry(node, "mode", error);
	if (!set_xattrs(dir_fd, node, error))
		return FALSE;
	if (utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return throw_entry(node, "time", error);
	return TRUE;
}

static gboolean
link_node(const Writer *writer, int dir_fd, const AshFsNode *node, GError **error)
{
	g_autofree char *first = ash_fs_node_dup_path(node->hardlink);

	return linkat(writer->root_fd, first, dir_fd, node->name, 0) == 0 || throw_entry(node, "other name", error);
}

static gboolean
write_node(const Writer *writer, int dir_fd, const AshFsNode *node, GError **error)
{
	gboolean (*make)(const Writer *writer, int dir_fd, const AshFsNode *node, GError **error) = make_special;

	if (!ash_context_check(writer->ctx, error))
		return FALSE;
	if (node->hardlink != NULL)
		return link_node(writer, dir_fd, node, error);
	if (S_ISREG(node->mode))
		make = make_file;
	else if (S_ISDIR(node->mode))
		make = make_directory;
	return make(writer, dir_fd, node, error) && set_metadata(dir_fd, node, error);
}

gboolean
ash_tree_dir_write(AshContext *ctx, const AshFsTree *tree, const char *path, GError **error)
{
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, path, false, error);
	const Writer writer = { ctx, tree, fd };
	const GPtrArray *children = tree->root->children;

	if (fd < 0)
		return FALSE;
	for (guint i = 0; i < children->len; i++)
		if (!write_node(&writer, fd, g_ptr_array_index(children, i), error))
			return FALSE;
	return set_metadata(fd, tree->root, error);
}

/* file_contexts(5): "-d" for a directory and so on; else the entry would be for every type. */
static const char *
type_option(guint32 mode)
{
	static const struct {
		guint32 type;
		const char *option;
	} options[] = { { S_IFREG, "--" }, { S_IFDIR, "-d" }, { S_IFLNK, "-l" }, { S_IFIFO, "-p" },
			{ S_IFSOCK, "-s" }, { S_IFBLK, "-b" }, { S_IFCHR, "-c" } };

	for (guint i = 0; i < G_N_ELEMENTS(options); i++)
		if ((mode & S_IFMT) == options[i].type)
			return options[i].option;
	return "";
}

/* Paths there are regular expressions in ASCII; a byte that they cannot have is any byte. */
static void
append_pattern(GString *text, const char *path)
{
	for (; *path != '\0'; path++) {
		if (!g_ascii_isgraph(*path))
			g_string_append_c(text, '.');
		else if (strchr(".^$?*+|[](){}\\", *path) != NULL)
			g_string_append_printf(text, "\\%c", *path);
		else
			g_string_append_c(text, *path);
	}
}

static gboolean
append_label(AshFsNode *node, gpointer text, GError **error)
{
	const AshFsXattr *label = ash_fs_node_get_xattr(node, LABEL);
	g_autofree char *path = ash_fs_node_dup_path(node);

	if (label == NULL)
		return TRUE;
	g_autofree char *context = g_strndup((const char *) label->value, label->length);
	g_string_append_c(text, '/');
	append_pattern(text, path);
	g_string_append_printf(text, "\t%s\t%s\n", type_option(node->mode), context);
	return TRUE;
}

gboolean
ash_tree_dir_save_labels(AshFsTree *tree, const char *path, bool *ret_some, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);

	if (!ash_fs_tree_walk(tree, append_label, text, error))
		return FALSE;
	*ret_some = text->len > 0;
	return text->len == 0 || ash_file_write(AT_FDCWD, path, text->str, (gssize) text->len, 0644, error);
}
