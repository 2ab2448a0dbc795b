/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/entry.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* magic, NEVRA, trust, header digest, header's size and SHA-256, files: index, mode, size, mtime, shared, SHA-256 */
#define MANIFEST_TYPE "(sssstaya(uutxbay))"
#define MANIFEST_MAGIC "ashlar import 1"
#define MANIFEST_NEW "manifest.new"
#define MANIFEST_MAX (256 * 1024 * 1024)
#define NAME_SIZE 16

AshEntry *
ash_entry_new(void)
{
	AshEntry *entry = g_new0(AshEntry, 1);

	entry->files = g_array_new(FALSE, TRUE, sizeof(AshEntryFile));
	return entry;
}

void
ash_entry_free(AshEntry *entry)
{
	if (entry == NULL)
		return;
	g_free(entry->nevra);
	g_free(entry->trust);
	g_free(entry->header_digest);
	g_array_unref(entry->files);
	g_free(entry);
}

char *
ash_entry_path(const char *sha256)
{
	guint8 bytes[ASH_SHA256_SIZE];

	if (sha256 == NULL || !ash_hex_decode(sha256, bytes, sizeof bytes))
		return NULL;
	g_autofree char *hex = ash_hex_encode(bytes, sizeof bytes);
	return g_strdup_printf(ASH_ENTRY_LAYOUT "/%.2s/%s", hex, hex);
}

static GVariant *
bytes_variant(const guint8 *bytes)
{
	return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, ASH_SHA256_SIZE, 1);
}

/* FALSE if it is not a SHA-256. */
static bool
take_bytes(GVariant *variant, guint8 *ret_bytes)
{
	gsize count = 0;
	const guint8 *bytes = g_variant_get_fixed_array(variant, &count, 1);

	if (count == ASH_SHA256_SIZE)
		memcpy(ret_bytes, bytes, count);
	g_variant_unref(variant);
	return count == ASH_SHA256_SIZE;
}

static GVariant *
to_variant(const AshEntry *entry)
{
	GVariantBuilder files;

	g_variant_builder_init(&files, G_VARIANT_TYPE("a(uutxbay)"));
	for (guint i = 0; i < entry->files->len; i++) {
		const AshEntryFile *file = &g_array_index(entry->files, AshEntryFile, i);
		g_variant_builder_add(&files, "(uutxb@ay)", file->index, file->mode, file->size, file->mtime,
				      (gboolean) file->shared, bytes_variant(file->sha256));
	}
	return g_variant_ref_sink(g_variant_new("(sssst@aya(uutxbay))", MANIFEST_MAGIC, entry->nevra, entry->trust,
						entry->header_digest, entry->header_size,
						bytes_variant(entry->header_sha256), &files));
}

gboolean
ash_entry_save(const AshEntry *entry, int dir_fd, GError **error)
{
	g_autoptr(GVariant) native = to_variant(entry);
	g_autoptr(GVariant) variant = G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap(native) : g_variant_ref(native);
	gsize size = g_variant_get_size(variant);
	guint8 sum[ASH_SHA256_SIZE];
	ash_autofd int fd = -1;

	if (unlinkat(dir_fd, MANIFEST_NEW, 0) == 0)
		g_debug("a manifest was left half written");
	fd = ash_fd_open(dir_fd, MANIFEST_NEW, O_WRONLY | O_CREAT | O_EXCL, 0600, error);
	if (fd < 0)
		return FALSE;
	ash_sha256(g_variant_get_data(variant), size, sum);
	if (!ash_fd_write_all(fd, sum, sizeof sum, 0, error) ||
	    !ash_fd_write_all(fd, g_variant_get_data(variant), size, sizeof sum, error))
		return FALSE;
	if (renameat(dir_fd, MANIFEST_NEW, dir_fd, ASH_ENTRY_MANIFEST) < 0)
		return ash_throw_errno(error, "cannot write \"%s\"", ASH_ENTRY_MANIFEST);
	return TRUE;
}

static AshEntry *
from_variant(GVariant *variant)
{
	g_autoptr(AshEntry) entry = ash_entry_new();
	g_autoptr(GVariantIter) files = NULL;
	GVariant *sum = NULL;
	const char *magic = NULL;
	gboolean shared = FALSE;
	AshEntryFile file = { 0 };

	g_variant_get(variant, "(&sssst@aya(uutxbay))", &magic, &entry->nevra, &entry->trust, &entry->header_digest,
		      &entry->header_size, &sum, &files);
	if (!take_bytes(sum, entry->header_sha256) || strcmp(magic, MANIFEST_MAGIC) != 0)
		return NULL;
	while (g_variant_iter_next(files, "(uutxb@ay)", &file.index, &file.mode, &file.size, &file.mtime, &shared, &sum)) {
		file.shared = shared;
		if (!take_bytes(sum, file.sha256))
			return NULL;
		g_array_append_val(entry->files, file);
	}
	return g_steal_pointer(&entry);
}

AshEntry *
ash_entry_load(int dir_fd, GError **error)
{
	gsize length = 0;
	guint8 sum[ASH_SHA256_SIZE];
	char *text = ash_file_load(dir_fd, ASH_ENTRY_MANIFEST, MANIFEST_MAX, &length, error);

	if (text == NULL)
		return NULL;
	g_autoptr(GBytes) whole = g_bytes_new_take(text, length);
	if (length <= sizeof sum)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "\"%s\" is too short", ASH_ENTRY_MANIFEST);
	ash_sha256(text + sizeof sum, length - sizeof sum, sum);
	if (memcmp(sum, text, sizeof sum) != 0)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "\"%s\" is damaged", ASH_ENTRY_MANIFEST);
	g_autoptr(GBytes) bytes = g_bytes_new_from_bytes(whole, sizeof sum, length - sizeof sum);
	g_autoptr(GVariant) raw = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(MANIFEST_TYPE), bytes, FALSE));
	g_autoptr(GVariant) variant = G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap(raw) : g_variant_ref(raw);
	AshEntry *entry = g_variant_is_normal_form(variant) ? from_variant(variant) : NULL;
	if (entry == NULL)
		ash_throw(error, ASH_ERROR_INTERNAL, "\"%s\" is of another kind", ASH_ENTRY_MANIFEST);
	return entry;
}

static gboolean
check_digest(int dir_fd, const char *name, const guint8 *sum, GError **error)
{
	guint8 found[ASH_SHA256_SIZE];
	ash_autofd int fd = ash_fd_open(dir_fd, name, O_RDONLY | O_NOFOLLOW, 0, error);
	g_autofree char *hex = fd >= 0 ? ash_sha256_fd_hex(fd, error) : NULL;

	if (hex == NULL)
		return FALSE;
	if (!ash_hex_decode(hex, found, sizeof found) || memcmp(found, sum, sizeof found) != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "the content of \"%s\" is not what it was", name);
	return TRUE;
}

static gboolean
check_file(const AshEntryFile *file, uid_t owner, int dir_fd, bool content, GError **error)
{
	char name[NAME_SIZE];
	struct stat info;

	snprintf(name, sizeof name, "%u", file->index);
	if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "\"%s\"", name);
	if (!S_ISREG(info.st_mode) || (info.st_mode & 07777) != file->mode || info.st_uid != owner ||
	    (guint64) info.st_size != file->size || info.st_mtim.tv_sec != file->mtime || info.st_mtim.tv_nsec != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "\"%s\" is not what it was", name);
	return !content || check_digest(dir_fd, name, file->sha256, error);
}

static gboolean
check(const AshEntry *entry, int dir_fd, bool content, GError **error)
{
	uid_t owner = geteuid();

	for (guint i = 0; i < entry->files->len; i++)
		if (!check_file(&g_array_index(entry->files, AshEntryFile, i), owner, dir_fd, content, error))
			return FALSE;
	return check_digest(dir_fd, ASH_ENTRY_HEADER, entry->header_sha256, error);
}

gboolean
ash_entry_check(const AshEntry *entry, int dir_fd, GError **error)
{
	return check(entry, dir_fd, false, error);
}

gboolean
ash_entry_check_content(const AshEntry *entry, int dir_fd, GError **error)
{
	return check(entry, dir_fd, true, error);
}

const AshEntryFile *
ash_entry_find(const AshEntry *entry, guint32 index)
{
	guint low = 0, high = entry->files->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		const AshEntryFile *file = &g_array_index(entry->files, AshEntryFile, middle);
		if (file->index == index)
			return file;
		if (file->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
