/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/image/build.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "disk/format/formats.h"
#include "disk/gpt/gpt.h"
#include "disk/lvm/lvm.h"
#include "disk/verity/signature.h"
#include "disk/vfat/vfat.h"

#include <fcntl.h>
#include <unistd.h>

#define FIRST_BYTES 4096

static void
build_clear(AshDiskBuild *build)
{
	if (build->saver != NULL)
		g_thread_join(build->saver);
	g_clear_pointer(&build->branches, ash_fs_branches_free);
	g_clear_pointer(&build->mount_points, g_strfreev);
	g_clear_pointer(&build->initrd, ash_fs_node_put_back);
	g_clear_pointer(&build->layout, ash_layout_free);
	g_clear_pointer(&build->boot, ash_boot_files_free);
	g_clear_pointer(&build->content, g_free);
	g_clear_pointer(&build->volume_content, g_free);
	g_clear_pointer(&build->erofs, ash_erofs_free);
	g_clear_pointer(&build->partial, g_free);
	g_clear_pointer(&build->root_tree, ash_fs_tree_free);
	g_clear_pointer(&build->root_hash, g_free);
	g_clear_pointer(&build->root_argument, g_free);
	g_clear_pointer(&build->used, ash_used_map_free);
	g_clear_pointer(&build->files, g_array_unref);
	g_clear_pointer(&build->contents, g_array_unref);
	g_clear_pointer(&build->secret_files, g_ptr_array_unref);
	ash_fd_clear(&build->root_fd);
	ash_fd_clear(&build->fd);
	ash_fd_clear(&build->dir_fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshDiskBuild, build_clear)

static gboolean
open_raw(AshDiskBuild *build, GError **error)
{
	g_autofree char *name = ash_formats_file_name(build->request->stem, ASH_DISK_RAW);

	build->dir_fd = ash_file_open_dir(AT_FDCWD, build->request->output_dir, false, error);
	if (build->dir_fd < 0)
		return FALSE;
	/* One name: what a killed build left is overwritten by the next. */
	build->partial = g_strdup_printf(".%s.partial", name);
	build->fd =
	    ash_fd_open(build->dir_fd, build->partial, O_RDWR | O_CREAT | O_TRUNC, 0644, error);
	if (build->fd < 0)
		return FALSE;
	if (ftruncate(build->fd, (off_t) build->layout->size) < 0)
		return ash_throw_errno(error,
				       "cannot make a disk file of %" G_GUINT64_FORMAT " bytes",
				       build->layout->size);
	build->used = ash_used_map_new(build->layout->size);
	return TRUE;
}

/* Owned. */
static char *
make_partition_argument(const AshDiskBuild *build, const AshPartition *root)
{
	const char *mode = root->read_only || ash_fs_kind_get_traits(root->fs)->read_only ? "ro" : "rw";
	char uuid[ASH_UUID_STRING_SIZE];

	if (root->encryption.kind != ASH_ENCRYPTION_NONE)
		return g_strdup_printf("root=/dev/mapper/%s %s", root->label, mode);
	ash_uuid_format(&build->root_uuid, uuid);
	return g_strdup_printf("root=PARTUUID=%s %s", uuid, mode);
}

/* How the kernel finds its root: through the hash tree, or by its partition, which may have to be opened. */
char *
ash_disk_build_cmdline(const AshDiskBuild *build)
{
	const AshPartition *root = ash_layout_find(build->layout, ASH_PARTITION_ROOT, 0);
	g_autofree char *root_arg = NULL;
	g_autofree char *open_arg = ash_seal_root_cmdline(&build->request->seed, root);
	const AshImageType *type = build->request->type;
	const char *parts[] = { NULL, open_arg, ash_verity_sig_cmdline(&type->secure_boot), ash_seal_cmdline(build->layout), type->kernel_cmdline,
				build->request->kernel_append };

	if (build->root_argument != NULL)
		root_arg = g_strdup(build->root_argument);
	else if (build->root_hash != NULL)
		root_arg = g_strdup_printf("roothash=%s", build->root_hash);
	else if (root != NULL)
		root_arg = make_partition_argument(build, root);
	parts[0] = root_arg;
	return ash_boot_join_cmdline(parts, G_N_ELEMENTS(parts));
}

guint32
ash_disk_build_volume_id(const AshDiskBuild *build, const AshPartition *partition)
{
	const AshUuid id = ash_disk_build_uuid(build, partition, "fs");

	return ash_vfat_volume_id(&id);
}

static AshVfatOptions
get_esp_options(const AshDiskBuild *build, const AshPartition *esp)
{
	AshVfatOptions options = {.label = "ESP", .epoch = build->request->epoch};

	options.volume_id = ash_disk_build_volume_id(build, esp);
	return options;
}

/* @length bytes of one cluster: most often the first ones tell. */
static gboolean
show_cluster(AshDiskBuild *build, const AshContentPlace *place, guint64 at, gsize length, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(length);
	const gsize first = MIN(length, FIRST_BYTES);

	if (!ash_content_read(place->content, buffer, first, at, error))
		return FALSE;
	ash_used_map_add(build->used, place->offset + at, buffer, first);
	if (first == length || ash_used_map_knows(build->used, (place->offset + at) / ASH_USED_CLUSTER_BYTES))
		return TRUE;
	if (!ash_content_read(place->content, buffer + first, length - first, at + first, error))
		return FALSE;
	ash_used_map_add(build->used, place->offset + at + first, buffer + first, length - first);
	return TRUE;
}

/* Who reads the disk takes them from where they are; that they hold something he is told now. */
static gboolean
show_contents(AshDiskBuild *build, GError **error)
{
	for (guint i = 0; i < build->contents->len; i++) {
		const AshContentPlace *place = &g_array_index(build->contents, AshContentPlace, i);
		guint64 size = ash_content_get_size(place->content);
		gsize part;

		for (guint64 at = 0; at < size; at += part) {
			part = (gsize) MIN(ASH_USED_CLUSTER_BYTES - (place->offset + at) % ASH_USED_CLUSTER_BYTES, size - at);
			if (!show_cluster(build, place, at, part, error))
				return FALSE;
		}
	}
	return TRUE;
}

/* Owned; NULL on failure. */
static GPtrArray *
list_esp(const AshDiskBuild *build, GError **error)
{
	const AshDiskRequest *request = build->request;
	const AshPartition *root = ash_layout_find(build->layout, ASH_PARTITION_ROOT, 0);
	const AshUuid root_fs = root != NULL ? ash_disk_build_uuid(build, root, "fs") : (AshUuid) { 0 };
	g_autofree char *cmdline = ash_disk_build_cmdline(build);
	const AshBootOptions boot = {
	    .name = request->name,
	    .version = request->version,
	    .cmdline = cmdline,
	    .tries = request->type->boot_tries,
	    .second_stage = request->type->second_stage,
	    .system = request->type->system,
	    .tree = request->tree,
	    .root_fs = &root_fs,
	    .pcr_key = request->pcr_key,
	    .signer = request->signer,
	    .secure_boot = &request->type->secure_boot,
	    .timeout = request->boot_timeout >= 0 ? (guint) request->boot_timeout
						  : request->type->boot_timeout,
	};

	return ash_boot_list_esp(build->boot, &boot, error);
}

static gboolean
write_esp(AshDiskBuild *build, AshPartition *esp, GError **error)
{
	g_autoptr(GPtrArray) files = list_esp(build, error);
	AshVfatOptions fat = get_esp_options(build, esp);

	if (files == NULL)
		return FALSE;
	if (!ash_disk_build_leaves_raw(build))
		return ash_vfat_write(&fat, files, build->fd, esp->offset, esp->size, NULL, error);
	return ash_vfat_write(&fat, files, build->fd, esp->offset, esp->size, build->contents, error) && show_contents(build, error);
}

static gboolean
write_verity_sig(AshDiskBuild *build, const AshPartition *partition, GError **error)
{
	const AshBootSigner *signer = build->request->signer;

	if (build->root_hash == NULL || signer == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "the root hash is to be signed: give --secure-boot-key and --secure-boot-certificate");
	g_autoptr(GBytes) sig = ash_verity_sig_make(build->root_hash, signer, error);
	if (sig == NULL || !ash_fd_write_all(build->fd, g_bytes_get_data(sig, NULL), g_bytes_get_size(sig), partition->offset, error))
		return FALSE;
	ash_used_map_add(build->used, partition->offset, g_bytes_get_data(sig, NULL), g_bytes_get_size(sig));
	return TRUE;
}

/* @partition has the place of the content: behind the LUKS header if it is encrypted. */
static gboolean
write_content(AshDiskBuild *build, AshPartition *partition, guint index, GError **error)
{
	if (partition->role == ASH_PARTITION_ROOT)
		return ash_disk_build_write_root(build, partition, index, error);
	if (partition->role == ASH_PARTITION_ROOT_VERITY_SIG)
		return write_verity_sig(build, partition, error) || ash_prefix(error, "partition \"%s\"", partition->label);
	if (partition->role == ASH_PARTITION_BIOS_BOOT)
		return ash_grub_bios_write_core(build->boot->grub->bios, build->fd, build->used, partition, error) ||
		       ash_prefix(error, "partition \"%s\"", partition->label);
	if (partition->role == ASH_PARTITION_LVM)
		return ash_lvm_write(build->layout, partition, &build->request->seed, build->request->epoch, build->fd, error) ||
		       ash_prefix(error, "partition \"%s\"", partition->label);
	if (partition->role == ASH_PARTITION_ESP)
		return write_esp(build, partition, error) || ash_prefix(error, "EFI system partition");
	return ash_disk_build_write_filesystem(build, partition, error) || ash_prefix(error, "partition \"%s\"", partition->label);
}

static gboolean
write_sealed(AshDiskBuild *build, AshPartition *partition, guint index, GError **error)
{
	const AshDiskRequest *request = build->request;
	const AshDiskSecrets none = { 0 };
	AshPartition inner = ash_seal_inner(partition);
	const AshSealRequest seal = {
		.partition = partition,
		.seed = request->seed,
		.content_bytes = build->content[index] - ash_seal_overhead(partition),
		.secrets = request->secrets != NULL ? request->secrets : &none,
		.output_dir = request->output_dir,
		.stem = request->stem,
	};
	char *recovery_path = NULL;

	if (!write_content(build, &inner, index, error))
		return FALSE;
	if (!ash_seal_partition(build->ctx, &seal, build->fd, build->used, &recovery_path, error))
		return ash_prefix(error, "encrypted partition \"%s\"", partition->label);
	if (recovery_path != NULL)
		g_ptr_array_add(build->secret_files, recovery_path);
	return TRUE;
}

/* When a partition's turn comes. The root hash names the root partitions, is signed, and goes into the UKI: roots before these. A hash tree comes with its root. */
enum { TURN_DATA, TURN_ROOT, TURN_SIGNATURE, TURN_ESP, N_TURNS, TURN_NONE };

static int
get_turn(const AshPartition *partition)
{
	if (partition->empty || partition->role == ASH_PARTITION_ROOT_VERITY || ash_seal_is_deferred(partition))
		return TURN_NONE;
	if (partition->role == ASH_PARTITION_ROOT)
		return TURN_ROOT;
	if (partition->role == ASH_PARTITION_ROOT_VERITY_SIG)
		return TURN_SIGNATURE;
	return partition->role == ASH_PARTITION_ESP ? TURN_ESP : TURN_DATA;
}

static gboolean
write_turn(AshDiskBuild *build, int turn, GError **error)
{
	for (guint i = 0; i < build->layout->partitions->len; i++) {
		AshPartition *partition = build->layout->partitions->pdata[i];
		gboolean ok;

		if (get_turn(partition) != turn)
			continue;
		ok = partition->encryption.kind != ASH_ENCRYPTION_NONE ? write_sealed(build, partition, i, error)
								       : write_content(build, partition, i, error);
		if (!ok)
			return FALSE;
	}
	/* The index is that of a root with a hash tree, which no volume is. */
	for (guint i = 0; i < build->layout->volumes->len; i++) {
		AshPartition *volume = build->layout->volumes->pdata[i];

		if (get_turn(volume) == turn && !write_content(build, volume, G_MAXUINT, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
write_table(AshDiskBuild *build, GError **error)
{
	g_autoptr(AshLayout) written = ash_layout_copy(build->layout);

	for (guint i = written->partitions->len; i > 0; i--) {
		if (ash_seal_is_deferred(written->partitions->pdata[i - 1]))
			g_ptr_array_remove_index(written->partitions, i - 1);
	}
	return ash_gpt_write(build->fd, written, error);
}

/* Into the sector that the table begins with. */
static gboolean
write_boot_code(AshDiskBuild *build, GError **error)
{
	const AshPartition *partition = ash_layout_find(build->layout, ASH_PARTITION_BIOS_BOOT, 0);

	return partition == NULL || ash_grub_bios_write_boot(build->boot->grub->bios, build->fd, build->used, partition, error);
}

/* The table last. */
static gboolean
write_raw(AshDiskBuild *build, GError **error)
{
	if (!open_raw(build, error))
		return FALSE;
	for (int turn = 0; turn < N_TURNS; turn++) {
		if (!write_turn(build, turn, error))
			return FALSE;
	}
	if (!write_table(build, error) || !write_boot_code(build, error))
		return FALSE;
	ash_fd_start_write_back(build->fd, 0, build->layout->size);
	return TRUE;
}

static AshArtifact *
describe_artifact(const AshDiskBuild *build, AshDiskFormat format, const char *sha256, GError **error)
{
	const AshDiskRequest *request = build->request;
	g_autofree char *name = ash_formats_file_name(request->stem, format);
	AshArtifact *artifact;
	struct stat st;

	if (fstatat(build->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno_null(error, "cannot stat \"%s\"", name);
	artifact = g_new0(AshArtifact, 1);
	artifact->type = g_strdup(request->type->name);
	artifact->path = g_build_filename(request->output_dir, name, NULL);
	artifact->format = g_strdup(ash_disk_format_to_string(format));
	artifact->size = (guint64) st.st_size;
	artifact->sha256 = g_strdup(sha256);
	artifact->root_hash = g_strdup(build->root_hash);
	artifact->commit = g_strdup(request->commit);
	artifact->test_keys = ash_image_type_is_encrypted(request->type) && request->secrets != NULL && request->secrets->test_seed != NULL;
	return artifact;
}

/* The place of everything in the root: the next version is made with it. */
static gboolean
write_layout(AshDiskBuild *build, GPtrArray *ret_artifacts, GError **error)
{
	const AshDiskRequest *request = build->request;
	g_autofree char *name = g_strconcat(request->stem, ASH_DISK_LAYOUT_SUFFIX, NULL);
	g_autoptr(AshErofsLayout) layout = ash_erofs_dup_layout(build->erofs);
	g_autoptr(GBytes) bytes = ash_erofs_layout_save(layout);
	AshArtifact *artifact;
	gsize length;
	const char *data = g_bytes_get_data(bytes, &length);

	if (!ash_file_write(build->dir_fd, name, data, (gssize) length, 0644, error))
		return FALSE;
	artifact = g_new0(AshArtifact, 1);
	artifact->type = g_strdup(request->type->name);
	artifact->path = g_build_filename(request->output_dir, name, NULL);
	artifact->format = g_strdup("layout");
	artifact->size = length;
	artifact->sha256 = ash_sha256_hex(data, (gssize) length);
	artifact->commit = g_strdup(request->commit);
	g_ptr_array_add(ret_artifacts, artifact);
	return TRUE;
}

static gboolean
list_secret_files(AshDiskBuild *build, GPtrArray *ret_artifacts, GError **error)
{
	for (guint i = 0; i < build->secret_files->len; i++) {
		AshArtifact *artifact;
		struct stat st;

		if (stat(build->secret_files->pdata[i], &st) < 0)
			return ash_throw_errno(error, "cannot stat \"%s\"", (const char *) build->secret_files->pdata[i]);
		artifact = g_new0(AshArtifact, 1);
		artifact->type = g_strdup(build->request->type->name);
		artifact->path = g_strdup(build->secret_files->pdata[i]);
		artifact->format = g_strdup("recovery-key");
		artifact->size = (guint64) st.st_size;
		artifact->commit = g_strdup(build->request->commit);
		g_ptr_array_add(ret_artifacts, artifact);
	}
	return TRUE;
}

/* What systemd-boot boots, from the root of its partition; NULL if another loader does. Owned. */
static char *
make_boot_path(const AshDiskBuild *build)
{
	const AshDiskRequest *request = build->request;
	g_autofree char *name = ash_boot_uki_name(request->name, request->version, request->type->boot_tries);

	if (build->boot == NULL || build->boot->grub != NULL)
		return NULL;
	const AshBootEntry entry = { .token = request->name, .release = build->boot->kernel_release, .tries = request->type->boot_tries };
	return request->type->system == ASH_SYSTEM_TRADITIONAL ? ash_boot_entry_path(&entry) : g_strdup_printf("EFI/Linux/%s", name);
}

static gboolean
write_formats(AshDiskBuild *build, GPtrArray *ret_artifacts, GError **error)
{
	const AshDiskRequest *request = build->request;
	const GArray *wanted = request->type->formats;
	g_autoptr(GPtrArray) digests = NULL;
	g_autoptr(AshReread) content = ash_reread_new(build->fd, build->used);
	g_autofree char *cmdline = ash_disk_build_cmdline(build);
	g_autofree char *boot_path = make_boot_path(build);
	const AshCosiSource system = {
	    .tree = request->tree,
	    .mounts = request->type->mounts,
	    .root_hash = build->root_hash,
	    .boot_path = boot_path,
	    .boot_type = request->type->system == ASH_SYSTEM_TRADITIONAL ? "config" : "uki-standalone",
	    .cmdline = cmdline,
	    .kernel_release = build->boot != NULL ? build->boot->kernel_release : NULL,
	    .epoch = request->epoch,
	};
	AshFormatsRequest formats = {
	    .output_dir = request->output_dir,
	    .stem = request->stem,
	    .partial = build->partial,
	    .fd = build->fd,
	    .disk_bytes = build->layout->size,
	    .vhd_uuid = ash_uuid_derive(&request->seed, "vhd"),
	    .epoch = request->epoch,
	    .formats = wanted,
	    .checksums = request->checksums,
	    .content = content,
	    .system = &system,
	};

	if (build->files != NULL)
		ash_reread_set_files(content, request->tree, build->files);
	ash_reread_set_contents(content, build->contents);
	if (!ash_formats_write(build->ctx, &formats, &digests, error))
		return FALSE;
	for (guint i = 0; i < wanted->len; i++) {
		AshArtifact *artifact = describe_artifact(build, g_array_index(wanted, AshDiskFormat, i),
							  digests->pdata[i], error);

		if (artifact == NULL)
			return FALSE;
		g_ptr_array_add(ret_artifacts, artifact);
	}
	return TRUE;
}

gboolean
ash_disk_build(AshContext *ctx, const AshDiskRequest *request, GPtrArray *ret_artifacts,
	       GError **error)
{
	g_auto(AshDiskBuild) build = {.ctx = ctx, .request = request, .root_fd = -1, .fd = -1, .dir_fd = -1};
	gboolean ok;

	build.contents = ash_content_places_new();
	build.secret_files = g_ptr_array_new_with_free_func(g_free);
	ok = ash_disk_build_plan(&build, error) && write_raw(&build, error);

	if (ok) {
		ash_progress_begin(ctx->progress, "Disk formats", 20);
		ok = write_formats(&build, ret_artifacts, error) &&
		     (!request->layout || build.erofs == NULL || write_layout(&build, ret_artifacts, error)) &&
		     list_secret_files(&build, ret_artifacts, error);
		ash_progress_end(ctx->progress);
	}
	if (!ok && build.partial != NULL)
		(void) unlinkat(build.dir_fd, build.partial, 0);
	return ok;
}
