/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/inspect/inspect.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/erofs/reader.h"
#include "disk/filesystem/probe.h"
#include "disk/gpt/gpt.h"
#include "disk/inspect/imagesignature.h"
#include "disk/inspect/imagetree.h"
#include "disk/uki/uki.h"
#include "disk/verity/verity.h"
#include "disk/vfat/vfat.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_TEXT_BYTES   (16 * ASH_MIB)
#define UKI_DIRECTORY    "EFI/Linux"
#define OS_RELEASE       "usr/lib/os-release"
#define LOCK             "usr/lib/ashlar/packages.lock"

static void
content_free(AshDiskContent *content)
{
	g_free(content->fs_label);
	g_free(content->fs_uuid);
	g_free(content);
}

static void
uki_free(AshDiskUki *uki)
{
	g_free(uki->path);
	g_free(uki->cmdline);
	g_free(uki->uname);
	g_free(uki->os_release);
	g_free(uki->root_hash);
	g_clear_pointer(&uki->signatures, g_ptr_array_unref);
	g_free(uki->problem);
	g_free(uki);
}

static void
root_free(AshDiskRoot *root)
{
	g_free(root->root_hash);
	g_free(root->signed_by);
	g_free(root->problem);
	g_free(root->os_release);
	g_free(root->lock);
	g_free(root);
}

void
ash_disk_info_free(AshDiskInfo *info)
{
	if (info == NULL)
		return;
	g_free(info->path);
	g_clear_pointer(&info->layout, ash_layout_free);
	g_ptr_array_unref(info->contents);
	g_ptr_array_unref(info->ukis);
	g_ptr_array_unref(info->roots);
	g_clear_pointer(&info->loader_signatures, g_ptr_array_unref);
	g_free(info->loader_conf);
	g_free(info);
}

static AshDiskInfo *
info_new(const char *path)
{
	AshDiskInfo *info = g_new0(AshDiskInfo, 1);

	info->path = g_strdup(path);
	info->contents = g_ptr_array_new_with_free_func((GDestroyNotify) content_free);
	info->ukis = g_ptr_array_new_with_free_func((GDestroyNotify) uki_free);
	info->roots = g_ptr_array_new_with_free_func((GDestroyNotify) root_free);
	return info;
}

static void
list_contents(AshDiskInfo *info, int fd)
{
	for (guint i = 0; i < info->layout->partitions->len; i++) {
		AshPartition *partition = info->layout->partitions->pdata[i];
		AshDiskContent *content = g_new0(AshDiskContent, 1);
		g_auto(AshProbe) probe = {0};

		ash_probe_read(fd, partition->offset, partition->size, &probe);
		content->partition = partition;
		content->content = probe.content;
		content->fs_label = g_steal_pointer(&probe.label);
		content->fs_uuid = g_steal_pointer(&probe.uuid);
		content->used = probe.used;
		if (probe.content != NULL)
			(void) ash_fs_kind_parse(probe.content, &partition->fs);
		g_ptr_array_add(info->contents, content);
	}
}

/* The value of roothash= in a kernel command line, if it is one. Owned. */
static char *
find_root_hash(const char *cmdline)
{
	g_auto(GStrv) words = g_strsplit_set(cmdline, " \t\n", -1);
	guint8 hash[ASH_SHA256_SIZE];

	for (guint i = 0; words[i] != NULL; i++) {
		if (g_str_has_prefix(words[i], "roothash=") &&
		    ash_hex_decode(words[i] + strlen("roothash="), hash, sizeof(hash)))
			return ash_hex_encode(hash, sizeof(hash));
	}
	return NULL;
}

static gboolean
read_uki(AshVfatReader *fat, AshDiskUki *uki, GError **error)
{
	g_autoptr(GBytes) image = ash_vfat_load(fat, uki->path, error);
	g_autoptr(GArray) sections = NULL;

	if (image == NULL)
		return FALSE;
	uki->size = g_bytes_get_size(image);
	sections = ash_uki_list(image, error);
	if (sections == NULL)
		return FALSE;
	uki->signatures = ash_image_signatures_list(image);
	uki->cmdline = ash_uki_get_text(image, sections, ".cmdline");
	uki->uname = ash_uki_get_text(image, sections, ".uname");
	uki->os_release = ash_uki_get_text(image, sections, ".osrel");
	if (uki->cmdline != NULL)
		uki->root_hash = find_root_hash(uki->cmdline);
	return TRUE;
}

static void
list_ukis(AshDiskInfo *info, AshVfatReader *fat)
{
	g_auto(GStrv) names = ash_vfat_list(fat, UKI_DIRECTORY, NULL);

	for (guint i = 0; names != NULL && names[i] != NULL; i++) {
		g_autofree char *lower = g_ascii_strdown(names[i], -1);
		g_autoptr(GError) error = NULL;
		AshDiskUki *uki;

		if (!g_str_has_suffix(lower, ".efi"))
			continue;
		uki = g_new0(AshDiskUki, 1);
		uki->path = g_build_filename(UKI_DIRECTORY, names[i], NULL);
		if (!read_uki(fat, uki, &error))
			uki->problem = g_strdup(error->message);
		g_ptr_array_add(info->ukis, uki);
	}
}

static void
read_esp(AshDiskInfo *info, int fd)
{
	const AshPartition *esp = ash_layout_find(info->layout, ASH_PARTITION_ESP, 0);
	g_autoptr(AshVfatReader) fat = esp != NULL ? ash_vfat_open(fd, esp->offset, NULL) : NULL;
	g_autoptr(GBytes) loader = NULL;
	g_autoptr(GBytes) conf = NULL;
	gsize length = 0;

	if (fat == NULL)
		return;
	loader = ash_vfat_load(fat, "EFI/BOOT/BOOTX64.EFI", NULL);
	conf = ash_vfat_load(fat, "loader/loader.conf", NULL);
	info->boots_by_default = loader != NULL;
	info->loader_signatures = loader != NULL ? ash_image_signatures_list(loader) : NULL;
	if (conf != NULL) {
		const char *text = g_bytes_get_data(conf, &length);

		info->loader_conf = g_utf8_make_valid(text != NULL ? text : "", (gssize) length);
	}
	list_ukis(info, fat);
}

/* Owned; takes @bytes, which may be NULL. */
static char *
take_text(GBytes *taken)
{
	g_autoptr(GBytes) bytes = taken;
	gsize length = 0;
	const char *text = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;

	return text != NULL && length <= MAX_TEXT_BYTES ? g_utf8_make_valid(text, (gssize) length) : NULL;
}

static void
read_erofs(AshDiskRoot *root, int fd, GError **error)
{
	g_autoptr(AshErofsReader) reader = ash_erofs_open(fd, root->partition->offset, root->partition->size, error);

	if (reader == NULL)
		return;
	root->os_release = take_text(ash_erofs_load(reader, OS_RELEASE, MAX_TEXT_BYTES, NULL));
	root->lock = take_text(ash_erofs_load(reader, LOCK, MAX_TEXT_BYTES, NULL));
}

/* The others are read as a whole: their readers know no path. */
static void
read_tree(AshDiskRoot *root, int fd, GError **error)
{
	g_autoptr(AshFsTree) tree = ash_image_load_filesystem(fd, root->partition->offset, root->partition->size, error);

	if (tree == NULL)
		return;
	root->os_release = take_text(ash_fs_tree_load(tree, OS_RELEASE, NULL));
	root->lock = take_text(ash_fs_tree_load(tree, LOCK, NULL));
}

static void
read_root(AshDiskRoot *root, int fd)
{
	g_autoptr(GError) error = NULL;

	if (root->partition->fs == ASH_FS_EROFS)
		read_erofs(root, fd, &error);
	else
		read_tree(root, fd, &error);
	if (error != NULL) {
		g_free(root->problem);
		root->problem = g_strdup(error->message);
	}
}

static const AshPartition *
find_by_uuid(const AshLayout *layout, AshPartitionRole role, const AshUuid *uuid)
{
	for (guint i = 0; i < layout->partitions->len; i++) {
		const AshPartition *partition = layout->partitions->pdata[i];

		if (partition->role == role &&
		    memcmp(partition->uuid.bytes, uuid->bytes, sizeof(uuid->bytes)) == 0)
			return partition;
	}
	return NULL;
}

/* The root hash of the UKI whose first half names this partition, as the generator in the initramfs
 * finds it. */
static gboolean
match_uki(const AshDiskInfo *info, AshDiskRoot *root, guint8 *ret_hash)
{
	for (guint i = 0; i < info->ukis->len; i++) {
		const AshDiskUki *uki = info->ukis->pdata[i];
		AshUuid data_uuid, hash_uuid;

		if (uki->root_hash == NULL ||
		    !ash_hex_decode(uki->root_hash, ret_hash, ASH_SHA256_SIZE))
			continue;
		ash_verity_partition_uuids(ret_hash, &data_uuid, &hash_uuid);
		if (memcmp(root->partition->uuid.bytes, data_uuid.bytes, sizeof(data_uuid.bytes)) !=
		    0)
			continue;
		root->root_hash = g_strdup(uki->root_hash);
		root->hash = find_by_uuid(info->layout, ASH_PARTITION_ROOT_VERITY, &hash_uuid);
		return TRUE;
	}
	return FALSE;
}

static void
find_signature(const AshDiskInfo *info, AshDiskRoot *root, int fd)
{
	for (guint i = 0; root->signed_by == NULL && i < info->layout->partitions->len; i++) {
		const AshPartition *partition = info->layout->partitions->pdata[i];

		if (partition->role == ASH_PARTITION_ROOT_VERITY_SIG)
			root->signed_by = ash_image_signature_find_root(fd, partition->offset, partition->size, root->root_hash);
	}
}

/* FALSE only if it was cancelled. */
static gboolean
verify_root(AshContext *ctx, const AshDiskInfo *info, AshDiskRoot *root, int fd, GError **error)
{
	guint8 hash[ASH_SHA256_SIZE];
	g_autoptr(GError) problem = NULL;
	AshVerityPlace place = {.fd = fd};

	if (!match_uki(info, root, hash))
		return TRUE;
	find_signature(info, root, fd);
	if (root->hash == NULL) {
		root->verity = ASH_DISK_INVALID;
		root->problem = g_strdup("there is no hash partition for its root hash");
		return TRUE;
	}
	place.data_offset = root->partition->offset;
	place.data_bytes = root->partition->size;
	place.hash_offset = root->hash->offset;
	place.hash_bytes = root->hash->size;
	if (ash_verity_verify(ctx, &place, hash, &problem)) {
		root->verity = ASH_DISK_VALID;
		return TRUE;
	}
	root->verity = ASH_DISK_INVALID;
	root->problem = g_strdup(problem->message);
	return ash_context_check(ctx, error);
}

static gboolean
list_roots(AshContext *ctx, AshDiskInfo *info, int fd, GError **error)
{
	for (guint i = 0; i < info->layout->partitions->len; i++) {
		const AshPartition *partition = info->layout->partitions->pdata[i];
		AshDiskRoot *root;

		if (partition->role != ASH_PARTITION_ROOT || partition->empty)
			continue;
		root = g_new0(AshDiskRoot, 1);
		root->partition = partition;
		g_ptr_array_add(info->roots, root);
		if (!verify_root(ctx, info, root, fd, error))
			return FALSE;
		read_root(root, fd);
	}
	return TRUE;
}

AshDiskInfo *
ash_disk_inspect(AshContext *ctx, const char *path, GError **error)
{
	g_autoptr(AshDiskInfo) info = info_new(path);
	ash_autofd int fd = ash_disk_open_raw(ctx, path, &info->format, &info->disk_bytes, error);
	struct stat st;

	if (fd < 0)
		return NULL;
	info->file_bytes = stat(path, &st) == 0 ? (guint64) st.st_size : info->disk_bytes;
	info->layout = ash_gpt_read(fd, error);
	if (info->layout == NULL)
		return ash_prefix(error, "\"%s\"", path), NULL;
	/* libfdisk takes a VHD's footer for one more sector. */
	info->layout->size = info->disk_bytes;
	list_contents(info, fd);
	read_esp(info, fd);
	return list_roots(ctx, info, fd, error) ? g_steal_pointer(&info) : NULL;
}
