/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/steps.h"

#include "base/file.h"
#include "tree/initramfspart.h"

#include <fcntl.h>

#define GRUB_PLUGIN "95-ashlar-grub.install"

/* kernel-install(8): the boot partition is mounted at /boot, and entries are those of the Boot Loader Specification. */
#define INSTALL_CONF "layout=bls\nBOOT_ROOT=/boot\ninitrd_generator=dracut\n"

/* So that dracut(8) in the system makes the initramfs of later kernels as we make that of the first. */
static gboolean
save_dracut_conf(AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	g_autofree char *modules = g_strjoinv(" ", type->initramfs_modules);
	g_autofree char *drivers = g_strjoinv(" ", type->initramfs_drivers);
	g_autofree char *text = g_strdup_printf("# By the composer: what the initramfs of this image was made with.\n"
						"hostonly=no\nhostonly_cmdline=no\nearly_microcode=no\n"
						"dracutmodules+=\" %s \"\ndrivers+=\" %s \"\nfilesystems+=\" %s \"\n",
						modules, drivers, ASH_INITRAMFS_FILE_SYSTEMS);

	if (type->initramfs_modules[0] == NULL)
		return TRUE;
	return ash_tree_root_save(root, "usr/lib/dracut/dracut.conf.d/50-ashlar.conf", text, 0644, error);
}

/* GRUB has a menu of its own, unless it reads entries: then the plugin does nothing. */
static gboolean
save_grub_plugin(AshTreeRoot *root, GError **error)
{
	g_autofree char *path = g_build_filename(root->request->data_dir, "kernel", GRUB_PLUGIN, NULL);
	g_autofree char *text = ash_file_load(AT_FDCWD, path, 0, NULL, error);

	return text != NULL && ash_tree_root_save(root, "usr/lib/kernel/install.d/" GRUB_PLUGIN, text, 0755, error);
}

/*
 * A system whose packages are changed where it runs. Names of entries begin with the system's own, because an image has no machine ID; the
 * first boot's kernel has such a name already, so whoever removes its package removes its entry.
 */
gboolean
ash_step_traditional(AshTreeRoot *root, GError **error)
{
	g_autofree char *token = g_strdup_printf("%s\n", root->request->spec->name);

	/* It gets its content when a disk is made; its label it gets now. */
	if (!ash_tree_root_save(root, "etc/kernel/cmdline", "", 0644, error) ||
	    !ash_tree_root_save(root, "etc/kernel/entry-token", token, 0644, error) ||
	    !ash_tree_root_save(root, "etc/kernel/install.conf", INSTALL_CONF, 0644, error))
		return FALSE;
	if (root->request->type->loader == ASH_BOOT_LOADER_GRUB && !save_grub_plugin(root, error))
		return FALSE;
	/* The file system's own directory gets a label like all others. */
	return ash_tree_root_mkdirs(root, "lost+found", 0700, error) && save_dracut_conf(root, error);
}
