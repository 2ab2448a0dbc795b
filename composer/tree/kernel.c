/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/kernel.h"

#include "base/error.h"
#include "base/fd.h"
#include "tree/steps.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

char *
ash_kernel_find(const AshTreeRoot *root, GError **error)
{
	g_auto(GStrv) versions = ash_tree_root_list(root, ASH_KERNEL_MODULES_DIR);
	g_autofree char *found = NULL;

	for (gsize i = 0; versions[i] != NULL; i++) {
		g_autofree char *inside = g_build_filename(ASH_KERNEL_MODULES_DIR, versions[i], "vmlinuz", NULL);
		g_autofree char *outside = g_strconcat("boot/vmlinuz-", versions[i], NULL);
		if (!ash_tree_root_has(root, inside) && !ash_tree_root_has(root, outside))
			continue;
		if (found != NULL)
			return ash_throw_null(error, ASH_ERROR_CONFIG,
					      "this system has two kernels, \"%s\" and \"%s\": name one in %%packages and "
					      "exclude the other",
					      found, versions[i]);
		found = g_strdup(versions[i]);
	}
	if (found == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "this system has no kernel (\"/%s/VERSION/vmlinuz\"): add one to %%packages", ASH_KERNEL_MODULES_DIR);
	return g_steal_pointer(&found);
}

/* A kernel that its package keeps in /boot moves to its modules. */
static gboolean
move_kernel(const AshTreeRoot *root, const char *version, GError **error)
{
	g_autofree char *from = g_strconcat("boot/vmlinuz-", version, NULL);
	g_autofree char *dir = g_build_filename(ASH_KERNEL_MODULES_DIR, version, NULL);
	g_autofree char *to = g_build_filename(dir, "vmlinuz", NULL);
	const char *from_name, *to_name;

	if (ash_tree_root_has(root, to))
		return TRUE;
	ash_autofd int from_dir = ash_tree_root_open_parent(root, from, false, &from_name, error);
	ash_autofd int to_dir = from_dir >= 0 ? ash_tree_root_open_parent(root, to, false, &to_name, error) : -1;
	if (to_dir < 0)
		return FALSE;
	if (renameat(from_dir, from_name, to_dir, to_name) < 0)
		return ash_throw_errno(error, "cannot move \"/%s\" to \"/%s\"", from, to);
	return TRUE;
}

static bool
is_newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* True if something in the directory @dir, or itself, may be newer than @since; missing is old. */
static bool
has_newer(const AshTreeRoot *root, const char *dir, const struct timespec *since)
{
	ash_autofd int fd = ash_fd_open_in_root(root->fd, dir, O_PATH | O_NOFOLLOW, 0, NULL);
	struct stat info;

	if (fd < 0)
		return false;
	if (fstat(fd, &info) < 0 || is_newer(&info.st_mtim, since))
		return true;
	if (!S_ISDIR(info.st_mode))
		return false;
	g_auto(GStrv) names = ash_tree_root_list(root, dir);
	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *path = g_build_filename(dir, names[i], NULL);
		if (has_newer(root, path, since))
			return true;
	}
	return false;
}

/*
 * Whether depmod(8) ran after the last change of modules and of what it is told, as it does in a trigger of most distributions:
 * the kernel's directory and its own configuration are older than what it wrote. Its own files lie beside, and
 * modules beside them are not worth a closer look.
 */
static bool
is_indexed(const AshTreeRoot *root, const char *version)
{
	static const char *const configuration[] = { "etc/depmod.d", "usr/lib/depmod.d", "usr/local/lib/depmod.d", "run/depmod.d" };
	g_autofree char *dir = g_build_filename(ASH_KERNEL_MODULES_DIR, version, NULL);
	g_autofree char *index = g_build_filename(dir, "modules.dep.bin", NULL);
	ash_autofd int fd = ash_fd_open_in_root(root->fd, index, O_PATH | O_NOFOLLOW, 0, NULL);
	g_auto(GStrv) names = ash_tree_root_list(root, dir);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0)
		return false;
	for (gsize i = 0; i < G_N_ELEMENTS(configuration); i++)
		if (has_newer(root, configuration[i], &info.st_mtim))
			return false;
	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *path = g_build_filename(dir, names[i], NULL);
		/* depmod's own are called modules.NAME; of those that it reads, none changes without the kernel. */
		if (!g_str_has_prefix(names[i], "modules.") && has_newer(root, path, &info.st_mtim))
			return false;
		if (strstr(names[i], ".ko") != NULL)
			return false;
	}
	return true;
}

/*
 * Fedora's and Azure Linux's packages have shim and GRUB where the ESP is mounted in their own images. They move to where packages of newer Fedora
 * have them (bootupd's layout), and disk/boot/grub.h finds them.
 */
static gboolean
move_loaders(const AshTreeRoot *root, GError **error)
{
	static const char from[] = "boot/efi/EFI", dir[] = "usr/lib/efi/packages", to[] = "usr/lib/efi/packages/EFI";

	if (root->request->type->loader != ASH_BOOT_LOADER_GRUB || !ash_tree_root_has(root, from))
		return TRUE;
	if (!ash_tree_root_mkdirs(root, dir, 0755, error))
		return FALSE;
	return renameat(root->fd, from, root->fd, to) == 0 || ash_throw_errno(error, "cannot move \"/%s\" to \"/%s\"", from, to);
}

/* The kernel lies beside its modules, which depmod(8) has indexed; /boot is empty: the boot loader's files are made from here. */
gboolean
ash_step_kernel(AshTreeRoot *root, GError **error)
{
	g_autofree char *version = ash_kernel_find(root, error);
	const char *const depmod[] = { "depmod", "-a", version, NULL };

	if (version == NULL || !move_kernel(root, version, error))
		return FALSE;
	if (!is_indexed(root, version) && ash_tree_root_has_program(root, "depmod") &&
	    !ash_tree_root_run(root, depmod, error))
		return FALSE;
	return move_loaders(root, error) && ash_tree_root_empty(root, "boot", error);
}
