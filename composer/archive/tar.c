/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/tar.h"

#include "archive/libarchive.h"
#include "base/error.h"
#include "base/fd.h"

#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BUFFER_SIZE ((gsize) 256 * 1024)

typedef struct {
	AshContext *ctx;
	AshFsTree *tree;
	const AshTarOptions *options;
	struct archive *archive;
	struct archive_entry *entry; /* used again and again */
	AshArchiveSink sink;
	locale_t utf8, before; /* of this thread while it writes */
	guint8 *buffer;
	guint64 done; /* bytes of file content */
} Tar;

static void
tar_clear(Tar *tar)
{
	ash_archive_discard(tar->archive, &tar->sink);
	archive_entry_free(tar->entry);
	g_free(tar->buffer);
	if (tar->utf8 != NULL) {
		uselocale(tar->before);
		freelocale(tar->utf8);
	}
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tar, tar_clear)

static gboolean
tar_open(Tar *tar, GError **error)
{
	/* libarchive takes names for text in the user's character set, and pax is UTF-8. */
	tar->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	if (tar->utf8 == NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "the C library has no locale \"C.UTF-8\"");
	tar->before = uselocale(tar->utf8);
	tar->archive = archive_write_new();
	tar->entry = archive_entry_new();
	tar->buffer = g_malloc(READ_BUFFER_SIZE);
	archive_write_set_format_pax_restricted(tar->archive);
	/* Both forms are written otherwise; other programs know this one only. */
	if (archive_write_set_format_option(tar->archive, "pax", "xattrheader", "SCHILY") != ARCHIVE_OK)
		return ash_archive_throw(tar->archive, &tar->sink, error);
	return ash_archive_open(tar->archive, &tar->sink, ASH_ARCHIVE_BLOCK_SIZE, error);
}

static char *
dup_name(const Tar *tar, const AshFsNode *node)
{
	g_autofree char *path = ash_fs_node_dup_path(node);

	return g_strconcat(tar->options->prefix != NULL ? tar->options->prefix : "", path, NULL);
}

static const char *const security_modules[] = { "security.selinux", "security.ima", "security.evm", NULL };

static void
set_xattrs(Tar *tar, const AshFsNode *node)
{
	for (guint i = 0; node->xattrs != NULL && i < node->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);
		if (tar->options->drop_selinux && g_strv_contains(security_modules, xattr->name))
			continue;
		archive_entry_xattr_add_entry(tar->entry, xattr->name, xattr->value, xattr->length);
	}
}

/* The first name of @node's inode that is in the archive, or NULL: its content is to be written here. */
static const AshFsNode *
find_link_target(const Tar *tar, const AshFsNode *node)
{
	/* With names left out, the first one may be missing: then each of the others is a file of its own. */
	for (const AshFsNode *at = node->hardlink; at != NULL; at = at->parent) {
		if (tar->options->exclude != NULL && tar->options->exclude(at, tar->options->exclude_data))
			return NULL;
	}
	return node->hardlink;
}

static void
set_entry(Tar *tar, const AshFsNode *node, const AshFsNode *link)
{
	g_autofree char *name = dup_name(tar, node);
	struct archive_entry *entry = archive_entry_clear(tar->entry);

	archive_entry_set_pathname(entry, name);
	archive_entry_set_mode(entry, (__LA_MODE_T) node->mode);
	archive_entry_set_uid(entry, node->uid);
	archive_entry_set_gid(entry, node->gid);
	archive_entry_set_mtime(entry, tar->options->directories_at_zero && S_ISDIR(node->mode) ? 0 : (time_t) node->mtime, 0);
	if (S_ISLNK(node->mode))
		archive_entry_set_symlink(entry, node->target);
	if (link != NULL) {
		g_autofree char *target = dup_name(tar, link);
		archive_entry_set_hardlink(entry, target);
		return;
	}
	if (S_ISREG(node->mode))
		archive_entry_set_size(entry, (la_int64_t) node->size);
	set_xattrs(tar, node);
}

static gboolean
write_content(Tar *tar, const AshFsNode *node, GError **error)
{
	ash_autofd int fd = ash_fs_tree_open(tar->tree, node, error);

	if (fd < 0)
		return FALSE;
	for (guint64 at = 0; at < node->size;) {
		gsize part = (gsize) MIN(node->size - at, READ_BUFFER_SIZE);
		if (!ash_context_check(tar->ctx, error) ||
		    !ash_fd_read_exact(fd, tar->buffer, part, at, error))
			return FALSE;
		if (archive_write_data(tar->archive, tar->buffer, part) != (la_ssize_t) part)
			return ash_archive_throw(tar->archive, &tar->sink, error);
		at += part;
	}
	tar->done += node->size;
	ash_progress_count(tar->ctx->progress, tar->done, 0, "B");
	return TRUE;
}

static gboolean
write_node(Tar *tar, const AshFsNode *node, GError **error)
{
	const AshFsNode *link = find_link_target(tar, node);

	set_entry(tar, node, link);
	if (archive_write_header(tar->archive, tar->entry) != ARCHIVE_OK)
		return ash_archive_throw(tar->archive, &tar->sink, error);
	if (!S_ISREG(node->mode) || link != NULL || node->size == 0)
		return TRUE;
	return write_content(tar, node, error);
}

static gboolean
write_below(Tar *tar, const AshFsNode *node, GError **error)
{
	bool has_entry = node->parent != NULL || (tar->options->prefix != NULL && *tar->options->prefix != '\0');

	if (tar->options->exclude != NULL && tar->options->exclude(node, tar->options->exclude_data))
		return TRUE;
	if (has_entry && !write_node(tar, node, error)) {
		g_autofree char *path = ash_fs_node_dup_path(node);
		return ash_prefix(error, "\"/%s\"", path);
	}
	for (guint i = 0; node->children != NULL && i < node->children->len; i++) {
		if (!write_below(tar, g_ptr_array_index(node->children, i), error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_tar_write(AshContext *ctx, AshFsTree *tree, const AshTarOptions *options, AshSinkFunc sink,
	      gpointer user_data, GError **error)
{
	g_auto(Tar) tar = {
		.ctx = ctx,
		.tree = tree,
		.options = options,
		.sink = { .func = sink, .user_data = user_data },
	};

	if (!tar_open(&tar, error) || !write_below(&tar, tree->root, error))
		return FALSE;
	if (archive_write_close(tar.archive) != ARCHIVE_OK)
		return ash_archive_throw(tar.archive, &tar.sink, error);
	return TRUE;
}

gboolean
ash_tar_write_file(AshContext *ctx, AshFsTree *tree, const AshTarOptions *options, AshCompression compression,
		   int level, const char *path, GError **error)
{
	g_autoptr(AshOutput) output = ash_output_new(path, error);
	g_autoptr(AshCompressor) compressor = NULL;

	if (output == NULL)
		return FALSE;
	compressor = ash_compressor_new(compression, level, ctx->jobs, ash_output_write, output, error);
	if (compressor == NULL)
		return FALSE;
	if (!ash_tar_write(ctx, tree, options, ash_compressor_write, compressor, error) ||
	    !ash_compressor_finish(compressor, error))
		return ash_prefix(error, "cannot write \"%s\"", path);
	return ash_output_commit(output, error);
}
