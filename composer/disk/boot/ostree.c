/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/ostree.h"

#include "base/error.h"
#include "disk/io/content.h"
#include "disk/vfat/vfat.h"

#include <string.h>

static char *
format_config(const AshUuid *root_fs)
{
	char uuid[ASH_UUID_STRING_SIZE];

	ash_uuid_format(root_fs, uuid);
	return g_strdup_printf("# The menu is ostree's: /boot/loader of the root file system.\n"
			       "search --no-floppy --fs-uuid --set=root %s\n"
			       "syslinux_source -s /boot/loader/syslinux.cfg\n",
			       uuid);
}

static void
add_bytes(GPtrArray *list, const char *path, GBytes *bytes)
{
	g_autoptr(AshContent) content = ash_content_new_from_bytes(bytes);

	g_ptr_array_add(list, ash_vfat_file_new(path, content));
}

gboolean
ash_ostree_add_esp(GPtrArray *list, const AshFsTree *tree, const AshUuid *root_fs, GError **error)
{
	g_autofree char *text = format_config(root_fs);
	g_autoptr(GBytes) config = g_bytes_new(text, strlen(text)), grub = NULL;

	if (ash_fs_tree_lookup(tree, ASH_OSTREE_GRUB_PATH) == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the system has no GRUB: add its tools and its modules for x86_64-efi to %%packages (\"grub-common\" and "
				 "\"grub-efi-amd64-bin\", or \"grub2-tools\" and \"grub2-efi-x64-modules\")");
	grub = ash_fs_tree_load(tree, ASH_OSTREE_GRUB_PATH, error);
	if (grub == NULL)
		return FALSE;
	add_bytes(list, "EFI/BOOT/BOOTX64.EFI", grub);
	add_bytes(list, "EFI/BOOT/grub.cfg", config);
	return TRUE;
}
