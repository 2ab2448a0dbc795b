/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/strv.h"
#include "tree/steps.h"

#define PLATFORM    "x86_64-efi"
#define MODULES_DIR "usr/lib/grub/" PLATFORM

/*
 * What is needed to find an ext4 root, read a configuration in the form of SYSLINUX, which is what libostree writes, show its menu and boot Linux. It
 * uses "test". The last ones are for whoever types commands.
 */
static const char modules[] = "part_gpt fat ext2 search search_fs_uuid normal configfile syslinuxcfg test linux all_video "
			      "echo cat ls halt reboot serial terminal";

/* The program's name, by distribution. */
static const char *
find_program(const AshTreeRoot *root)
{
	static const char *const names[] = { "grub-mkimage", "grub2-mkimage" };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
		if (ash_tree_root_has_program(root, names[i]))
			return names[i];
	return NULL;
}

/*
 * GRUB as one program with the modules above: those that distributions have signed lack "syslinuxcfg". It looks for grub.cfg beside
 * itself. A tree without GRUB can be deployed elsewhere, but no disk is made of it.
 */
gboolean
ash_step_grub(AshTreeRoot *root, GError **error)
{
	const char *program = find_program(root);
	g_auto(GStrv) argv = ash_strv_new(), names = g_strsplit(modules, " ", -1);

	if (program == NULL || !ash_tree_root_has(root, MODULES_DIR "/syslinuxcfg.mod"))
		return TRUE;
	ash_strv_add(&argv, program);
	ash_strv_add(&argv, "--format=" PLATFORM);
	ash_strv_add(&argv, "--directory=/" MODULES_DIR);
	ash_strv_add(&argv, "--prefix=/EFI/BOOT");
	ash_strv_add(&argv, "--output=/" ASH_TREE_GRUB_PATH);
	ash_strv_add_all(&argv, (const char *const *) names);
	return ash_tree_root_mkdirs(root, "usr/lib/ashlar", 0755, error) && ash_tree_root_run(root, (const char *const *) argv, error);
}
