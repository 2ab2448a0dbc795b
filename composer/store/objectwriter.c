/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/objectwriter.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/shared.h"
#include "store/internal.h"
#include "store/object.h"
#include "store/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Tell the progress of every so many files: an event for each would cost more than the small ones. */
#define PROGRESS_EVERY 64

/* An inode with so many names is copied: some file systems count no more than 65,000. */
#define MAX_LINKS 60000

/* A file of the tree, and what the repository may have of it. */
typedef struct {
	AshFsNode *node;
	const AshScanInode *inode;
	char *path;      /* below the root */
	const char *known; /* checksum of the object that is this inode, as it seems; borrowed from the map, or NULL */
	guint names;     /* in the tree */
} File;

/* Shared by the threads. */
typedef struct {
	AshContext *ctx;
	AshObjectWriter *writer; /* its links and counts under lock */
	dev_t dev;               /* of the repository */
	GArray *files;           /* of File: what to write */
	guint next;              /* atomic: place in files of the next one to take */
	guint done;              /* atomic */
	int failed;              /* atomic */
	GMutex lock;
	GError *error;           /* the first one; under lock */
} Work;

/* What a thread keeps from one file to the next. */
typedef struct {
	guint8 *buffer;
	GVariant *meta; /* of a file without attributes, of the mode, owner and group below; or NULL */
	guint32 mode, uid, gid;
} Scratch;

static void
scratch_clear(Scratch *scratch)
{
	g_clear_pointer(&scratch->buffer, g_free);
	g_clear_pointer(&scratch->meta, g_variant_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scratch, scratch_clear)

/* As ash_object_new_metadata(): most files have the same. */
static GVariant *
scratch_metadata(Scratch *scratch, const AshFsNode *node)
{
	if (node->xattrs != NULL)
		return ash_object_new_metadata(node);
	if (scratch->meta == NULL || scratch->mode != node->mode || scratch->uid != node->uid ||
	    scratch->gid != node->gid) {
		g_clear_pointer(&scratch->meta, g_variant_unref);
		scratch->meta = ash_object_new_metadata(node);
		scratch->mode = node->mode;
		scratch->uid = node->uid;
		scratch->gid = node->gid;
	}
	return g_variant_ref(scratch->meta);
}

static gboolean
copy_object(const AshObjectWriter *writer, int from_fd, const AshFsNode *node, GVariant *meta, GError **error)
{
	/* Two names of the tree may hold the same object at the same time: the temporary name is this node's own. */
	g_autofree char *temporary = g_strdup_printf("%p.tmp", (const void *) node);
	g_autofree char *staged_name = g_strconcat(node->content, ".file", NULL);
	ash_autofd int fd = ash_fd_open(writer->stage_fd, temporary, O_RDWR | O_CREAT | O_EXCL, 0600, error);

	if (fd < 0)
		return FALSE;
	if (!ash_fd_copy_range(from_fd, 0, fd, 0, node->size, error) || !ash_object_set_metadata(fd, node, meta, error))
		return FALSE;
	if (renameat(writer->stage_fd, temporary, writer->stage_fd, staged_name) < 0)
		return ash_throw_errno(error, "cannot rename to \"%s\"", staged_name);
	return TRUE;
}

/* Whether the file may be a shared one: its mark is still to be looked at. */
static bool
is_plain(const AshFsNode *node)
{
	const struct stat info = { .st_mode = node->mode, .st_uid = node->uid, .st_gid = node->gid };

	return ash_shared_is_plain(&info);
}

static bool
is_shared(const File *file, int fd)
{
	return is_plain(file->node) && fgetxattr(fd, ASH_SHARED_XATTR, NULL, 0) >= 0;
}

/* The object @checksum is this very inode. */
static bool
is_object(const Work *work, const File *file, const char *checksum)
{
	char name[ASH_STORE_OBJECT_NAME_SIZE];
	struct stat info;

	ash_store_object_name(checksum, name);
	return fstatat(work->writer->objects_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
	       info.st_ino == file->inode->id.ino && info.st_dev == file->inode->id.dev;
}

/*
 * A shared file whose object is another inode (the same bytes were there before, or with another label) says so in the value of
 * its mark, which it loses with the mark when its content changes.
 */
static void
note_object(int fd, const char *checksum)
{
	guint8 sum[ASH_SHA256_SIZE];

	/* Only to be faster next time. */
	if (ash_hex_decode(checksum, sum, sizeof(sum)))
		(void) !fsetxattr(fd, ASH_SHARED_XATTR, sum, sizeof(sum), XATTR_REPLACE);
}

/* The checksum that note_object() left, owned, if there is such an object and it has the wanted metadata; or NULL. */
static char *
dup_noted_object(const Work *work, int fd, GVariant *meta)
{
	guint8 sum[ASH_SHA256_SIZE];
	char name[ASH_STORE_OBJECT_NAME_SIZE];

	if (fgetxattr(fd, ASH_SHARED_XATTR, sum, sizeof(sum)) != (ssize_t) sizeof(sum))
		return NULL;
	g_autofree char *checksum = ash_hex_encode(sum, sizeof(sum));
	ash_store_object_name(checksum, name);
	ash_autofd int object_fd = openat(work->writer->objects_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return object_fd >= 0 && ash_object_has_metadata(object_fd, meta) ? g_steal_pointer(&checksum) : NULL;
}

static gboolean
hash_file(Work *work, const File *file, int fd, guint8 *buffer, GError **error)
{
	AshObjectCounts *counts = &work->writer->counts;

	file->node->content = ash_object_digest_file(file->node, fd, buffer, error);
	if (file->node->content == NULL)
		return FALSE;
	g_mutex_lock(&work->lock);
	counts->hashed++;
	counts->hashed_bytes += file->node->size;
	g_mutex_unlock(&work->lock);
	return TRUE;
}

/* Makes the inode an object, to be linked later. FALSE with no error if it must be copied. */
static gboolean
take_file(Work *work, const File *file, int fd, GVariant *meta, bool shared, GError **error)
{
	if (file->inode->id.dev != work->dev || file->inode->nlink >= MAX_LINKS)
		return FALSE;
	if (shared)
		return ash_object_share_inode(fd, meta, error);
	/* A file with a name outside of the tree, say in the package cache, must stay as it is. */
	if (!work->writer->adopt || file->names != file->inode->nlink)
		return FALSE;
	return ash_object_take_inode(fd, error) && ash_object_set_metadata(fd, file->node, meta, error);
}

static gboolean
make_object(Work *work, const File *file, int fd, GVariant *meta, bool shared, GError **error)
{
	AshObjectWriter *writer = work->writer;
	GError *local = NULL;
	gboolean taken = take_file(work, file, fd, meta, shared, &local);

	if (local != NULL) {
		g_propagate_error(error, local);
		return FALSE;
	}
	if (!taken && writer->shared_only)
		return TRUE;
	if (!taken && !copy_object(writer, fd, file->node, meta, error))
		return FALSE;
	if (!taken && shared)
		note_object(fd, file->node->content);
	g_mutex_lock(&work->lock);
	if (taken)
		g_ptr_array_add(writer->links, file->node);
	writer->counts.linked += taken;
	writer->counts.copied += !taken;
	g_mutex_unlock(&work->lock);
	return TRUE;
}

static void
count_known(Work *work)
{
	g_mutex_lock(&work->lock);
	work->writer->counts.known++;
	g_mutex_unlock(&work->lock);
}

/*
 * A plain file that is an object by its inode's number, and says itself what it is the object of, is that, and has no attributes
 * of its own: one call, without opening it.
 */
static bool
is_known(Work *work, const File *file, Scratch *scratch)
{
	char path[PATH_MAX];
	g_autoptr(GVariant) meta = NULL;

	if (file->known == NULL || !is_plain(file->node) ||
	    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", work->writer->root_fd, file->path) >= (int) sizeof(path))
		return false;
	if (!ash_object_map_is_exact(work->writer->map) && !is_object(work, file, file->known))
		return false;
	meta = scratch_metadata(scratch, file->node);
	return ash_object_path_has_metadata(path, meta);
}

static gboolean
write_file(Work *work, File *file, Scratch *scratch, GError **error)
{
	ash_autofd int fd = ash_fd_open(work->writer->root_fd, file->path, O_RDONLY | O_NOFOLLOW, 0, error);
	g_autoptr(GVariant) meta = NULL;
	bool shared;

	if (fd < 0 || !ash_scan_read_xattrs(fd, file->node, error))
		return FALSE;
	meta = scratch_metadata(scratch, file->node);
	if (file->known != NULL && is_object(work, file, file->known) &&
	    ash_object_has_metadata(fd, meta))
		file->node->content = g_strdup(file->known);
	shared = file->node->content == NULL && is_shared(file, fd);
	if (shared)
		file->node->content = dup_noted_object(work, fd, meta);
	if (file->node->content != NULL) {
		count_known(work);
		return TRUE;
	}
	if (!shared && work->writer->shared_only)
		return TRUE;
	if (!hash_file(work, file, fd, scratch->buffer, error))
		return FALSE;
	if (!ash_object_exists(work->writer->objects_fd, file->node->content))
		return make_object(work, file, fd, meta, shared, error);
	if (shared)
		note_object(fd, file->node->content);
	return TRUE;
}

static gboolean
write_next(Work *work, Scratch *scratch, GError **error)
{
	guint at = g_atomic_int_add(&work->next, 1), done;
	File *file;

	if (at >= work->files->len || g_atomic_int_get(&work->failed))
		return FALSE;
	file = &g_array_index(work->files, File, at);
	file->known = ash_object_map_lookup(work->writer->map, file->inode->id.ino);
	if (!ash_context_check(work->ctx, error))
		return FALSE;
	if (is_known(work, file, scratch)) {
		file->node->content = g_strdup(file->known);
		count_known(work);
	} else if (!write_file(work, file, scratch, error)) {
		return ash_prefix(error, "\"/%s\"", file->path);
	}
	done = g_atomic_int_add(&work->done, 1) + 1;
	if (done % PROGRESS_EVERY == 0 || done == work->files->len)
		ash_progress_count(work->ctx->progress, done, work->files->len, "files");
	return TRUE;
}

static gpointer
write_files_thread(gpointer data)
{
	Work *work = data;
	g_auto(Scratch) scratch = { .buffer = g_malloc(ASH_OBJECT_BUFFER_SIZE) };
	GError *error = NULL;

	while (write_next(work, &scratch, &error))
		continue;
	if (error == NULL)
		return NULL;
	g_atomic_int_set(&work->failed, 1);
	g_mutex_lock(&work->lock);
	if (work->error == NULL)
		work->error = g_steal_pointer(&error);
	g_mutex_unlock(&work->lock);
	g_clear_error(&error);
	return NULL;
}

static void
file_clear(gpointer data)
{
	g_free(((File *) data)->path);
}

static gboolean
collect_file(AshFsNode *node, gpointer user_data, GError **error)
{
	Work *work = user_data;
	const AshScanInode *inode = &g_array_index(work->writer->inodes, AshScanInode, node->number);

	if (!S_ISREG(node->mode) || node->hardlink != NULL || (work->writer->shared_only && !is_plain(node)))
		return TRUE;
	File file = { .node = node, .inode = inode, .path = ash_fs_node_dup_path(node), .names = node->nlink };
	g_array_append_val(work->files, file);
	/* An inode that is an object has one more name than those in the tree. */
	if (inode->nlink > node->nlink && inode->id.dev == work->dev)
		ash_object_map_want(work->writer->map, inode->id.ino);
	return TRUE;
}

static gboolean
run_threads(Work *work, GThreadFunc func, GError **error)
{
	g_autoptr(GPtrArray) threads = g_ptr_array_new();

	g_mutex_init(&work->lock);
	for (guint i = 1; i < work->ctx->jobs; i++)
		g_ptr_array_add(threads, g_thread_new("objects", func, work));
	func(work);
	for (guint i = 0; i < threads->len; i++)
		g_thread_join(g_ptr_array_index(threads, i));
	g_mutex_clear(&work->lock);
	if (work->error == NULL)
		return TRUE;
	g_propagate_error(error, work->error);
	return FALSE;
}

static void
work_clear(Work *work)
{
	g_clear_pointer(&work->files, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

/* Everything but the objects themselves. */
static gboolean
prepare(Work *work, AshFsTree *tree, GError **error)
{
	AshObjectWriter *writer = work->writer;
	struct stat info;

	if (!ash_fd_stat(writer->objects_fd, "objects", &info, error))
		return FALSE;
	work->dev = info.st_dev;
	work->files = g_array_new(FALSE, FALSE, sizeof(File));
	g_array_set_clear_func(work->files, file_clear);
	ash_fs_tree_walk(tree, collect_file, work, NULL);
	return ash_object_map_load(writer->map, writer->objects_fd, error);
}

gboolean
ash_object_count_new(AshContext *ctx, AshObjectWriter *writer, AshFsTree *tree, guint64 *ret_bytes, GError **error)
{
	g_auto(Work) work = { .ctx = ctx, .writer = writer };

	if (!prepare(&work, tree, error))
		return FALSE;
	*ret_bytes = 0;
	for (guint i = 0; i < work.files->len; i++) {
		const File *file = &g_array_index(work.files, File, i);
		if (ash_object_map_lookup(writer->map, file->inode->id.ino) == NULL)
			*ret_bytes += file->node->size;
	}
	return TRUE;
}

gboolean
ash_object_write_files(AshContext *ctx, AshObjectWriter *writer, AshFsTree *tree, GError **error)
{
	g_auto(Work) work = { .ctx = ctx, .writer = writer };

	writer->links = g_ptr_array_new();
	return prepare(&work, tree, error) && run_threads(&work, write_files_thread, error);
}

void
ash_object_writer_clear(AshObjectWriter *writer)
{
	g_clear_pointer(&writer->links, g_ptr_array_unref);
}

static bool
make_directory(const AshObjectWriter *writer, const char *name)
{
	char directory[3] = { name[0], name[1], '\0' };

	return mkdirat(writer->objects_fd, directory, 0755) == 0 || errno == EEXIST;
}

/* Whoever has published the same object meanwhile keeps it: others may be links to it by now. */
static int
move_object(int stage_fd, const char *staged_name, int objects_fd, const char *name)
{
	int result = renameat2(stage_fd, staged_name, objects_fd, name, RENAME_NOREPLACE);

	if (result < 0 && errno == EEXIST)
		return 0;
	if (result < 0 && (errno == EINVAL || errno == ENOSYS))
		return renameat(stage_fd, staged_name, objects_fd, name);
	return result;
}

static gboolean
publish_copy(const AshObjectWriter *writer, const char *staged_name, GError **error)
{
	char name[ASH_STORE_OBJECT_NAME_SIZE];

	ash_store_object_name(staged_name, name);
	if (move_object(writer->stage_fd, staged_name, writer->objects_fd, name) == 0)
		return TRUE;
	if (errno == ENOENT && make_directory(writer, name) &&
	    move_object(writer->stage_fd, staged_name, writer->objects_fd, name) == 0)
		return TRUE;
	return ash_throw_errno(error, "cannot rename to \"objects/%s\"", name);
}

static int
link_object(const AshObjectWriter *writer, const char *path, const char *name, const AshFsNode *node)
{
	ash_autofd int fd = -1;
	int result = linkat(writer->root_fd, path, writer->objects_fd, name, 0);

	if (result == 0)
		ash_object_map_add(writer->map, g_array_index(writer->inodes, AshScanInode, node->number).id.ino, node->content);
	if (result == 0 || errno != EEXIST)
		return result;
	/* The same content twice in one tree, or another commit. */
	fd = openat(writer->root_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		note_object(fd, node->content);
	return 0;
}

static gboolean
publish_link(const AshObjectWriter *writer, const AshFsNode *node, GError **error)
{
	g_autofree char *path = ash_fs_node_dup_path(node);
	char name[ASH_STORE_OBJECT_NAME_SIZE];

	ash_store_object_name(node->content, name);
	if (link_object(writer, path, name, node) == 0)
		return TRUE;
	if (errno == ENOENT && make_directory(writer, name) && link_object(writer, path, name, node) == 0)
		return TRUE;
	return ash_throw_errno(error, "cannot link \"/%s\" to \"objects/%s\"", path, name);
}

static gboolean
publish_copies(AshContext *ctx, const AshObjectWriter *writer, GError **error)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(writer->stage_fd, ".", error);
	struct dirent *entry;

	if (stream == NULL)
		return FALSE;
	while ((entry = ash_fd_next_entry(stream)) != NULL) {
		if (!ash_context_check(ctx, error) ||
		    (g_str_has_suffix(entry->d_name, ".file") && !publish_copy(writer, entry->d_name, error)))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_object_publish(AshContext *ctx, const AshObjectWriter *writer, GError **error)
{
	for (guint i = 0; i < writer->links->len; i++) {
		if (!ash_context_check(ctx, error) ||
		    !publish_link(writer, g_ptr_array_index(writer->links, i), error))
			return FALSE;
	}
	return writer->stage_fd < 0 || publish_copies(ctx, writer, error);
}
