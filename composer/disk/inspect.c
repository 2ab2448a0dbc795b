/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/inspect.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/runner.h"
#include "base/size.h"
#include "disk/erofs-reader.h"
#include "disk/gpt.h"
#include "disk/imagesignature.h"
#include "disk/probe.h"
#include "disk/uki.h"
#include "disk/verity.h"
#include "disk/vfat.h"
#include "disk/vhd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define QCOW2_MAGIC "QFI\xfb"
/* Two partition tables and something between them; also more than any header read here. */
#define LEAST_DISK_BYTES (128 * 512)
#define MAX_TEXT_BYTES   (16 * ASH_MIB)
#define UKI_DIRECTORY    "EFI/Linux"

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

/* A nameless file that is gone when it is closed. */
static int
make_temporary(AshContext *ctx, GError **error)
{
	const char *dir = ctx->cache_dir != NULL && ash_file_exists(AT_FDCWD, ctx->cache_dir)
			      ? ctx->cache_dir
			      : g_get_tmp_dir();
	g_autofree char *path = g_build_filename(dir, ".inspect-XXXXXX", NULL);
	int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		ash_throw_errno(error, "cannot make a temporary file in \"%s\"", dir);
	else
		(void) unlink(path);
	return fd;
}

/*
 * An image to be looked at must not make us read other files (QEMU docs/interop/qcow2.txt,
 * "Header"): no backing file at bytes 8 to 19, and no external data file, bit 2 of the 8 bytes at
 * 72 that version 3 has.
 */
static gboolean
check_qcow2(int fd, GError **error)
{
	guint8 header[80];
	bool refers = false;

	if (!ash_fd_read_exact(fd, header, sizeof(header), 0, error))
		return FALSE;
	for (guint i = 8; i < 20; i++)
		refers = refers || header[i] != 0;
	if (refers || (header[7] >= 3 && (header[79] & 4) != 0))
		return ash_throw(
		    error, ASH_ERROR_CONFIG,
		    "a qcow2 file that refers to another file is not a disk image of its own");
	return TRUE;
}

static int
convert_qcow2(AshContext *ctx, int fd, GError **error)
{
	ash_autofd int raw_fd = -1;
	g_autoptr(AshRun) run = NULL;

	if (!check_qcow2(fd, error))
		return -1;
	raw_fd = make_temporary(ctx, error);
	run = raw_fd >= 0 ? ash_run_new(ASH_TOOL_QEMU_IMG, error) : NULL;
	if (run == NULL)
		return -1;
	ash_run_args(run, "convert", "-f", "qcow2", "-O", "raw", NULL);
	ash_run_argf(run, "/proc/self/fd/%d", fd);
	ash_run_argf(run, "/proc/self/fd/%d", raw_fd);
	ash_run_inherit_fd(run, fd);
	ash_run_inherit_fd(run, raw_fd);
	return ash_run_sync(run, ctx, NULL, error) ? ash_fd_steal(&raw_fd) : -1;
}

/* A raw disk without the footer: a copy that shares nothing we need to write, or the same file if
 * its size is right. */
static int
open_disk(AshContext *ctx, AshDiskInfo *info, GError **error)
{
	ash_autofd int fd = ash_fd_open(AT_FDCWD, info->path, O_RDONLY, 0, error);
	char magic[4] = "";
	struct stat st;

	if (fd < 0 || !ash_fd_stat(fd, info->path, &st, error))
		return -1;
	if (!S_ISREG(st.st_mode) || st.st_size < LEAST_DISK_BYTES) {
		ash_throw(error, ASH_ERROR_CONFIG,
			  "\"%s\" is not a disk image: no file, or too small", info->path);
		return -1;
	}
	info->format = ASH_DISK_RAW;
	info->file_bytes = (guint64) st.st_size;
	info->disk_bytes = info->file_bytes;
	if (ash_fd_read_exact(fd, magic, sizeof(magic), 0, NULL) &&
	    memcmp(magic, QCOW2_MAGIC, sizeof(magic)) == 0) {
		ash_autofd int raw_fd = convert_qcow2(ctx, fd, error);

		info->format = ASH_DISK_QCOW2;
		if (raw_fd < 0 || !ash_fd_stat(raw_fd, info->path, &st, error))
			return -1;
		info->disk_bytes = (guint64) st.st_size;
		return ash_fd_steal(&raw_fd);
	}
	if (ash_vhd_detect(fd, &info->disk_bytes))
		info->format = ASH_DISK_VHD;
	return ash_fd_steal(&fd);
}

int
ash_disk_open_raw(AshContext *ctx, const char *path, AshDiskFormat *ret_format, guint64 *ret_bytes, GError **error)
{
	g_autoptr(AshDiskInfo) info = info_new(path);
	int fd = open_disk(ctx, info, error);

	if (fd < 0)
		return -1;
	*ret_format = info->format;
	*ret_bytes = info->disk_bytes;
	return fd;
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

static char *
load_text(AshErofsReader *reader, const char *path)
{
	g_autoptr(GBytes) bytes = ash_erofs_load(reader, path, MAX_TEXT_BYTES, NULL);
	gsize length = 0;
	const char *text = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;

	return text != NULL ? g_utf8_make_valid(text, (gssize) length) : NULL;
}

static void
read_root(AshDiskRoot *root, int fd)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshErofsReader) reader = NULL;

	if (root->partition->fs != ASH_FS_EROFS)
		return;
	reader = ash_erofs_open(fd, root->partition->offset, root->partition->size, &error);
	if (reader == NULL) {
		g_free(root->problem);
		root->problem = g_strdup(error->message);
		return;
	}
	root->os_release = load_text(reader, "usr/lib/os-release");
	root->lock = load_text(reader, "usr/lib/ashlar/packages.lock");
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
	ash_autofd int fd = open_disk(ctx, info, error);

	if (fd < 0)
		return NULL;
	info->layout = ash_gpt_read(fd, error);
	if (info->layout == NULL)
		return ash_prefix(error, "\"%s\"", path), NULL;
	/* libfdisk takes a VHD's footer for one more sector. */
	info->layout->size = info->disk_bytes;
	list_contents(info, fd);
	read_esp(info, fd);
	return list_roots(ctx, info, fd, error) ? g_steal_pointer(&info) : NULL;
}
