/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/restore.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/entries.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define META_MAX 65536 /* what Linux allows for a value (xattr(7)) */
#define META_TYPE G_VARIANT_TYPE("(uuua(ayay))")

/* A run. */
typedef struct {
	AshContext *ctx;
	AshStore *store;
	GHashTable *wanted, *bad_inodes;
	GPtrArray *metas; /* of GVariant: what damaged objects say of themselves */
} Restore;

/* The attribute in which an object keeps its metadata. NULL if there is none. Owned. */
static GVariant *
load_meta(int dir_fd, const char *path)
{
	g_autofree char *absolute = ash_file_fd_path(dir_fd);
	g_autofree char *full = g_build_filename(absolute, path, NULL);
	g_autofree guint8 *buffer = g_malloc(META_MAX);
	ssize_t length = lgetxattr(full, ASH_STORE_META_XATTR, buffer, META_MAX);

	if (length <= 0)
		return NULL;
	g_autoptr(GBytes) bytes = g_bytes_new(buffer, (gsize) length);
	return g_variant_ref_sink(g_variant_new_from_bytes(META_TYPE, bytes, FALSE));
}

/* What an object of this file with its own owner and mode, and no attributes, would say. */
static GVariant *
new_meta(const struct stat *info)
{
	return g_variant_ref_sink(g_variant_new("(uuu@a(ayay))", GUINT32_TO_BE(info->st_uid), GUINT32_TO_BE(info->st_gid),
						GUINT32_TO_BE(info->st_mode),
						g_variant_new_array(G_VARIANT_TYPE("(ayay)"), NULL, 0)));
}

/* What the damaged objects say of themselves. */
static void
collect_metas(Restore *restore)
{
	GHashTableIter iter;
	gpointer id;

	g_hash_table_iter_init(&iter, restore->wanted);
	while (g_hash_table_iter_next(&iter, &id, NULL)) {
		char path[ASH_OBJECT_PATH_SIZE];
		ash_object_id_path(id, path);
		GVariant *meta = load_meta(restore->store->objects_fd, path);
		if (meta != NULL)
			g_ptr_array_add(restore->metas, meta);
	}
}

static GFileInfo *
info_of_meta(GVariant *meta, guint64 size, GVariant **ret_xattrs)
{
	GFileInfo *info = g_file_info_new();
	guint32 uid, gid, mode;

	g_variant_get(meta, "(uuu@a(ayay))", &uid, &gid, &mode, ret_xattrs);
	g_file_info_set_file_type(info, G_FILE_TYPE_REGULAR);
	g_file_info_set_size(info, (goffset) size);
	g_file_info_set_attribute_uint32(info, "unix::uid", GUINT32_FROM_BE(uid));
	g_file_info_set_attribute_uint32(info, "unix::gid", GUINT32_FROM_BE(gid));
	g_file_info_set_attribute_uint32(info, "unix::mode", GUINT32_FROM_BE(mode));
	return info;
}

static GInputStream *
open_file(int dir_fd, const char *path, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir_fd, path, O_RDONLY | O_NOFOLLOW, 0, error);
	g_autofree char *name = fd >= 0 ? ash_file_fd_path(fd) : NULL;
	g_autoptr(GFile) file = fd >= 0 ? g_file_new_for_path(name) : NULL;

	return file != NULL ? G_INPUT_STREAM(g_file_read(file, NULL, error)) : NULL;
}

/* Writes the object, the checksum of which is verified by libostree. */
static gboolean
write_object(Restore *restore, int dir_fd, const char *path, GFileInfo *info, GVariant *xattrs, const AshObjectId *id,
	     GError **error)
{
	g_autoptr(GInputStream) input = open_file(dir_fd, path, error);
	g_autoptr(GInputStream) content = NULL;
	char checksum[ASH_SHA256_HEX_SIZE], object[ASH_OBJECT_PATH_SIZE];
	guint64 length;

	ash_object_id_checksum(id, checksum);
	ash_object_id_path(id, object);
	/* libostree writes nothing where it finds something. */
	if (unlinkat(restore->store->objects_fd, object, 0) < 0 && errno != ENOENT)
		return ash_throw_errno(error, "cannot remove the damaged object \"%s\"", object);
	if (input == NULL || !ostree_raw_file_to_content_stream(input, info, xattrs, &content, &length, NULL, error) ||
	    !ostree_repo_write_content(restore->store->repo, checksum, content, length, NULL, NULL, error))
		return FALSE;
	g_hash_table_remove(restore->wanted, id);
	return TRUE;
}

/* Whether the file's content makes a wanted object with this metadata; if so, it is written. */
static gboolean
try_meta(Restore *restore, int dir_fd, const char *path, GVariant *meta, guint64 size, GError **error)
{
	g_autoptr(GVariant) xattrs = NULL;
	g_autoptr(GFileInfo) info = info_of_meta(meta, size, &xattrs);
	g_autoptr(GInputStream) input = open_file(dir_fd, path, error);
	AshObjectId id = { .type = OSTREE_OBJECT_TYPE_FILE };
	g_autofree guchar *sum = NULL;

	if (input == NULL || !ostree_checksum_file_from_input(info, xattrs, input, OSTREE_OBJECT_TYPE_FILE, &sum, NULL, error))
		return FALSE;
	memcpy(id.sum, sum, sizeof(id.sum));
	return !g_hash_table_contains(restore->wanted, &id) ||
	       write_object(restore, dir_fd, path, info, xattrs, &id, error);
}

/* Not each object's metadata by itself: most are alike. */
static gboolean
try_file(Restore *restore, int dir_fd, const char *path, GError **error)
{
	struct stat info;
	gint64 inode;

	if (fstatat(dir_fd, path, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(info.st_mode))
		return TRUE;
	inode = (gint64) info.st_ino;
	if (g_hash_table_contains(restore->bad_inodes, &inode))
		return TRUE;
	g_autoptr(GVariant) own = load_meta(dir_fd, path), plain = new_meta(&info);
	if (!try_meta(restore, dir_fd, path, plain, (guint64) info.st_size, error) ||
	    (own != NULL && !try_meta(restore, dir_fd, path, own, (guint64) info.st_size, error)))
		return FALSE;
	for (guint i = 0; i < restore->metas->len; i++)
		if (!g_variant_equal(g_ptr_array_index(restore->metas, i), plain) &&
		    !try_meta(restore, dir_fd, path, g_ptr_array_index(restore->metas, i), (guint64) info.st_size, error))
			return FALSE;
	return TRUE;
}

static gboolean
search(Restore *restore, const char *dir, GError **error)
{
	g_autoptr(GPtrArray) files = ash_store_list_files(restore->store, dir, error);

	for (guint i = 0; files != NULL && i < files->len && g_hash_table_size(restore->wanted) > 0; i++) {
		g_autofree char *path = g_build_filename(dir, g_ptr_array_index(files, i), NULL);
		if (!ash_context_check(restore->ctx, error) || !try_file(restore, restore->store->dir_fd, path, error))
			return FALSE;
	}
	return files != NULL;
}

/* Equal metadata once. */
static void
remove_duplicates(GPtrArray *metas)
{
	for (guint i = 0; i < metas->len; i++)
		for (guint j = metas->len; j > i + 1; j--)
			if (g_variant_equal(g_ptr_array_index(metas, i), g_ptr_array_index(metas, j - 1)))
				g_ptr_array_remove_index(metas, j - 1);
}

gboolean
ash_restore_objects(AshContext *ctx, AshStore *store, GHashTable *wanted, GHashTable *bad_inodes, GError **error)
{
	g_autoptr(GPtrArray) metas = g_ptr_array_new_with_free_func((GDestroyNotify) g_variant_unref);
	Restore restore = { .ctx = ctx, .store = store, .wanted = wanted, .bad_inodes = bad_inodes, .metas = metas };

	if (g_hash_table_size(wanted) == 0)
		return TRUE;
	collect_metas(&restore);
	remove_duplicates(metas);
	return search(&restore, "import/" ASH_IMPORT_LAYOUT, error) && search(&restore, "roots", error);
}
