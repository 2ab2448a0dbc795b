/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/sandbox.h"
#include "tree/kernel.h"
#include "tree/steps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DRACUT_MODULES_DIR "usr/lib/dracut/modules.d"
#define INITRAMFS_TIMEOUT_SECONDS 600
#define ERROR_LINES 15
/* Where dracut writes: on the sandbox's own tmpfs nothing would be left of it. */
#define INITRAMFS_NAME "initramfs.img"

/* The compressor that the tree has, and that the kernel is sure to know. Two threads always: their number shapes the bytes. */
static const char *
choose_compressor(const AshTreeRoot *root)
{
	if (ash_tree_root_has_program(root, "zstd"))
		return "zstd -q -9 -T2";
	return ash_tree_root_has_program(root, "gzip") ? "gzip -n -9" : "cat";
}

/* Modules that dracut of this tree does not have are an error of the image type; ours is put in. */
static gboolean
check_modules(const AshTreeRoot *root, char **modules, GError **error)
{
	g_auto(GStrv) present = ash_tree_root_list(root, DRACUT_MODULES_DIR);

	for (gsize i = 0; modules[i] != NULL; i++) {
		bool found = strcmp(modules[i], "ashlar") == 0;
		for (gsize j = 0; present[j] != NULL && !found; j++)
			found = strlen(present[j]) > 2 && strcmp(present[j] + 2, modules[i]) == 0;
		if (!found)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "initramfs: dracut of this system has no module \"%s\" (\"/%s\")", modules[i],
					 DRACUT_MODULES_DIR);
	}
	return TRUE;
}

static gboolean
run_dracut(AshTreeRoot *root, const char *version, const char *output_path, GError **error)
{
	const AshImageType *type = root->request->type;
	g_autofree char *modules = g_strjoinv(" ", type->initramfs_modules);
	g_autofree char *drivers = g_strjoinv(" ", type->initramfs_drivers);
	g_autofree char *absolute = g_strconcat("/", output_path, NULL);
	g_autofree char *output = NULL;
	int status = 0;
	const char *const argv[] = {
		"dracut", "--force", "--no-hostonly", "--no-hostonly-cmdline", "--no-early-microcode", "--reproducible",
		"--nostrip", "--nohardlink", "--tmpdir", "/tmp", "--kver", version, "--modules", modules, "--drivers",
		drivers, "--filesystems", "erofs ext4 overlay vfat", "--compress", choose_compressor(root), absolute, NULL,
	};
	const AshSandboxCommand command = {
		.root_path = root->request->root_path,
		.argv = argv,
		.timeout_seconds = INITRAMFS_TIMEOUT_SECONDS,
		.epoch = root->request->epoch,
	};

	if (!ash_sandbox_run(root->ctx, &command, &output, &status, error))
		return ash_prefix(error, "initramfs");
	g_autofree char *lines = ash_sandbox_quote_lines(output, ERROR_LINES);
	/* dracut goes on after many a failure; without the module that mounts /var the image is of no use. */
	if (status != 0 || !ash_tree_root_has(root, output_path) || strstr(output, "dracut: FAILED") != NULL)
		return ash_throw(error, ASH_ERROR_SCRIPT, "initramfs: dracut failed (exit status %d)%s", status, lines);
	return TRUE;
}

/* Our module, into the tree: owner and mode of our files are this machine's, and dracut keeps what it finds. */
static gboolean
copy_module(const AshTreeRoot *root, GError **error)
{
	g_autofree char *path = g_build_filename(root->request->data_dir, "dracut", "90ashlar", NULL);
	ash_autofd int data = ash_file_open_dir(AT_FDCWD, path, false, error);
	const AshTreeRoot source = { .fd = data };
	g_auto(GStrv) names = data >= 0 ? ash_tree_root_list(&source, ".") : NULL;

	if (data < 0)
		return FALSE;
	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *to = g_build_filename(DRACUT_MODULES_DIR "/90ashlar", names[i], NULL);
		g_autofree char *text = ash_file_load(data, names[i], 0, NULL, error);
		if (text == NULL || !ash_tree_root_save(root, to, text, 0644, error))
			return FALSE;
	}
	return TRUE;
}

/*
 * The initramfs, by the tree's own dracut(8): only the modules and drivers of the image type, nothing of this machine, and
 * our module, which is in the tree while dracut runs only.
 */
gboolean
ash_step_initramfs(AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	g_autofree char *version = NULL;

	if (type->initramfs_modules == NULL || type->initramfs_modules[0] == NULL)
		return TRUE;
	if (!ash_tree_root_has_program(root, "dracut"))
		return ash_throw(error, ASH_ERROR_CONFIG, "initramfs: this system has no dracut: add the package to %%packages");
	version = ash_kernel_find(root, error);
	if (version == NULL || !check_modules(root, type->initramfs_modules, error))
		return FALSE;
	g_autofree char *path = g_build_filename(ASH_KERNEL_MODULES_DIR, version, INITRAMFS_NAME, NULL);
	if (!copy_module(root, error))
		return FALSE;
	gboolean made = run_dracut(root, version, path, error);
	if (!ash_tree_root_remove(root, DRACUT_MODULES_DIR "/90ashlar", made ? error : NULL) || !made)
		return FALSE;
	ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_RDONLY, 0, error);
	if (fd < 0)
		return FALSE;
	if (fchmod(fd, 0644) < 0)
		return ash_throw_errno(error, "cannot set the mode of \"/%s\"", path);
	return TRUE;
}
