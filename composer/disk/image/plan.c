/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/image/build.h"

#include "base/error.h"
#include "base/parallel.h"
#include "base/size.h"
#include "disk/filesystem/filesystem.h"
#include "disk/gpt/gpt.h"
#include "disk/gpt/place.h"
#include "disk/lvm/lvm.h"
#include "disk/squashfs/squashfs.h"
#include "disk/verity/signature.h"
#include "disk/vfat/vfat.h"
#include "model/strv.h"

#include <string.h>

/* erofs.rst: its zstd. */
#define FIRST_KERNEL_WITH_ZSTD "6.10"

AshUuid
ash_disk_build_uuid(const AshDiskBuild *build, const AshPartition *partition, const char *what)
{
	const char *role = ash_partition_role_to_string(partition->role);
	/* There may be several of them. */
	bool is_one = partition->role != ASH_PARTITION_LINUX;

	if (ash_partition_is_volume(partition)) {
		g_autofree char *of_volume = g_strdup_printf("volume-%s/%s-%s", partition->group, partition->label, what);
		return ash_uuid_derive(&build->request->seed, of_volume);
	}
	g_autofree char *purpose = is_one ? g_strdup_printf("%s-%s", role, what)
					  : g_strdup_printf("%s-%s-%s", role, partition->label != NULL ? partition->label : "", what);

	return ash_uuid_derive(&build->request->seed, purpose);
}

/* Names end up in labels, file names and version comparisons: only characters that mean the same in
 * all. */
static gboolean
check_word(const char *text, const char *what, const char *extra, GError **error)
{
	const char *end = text;

	while (g_ascii_isalnum(*end) || (*end != '\0' && strchr(extra, *end) != NULL))
		end++;
	if (*end == '\0' && end != text && text[0] != '.')
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "the %s \"%s\" may only have letters, digits and the characters %s", what,
			 text, extra);
}

static char *
expand_label(const AshDiskRequest *request, const AshPartition *partition)
{
	g_autoptr(GString) label = g_string_new(partition->label != NULL ? partition->label : "");

	if (partition->empty)
		return g_strdup("_empty");
	g_string_replace(label, "@NAME@", request->name, 0);
	g_string_replace(label, "@VERSION@", request->version, 0);
	return g_strdup(label->str);
}

/* Gives everything that is known before content is: labels, identifiers, flags. */
static void
identify_partition(const AshDiskRequest *request, AshPartition *partition, guint index)
{
	g_autofree char *purpose = g_strdup_printf("partition-%u-%s", index,
						   ash_partition_role_to_string(partition->role));
	g_autofree char *label = expand_label(request, partition);

	g_free(partition->label);
	partition->label = g_steal_pointer(&label);
	partition->type_guid = ash_partition_role_type_guid(partition->role);
	partition->uuid = ash_uuid_derive(&request->seed, purpose);
	if (partition->grow)
		partition->flags |= ASH_GPT_FLAG_GROW;
	if (partition->read_only)
		partition->flags |= ASH_GPT_FLAG_READ_ONLY;
	/* Tools that pick the root by type and newest label would take a free slot for one: systemd 252 compares "_empty" too. */
	if (partition->empty)
		partition->flags |= ASH_GPT_FLAG_NO_AUTO;
}

/* A system of two slots has two kernel images: the updater puts the new one beside that which runs. */
static guint64
measure_esp(const AshBootFiles *boot, bool has_two)
{
	const guint64 loaders = boot->grub != NULL ? ash_grub_files_measure(boot->grub) : 2 * g_bytes_get_size(boot->loader);
	guint64 uki = (boot->stub != NULL ? g_bytes_get_size(boot->stub) : 0) + ash_content_get_size(boot->kernel) + ASH_MIB;

	uki += boot->initrd != NULL ? ash_content_get_size(boot->initrd) : 0;
	const guint64 bytes = loaders + (has_two ? 2 : 1) * uki;
	return ash_size_round_up(bytes + bytes / 50 + ASH_MIB, ASH_MIB);
}

static bool
has_free_slot(const AshLayout *layout)
{
	for (guint i = 0; i < layout->partitions->len; i++) {
		const AshPartition *partition = layout->partitions->pdata[i];
		if (partition->role == ASH_PARTITION_ROOT && partition->empty)
			return true;
	}
	return false;
}

static const AshPartition *
find_erofs_root(const AshDiskBuild *build)
{
	for (guint i = 0; i < build->layout->partitions->len; i++) {
		const AshPartition *partition = build->layout->partitions->pdata[i];
		if (partition->role == ASH_PARTITION_ROOT && partition->fs == ASH_FS_EROFS && !partition->empty)
			return partition;
	}
	return NULL;
}

/* A kernel that cannot read its root would be found out only by booting it. */
static gboolean
check_kernel(const AshDiskBuild *build, GError **error)
{
	const char *release = build->boot != NULL ? build->boot->kernel_release : NULL;

	if (find_erofs_root(build) == NULL || release == NULL || build->request->type->root_compression != ASH_ROOT_COMPRESSION_ZSTD ||
	    strverscmp(release, FIRST_KERNEL_WITH_ZSTD) >= 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "the kernel \"%s\" cannot read a root compressed with zstd, Linux " FIRST_KERNEL_WITH_ZSTD
			 " is the first: set \"root_compression\" to \"lz4hc\"", release);
}

static AshErofsOptions
make_erofs_options(const AshDiskBuild *build, const AshPartition *partition)
{
	const AshDiskRequest *request = build->request;
	AshErofsOptions options = {
		.uuid = ash_disk_build_uuid(build, partition, "fs"),
		.epoch = request->epoch,
		.compression = request->type->root_compression,
		.previous = request->previous_layout,
	};
	gsize label_bytes = MIN(strlen(request->name), sizeof(options.label));

	memcpy(options.label, request->name, label_bytes);
	return options;
}

static gboolean
make_root_file(AshDiskBuild *build, AshFsKind kind, const AshErofsOptions *options, GError **error)
{
	const AshDiskRequest *request = build->request;
	g_autofree char *left_out = build->initrd != NULL ? ash_fs_node_dup_path(build->initrd) : NULL;
	AshRootFile root = { .tree = request->tree, .left_out = left_out, .mount_points = (const char *const *) build->mount_points, .options = *options };

	AshRootFileMaker maker = kind == ASH_FS_SQUASHFS ? ash_squashfs_make : request->make_root;
	build->root_fd = ash_root_file_make(build->ctx, &root, request->output_dir, maker, request->make_root_data, &build->root_bytes, error);
	return build->root_fd >= 0;
}

/* Once for all slots. Sets *@ret_bytes. */
static gboolean
plan_whole(AshDiskBuild *build, const AshPartition *partition, guint64 *ret_bytes, GError **error)
{
	const AshErofsOptions options = make_erofs_options(build, partition);

	if (!check_kernel(build, error))
		return FALSE;
	/* Ours is planned already (prepare_root()). */
	if (build->erofs == NULL && build->root_fd < 0 && !make_root_file(build, partition->fs, &options, error))
		return FALSE;
	*ret_bytes = build->erofs != NULL ? ash_erofs_get_bytes(build->erofs) : build->root_bytes;
	return TRUE;
}

static gboolean
measure_filesystem(const AshDiskBuild *build, const AshPartition *partition, guint64 *ret_bytes, GError **error)
{
	const AshFsTree *tree = ash_disk_build_get_tree(build, partition);

	*ret_bytes = ash_filesystem_estimate(partition->fs, tree);
	return ash_filesystem_check(partition->fs, tree, error);
}

/* Bytes that a partition's content takes; 0 and @error if it cannot be held. */
static gboolean
measure_partition(AshDiskBuild *build, const AshPartition *partition, guint64 *ret_bytes, GError **error)
{
	*ret_bytes = 0;
	if (partition->empty)
		return TRUE;
	if (partition->role == ASH_PARTITION_LVM)
		return ash_lvm_measure(build->layout, partition, build->volume_content, ret_bytes, error);
	if (partition->role == ASH_PARTITION_ROOT && ash_fs_kind_get_traits(partition->fs)->read_only)
		return plan_whole(build, partition, ret_bytes, error) || ash_prefix(error, "root file system");
	if (partition->role == ASH_PARTITION_ESP && build->boot != NULL)
		*ret_bytes = MAX(measure_esp(build->boot, has_free_slot(build->layout)), ASH_VFAT_MIN_BYTES);
	else if (partition->role == ASH_PARTITION_ROOT_VERITY_SIG)
		*ret_bytes = ASH_VERITY_SIG_BYTES;
	else if (partition->role == ASH_PARTITION_BIOS_BOOT)
		*ret_bytes = g_bytes_get_size(build->boot->grub->bios->core);
	else
		return measure_filesystem(build, partition, ret_bytes, error) || ash_prefix(error, "partition \"%s\"", partition->label);
	return TRUE;
}

/* COSI is a list of partitions, and names file systems by their UUIDs. */
static gboolean
check_formats(const AshImageType *type, GError **error)
{
	const AshPartition *root = ash_layout_find(type->layout, ASH_PARTITION_ROOT, 0);

	for (guint i = 0; i < type->formats->len; i++) {
		if (g_array_index(type->formats, AshDiskFormat, i) != ASH_DISK_COSI)
			continue;
		if (type->layout->volumes->len > 0)
			return ash_throw(error, ASH_ERROR_CONFIG, "COSI has partitions only: say \"part\" in place of \"logvol\", or take another format");
		if (root != NULL && root->fs == ASH_FS_SQUASHFS)
			return ash_throw(error, ASH_ERROR_CONFIG, "COSI wants a root with a UUID, which squashfs does not have: take \"erofs\"");
	}
	return TRUE;
}

static gboolean
check_request(const AshDiskRequest *request, GError **error)
{
	if (request->type->layout == NULL || request->type->formats->len == 0)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "it has no disk layout or no format");
	for (guint i = 0; i < request->type->layout->partitions->len; i++) {
		const AshPartition *partition = request->type->layout->partitions->pdata[i];

		if (partition->role == ASH_PARTITION_ROOT && !partition->empty && !ash_partition_role_can_hold(partition->role, partition->fs))
			return ash_throw(error, ASH_ERROR_CONFIG, "a root partition cannot be \"%s\"", ash_fs_kind_to_string(partition->fs));
	}
	return check_formats(request->type, error) && check_word(request->name, "name", "._-", error) &&
	       check_word(request->version, "version", ".~^-", error);
}

static gboolean
load_boot_files(AshDiskBuild *build, GError **error)
{
	const AshImageType *type = build->request->type;

	/* GRUB takes the kernel from the root. */
	if (ash_layout_find(build->layout, ASH_PARTITION_ESP, 0) == NULL || type->system == ASH_SYSTEM_OSTREE)
		return TRUE;
	build->boot = ash_boot_files_load(build->request->tree, type->loader, type->bios_esp, error);
	return build->boot != NULL;
}

/*
 * A root with a hash tree is booted by a kernel image, which has it: in the root it would be one more thing that updates have to fetch. That of
 * packages has it in its boot partition.
 */
static void
hide_initrd(AshDiskBuild *build)
{
	bool is_beside = build->request->type->system == ASH_SYSTEM_TRADITIONAL ||
			 ash_layout_find(build->layout, ASH_PARTITION_ROOT_VERITY, 0) != NULL;
	AshFsNode *initrd = is_beside ? ash_boot_find_initrd(build->request->tree) : NULL;

	if (initrd == NULL)
		return;
	ash_fs_node_take(initrd);
	build->initrd = initrd;
}

/* The ESP has what boots, not what a tree has at its place. */
static bool
has_branch(const AshMount *mount)
{
	return mount->mount_point != NULL && strcmp(mount->mount_point, "/") != 0 && mount->role != ASH_PARTITION_ESP;
}

static gboolean
take_branches(AshDiskBuild *build, GError **error)
{
	const GPtrArray *mounts = build->request->type->mounts;

	build->mount_points = ash_strv_new();
	for (guint i = 0; i < mounts->len; i++) {
		const AshMount *mount = g_ptr_array_index(mounts, i);

		if (has_branch(mount))
			ash_strv_add(&build->mount_points, mount->mount_point);
	}
	build->branches = ash_fs_branches_take(build->request->tree, (const char *const *) build->mount_points, error);
	return build->branches != NULL;
}

const AshFsTree *
ash_disk_build_get_tree(const AshDiskBuild *build, const AshPartition *partition)
{
	const char *mount_point = ash_partition_get_mount_point(partition);
	const AshFsTree *branch = mount_point != NULL && build->branches != NULL ? ash_fs_branches_find(build->branches, mount_point) : NULL;

	if (partition->role == ASH_PARTITION_ROOT)
		return build->root_tree != NULL ? build->root_tree : build->request->tree;
	/* The first boot fills a /var that has nothing (tmpfiles.d(5)). */
	if (partition->role == ASH_PARTITION_VAR && (branch == NULL || branch->root->children->len == 0))
		return build->request->var_tree;
	return branch;
}

/* What takes its time and depends on the tree alone. */
enum { PREPARE_BOOT, PREPARE_ROOT, N_PREPARED };

static gboolean
prepare_boot(AshDiskBuild *build, GError **error)
{
	return build->boot == NULL || build->request->type->initramfs_compression != ASH_INITRAMFS_COMPRESSION_NONE ||
	       ash_boot_files_unpack_initrd(build->boot, build->initrd, build->request->initrd_ahead, error);
}

static gboolean
prepare_root(AshDiskBuild *build, GError **error)
{
	const AshPartition *root = build->request->make_root == NULL ? find_erofs_root(build) : NULL;

	if (root == NULL)
		return TRUE;
	const AshErofsOptions options = make_erofs_options(build, root);
	build->erofs = ash_erofs_new(build->ctx, build->request->tree, &options, error);
	return build->erofs != NULL || ash_prefix(error, "root file system");
}

static gboolean
prepare(guint index, gpointer user_data, GError **error)
{
	return index == PREPARE_BOOT ? prepare_boot(user_data, error) : prepare_root(user_data, error);
}

/* Logical volumes before the partitions that hold them. */
static gboolean
measure_all(AshDiskBuild *build, GError **error)
{
	const GPtrArray *partitions = build->layout->partitions, *volumes = build->layout->volumes;

	for (guint i = 0; i < volumes->len; i++)
		if (!measure_partition(build, volumes->pdata[i], &build->volume_content[i], error))
			return FALSE;
	for (guint i = 0; i < partitions->len; i++) {
		if (!measure_partition(build, partitions->pdata[i], &build->content[i], error))
			return FALSE;
		build->content[i] += ash_seal_overhead(partitions->pdata[i]);
	}
	return TRUE;
}

gboolean
ash_disk_build_plan(AshDiskBuild *build, GError **error)
{
	const AshDiskRequest *request = build->request;
	guint n;

	if (!check_request(request, error))
		return FALSE;
	build->layout = ash_layout_copy(request->type->layout);
	build->layout->disk_uuid = ash_uuid_derive(&request->seed, "disk");
	n = build->layout->partitions->len;
	build->content = g_new0(guint64, n + 1);
	build->volume_content = g_new0(guint64, build->layout->volumes->len + 1);
	if (!load_boot_files(build, error))
		return FALSE;
	hide_initrd(build);
	for (guint i = 0; i < n; i++)
		identify_partition(request, build->layout->partitions->pdata[i], i);
	if (!ash_disk_build_fill_files(build, error) || !take_branches(build, error))
		return FALSE;
	if (!ash_parallel_run(build->ctx, N_PREPARED, prepare, build, error))
		return FALSE;
	return measure_all(build, error) && ash_place_layout(build->layout, build->content, error) &&
	       ash_lvm_place(build->layout, build->volume_content, error);
}
