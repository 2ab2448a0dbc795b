/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/imagetype.h"

#include "model/strv.h"

static const char *const kind_names[] = {
	[ASH_IMAGE_DISK] = "disk",
	[ASH_IMAGE_OCI] = "oci",
	[ASH_IMAGE_WSL] = "wsl",
	[ASH_IMAGE_TAR] = "tar",
};
const AshNames ash_image_kind_names = ASH_NAMES(kind_names);

static const char *const format_names[] = {
	[ASH_DISK_RAW] = "raw",
	[ASH_DISK_QCOW2] = "qcow2",
	[ASH_DISK_VHD] = "vhd",
	[ASH_DISK_COSI] = "cosi",
	[ASH_DISK_VMDK] = "vmdk",
	[ASH_DISK_GCE] = "gce",
	[ASH_DISK_QCOW2_ZLIB] = "qcow2-zlib",
	[ASH_DISK_QCOW2_ZSTD] = "qcow2-zstd",
	[ASH_DISK_VHDX] = "vhdx",
};
const AshNames ash_disk_format_names = ASH_NAMES(format_names);

G_STATIC_ASSERT(G_N_ELEMENTS(format_names) == _ASH_DISK_FORMAT_COUNT);

static const char *const system_names[] = {
	[ASH_SYSTEM_ATOMIC] = "atomic",
	[ASH_SYSTEM_TRADITIONAL] = "traditional",
	[ASH_SYSTEM_OSTREE] = "ostree",
};
const AshNames ash_system_kind_names = ASH_NAMES(system_names);

static const char *const boot_loader_names[] = {
	[ASH_BOOT_LOADER_SYSTEMD_BOOT] = "systemd-boot",
	[ASH_BOOT_LOADER_GRUB] = "grub",
};
const AshNames ash_boot_loader_names = ASH_NAMES(boot_loader_names);

static const char *const root_compression_names[] = {
	[ASH_ROOT_COMPRESSION_NONE] = "none",
	[ASH_ROOT_COMPRESSION_LZ4HC] = "lz4hc",
	[ASH_ROOT_COMPRESSION_ZSTD] = "zstd",
	[ASH_ROOT_COMPRESSION_GZIP] = "gzip",
	[ASH_ROOT_COMPRESSION_XZ] = "xz",
};
const AshNames ash_root_compression_names = ASH_NAMES(root_compression_names);

static const char *const root_writer_names[] = {
	[ASH_ROOT_WRITER_ASHLAR] = "ashlar",
	[ASH_ROOT_WRITER_MKFS_EROFS] = "mkfs.erofs",
};
const AshNames ash_root_writer_names = ASH_NAMES(root_writer_names);

static const char *const initramfs_compression_names[] = {
	[ASH_INITRAMFS_COMPRESSION_NONE] = "none",
	[ASH_INITRAMFS_COMPRESSION_ZSTD] = "zstd",
};
const AshNames ash_initramfs_compression_names = ASH_NAMES(initramfs_compression_names);

static const char *const compression_names[] = {
	[ASH_COMPRESS_NONE] = "none",
	[ASH_COMPRESS_GZIP] = "gzip",
	[ASH_COMPRESS_ZSTD] = "zstd",
};
const AshNames ash_compression_names = ASH_NAMES(compression_names);

static const char *const from_kickstart_names[] = {
	[ASH_FROM_KICKSTART_ALL] = "all",
	[ASH_FROM_KICKSTART_NAMES] = "names",
	[ASH_FROM_KICKSTART_NONE] = "none",
};
const AshNames ash_from_kickstart_names = ASH_NAMES(from_kickstart_names);

const char *
ash_image_kind_to_string(AshImageKind kind)
{
	return kind_names[kind];
}

const char *
ash_disk_format_to_string(AshDiskFormat format)
{
	return format_names[format];
}

const char *
ash_disk_format_to_extension(AshDiskFormat format)
{
	/* What is not named as its format is. */
	static const char *const extensions[_ASH_DISK_FORMAT_COUNT] = {
		[ASH_DISK_GCE] = "tar.gz",
		[ASH_DISK_QCOW2_ZLIB] = "zlib.qcow2",
		[ASH_DISK_QCOW2_ZSTD] = "zstd.qcow2",
	};

	return extensions[format] != NULL ? extensions[format] : format_names[format];
}

gboolean
ash_disk_format_parse(const char *text, AshDiskFormat *ret_format)
{
	guint index = 0;

	if (!ash_names_find(&ash_disk_format_names, text, &index))
		return FALSE;
	*ret_format = index;
	return TRUE;
}

const char *
ash_compression_to_string(AshCompression compression)
{
	return compression_names[compression];
}

bool
ash_wsl_name_is_valid(const char *name)
{
	gsize length = strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-");

	return length > 0 && length <= 256 && name[length] == '\0' && g_ascii_strcasecmp(name, "Legacy") != 0;
}

AshImageType *
ash_image_type_new(const char *name)
{
	AshImageType *type = g_new0(AshImageType, 1);

	type->name = g_strdup(name);
	type->description = g_strdup("");
	type->variant = g_strdup(name);
	type->packages_add = ash_strv_new();
	type->packages_drop = ash_strv_new();
	type->groups_add = ash_strv_new();
	type->packages_strip = ash_strv_new();
	type->weak_deps = -1;
	type->docs = -1;
	type->services_enable = ash_strv_new();
	type->services_disable = ash_strv_new();
	type->services_mask = ash_strv_new();
	type->kernel_cmdline = g_strdup("");
	type->initramfs_modules = ash_strv_new();
	type->initramfs_drivers = ash_strv_new();
	type->initramfs_compression = ASH_INITRAMFS_COMPRESSION_ZSTD;
	type->formats = g_array_new(FALSE, FALSE, sizeof(AshDiskFormat));
	type->swap = true;
	type->mounts = ash_mounts_from_layout(NULL);
	type->secure_boot = (AshSecureBoot) { .sign_uki = true, .sign_loader = true, .sign_verity = true };
	type->compression_level = -1;
	type->oci_entrypoint = ash_strv_new();
	type->oci_cmd = ash_strv_new();
	type->oci_env = ash_strv_new();
	type->oci_labels = ash_strv_new();
	type->oci_annotations = ash_strv_new();
	type->oci_layers = 1;
	type->oci_ports = ash_strv_new();
	type->oci_volumes = ash_strv_new();
	type->wsl_shortcut = true;
	type->wsl_terminal = true;
	return type;
}

void
ash_image_type_free(AshImageType *type)
{
	if (type == NULL)
		return;
	g_free(type->name);
	g_free(type->description);
	g_free(type->digest);
	g_free(type->variant);
	g_strfreev(type->packages_add);
	g_strfreev(type->packages_drop);
	g_strfreev(type->groups_add);
	g_strfreev(type->packages_strip);
	g_strfreev(type->services_enable);
	g_strfreev(type->services_disable);
	g_strfreev(type->services_mask);
	g_free(type->kernel_cmdline);
	g_strfreev(type->initramfs_modules);
	g_strfreev(type->initramfs_drivers);
	g_array_unref(type->formats);
	g_clear_pointer(&type->layout, ash_layout_free);
	g_ptr_array_unref(type->mounts);
	g_free(type->ostree_osname);
	g_free(type->ostree_remote);
	g_free(type->ostree_url);
	g_free(type->ostree_ref);
	g_strfreev(type->oci_entrypoint);
	g_strfreev(type->oci_cmd);
	g_strfreev(type->oci_env);
	g_free(type->oci_user);
	g_free(type->oci_workdir);
	g_strfreev(type->oci_labels);
	g_strfreev(type->oci_annotations);
	g_strfreev(type->oci_ports);
	g_strfreev(type->oci_volumes);
	g_free(type->oci_stop_signal);
	g_free(type->wsl_oobe_command);
	g_free(type->wsl_icon);
	g_free(type->wsl_default_name);
	g_free(type->wsl_terminal_profile);
	g_free(type->wsl_url);
	g_free(type->wsl_flavor);
	g_free(type->wsl_friendly_name);
	g_free(type);
}

bool
ash_image_type_is_encrypted(const AshImageType *type)
{
	for (guint i = 0; type->layout != NULL && i < type->layout->partitions->len; i++) {
		const AshPartition *partition = g_ptr_array_index(type->layout->partitions, i);

		if (partition->encryption.kind != ASH_ENCRYPTION_NONE)
			return true;
	}
	return false;
}

static void
finish_encryption(AshImageType *type)
{
	for (guint i = 0; type->layout != NULL && i < type->layout->partitions->len; i++) {
		AshPartition *partition = g_ptr_array_index(type->layout->partitions, i);

		if (partition->encryption.kind == ASH_ENCRYPTION_NONE)
			continue;
		ash_encryption_fill_defaults(&partition->encryption);
		if (partition->role == ASH_PARTITION_VAR || partition->role == ASH_PARTITION_ROOT)
			ash_strv_add_unique(&type->initramfs_modules, "crypt");
		if (partition->role == ASH_PARTITION_VAR)
			type->var_encrypted = true;
		if (!partition->encryption.tpm2)
			continue;
		type->var_tpm2 = true;
		ash_strv_add_unique(&type->initramfs_modules, "tpm2-tss");
		ash_strv_add_unique(&type->initramfs_modules, "systemd-pcrphase");
		ash_strv_add_unique(&type->initramfs_drivers, "loop");
	}
}

/* Who has logical volumes has the programs that activate them; a root is activated by the initramfs. */
static void
finish_volumes(AshImageType *type)
{
	if (type->layout == NULL || ash_layout_find(type->layout, ASH_PARTITION_LVM, 0) == NULL)
		return;
	ash_strv_add_unique(&type->packages_add, "lvm2");
	for (guint i = 0; i < type->layout->volumes->len; i++) {
		const AshPartition *volume = g_ptr_array_index(type->layout->volumes, i);

		if (volume->role == ASH_PARTITION_ROOT)
			ash_strv_add_unique(&type->initramfs_modules, "lvm");
	}
}

void
ash_image_type_finish_layout(AshImageType *type)
{
	const AshPartition *root = type->layout != NULL ? ash_layout_find(type->layout, ASH_PARTITION_ROOT, 0) : NULL;

	finish_encryption(type);
	finish_volumes(type);
	type->bios_esp = type->layout != NULL && ash_layout_find(type->layout, ASH_PARTITION_BIOS_BOOT, 0) != NULL
				 ? (int) ash_layout_find_number(type->layout, ASH_PARTITION_ESP)
				 : 0;
	g_ptr_array_unref(type->mounts);
	/* A tree for OSTree is for any disk. */
	type->mounts = ash_mounts_from_layout(type->system != ASH_SYSTEM_OSTREE ? type->layout : NULL);
	/* A list that names no driver leaves the choice to dracut. */
	if (root != NULL && type->initramfs_drivers[0] != NULL)
		ash_strv_add_unique(&type->initramfs_drivers, ash_fs_kind_to_string(root->fs));
}

/* Groups describe whole machines: a type that only wants names leaves them, and the implied core,
 * out. */
static AshPackageRequest *
dup_request_part(const AshPackageRequest *request, AshFromKickstart from)
{
	g_autoptr(AshPackageRequest) part = NULL;

	if (from == ASH_FROM_KICKSTART_ALL)
		return ash_package_request_copy(request);
	part = ash_package_request_new();
	part->core = false;
	part->weak_deps = request->weak_deps;
	part->docs = request->docs;
	part->ignore_missing = request->ignore_missing;
	part->multilib = request->multilib;
	ash_strv_replace(&part->inst_langs, (const char *const *) request->inst_langs);
	part->origin = g_strdup(request->origin);
	if (from == ASH_FROM_KICKSTART_NAMES) {
		ash_strv_replace(&part->names, (const char *const *) request->names);
		ash_strv_replace(&part->excludes, (const char *const *) request->excludes);
	}
	return g_steal_pointer(&part);
}

static void
apply_drops(const AshImageType *type, AshPackageRequest *request)
{
	const char *const *drops = (const char *const *) type->packages_drop;
	g_auto(GStrv) kept = ash_strv_new();

	for (guint i = 0; request->names[i] != NULL; i++)
		if (!ash_strv_any_glob_matches(drops, request->names[i]))
			ash_strv_add(&kept, request->names[i]);
	ash_strv_replace(&request->names, (const char *const *) kept);
	ash_strv_add_all(&request->excludes, drops);
}

AshPackageRequest *
ash_image_type_dup_request(const AshImageType *type, const AshPackageRequest *request)
{
	AshPackageRequest *result = dup_request_part(request, type->from_kickstart);

	apply_drops(type, result);
	ash_strv_add_all(&result->names, (const char *const *) type->packages_add);
	ash_strv_add_all(&result->groups, (const char *const *) type->groups_add);
	if (type->weak_deps != -1)
		result->weak_deps = type->weak_deps != 0;
	if (type->docs != -1)
		result->docs = type->docs != 0;
	return result;
}
