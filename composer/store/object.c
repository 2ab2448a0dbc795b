/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/object.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "store/internal.h"
#include "store/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DIR, closedir)

#define READ_BUFFER_SIZE ((gsize) 256 * 1024)

/* Tell the progress of every so many files: an event for each would cost more than the small ones. */
#define PROGRESS_EVERY 64

/* OSTree's permissions of a bare-user object: the file's own, without set-id bits and always readable by the owner. */
#define OBJECT_MODE(mode) (((mode) & 0775) | S_IRUSR)

/* "CHECKSUM.file" */
#define STAGED_NAME_SIZE (ASH_SHA256_HEX_SIZE + sizeof ".file" - 1)

/* Shared by the threads. */
typedef struct {
	AshContext *ctx;
	const AshObjectWriter *writer;
	GPtrArray *files; /* of AshFsNode: what to write */
	guint next;       /* atomic: place in files of the next one to take */
	guint done;       /* atomic */
	int failed;       /* atomic */
	GMutex lock;
	GError *error;    /* the first one; under lock */
} Work;

GVariant *
ash_object_new_xattrs(const AshFsNode *node)
{
	GVariantBuilder builder;

	g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ayay)"));
	for (guint i = 0; node->xattrs != NULL && i < node->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);
		g_variant_builder_add(&builder, "(@ay@ay)", g_variant_new_bytestring(xattr->name),
				      g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, xattr->value,
								xattr->length, 1));
	}
	return g_variant_builder_end(&builder);
}

/*
 * A file object's identity is the SHA-256 of its header and its content. The header is, big-endian, its length
 * in 32 bits, 32 bits of zero and (uuuusa(ayay)): owner, group, mode, device number, link target, xattrs.
 */
static void
digest_header(AshDigest *digest, const AshFsNode *node)
{
	g_autoptr(GVariant) header = g_variant_ref_sink(g_variant_new(
		"(uuuus@a(ayay))", GUINT32_TO_BE(node->uid), GUINT32_TO_BE(node->gid),
		GUINT32_TO_BE(node->mode), 0u, "", ash_object_new_xattrs(node)));
	guint32 start[2] = { GUINT32_TO_BE((guint32) g_variant_get_size(header)), 0 };

	ash_digest_update(digest, start, sizeof(start));
	ash_digest_update(digest, g_variant_get_data(header), g_variant_get_size(header));
}

static gboolean
digest_content(AshDigest *digest, int fd, guint64 size, guint8 *buffer, GError **error)
{
	for (guint64 at = 0; at < size;) {
		gsize part = (gsize) MIN(size - at, READ_BUFFER_SIZE);
		if (!ash_fd_read_exact(fd, buffer, part, at, error))
			return FALSE;
		ash_digest_update(digest, buffer, part);
		at += part;
	}
	return TRUE;
}

static gboolean
clear_xattrs(int fd, GError **error)
{
	g_autofree char *names = NULL;
	ssize_t length = flistxattr(fd, NULL, 0);

	if (length == 0)
		return TRUE;
	if (length < 0)
		return ash_throw_errno(error, "cannot list extended attributes");
	names = g_malloc((gsize) length);
	length = flistxattr(fd, names, (gsize) length);
	for (char *name = names; name < names + length; name += strlen(name) + 1) {
		/* Security modules of the build host keep their own. */
		if (fremovexattr(fd, name) < 0 && g_str_has_prefix(name, "user."))
			return ash_throw_errno(error, "cannot remove the extended attribute \"%s\"", name);
	}
	return TRUE;
}

/* Makes the inode ours, with nothing of its own left. */
static gboolean
take_inode(int fd, GError **error)
{
	if (fchown(fd, geteuid(), getegid()) < 0)
		return ash_throw_errno(error, "cannot change the owner");
	/* Extended attributes ask for permission to write, of the owner too. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) < 0)
		return ash_throw_errno(error, "cannot change the mode");
	return clear_xattrs(fd, error);
}

/* Makes an inode of ours what an object is: its true metadata in an xattr, its time 0. */
static gboolean
set_object_metadata(int fd, const AshFsNode *node, GError **error)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 0 } };
	g_autoptr(GVariant) meta = g_variant_ref_sink(
		g_variant_new("(uuu@a(ayay))", GUINT32_TO_BE(node->uid), GUINT32_TO_BE(node->gid),
			      GUINT32_TO_BE(node->mode), ash_object_new_xattrs(node)));

	if (fsetxattr(fd, ASH_STORE_META_XATTR, g_variant_get_data(meta), g_variant_get_size(meta), 0) < 0)
		return ash_throw_errno(error, "cannot set the extended attribute \"%s\"", ASH_STORE_META_XATTR);
	if (fchmod(fd, OBJECT_MODE(node->mode)) < 0)
		return ash_throw_errno(error, "cannot change the mode");
	if (futimens(fd, times) < 0)
		return ash_throw_errno(error, "cannot set the time");
	return TRUE;
}

static gboolean
copy_object(const AshObjectWriter *writer, int from_fd, const AshFsNode *node, const char *path,
	    const char *staged_name, GError **error)
{
	/* Two names of the tree may hold the same object at the same time: the temporary name is this node's own. */
	g_autofree char *temporary = g_strdup_printf("%p.tmp", (const void *) node);
	ash_autofd int fd = ash_fd_open(writer->stage_fd, temporary, O_RDWR | O_CREAT | O_EXCL, 0600, error);

	if (fd < 0)
		return FALSE;
	if (!ash_fd_copy_range(from_fd, 0, fd, 0, node->size, error) || !set_object_metadata(fd, node, error))
		return ash_prefix(error, "\"/%s\"", path);
	if (renameat(writer->stage_fd, temporary, writer->stage_fd, staged_name) < 0)
		return ash_throw_errno(error, "cannot rename to \"%s\"", staged_name);
	return TRUE;
}

static gboolean
adopt_object(const AshObjectWriter *writer, int fd, const AshFsNode *node, const char *path,
	     const char *staged_name, GError **error)
{
	if (!take_inode(fd, error) || !set_object_metadata(fd, node, error))
		return ash_prefix(error, "\"/%s\"", path);
	if (linkat(writer->root_fd, path, writer->stage_fd, staged_name, 0) == 0 || errno == EEXIST)
		return TRUE;
	if (errno == EXDEV || errno == EMLINK)
		return copy_object(writer, fd, node, path, staged_name, error);
	return ash_throw_errno(error, "cannot link \"/%s\" into the store", path);
}

static bool
object_exists(const AshObjectWriter *writer, const char *checksum)
{
	char name[ASH_STORE_OBJECT_NAME_SIZE];

	ash_store_object_name(checksum, name);
	return faccessat(writer->objects_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static gboolean
write_file(const AshObjectWriter *writer, AshFsNode *node, const char *path, guint8 *buffer, GError **error)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	char staged_name[STAGED_NAME_SIZE];
	ash_autofd int fd = ash_fd_open(writer->root_fd, path, O_RDONLY | O_NOFOLLOW, 0, error);
	/* A file with a name outside of the tree, say in the package cache, must stay as it is. */
	bool ours = node->number == node->nlink;

	if (fd < 0 || !ash_scan_read_xattrs(fd, node, error))
		return FALSE;
	digest_header(digest, node);
	if (!digest_content(digest, fd, node->size, buffer, error))
		return ash_prefix(error, "\"/%s\"", path);
	node->content = ash_digest_finish_hex(digest);
	if (object_exists(writer, node->content))
		return TRUE;
	g_snprintf(staged_name, sizeof(staged_name), "%s.file", node->content);
	if (writer->adopt && ours)
		return adopt_object(writer, fd, node, path, staged_name, error);
	return copy_object(writer, fd, node, path, staged_name, error);
}

static gboolean
write_next(Work *work, guint8 *buffer, GError **error)
{
	guint at = g_atomic_int_add(&work->next, 1), done;
	g_autofree char *path = NULL;

	if (at >= work->files->len || g_atomic_int_get(&work->failed))
		return FALSE;
	path = ash_fs_node_dup_path(g_ptr_array_index(work->files, at));
	if (!ash_context_check(work->ctx, error) ||
	    !write_file(work->writer, g_ptr_array_index(work->files, at), path, buffer, error))
		return FALSE;
	done = g_atomic_int_add(&work->done, 1) + 1;
	if (done % PROGRESS_EVERY == 0 || done == work->files->len)
		ash_progress_count(work->ctx->progress, done, work->files->len, "files");
	return TRUE;
}

static gpointer
write_files_thread(gpointer data)
{
	Work *work = data;
	g_autofree guint8 *buffer = g_malloc(READ_BUFFER_SIZE);
	GError *error = NULL;

	while (write_next(work, buffer, &error))
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

static gboolean
collect_file(AshFsNode *node, gpointer user_data, GError **error)
{
	if (S_ISREG(node->mode) && node->hardlink == NULL)
		g_ptr_array_add(user_data, node);
	return TRUE;
}

gboolean
ash_object_write_files(AshContext *ctx, const AshObjectWriter *writer, AshFsTree *tree, GError **error)
{
	g_autoptr(GPtrArray) files = g_ptr_array_new();
	g_autoptr(GPtrArray) threads = g_ptr_array_new();
	Work work = { .ctx = ctx, .writer = writer, .files = files };

	ash_fs_tree_walk(tree, collect_file, files, NULL);
	g_mutex_init(&work.lock);
	for (guint i = 1; i < ctx->jobs; i++)
		g_ptr_array_add(threads, g_thread_new("objects", write_files_thread, &work));
	write_files_thread(&work);
	for (guint i = 0; i < threads->len; i++)
		g_thread_join(g_ptr_array_index(threads, i));
	g_mutex_clear(&work.lock);
	if (work.error != NULL) {
		g_propagate_error(error, work.error);
		return FALSE;
	}
	return TRUE;
}

static gboolean
publish_object(const AshObjectWriter *writer, const char *staged_name, GError **error)
{
	char name[ASH_STORE_OBJECT_NAME_SIZE];
	char directory[3] = { staged_name[0], staged_name[1], '\0' };

	ash_store_object_name(staged_name, name);
	if (renameat(writer->stage_fd, staged_name, writer->objects_fd, name) == 0)
		return TRUE;
	if (errno == ENOENT && (mkdirat(writer->objects_fd, directory, 0755) == 0 || errno == EEXIST) &&
	    renameat(writer->stage_fd, staged_name, writer->objects_fd, name) == 0)
		return TRUE;
	return ash_throw_errno(error, "cannot rename to \"objects/%s\"", name);
}

gboolean
ash_object_publish(const AshObjectWriter *writer, GError **error)
{
	ash_autofd int fd = ash_fd_open(writer->stage_fd, ".", O_RDONLY | O_DIRECTORY, 0, error);
	g_autoptr(DIR) stream = NULL;
	struct dirent *entry;

	if (fd < 0)
		return FALSE;
	stream = fdopendir(fd);
	if (stream == NULL)
		return ash_throw_errno(error, "cannot read the directory of new objects");
	ash_fd_steal(&fd);
	while ((entry = readdir(stream)) != NULL) {
		if (g_str_has_suffix(entry->d_name, ".file") && !publish_object(writer, entry->d_name, error))
			return FALSE;
	}
	return TRUE;
}
