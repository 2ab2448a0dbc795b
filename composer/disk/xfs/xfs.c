/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/xfs/xfs.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/runner.h"
#include "base/size.h"
#include "disk/filesystem/rootfile.h"
#include "disk/xfs/inodes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BLOCK_BYTES 4096
/* An inode of 512 bytes less its header. */
#define LINK_BYTES  336
/* Of a file system of some hundred MiB; larger ones have more, but no more than a thousandth. */
#define JOURNAL_BYTES (96 * ASH_MIB)

/** A file system while it is made. */
typedef struct {
	AshContext *ctx;
	const AshFsTree *tree;  /* NULL: none */
	GPtrArray *nodes;       /* of AshFsNode; their numbers are owners in the prototype */
	GString *prototype;     /* mkfs.xfs(8), "-p" */
	char *dir;              /* for our files */
} Maker;

static gboolean
throw_node(GError **error, const AshFsNode *node, const char *what)
{
	g_autofree char *path = ash_fs_node_dup_path(node);

	return ash_throw(error, ASH_ERROR_CONFIG, "\"/%s\" %s, which mkfs.xfs cannot be told of: take \"ext4\"", path, what);
}

/* Words of a prototype stand between white space; a colon begins a comment, a dollar sign ends a directory. */
static bool
is_word(const char *text)
{
	return strpbrk(text, " \t\n\v\f\r") == NULL && *text != ':' && strcmp(text, "$") != 0;
}

static gboolean
check_node(AshFsNode *node, gpointer user_data, GError **error)
{
	const AshFsXattr *acl = ash_fs_node_get_xattr(node, "system.posix_acl_access");

	if (node->hardlink != NULL)
		return throw_node(error, node, "is another name of a file (a hard link)");
	if (S_ISSOCK(node->mode))
		return throw_node(error, node, "is a socket");
	if (!is_word(node->name) || (node->target != NULL && !is_word(node->target)))
		return throw_node(error, node, "has white space in its name or target");
	/* What has no room in the inode gets a block without a header from mkfs.xfs 6.1. */
	if (S_ISLNK(node->mode) && strlen(node->target) > LINK_BYTES)
		return throw_node(error, node, "is a link with a long target");
	return acl == NULL || throw_node(error, node, "has an access control list");
}

gboolean
ash_xfs_check(const AshFsTree *tree, GError **error)
{
	g_autofree char *path = ash_tool_find(ASH_TOOL_MKFS_XFS, error);

	return path != NULL && (tree == NULL || ash_fs_tree_walk((AshFsTree *) tree, check_node, NULL, error));
}

static gboolean
add_bytes(AshFsNode *node, gpointer bytes, GError **error)
{
	*(guint64 *) bytes += 2 * BLOCK_BYTES + (S_ISREG(node->mode) ? ash_size_round_up(node->size, BLOCK_BYTES) : 0);
	return TRUE;
}

guint64
ash_xfs_estimate(const AshFsTree *tree)
{
	guint64 bytes = 0;

	if (tree != NULL)
		ash_fs_tree_walk((AshFsTree *) tree, add_bytes, &bytes, NULL);
	return JOURNAL_BYTES + bytes + bytes / 8;
}

/* It reads files by their names, and the store's have none that it could be given for all kinds of trees. */
static gboolean
copy_content(const Maker *maker, const AshFsNode *node, const char *path, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(ASH_MIB);
	ash_autofd int from = ash_fs_tree_open(maker->tree, node, error);
	ash_autofd int to = from >= 0 ? ash_fd_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600, error) : -1;

	if (from < 0 || to < 0)
		return FALSE;
	for (guint64 at = 0; at < node->size; at += ASH_MIB) {
		gsize part = (gsize) MIN(ASH_MIB, node->size - at);

		if (!ash_context_check(maker->ctx, error) || !ash_fd_read_exact(from, buffer, part, at, error) ||
		    !ash_fd_write_all(to, buffer, part, at, error))
			return FALSE;
	}
	return TRUE;
}

static const struct {
	guint32 type; /* of the mode */
	char letter;
} types[] = { { S_IFDIR, 'd' }, { S_IFREG, '-' }, { S_IFLNK, 'l' }, { S_IFCHR, 'c' }, { S_IFBLK, 'b' }, { S_IFIFO, 'p' } };

/* Mode and owner are only held for now: the owner says which node it is. */
static void
add_inode(Maker *maker, AshFsNode *node)
{
	g_ptr_array_add(maker->nodes, node);
	node->number = maker->nodes->len;
	for (guint i = 0; i < G_N_ELEMENTS(types); i++)
		if (types[i].type == (node->mode & S_IFMT))
			g_string_append_printf(maker->prototype, "%c--%03o %u 0", types[i].letter, node->mode & 0777, node->number);
}

static gboolean add_children(Maker *maker, const AshFsNode *node, GError **error);

static gboolean
add_node(Maker *maker, AshFsNode *node, GError **error)
{
	g_autofree char *path = NULL;

	g_string_append_printf(maker->prototype, "%s ", node->name);
	add_inode(maker, node);
	if (S_ISDIR(node->mode))
		return add_children(maker, node, error);
	if (S_ISLNK(node->mode))
		g_string_append_printf(maker->prototype, " %s", node->target);
	if (S_ISCHR(node->mode) || S_ISBLK(node->mode))
		g_string_append_printf(maker->prototype, " %u %u", major(node->rdev), minor(node->rdev));
	if (S_ISREG(node->mode)) {
		path = node->size > 0 ? g_strdup_printf("%s/%u", maker->dir, node->number) : g_strdup("/dev/null");
		g_string_append_printf(maker->prototype, " %s", path);
	}
	g_string_append_c(maker->prototype, '\n');
	return !S_ISREG(node->mode) || node->size == 0 || copy_content(maker, node, path, error);
}

static gboolean
add_children(Maker *maker, const AshFsNode *node, GError **error)
{
	g_string_append_c(maker->prototype, '\n');
	for (guint i = 0; i < node->children->len; i++)
		if (!add_node(maker, g_ptr_array_index(node->children, i), error))
			return FALSE;
	g_string_append(maker->prototype, "$\n");
	return TRUE;
}

static gboolean
save_prototype(Maker *maker, AshFsNode *root, const char *path, GError **error)
{
	g_string_append(maker->prototype, "/dev/null\n0 0\n");
	add_inode(maker, root);
	return add_children(maker, root, error) &&
	       ash_file_write(AT_FDCWD, path, maker->prototype->str, (gssize) maker->prototype->len, 0600, error);
}

/* Numbers that the program would take from the machine, or of which its versions differ, are said. */
static gboolean
run_mkfs(const Maker *maker, const AshFilesystemOptions *options, const char *prototype, const char *image, GError **error)
{
	g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_MKFS_XFS, error);
	char uuid[ASH_UUID_STRING_SIZE];

	if (run == NULL)
		return FALSE;
	ash_uuid_format(&options->uuid, uuid);
	ash_run_setenv(run, "DETERMINISTIC_SEED", "1");
	ash_run_args(run, "-q", "-f", "-b", "size=4096", "-s", "size=512", "-d", "agcount=4,noalign", "-i", "size=512,sparse=1,nrext64=0", NULL);
	ash_run_arg(run, "-m");
	ash_run_argf(run, "crc=1,finobt=1,rmapbt=0,reflink=1,inobtcount=1,bigtime=1,uuid=%s", uuid);
	if (*options->label != '\0') {
		ash_run_arg(run, "-L");
		ash_run_argf(run, "%.*s", (int) ash_fs_kind_get_traits(ASH_FS_XFS)->label_bytes, options->label);
	}
	ash_run_args(run, "-p", prototype, image, NULL);
	return ash_run_sync(run, maker->ctx, NULL, error);
}

static gboolean
make(Maker *maker, AshFsNode *root, const AshFilesystemOptions *options, int fd, guint64 offset, guint64 bytes, GError **error)
{
	g_autofree char *prototype = g_build_filename(maker->dir, "prototype", NULL);
	g_autofree char *image = g_build_filename(maker->dir, "image", NULL);
	ash_autofd int image_fd = ash_fd_open(AT_FDCWD, image, O_RDWR | O_CREAT | O_EXCL, 0600, error);

	if (image_fd < 0)
		return FALSE;
	if (ftruncate(image_fd, (off_t) bytes) < 0)
		return ash_throw_errno(error, "cannot make a file of %" G_GUINT64_FORMAT " bytes", bytes);
	return save_prototype(maker, root, prototype, error) && run_mkfs(maker, options, prototype, image, error) &&
	       ash_xfs_finish_inodes(image_fd, maker->nodes, (gint64) options->epoch, error) &&
	       ash_root_file_copy(maker->ctx, image_fd, bytes, fd, offset, NULL, NULL, error);
}

gboolean
ash_xfs_write(AshContext *ctx, const AshFsTree *tree, const AshFilesystemOptions *options, int fd, guint64 offset, guint64 bytes, GError **error)
{
	g_autoptr(GPtrArray) nodes = g_ptr_array_new();
	g_autoptr(GString) prototype = g_string_new(NULL);
	g_autofree char *absolute = g_canonicalize_filename(options->scratch_dir, NULL);
	g_autofree char *dir = g_build_filename(absolute, ".xfs-XXXXXX", NULL);
	g_autoptr(GPtrArray) no_children = g_ptr_array_new();
	AshFsNode plain = { .name = (char *) "", .mode = S_IFDIR | 0755, .mtime = (gint64) options->epoch, .children = no_children };
	Maker maker = { ctx, tree, nodes, prototype, dir };
	gboolean made;

	if (!ash_xfs_check(tree, error))
		return FALSE;
	if (!is_word(dir))
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" has white space in its path, which mkfs.xfs cannot read", absolute);
	if (g_mkdtemp_full(dir, 0700) == NULL)
		return ash_throw_errno(error, "cannot make a directory in \"%s\"", absolute);
	made = make(&maker, tree != NULL ? tree->root : &plain, options, fd, offset, bytes, error);
	(void) ash_file_remove_tree(AT_FDCWD, dir, NULL);
	return made;
}
