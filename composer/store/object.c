/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/object.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* OSTree's permissions of a bare-user object: the file's own, without set-id bits and always readable by the owner. */
#define OBJECT_MODE(mode) (((mode) & 0775) | S_IRUSR)

/* Enough for the metadata of a file with a label. */
#define SHORT_META 512

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

GVariant *
ash_object_new_metadata(const AshFsNode *node)
{
	return g_variant_ref_sink(g_variant_new("(uuu@a(ayay))", GUINT32_TO_BE(node->uid), GUINT32_TO_BE(node->gid),
						GUINT32_TO_BE(node->mode), ash_object_new_xattrs(node)));
}

/*
 * A file object's identity is the SHA-256 of its header and its content. The header is, big-endian, its length
 * in 32 bits, 32 bits of zero and (uuuusa(ayay)): owner, group, mode, device number, link target, xattrs.
 */
static void
digest_header(AshDigest *digest, const AshFsNode *node)
{
	g_autoptr(GVariant) header = g_variant_ref_sink(g_variant_new(
		"(uuuus@a(ayay))", GUINT32_TO_BE(node->uid), GUINT32_TO_BE(node->gid), GUINT32_TO_BE(node->mode), 0u,
		node->target != NULL ? node->target : "", ash_object_new_xattrs(node)));
	guint32 start[2] = { GUINT32_TO_BE((guint32) g_variant_get_size(header)), 0 };

	ash_digest_update(digest, start, sizeof(start));
	ash_digest_update(digest, g_variant_get_data(header), g_variant_get_size(header));
}

static gboolean
digest_content(AshDigest *digest, int fd, guint64 size, guint8 *buffer, GError **error)
{
	for (guint64 at = 0; at < size;) {
		gsize part = (gsize) MIN(size - at, ASH_OBJECT_BUFFER_SIZE);
		if (!ash_fd_read_exact(fd, buffer, part, at, error))
			return FALSE;
		ash_digest_update(digest, buffer, part);
		at += part;
	}
	return TRUE;
}

char *
ash_object_digest_file(const AshFsNode *node, int fd, guint8 *buffer, GError **error)
{
	g_autoptr(AshDigest) digest = ash_digest_new();

	digest_header(digest, node);
	return digest_content(digest, fd, node->size, buffer, error) ? ash_digest_finish_hex(digest) : NULL;
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

gboolean
ash_object_take_inode(int fd, GError **error)
{
	if (fchown(fd, geteuid(), getegid()) < 0)
		return ash_throw_errno(error, "cannot change the owner");
	/* Extended attributes ask for permission to write, of the owner too. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) < 0)
		return ash_throw_errno(error, "cannot change the mode");
	return clear_xattrs(fd, error);
}

gboolean
ash_object_set_metadata(int fd, const AshFsNode *node, GVariant *meta, GError **error)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 0 } };

	if (fsetxattr(fd, ASH_STORE_META_XATTR, g_variant_get_data(meta), g_variant_get_size(meta), 0) < 0)
		return ash_throw_errno(error, "cannot set the extended attribute \"%s\"", ASH_STORE_META_XATTR);
	if (fchmod(fd, OBJECT_MODE(node->mode)) < 0)
		return ash_throw_errno(error, "cannot change the mode");
	if (futimens(fd, times) < 0)
		return ash_throw_errno(error, "cannot set the time");
	return TRUE;
}

bool
ash_object_has_metadata(int fd, GVariant *meta)
{
	gsize size = g_variant_get_size(meta);
	g_autofree char *value = g_malloc(size + 1);

	return fgetxattr(fd, ASH_STORE_META_XATTR, value, size + 1) == (ssize_t) size &&
	       memcmp(value, g_variant_get_data(meta), size) == 0;
}

bool
ash_object_path_has_metadata(const char *path, GVariant *meta)
{
	char value[SHORT_META];
	gsize size = g_variant_get_size(meta);

	/* Longer ones are rare, and for ash_object_has_metadata(). */
	return size <= sizeof(value) &&
	       lgetxattr(path, ASH_STORE_META_XATTR, value, sizeof(value)) == (ssize_t) size &&
	       memcmp(value, g_variant_get_data(meta), size) == 0;
}

gboolean
ash_object_share_inode(int fd, GVariant *meta, GError **error)
{
	if (fsetxattr(fd, ASH_STORE_META_XATTR, g_variant_get_data(meta), g_variant_get_size(meta), XATTR_CREATE) == 0)
		return TRUE;
	if (errno == EEXIST)
		return ash_object_has_metadata(fd, meta);
	if (errno == EACCES || errno == EPERM || errno == ENOTSUP)
		return FALSE;
	return ash_throw_errno(error, "cannot set the extended attribute \"%s\"", ASH_STORE_META_XATTR);
}

bool
ash_object_exists(int objects_fd, const char *checksum)
{
	char name[ASH_STORE_OBJECT_NAME_SIZE];

	ash_store_object_name(checksum, name);
	return faccessat(objects_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

char *
ash_object_find_symlink(int objects_fd, const AshFsNode *node)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree char *checksum = NULL;

	digest_header(digest, node);
	checksum = ash_digest_finish_hex(digest);
	return ash_object_exists(objects_fd, checksum) ? g_steal_pointer(&checksum) : NULL;
}
