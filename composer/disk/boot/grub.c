/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/grub.h"

#include "base/error.h"
#include "base/osrelease.h"
#include "disk/uki/uki.h"

#include <string.h>
#include <sys/stat.h>

/* The section of modules in a GRUB for UEFI (its include/grub/kernel.h): a header, then objects one after the other. */
#define MODULES        "mods"
#define MODULES_MAGIC  0x676d696du
#define HEADER_BYTES   24
#define OBJECT_BYTES   8
#define TYPE_PREFIX    3
#define BLSCFG         "blscfg"
/* What shim compares with the generations that are revoked (its SBAT.md). */
#define GENERATIONS    ".sbat"

/* Below which packages have them, and under which names. */
static const char *const directories[] = { "usr/lib/shim", "usr/lib/grub/x86_64-efi-signed", "usr/lib/efi", "usr/share/shim", "usr/share/efi", NULL };
static const char *const shim_names[] = { "shimx64.efi.signed", "shimx64.efi", "bootx64.efi", NULL };
static const char *const grub_names[] = { "grubx64.efi.signed", "grubx64.efi", NULL };
static const char *const mok_manager_names[] = { "mmx64.efi.signed", "mmx64.efi", NULL };

void
ash_grub_files_free(AshGrubFiles *files)
{
	if (files == NULL)
		return;
	g_clear_pointer(&files->shim, g_bytes_unref);
	g_clear_pointer(&files->grub, g_bytes_unref);
	g_clear_pointer(&files->mok_manager, g_bytes_unref);
	g_clear_pointer(&files->bios, ash_grub_bios_free);
	g_free(files->prefix);
	g_free(files);
}

/* Deeper directories are named by versions: the last one counts. */
static const AshFsNode *
find_below(const AshFsNode *node, const char *name)
{
	const AshFsNode *found = NULL;

	if (!S_ISDIR(node->mode))
		return S_ISREG(node->mode) && strcmp(node->name, name) == 0 ? node : NULL;
	for (guint i = node->children->len; i > 0 && found == NULL; i--)
		found = find_below(node->children->pdata[i - 1], name);
	return found;
}

/* NULL without an error if there is none. */
static const AshFsNode *
find_file(const AshFsTree *tree, const char *const *names)
{
	const AshFsNode *found = NULL;

	for (; *names != NULL && found == NULL; names++)
		for (guint i = 0; directories[i] != NULL && found == NULL; i++) {
			const AshFsNode *directory = ash_fs_tree_resolve(tree, directories[i]);

			found = directory != NULL ? find_below(directory, *names) : NULL;
		}
	return found;
}

static GBytes *
load_file(const AshFsTree *tree, const char *const *names, const char *package, GError **error)
{
	const AshFsNode *node = find_file(tree, names);
	g_autofree char *path = node != NULL ? ash_fs_node_dup_path(node) : NULL;

	if (path == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "cannot make the disk bootable by GRUB: no package has \"%s\" (is %s in the package set?)", names[0],
				      package);
	return ash_fs_tree_load(tree, path, error);
}

static guint32
get32(const guint8 *at)
{
	return at[0] | (guint32) at[1] << 8 | (guint32) at[2] << 16 | (guint32) at[3] << 24;
}

/* The text of the first object that is a prefix; NULL if there is none. */
static char *
find_object(const guint8 *data, gsize length)
{
	gsize at = length >= HEADER_BYTES && get32(data) == MODULES_MAGIC ? get32(data + 8) : length;

	while (at < length && length - at >= OBJECT_BYTES) {
		guint32 type = get32(data + at), bytes = get32(data + at + 4);

		if (bytes < OBJECT_BYTES || bytes > length - at)
			return NULL;
		if (type == TYPE_PREFIX)
			return g_strndup((const char *) data + at + OBJECT_BYTES, bytes - OBJECT_BYTES);
		at += bytes;
	}
	return NULL;
}

/* Owned. */
static char *
find_prefix(GBytes *image, GError **error)
{
	g_autoptr(GArray) sections = ash_uki_list(image, error);
	g_autoptr(GBytes) modules = sections != NULL ? ash_uki_get(image, sections, MODULES) : NULL;
	g_autofree char *prefix = NULL;
	gsize length = 0;
	const guint8 *data = modules != NULL ? g_bytes_get_data(modules, &length) : NULL;

	if (sections == NULL)
		return ash_prefix(error, "GRUB"), NULL;
	prefix = data != NULL ? find_object(data, length) : NULL;
	if (prefix == NULL || prefix[0] != '/' || prefix[1] == '\0' || !g_str_is_ascii(prefix))
		return ash_throw_null(error, ASH_ERROR_CONFIG, "GRUB: its image does not say where its configuration is on the partition that it is loaded from");
	return g_strdup(prefix + 1);
}

static gboolean
load_uefi(const AshFsTree *tree, AshGrubFiles *files, GError **error)
{
	gsize length;

	files->shim = load_file(tree, shim_names, "shim-signed or shim-x64", error);
	files->grub = files->shim != NULL ? load_file(tree, grub_names, "grub-efi-amd64-signed or grub2-efi-x64", error) : NULL;
	if (files->grub == NULL)
		return FALSE;
	if (find_file(tree, mok_manager_names) != NULL) {
		files->mok_manager = load_file(tree, mok_manager_names, "shim", error);
		if (files->mok_manager == NULL)
			return FALSE;
	}
	const void *data = g_bytes_get_data(files->grub, &length);
	files->reads_entries = memmem(data, length, BLSCFG, sizeof(BLSCFG)) != NULL;
	files->prefix = find_prefix(files->grub, error);
	return files->prefix != NULL;
}

AshGrubFiles *
ash_grub_files_load(const AshFsTree *tree, int bios_esp, GError **error)
{
	g_autoptr(AshGrubFiles) files = g_new0(AshGrubFiles, 1);
	bool has_uefi = find_file(tree, shim_names) != NULL || find_file(tree, grub_names) != NULL;

	if (bios_esp != 0) {
		files->bios = ash_grub_bios_load(tree, bios_esp, error);
		if (files->bios == NULL)
			return NULL;
	}
	if ((files->bios == NULL || has_uefi) && !load_uefi(tree, files, error))
		return NULL;
	return g_steal_pointer(&files);
}

guint64
ash_grub_files_measure(const AshGrubFiles *files)
{
	GBytes *const images[] = { files->shim, files->grub, files->mok_manager };
	guint64 bytes = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(images); i++)
		bytes += images[i] != NULL ? g_bytes_get_size(images[i]) : 0;
	return bytes;
}

static gboolean
check_generations(GBytes *image, const char *name, GError **error)
{
	g_autoptr(GArray) sections = ash_uki_list(image, error);
	g_autoptr(GBytes) generations = sections != NULL ? ash_uki_get(image, sections, GENERATIONS) : NULL;

	if (sections == NULL)
		return ash_prefix(error, "\"%s\"", name);
	return generations != NULL ||
	       ash_throw(error, ASH_ERROR_CONFIG,
			 "\"%s\" cannot be signed for Secure Boot: it has no section \"" GENERATIONS "\", and shim starts nothing without (take the package that "
			 "the distribution has for Secure Boot)",
			 name);
}

gboolean
ash_grub_files_check_generations(const AshGrubFiles *files, GError **error)
{
	return check_generations(files->grub, "grubx64.efi", error) &&
	       (files->mok_manager == NULL || check_generations(files->mok_manager, "mmx64.efi", error));
}

bool
ash_grub_files_need_menu(const AshGrubFiles *files)
{
	return (files->grub != NULL && !files->reads_entries) || (files->bios != NULL && !files->bios->reads_entries);
}

char *
ash_grub_format_config(bool reads_entries, guint timeout, const char *terminal)
{
	return g_strdup_printf("# By the composer: the menu has the entries of kernel-install(8), the newest kernel first.\n"
			       "%sset timeout=%u\nset default=0\n%s",
			       terminal, timeout, reads_entries ? "set boot=$root\nblscfg\n" : "source /" ASH_GRUB_MENU "\n");
}

char *
ash_grub_format_entry(const AshBootEntry *entry)
{
	g_autofree char *pretty = ash_os_release_value(entry->os_release, "PRETTY_NAME");
	g_autofree char *title = pretty != NULL ? g_strdup(pretty) : g_strdup_printf("Linux %s", entry->release);
	g_autofree char *linux_path = ash_boot_entry_file_path(entry, "linux");
	g_autofree char *initrd_path = ash_boot_entry_file_path(entry, "initrd");
	g_autoptr(GString) text = g_string_new(NULL);

	/* A quote would end the title. */
	g_strdelimit(title, "'", ' ');
	g_string_append_printf(text, "menuentry '%s (%s)' {\n", title, entry->release);
	g_string_append_printf(text, "\tlinux /%s %s\n", linux_path, entry->cmdline);
	if (entry->has_initrd)
		g_string_append_printf(text, "\tinitrd /%s\n", initrd_path);
	g_string_append(text, "}\n");
	return g_string_free(g_steal_pointer(&text), FALSE);
}
