/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot.h"

#include "base/error.h"
#include "disk/initrd.h"
#include "disk/pcr.h"
#include "disk/uki.h"
#include "disk/vfat.h"

#include <string.h>
#include <sys/stat.h>

#define MODULES "usr/lib/modules"
#define STUB    "usr/lib/systemd/boot/efi/linuxx64.efi.stub"
#define LOADER  "usr/lib/systemd/boot/efi/systemd-bootx64.efi"

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
	g_free(files);
}

static bool
has_file(const AshFsTree *tree, const char *release, const char *name)
{
	g_autofree char *path = g_strdup_printf(MODULES "/%s/%s", release, name);
	const AshFsNode *node = ash_fs_tree_resolve(tree, path);

	return node != NULL && S_ISREG(node->mode);
}

/* has_file() has said that it is there. */
static AshContent *
open_file(const AshFsTree *tree, const char *release, const char *name, GError **error)
{
	g_autofree char *path = g_strdup_printf(MODULES "/%s/%s", release, name);
	const AshFsNode *node = ash_fs_tree_resolve(tree, path);
	AshContent *content;
	int fd = ash_fs_tree_open(tree, node, error);

	if (fd < 0)
		return ash_prefix(error, "\"/%s\"", path), NULL;
	content = ash_content_new();
	ash_content_add_fd(content, fd, node->size);
	return content;
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
ash_boot_files_unpack_initrd(AshBootFiles *files, GError **error)
{
	AshContent *unpacked = files->initrd != NULL ? ash_initrd_unpack(files->initrd, error) : NULL;

	if (files->initrd == NULL)
		return TRUE;
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

AshBootFiles *
ash_boot_files_load(const AshFsTree *tree, GError **error)
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
	files->stub = load_from_package(tree, STUB, "systemd-boot or systemd-boot-efi", error);
	if (files->stub == NULL)
		return NULL;
	files->loader = load_from_package(tree, LOADER, "systemd-boot or systemd-boot-efi", error);
	return files->loader != NULL ? g_steal_pointer(&files) : NULL;
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

GPtrArray *
ash_boot_list_esp(const AshBootFiles *files, const AshBootOptions *options, GError **error)
{
	g_autoptr(GPtrArray) list =
	    g_ptr_array_new_with_free_func((GDestroyNotify) ash_vfat_file_free);
	g_autofree char *uki_name =
	    ash_boot_uki_name(options->name, options->version, options->tries);
	g_autofree char *uki_path = g_strdup_printf("EFI/Linux/%s", uki_name);
	g_autofree char *conf_text = g_strdup_printf("timeout %u\n", options->timeout);
	g_autoptr(GBytes) conf = g_bytes_new(conf_text, strlen(conf_text));
	g_autoptr(AshContent) loader = ash_content_new_from_bytes(files->loader);
	g_autoptr(AshContent) conf_content = ash_content_new_from_bytes(conf);
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
	if (uki == NULL)
		return NULL;
	add_file(list, "EFI/BOOT/BOOTX64.EFI", loader);
	add_file(list, "EFI/systemd/systemd-bootx64.efi", loader);
	add_file(list, "loader/loader.conf", conf_content);
	add_file(list, uki_path, uki);
	return g_steal_pointer(&list);
}
