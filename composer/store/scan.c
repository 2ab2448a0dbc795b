/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/scan.h"

#include "base/error.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LABEL_XATTR "security.selinux"

/* What Linux allows for a list of names and for a value (xattr(7)). */
#define XATTR_MAX 65536

/* Enough for the names that files usually have. */
#define SHORT_LIST 512

/* A prefix ends with a dot. */
static const char *const kept_xattrs[] = {
	"security.capability",
	"security.ima",
	"system.posix_acl_access",
	"system.posix_acl_default",
	"user.",
};

/* Bookkeeping on the build host, our own and other programs'. */
static const char *const dropped_xattrs[] = {
	"user.ashlar.",
	"user.ostreemeta",
	"user.overlay.",
	"user.fuseoverlayfs.",
	"user.containers.",
	"user.rootlesscontainers",
};

typedef struct {
	const AshScanOptions *options;
	GArray *inodes;    /* of AshScanInode; borrowed */
	GHashTable *links; /* AshInode -> AshFsNode (borrowed): those with more than one name */
} Scan;

static bool
matches(const char *const *table, gsize length, const char *name)
{
	for (gsize i = 0; i < length; i++) {
		if (g_str_has_suffix(table[i], ".") ? g_str_has_prefix(name, table[i])
						    : strcmp(name, table[i]) == 0)
			return true;
	}
	return false;
}

static bool
is_kept(const char *name)
{
	return matches(kept_xattrs, G_N_ELEMENTS(kept_xattrs), name) &&
	       !matches(dropped_xattrs, G_N_ELEMENTS(dropped_xattrs), name);
}

static gboolean
throw_for_node(GError **error, const AshFsNode *node, const char *what)
{
	int saved = errno;
	g_autofree char *path = ash_fs_node_dup_path(node);

	errno = saved;
	return ash_throw_errno(error, "cannot %s \"/%s\"", what, path);
}

/* The names, one behind the other; owned. Most files have none, or few: *@ret_length is 0 then, or a short list. */
static char *
list_xattrs(int fd, const AshFsNode *node, gsize *ret_length, GError **error)
{
	gsize size = SHORT_LIST;
	g_autofree char *names = g_malloc(size);
	ssize_t length = flistxattr(fd, names, size);

	if (length < 0 && errno == ERANGE) {
		size = XATTR_MAX;
		names = g_realloc(names, size);
		length = flistxattr(fd, names, size);
	}
	if (length < 0 && errno == ENOTSUP)
		length = 0;
	if (length < 0)
		return throw_for_node(error, node, "list the extended attributes of"), NULL;
	*ret_length = (gsize) length;
	return g_steal_pointer(&names);
}

gboolean
ash_scan_read_xattrs(int fd, AshFsNode *node, GError **error)
{
	g_autofree char *value = NULL;
	gsize length = 0;
	g_autofree char *names = list_xattrs(fd, node, &length, error);

	if (names == NULL)
		return FALSE;
	for (const char *name = names; name < names + length; name += strlen(name) + 1) {
		if (!is_kept(name))
			continue;
		if (value == NULL)
			value = g_malloc(XATTR_MAX);
		ssize_t size = fgetxattr(fd, name, value, XATTR_MAX);
		if (size < 0)
			return throw_for_node(error, node, "read the extended attributes of");
		ash_fs_node_add_xattr(node, name, value, (gsize) size);
	}
	return TRUE;
}

static gboolean
read_target(int dir_fd, AshFsNode *node, GError **error)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(dir_fd, node->name, target, sizeof(target));

	if (length < 0)
		return throw_for_node(error, node, "read the symbolic link");
	node->target = g_strndup(target, (gsize) length);
	node->size = (guint64) length;
	return TRUE;
}

static void
note_inode(Scan *scan, AshFsNode *node, const struct stat *st)
{
	AshInode inode = { .dev = st->st_dev, .ino = st->st_ino };
	AshFsNode *first = g_hash_table_lookup(scan->links, &inode);

	node->hardlink = first;
	if (first == NULL)
		g_hash_table_insert(scan->links, g_memdup2(&inode, sizeof(inode)), node);
}

static void
set_stat(Scan *scan, AshFsNode *node, const struct stat *st)
{
	AshScanInode inode = { .id = { .dev = st->st_dev, .ino = st->st_ino }, .nlink = (guint32) st->st_nlink };

	node->mode = st->st_mode;
	node->uid = st->st_uid;
	node->gid = st->st_gid;
	node->mtime = st->st_mtime;
	node->size = S_ISREG(st->st_mode) ? (guint64) st->st_size : 0;
	node->number = scan->inodes->len;
	g_array_append_val(scan->inodes, inode);
}

static gboolean scan_directory(Scan *scan, int fd, AshFsNode *node, GError **error);

static gboolean
refuse_special(Scan *scan, AshFsNode *parent, const char *name, GError **error)
{
	g_autofree char *path = ash_fs_node_dup_path(parent);

	if (scan->options->skip_special)
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "\"/%s%s%s\" is a device, socket or fifo, which a commit cannot hold; "
			 "let systemd-tmpfiles make it",
			 path, *path != '\0' ? "/" : "", name);
}

static gboolean
scan_entry(Scan *scan, int dir_fd, AshFsNode *parent, const char *name, GError **error)
{
	struct stat st;
	AshFsNode *node;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot stat \"%s\"", name);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))
		return refuse_special(scan, parent, name, error);
	node = ash_fs_node_new(parent, name, st.st_mode);
	set_stat(scan, node, &st);
	if (S_ISDIR(st.st_mode)) {
		int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd >= 0 ? scan_directory(scan, fd, node, error)
			       : throw_for_node(error, node, "open");
	}
	if (st.st_nlink > 1)
		note_inode(scan, node, &st);
	return S_ISREG(st.st_mode) || read_target(dir_fd, node, error);
}

/* Takes @fd. */
static gboolean
scan_directory(Scan *scan, int fd, AshFsNode *node, GError **error)
{
	g_autoptr(DIR) stream = fdopendir(fd);
	struct dirent *entry;

	if (stream == NULL) {
		ash_fd_clear(&fd);
		return throw_for_node(error, node, "read the directory");
	}
	if (!ash_scan_read_xattrs(fd, node, error))
		return FALSE;
	errno = 0;
	while ((entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!scan_entry(scan, fd, node, entry->d_name, error))
			return FALSE;
		errno = 0;
	}
	return errno == 0 || throw_for_node(error, node, "read the directory");
}

static gboolean
label_node(AshFsNode *node, gpointer user_data, GError **error)
{
	const AshScanOptions *options = user_data;
	g_autofree char *path = NULL, *absolute = NULL, *label = NULL;

	if (node->hardlink != NULL)
		return TRUE;
	path = ash_fs_node_dup_path(node);
	absolute = g_strconcat("/", path, NULL);
	label = options->label(absolute, node->mode, options->label_data);
	/* The kernel's own form of the value includes the NUL. */
	if (label != NULL)
		ash_fs_node_add_xattr(node, LABEL_XATTR, label, strlen(label) + 1);
	return TRUE;
}

AshFsTree *
ash_scan_directory(int root_fd, const AshScanOptions *options, GArray *inodes, GError **error)
{
	g_autoptr(AshFsTree) tree = ash_fs_tree_new();
	g_autoptr(GHashTable) links = g_hash_table_new_full(ash_inode_hash, ash_inode_equal, g_free, NULL);
	Scan scan = { .options = options, .inodes = inodes, .links = links };
	struct stat st;
	int fd;

	if (!ash_fd_stat(root_fd, "/", &st, error))
		return NULL;
	set_stat(&scan, tree->root, &st);
	/* Not a dup(): that would share, and move, the caller's position in the directory. */
	fd = ash_fd_open(root_fd, ".", O_RDONLY | O_DIRECTORY, 0, error);
	if (fd < 0 || !scan_directory(&scan, fd, tree->root, error))
		return NULL;
	ash_fs_tree_finish(tree);
	if (options->label != NULL && !ash_fs_tree_walk(tree, label_node, (gpointer) options, error))
		return NULL;
	return g_steal_pointer(&tree);
}
