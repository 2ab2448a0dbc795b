/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/image/parts.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "disk/boot/boot.h"
#include "disk/format/formats.h"
#include "disk/gpt/gpt.h"
#include "disk/verity/signature.h"
#include "disk/verity/verity.h"
#include "disk/vfat/vfat.h"
#include "model/hashlevels.h"

#include <fcntl.h>
#include <string.h>

#define UKI_DIR "EFI/Linux/"

void
ash_disk_parts_clear(AshDiskParts *parts)
{
	ash_fd_clear(&parts->fd);
	ash_fd_clear(&parts->uki_fd);
	g_clear_pointer(&parts->root_hash, g_free);
	g_clear_pointer(&parts->salt, g_free);
	g_clear_pointer(&parts->layout, g_bytes_unref);
	g_clear_pointer(&parts->verity_sig, g_bytes_unref);
}

static const AshPartition *
find_partition(const AshLayout *layout, AshPartitionRole role, const AshPartition *beside)
{
	for (guint i = 0; layout != NULL && i < layout->partitions->len; i++) {
		const AshPartition *partition = g_ptr_array_index(layout->partitions, i);
		if (partition->role == role && !partition->empty && (beside == NULL || partition->slot == beside->slot))
			return partition;
	}
	return NULL;
}

/* The disk with nothing but the first slot that has content. Owned; NULL on failure. */
static AshLayout *
make_slot_layout(const AshImageType *type, GError **error)
{
	const AshPartition *root = find_partition(type->layout, ASH_PARTITION_ROOT, NULL);
	const AshPartition *hash = root != NULL ? find_partition(type->layout, ASH_PARTITION_ROOT_VERITY, root) : NULL;
	AshLayout *slot;

	if (hash == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "image type \"%s\" cannot be updated, or signed elsewhere: that needs a disk with a root partition and one with its "
				      "dm-verity hashes (\"ashlar types\" lists the types)",
				      type->name);
	slot = ash_layout_new();
	g_ptr_array_add(slot->partitions, ash_partition_copy(root));
	g_ptr_array_add(slot->partitions, ash_partition_copy(hash));
	return slot;
}

static GArray *
only_raw(void)
{
	GArray *formats = g_array_new(FALSE, FALSE, sizeof(AshDiskFormat));
	const AshDiskFormat raw = ASH_DISK_RAW;

	return g_array_append_val(formats, raw);
}

/* Beside the disk, if it has one. */
static gboolean
load_layout(const AshDiskRequest *request, AshDiskParts *parts, GError **error)
{
	g_autofree char *path = g_strdup_printf("%s/%s" ASH_DISK_LAYOUT_SUFFIX, request->output_dir, request->stem);
	char *text = NULL;
	gsize length;

	if (!ash_file_load_optional(AT_FDCWD, path, &text, &length, error))
		return FALSE;
	parts->layout = text != NULL ? g_bytes_new_take(text, length) : NULL;
	return TRUE;
}

/* A disk of one slot: the same code writes it as any other. */
static gboolean
build_slot(AshContext *ctx, const AshDiskRequest *request, AshDiskParts *parts, GError **error)
{
	g_autoptr(AshLayout) layout = make_slot_layout(request->type, error);
	g_autoptr(GArray) formats = only_raw();
	g_autoptr(GPtrArray) artifacts = g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);
	g_autofree char *name = ash_formats_file_name(request->stem, ASH_DISK_RAW);
	g_autofree char *path = g_build_filename(request->output_dir, name, NULL);
	AshImageType type = *request->type;
	AshDiskRequest slot = *request;

	if (layout == NULL)
		return FALSE;
	type.layout = layout;
	type.formats = formats;
	slot.type = &type;
	slot.layout = true;
	if (!ash_disk_build(ctx, &slot, artifacts, error))
		return FALSE;
	parts->root_hash = g_strdup(((AshArtifact *) g_ptr_array_index(artifacts, 0))->root_hash);
	parts->fd = ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, error);
	return parts->fd >= 0;
}

static gboolean
find_places(AshDiskParts *parts, GError **error)
{
	g_autoptr(AshLayout) layout = ash_gpt_read(parts->fd, error);
	AshVeritySuperblock superblock;

	if (layout == NULL)
		return FALSE;
	parts->root_offset = find_partition(layout, ASH_PARTITION_ROOT, NULL)->offset;
	parts->tree_offset = find_partition(layout, ASH_PARTITION_ROOT_VERITY, NULL)->offset;
	if (!ash_verity_read_superblock(parts->fd, parts->tree_offset, &superblock, error))
		return FALSE;
	parts->root_bytes = superblock.data_bytes;
	parts->tree_bytes = ash_hash_area_bytes(superblock.data_bytes);
	parts->salt = ash_hex_encode(superblock.salt, superblock.salt_bytes);
	return TRUE;
}

/* As ash_disk_build() has it for a root with hash tree. */
static GPtrArray *
list_esp(const AshDiskRequest *request, const char *root_hash, GError **error)
{
	g_autoptr(AshBootFiles) files = ash_boot_files_load(request->tree, request->type->loader, 0, error);
	g_autofree char *root = g_strdup_printf("roothash=%s", root_hash);
	const char *const words[] = { root, ash_verity_sig_cmdline(&request->type->secure_boot), ash_seal_cmdline(request->type->layout),
				      request->type->kernel_cmdline, request->kernel_append };
	g_autofree char *cmdline = ash_boot_join_cmdline(words, G_N_ELEMENTS(words));
	const AshBootOptions options = { .name = request->name, .version = request->version, .cmdline = cmdline,
					 .pcr_key = request->pcr_key, .signer = request->signer,
					 .secure_boot = &request->type->secure_boot };

	if (files == NULL || (request->type->initramfs_compression == ASH_INITRAMFS_COMPRESSION_NONE &&
			      !ash_boot_files_unpack_initrd(files, NULL, NULL, error)))
		return NULL;
	return ash_boot_list_esp(files, &options, error);
}

static gboolean
write_uki(const AshDiskRequest *request, AshDiskParts *parts, GError **error)
{
	g_autoptr(GPtrArray) files = list_esp(request, parts->root_hash, error);
	g_autofree char *path = g_strdup_printf("%s/%s.efi", request->output_dir, request->stem);

	if (files == NULL)
		return FALSE;
	parts->uki_fd = ash_fd_open(AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0644, error);
	if (parts->uki_fd < 0)
		return FALSE;
	for (guint i = 0; i < files->len; i++) {
		const AshVfatFile *file = g_ptr_array_index(files, i);
		if (g_str_has_prefix(file->path, UKI_DIR))
			return ash_content_write(file->content, parts->uki_fd, error);
	}
	return ash_throw(error, ASH_ERROR_INTERNAL, "there is no unified kernel image");
}

/* Whoever signs elsewhere makes it later. */
static gboolean
sign_root_hash(const AshDiskRequest *request, AshDiskParts *parts, GError **error)
{
	if (request->signer == NULL || request->signer->sign_root_hash == NULL ||
	    find_partition(request->type->layout, ASH_PARTITION_ROOT_VERITY_SIG, NULL) == NULL)
		return TRUE;
	parts->verity_sig = ash_verity_sig_make(parts->root_hash, request->signer, error);
	return parts->verity_sig != NULL;
}

gboolean
ash_disk_parts_write(AshContext *ctx, const AshDiskRequest *request, AshDiskParts *ret_parts, GError **error)
{
	return build_slot(ctx, request, ret_parts, error) && find_places(ret_parts, error) && load_layout(request, ret_parts, error) &&
	       sign_root_hash(request, ret_parts, error) && write_uki(request, ret_parts, error);
}
