/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
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

/*
 * For BIOS: to read the configuration and the kernels on the boot partition, which is FAT, to show the menu on screen and serial line, and to boot
 * Linux. "blscfg", where there is one, reads entries.
 */
static const char bios_modules[] = "biosdisk part_gpt fat normal configfile test linux all_video search search_fs_uuid search_label "
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

static gboolean
make_image(AshTreeRoot *root, const char *platform, const char *prefix, const char *output, const char *const *names, GError **error)
{
	g_auto(GStrv) argv = ash_strv_new();
	g_autofree char *format = g_strconcat("--format=", platform, NULL);
	g_autofree char *directory = g_strconcat("--directory=/usr/lib/grub/", platform, NULL);
	g_autofree char *prefix_option = g_strconcat("--prefix=", prefix, NULL);
	g_autofree char *output_option = g_strconcat("--output=/", output, NULL);

	ash_strv_add(&argv, find_program(root));
	ash_strv_add(&argv, format);
	ash_strv_add(&argv, directory);
	ash_strv_add(&argv, prefix_option);
	ash_strv_add(&argv, output_option);
	ash_strv_add_all(&argv, names);
	return ash_tree_root_mkdirs(root, "usr/lib/ashlar", 0755, error) && ash_tree_root_run(root, (const char *const *) argv, error);
}

/*
 * GRUB as one program with the modules above: those that distributions have signed lack "syslinuxcfg". It looks for grub.cfg beside
 * itself. A tree without GRUB can be deployed elsewhere, but no disk is made of it.
 */
gboolean
ash_step_grub(AshTreeRoot *root, GError **error)
{
	g_auto(GStrv) names = g_strsplit(modules, " ", -1);

	if (find_program(root) == NULL || !ash_tree_root_has(root, MODULES_DIR "/syslinuxcfg.mod"))
		return TRUE;
	return make_image(root, PLATFORM, "/EFI/BOOT", ASH_TREE_GRUB_PATH, (const char *const *) names, error);
}

/*
 * The core image for BIOS. It knows its configuration's partition by number, on the disk that it was read from: another disk of the machine cannot be
 * taken for it.
 */
gboolean
ash_step_grub_bios(AshTreeRoot *root, GError **error)
{
	const int number = root->request->type->bios_esp;
	g_autofree char *prefix = g_strdup_printf("(,gpt%d)/" ASH_GRUB_BIOS_PREFIX, number);
	g_autofree char *output = g_strdup_printf(ASH_GRUB_BIOS_FORMAT, number);
	g_auto(GStrv) names = g_strsplit(bios_modules, " ", -1);

	if (number == 0)
		return TRUE;
	if (find_program(root) == NULL || !ash_tree_root_has(root, ASH_GRUB_BIOS_DIR "/kernel.img"))
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the system has no GRUB for BIOS: add its tools and its modules for i386-pc to %%packages (\"grub-common\" and "
				 "\"grub-pc-bin\", or \"grub2-tools\" and \"grub2-pc-modules\")");
	if (ash_tree_root_has(root, ASH_GRUB_BIOS_DIR "/blscfg.mod"))
		ash_strv_add(&names, "blscfg");
	return make_image(root, "i386-pc", prefix, output, (const char *const *) names, error);
}
