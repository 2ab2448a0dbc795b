/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/boot.h"

#include "base/error.h"
#include "disk/boot/bootentry.h"
#include "disk/boot/initrd.h"
#include "disk/boot/ostree.h"
#include "disk/secureboot/authenticode.h"
#include "disk/uki/pcr.h"
#include "disk/uki/uki.h"
#include "disk/vfat/vfat.h"

#include <string.h>
#include <sys/stat.h>

#define MODULES "usr/lib/modules"
#define STUB    "usr/lib/systemd/boot/efi/linuxx64.efi.stub"
#define LOADER  "usr/lib/systemd/boot/efi/systemd-bootx64.efi"
/* As systemd has it (bootctl(1), "Signed .efi files"). */
#define SIGNED_LOADER LOADER ".signed"

void
ash_boot_files_free(AshBootFiles *files)
{
	if (files == NULL)
		return;
	g_free(files->kernel_release);
	g_clear_pointer(&files->kernel, ash_content_unref);
	g_clear_pointer(&files->initrd, ash_content_unref);
	g_clear_pointer(&files->os_release, g_bytes_unref);
	g_clear_pointer(&files->stub, g_bytes_unref);
	g_clear_pointer(&files->loader, g_bytes_unref);
	g_clear_pointer(&files->grub, ash_grub_files_free);
	g_clear_pointer(&files->signed_loader, g_bytes_unref);
	g_free(files);
}

static bool
has_file(const AshFsTree *tree, const char *release, const char *name)
{
	g_autofree char *path = g_strdup_printf(MODULES "/%s/%s", release, name);
	const AshFsNode *node = ash_fs_tree_resolve(tree, path);

	return node != NULL && S_ISREG(node->mode);
}

AshContent *
ash_boot_open_file(const AshFsTree *tree, const AshFsNode *node, GError **error)
{
	AshContent *content;
	int fd = ash_fs_tree_open(tree, node, error);

	if (fd < 0)
		return NULL;
	content = ash_content_new();
	ash_content_add_fd(content, fd, node->size);
	return content;
}

/* has_file() has said that it is there. */
static AshContent *
open_file(const AshFsTree *tree, const char *release, const char *name, GError **error)
{
	g_autofree char *path = g_strdup_printf(MODULES "/%s/%s", release, name);
	AshContent *content = ash_boot_open_file(tree, ash_fs_tree_resolve(tree, path), error);

	return content != NULL ? content : (ash_prefix(error, "\"/%s\"", path), NULL);
}

static char *
find_kernel_release(const AshFsTree *tree)
{
	const AshFsNode *modules = ash_fs_tree_resolve(tree, MODULES);
	const char *newest = NULL;

	for (guint i = 0;
	     modules != NULL && modules->children != NULL && i < modules->children->len; i++) {
		const AshFsNode *node = modules->children->pdata[i];

		if (has_file(tree, node->name, "vmlinuz") &&
		    (newest == NULL || strverscmp(node->name, newest) > 0))
			newest = node->name;
	}
	return g_strdup(newest);
}

static const char *
find_initrd_name(const AshFsTree *tree, const char *release)
{
	static const char *const names[] = { "initramfs.img", "initrd" };

	for (guint i = 0; i < G_N_ELEMENTS(names); i++)
		if (has_file(tree, release, names[i]))
			return names[i];
	return NULL;
}

AshFsNode *
ash_boot_find_initrd(const AshFsTree *tree)
{
	g_autofree char *release = find_kernel_release(tree);
	const char *name = release != NULL ? find_initrd_name(tree, release) : NULL;
	g_autofree char *path = g_strdup_printf(MODULES "/%s/%s", release, name);
	AshFsNode *node = name != NULL ? ash_fs_tree_lookup(tree, path) : NULL;

	return node != NULL && S_ISREG(node->mode) && node->nlink <= 1 && node->hardlink == NULL ? node : NULL;
}

gboolean
ash_boot_files_unpack_initrd(AshBootFiles *files, const AshFsNode *node, AshInitrdAhead *ahead, GError **error)
{
	AshContent *unpacked;

	if (files->initrd == NULL)
		return TRUE;
	unpacked = ash_initrd_ahead_get(ahead, node);
	if (unpacked == NULL)
		unpacked = ash_initrd_unpack(files->initrd, error);
	if (unpacked == NULL)
		return FALSE;
	ash_content_unref(files->initrd);
	files->initrd = unpacked;
	return TRUE;
}

/* Loads a file that a package should have brought. */
static GBytes *
load_from_package(const AshFsTree *tree, const char *path, const char *packages, GError **error)
{
	GBytes *bytes = ash_fs_tree_load(tree, path, error);

	if (bytes == NULL)
		ash_prefix(error, "cannot make the disk bootable (is %s in the package set?)",
			   packages);
	return bytes;
}

/* One of the two is there, or else it is an error. A signature may be in the plain file as well. */
static gboolean
load_loader(const AshFsTree *tree, AshBootFiles *files, GError **error)
{
	if (ash_fs_tree_resolve(tree, SIGNED_LOADER) != NULL) {
		files->signed_loader = load_from_package(tree, SIGNED_LOADER, "systemd-boot", error);
		if (files->signed_loader == NULL)
			return FALSE;
	}
	if (files->signed_loader != NULL && ash_fs_tree_resolve(tree, LOADER) == NULL) {
		files->loader = g_bytes_ref(files->signed_loader);
		return TRUE;
	}
	files->loader = load_from_package(tree, LOADER, "systemd-boot or systemd-boot-efi", error);
	g_autoptr(AshContent) content = files->loader != NULL ? ash_content_new_from_bytes(files->loader) : NULL;
	if (content != NULL && files->signed_loader == NULL && ash_authenticode_is_signed(content))
		files->signed_loader = g_bytes_ref(files->loader);
	return files->loader != NULL;
}

static gboolean
load_systemd_boot(const AshFsTree *tree, AshBootFiles *files, GError **error)
{
	files->stub = load_from_package(tree, STUB, "systemd-boot or systemd-boot-efi", error);
	return files->stub != NULL && load_loader(tree, files, error);
}

AshBootFiles *
ash_boot_files_load(const AshFsTree *tree, AshBootLoader loader, int bios_esp, GError **error)
{
	g_autoptr(AshBootFiles) files = g_new0(AshBootFiles, 1);
	const char *initrd;

	files->kernel_release = find_kernel_release(tree);
	if (files->kernel_release == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "the tree has no kernel \"/" MODULES
				      "/*/vmlinuz\": add a kernel package");
	files->kernel = open_file(tree, files->kernel_release, "vmlinuz", error);
	if (files->kernel == NULL)
		return NULL;
	initrd = find_initrd_name(tree, files->kernel_release);
	if (initrd != NULL) {
		files->initrd = open_file(tree, files->kernel_release, initrd, error);
		if (files->initrd == NULL)
			return NULL;
	}
	files->os_release =
	    load_from_package(tree, "usr/lib/os-release", "the system's release package", error);
	if (files->os_release == NULL)
		return NULL;
	if (loader == ASH_BOOT_LOADER_SYSTEMD_BOOT)
		return load_systemd_boot(tree, files, error) ? g_steal_pointer(&files) : NULL;
	files->grub = ash_grub_files_load(tree, bios_esp, error);
	return files->grub != NULL ? g_steal_pointer(&files) : NULL;
}

char *
ash_boot_uki_name(const char *name, const char *version, guint tries)
{
	if (tries == 0)
		return g_strdup_printf("%s_%s.efi", name, version);
	return g_strdup_printf("%s_%s+%u.efi", name, version, tries);
}

char *
ash_boot_join_cmdline(const char *const *parts, guint n_parts)
{
	GString *cmdline = g_string_new(NULL);

	for (guint i = 0; i < n_parts; i++) {
		g_autofree char *part = parts[i] != NULL ? g_strstrip(g_strdup(parts[i])) : NULL;

		if (part == NULL || part[0] == '\0')
			continue;
		if (cmdline->len > 0)
			g_string_append_c(cmdline, ' ');
		g_string_append(cmdline, part);
	}
	return g_string_free(cmdline, FALSE);
}

static void
add_file(GPtrArray *list, const char *path, AshContent *content)
{
	g_ptr_array_add(list, ash_vfat_file_new(path, content));
}

static void
add_bytes(GPtrArray *list, const char *path, GBytes *bytes)
{
	g_autoptr(AshContent) content = ash_content_new_from_bytes(bytes);

	add_file(list, path, content);
}

static void
add_text(GPtrArray *list, const char *path, const char *text)
{
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

	add_bytes(list, path, bytes);
}

static AshContent *
sign(const AshBootOptions *options, const char *name, AshContent *image, GError **error)
{
	AshContent *done = options->signer->sign_image(options->signer, name, image, error);

	return done != NULL ? done : (ash_prefix(error, "signing \"%s\"", name), NULL);
}

/* @bytes signed, if it is to be and is not left as it came. */
static AshContent *
sign_loader(const AshBootOptions *options, const char *name, GBytes *bytes, GError **error)
{
	const AshSecureBoot *how = options->secure_boot;
	g_autoptr(AshContent) image = ash_content_new_from_bytes(bytes);

	if (options->signer == NULL || !how->sign_loader || (how->keep_signatures && ash_authenticode_is_signed(image)))
		return g_steal_pointer(&image);
	return sign(options, name, image, error);
}

static AshContent *
make_loader(const AshBootFiles *files, const AshBootOptions *options, GError **error)
{
	const AshSecureBoot *how = options->secure_boot;
	bool anew = options->signer != NULL && how->sign_loader && !how->keep_signatures;

	return sign_loader(options, ASH_SIGNED_LOADER, anew || files->signed_loader == NULL ? files->loader : files->signed_loader, error);
}

static gboolean
add_systemd_boot(GPtrArray *list, const AshBootFiles *files, const AshBootOptions *options, GError **error)
{
	g_autofree char *conf = g_strdup_printf("timeout %u\n", options->timeout);
	g_autoptr(AshContent) loader = make_loader(files, options, error);

	if (loader == NULL)
		return FALSE;
	add_file(list, "EFI/BOOT/BOOTX64.EFI", loader);
	if (options->second_stage)
		add_file(list, "EFI/BOOT/grubx64.efi", loader);
	add_file(list, "EFI/systemd/systemd-bootx64.efi", loader);
	add_text(list, "loader/loader.conf", conf);
	return TRUE;
}

/*
 * As their distribution has signed them, or by our key: shim loads what lies beside it, and knows that by its own certificate or by those of the
 * firmware.
 */
static gboolean
add_grub_uefi(GPtrArray *list, const AshGrubFiles *grub, const AshBootOptions *options, GError **error)
{
	g_autofree char *path = g_strdup_printf("%s/grub.cfg", grub->prefix);
	/* The firmware's own console is on screen and serial line. */
	g_autofree char *conf = ash_grub_format_config(grub->reads_entries, options->timeout, "");
	const struct {
		const char *path, *name;
		GBytes *bytes;
	} images[] = {
		{ "EFI/BOOT/BOOTX64.EFI", ASH_SIGNED_SHIM, grub->shim },
		{ "EFI/BOOT/grubx64.efi", ASH_SIGNED_GRUB, grub->grub },
		{ "EFI/BOOT/mmx64.efi", ASH_SIGNED_MOK_MANAGER, grub->mok_manager },
	};

	if (options->signer != NULL && options->secure_boot->sign_loader && !ash_grub_files_check_generations(grub, error))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(images); i++) {
		g_autoptr(AshContent) image = images[i].bytes != NULL ? sign_loader(options, images[i].name, images[i].bytes, error) : NULL;

		if (images[i].bytes == NULL)
			continue;
		if (image == NULL)
			return FALSE;
		add_file(list, images[i].path, image);
	}
	add_text(list, path, conf);
	return TRUE;
}

static void
add_grub_bios(GPtrArray *list, const AshGrubFiles *grub, const AshBootOptions *options)
{
	g_autofree char *terminal = ash_grub_bios_format_terminal(options->cmdline);
	g_autofree char *conf = ash_grub_format_config(grub->bios->reads_entries, options->timeout, terminal);

	add_text(list, ASH_GRUB_BIOS_PREFIX "/grub.cfg", conf);
}

static gboolean
add_grub(GPtrArray *list, const AshBootFiles *files, const AshBootOptions *options, GError **error)
{
	if (files->grub->grub != NULL && !add_grub_uefi(list, files->grub, options, error))
		return FALSE;
	if (files->grub->bios != NULL)
		add_grub_bios(list, files->grub, options);
	return TRUE;
}

static AshContent *
make_uki(const AshBootFiles *files, const AshBootOptions *options, GError **error)
{
	g_autoptr(AshContent) uki = NULL;
	g_autoptr(GBytes) pcrpkey = NULL;
	g_autoptr(GBytes) pcrsig = NULL;
	AshUkiParts parts = {
	    .stub = files->stub,
	    .linux_ = files->kernel,
	    .initrd = files->initrd,
	    .osrel = files->os_release,
	    .cmdline = options->cmdline,
	    .uname = files->kernel_release,
	};

	if (options->pcr_key != NULL && !ash_pcr_sign(&parts, options->pcr_key, &pcrpkey, &pcrsig, error))
		return NULL;
	uki = ash_uki_build(&parts, error);
	if (uki == NULL || options->signer == NULL || !options->secure_boot->sign_uki)
		return g_steal_pointer(&uki);
	return sign(options, ASH_SIGNED_UKI, uki, error);
}

static gboolean
add_uki(GPtrArray *list, const AshBootFiles *files, const AshBootOptions *options, GError **error)
{
	g_autofree char *name = ash_boot_uki_name(options->name, options->version, options->tries);
	g_autofree char *path = g_strdup_printf("EFI/Linux/%s", name);
	g_autoptr(AshContent) uki = make_uki(files, options, error);

	if (uki == NULL)
		return FALSE;
	add_file(list, path, uki);
	return TRUE;
}

/* As kernel-install(8) will do with later kernels, whose signatures are for those to make who package them. */
static gboolean
add_entry(GPtrArray *list, const AshBootFiles *files, const AshBootOptions *options, GError **error)
{
	const AshSecureBoot *how = options->secure_boot;
	bool wanted = options->signer != NULL && how->sign_uki && !(how->keep_signatures && ash_authenticode_is_signed(files->kernel));
	g_autoptr(AshContent) linux_ = wanted ? sign(options, ASH_SIGNED_KERNEL, files->kernel, error) : ash_content_ref(files->kernel);
	gsize length;
	const char *data = g_bytes_get_data(files->os_release, &length);
	g_autofree char *os_release = g_strndup(data, length);
	const AshBootEntry entry = {
	    .token = options->name,
	    .release = files->kernel_release,
	    .os_release = os_release,
	    .cmdline = options->cmdline,
	    .has_initrd = files->initrd != NULL,
	    .tries = options->tries,
	};
	g_autofree char *path = ash_boot_entry_path(&entry);
	g_autofree char *text = ash_boot_entry_format(&entry);
	g_autofree char *kernel = ash_boot_entry_file_path(&entry, "linux");
	g_autofree char *initrd = ash_boot_entry_file_path(&entry, "initrd");

	if (linux_ == NULL)
		return FALSE;
	if (files->grub != NULL && ash_grub_files_need_menu(files->grub)) {
		g_autofree char *menu = ash_grub_format_entry(&entry);

		add_text(list, ASH_GRUB_MENU, menu);
	}
	add_text(list, "loader/entries.srel", "type1\n");
	add_text(list, path, text);
	add_file(list, kernel, linux_);
	if (files->initrd != NULL)
		add_file(list, initrd, files->initrd);
	return TRUE;
}

static gboolean
add_loader(GPtrArray *list, const AshBootFiles *files, const AshBootOptions *options, GError **error)
{
	return (files->grub != NULL ? add_grub : add_systemd_boot)(list, files, options, error);
}

static gboolean
add_ostree(GPtrArray *list, const AshBootFiles *files, const AshBootOptions *options, GError **error)
{
	if (options->signer != NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "an image with system \"ostree\" is not signed for Secure Boot: do without the key");
	return ash_ostree_add_esp(list, options->tree, options->root_fs, error);
}

/* By AshSystemKind: what the firmware starts, and what that starts. */
static gboolean (*const adders[][2])(GPtrArray *list, const AshBootFiles *files, const AshBootOptions *options, GError **error) = {
	[ASH_SYSTEM_ATOMIC] = { add_loader, add_uki },
	[ASH_SYSTEM_TRADITIONAL] = { add_loader, add_entry },
	[ASH_SYSTEM_OSTREE] = { add_ostree },
};

GPtrArray *
ash_boot_list_esp(const AshBootFiles *files, const AshBootOptions *options, GError **error)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify) ash_vfat_file_free);

	for (guint i = 0; i < G_N_ELEMENTS(adders[0]) && adders[options->system][i] != NULL; i++) {
		if (!adders[options->system][i](list, files, options, error))
			return NULL;
	}
	return g_steal_pointer(&list);
}
