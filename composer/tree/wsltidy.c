/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "tree/accounts.h"
#include "tree/steps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/*
 * What a distribution for WSL must not have, or must be, after everybody has written into the tree (Microsoft, "Build a custom Linux distribution
 * for WSL": configuration file recommendations; limits are those of WSL's own reader).
 */

#define FILE_SIZE_MAX (1024 * 1024) /* bytes, of the icon and of the terminal profile */

/* WSL brings its own kernel, and needs no initramfs. */
static gboolean
remove_kernels(const AshTreeRoot *root, const char *dir, GError **error)
{
	static const char *const prefixes[] = { "vmlinuz", "vmlinux", "bzImage", "Image", "initrd", "initramfs" };
	g_auto(GStrv) names = ash_tree_root_list(root, dir);

	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *path = g_build_filename(dir, names[i], NULL);
		bool found = false;
		for (gsize k = 0; k < G_N_ELEMENTS(prefixes); k++)
			found = found || g_str_has_prefix(names[i], prefixes[k]);
		if (!found)
			continue;
		ash_progress_message(root->ctx->progress, "note: \"/%s\" is left out: WSL has its own kernel", path);
		if (!ash_tree_root_remove(root, path, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
remove_all_kernels(const AshTreeRoot *root, GError **error)
{
	g_auto(GStrv) versions = ash_tree_root_list(root, "usr/lib/modules");

	for (gsize i = 0; versions[i] != NULL; i++) {
		g_autofree char *dir = g_build_filename("usr/lib/modules", versions[i], NULL);
		if (!remove_kernels(root, dir, error))
			return FALSE;
	}
	return remove_kernels(root, "boot", error);
}

/* The file goes to many, and WSL asks nobody for a password. */
static gboolean
lock_passwords(const AshTreeRoot *root, GError **error)
{
	g_autoptr(AshAccounts) accounts = ash_accounts_load(root, error);

	if (accounts == NULL)
		return FALSE;
	g_auto(GStrv) users = ash_accounts_lock_passwords(accounts);
	for (gsize i = 0; users[i] != NULL; i++)
		ash_progress_message(root->ctx->progress, "note: the password of \"%s\" is left out: the first start asks for one", users[i]);
	return users[0] == NULL || ash_accounts_save(accounts, root, error);
}

/* The first bytes of a file that WSL reads on Windows' side; a NUL follows them. *@ret_text: owned. */
static gboolean
load_small(const AshTreeRoot *root, const char *key, const char *path, gsize max_bytes, char **ret_text, GError **error)
{
	struct stat info;
	ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_RDONLY, 0, error);

	if (fd < 0)
		return ash_prefix(error, "wsl.%s", key);
	if (!ash_fd_stat(fd, path, &info, error))
		return FALSE;
	if (!S_ISREG(info.st_mode) || info.st_size > FILE_SIZE_MAX)
		return ash_throw(error, ASH_ERROR_CONFIG, "wsl.%s: \"%s\" is no file of at most 1 MiB", key, path);
	gsize length = MIN((gsize) info.st_size, max_bytes);
	g_autofree char *text = g_malloc0(max_bytes + 1);
	if (!ash_fd_read_exact(fd, text, length, 0, error))
		return FALSE;
	*ret_text = g_steal_pointer(&text);
	return TRUE;
}

static gboolean
check_icon(const AshTreeRoot *root, const char *path, GError **error)
{
	g_autofree char *text = NULL;

	if (!load_small(root, "icon", path, 4, &text, error))
		return FALSE;
	return memcmp(text, "\0\0\1", 4) == 0 || ash_throw(error, ASH_ERROR_CONFIG, "wsl.icon: \"%s\" is no ICO file", path);
}

static gboolean
check_terminal_profile(const AshTreeRoot *root, const char *path, GError **error)
{
	g_autofree char *text = NULL;

	if (!load_small(root, "terminal_profile", path, FILE_SIZE_MAX, &text, error))
		return FALSE;
	JsonObject *object = ash_json_parse_object(text, -1, path, error);
	if (object == NULL)
		return ash_prefix(error, "wsl.terminal_profile");
	JsonNode *profiles = json_object_get_member(object, "profiles");
	bool good = profiles != NULL && JSON_NODE_HOLDS_ARRAY(profiles);
	json_object_unref(object);
	return good || ash_throw(error, ASH_ERROR_CONFIG, "wsl.terminal_profile: \"%s\" has no array \"profiles\"", path);
}

static gboolean
check_oobe(const AshTreeRoot *root, const char *path, GError **error)
{
	struct stat info;
	ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_PATH, 0, error);

	if (fd < 0)
		return ash_prefix(error, "wsl.oobe_command");
	if (!ash_fd_stat(fd, path, &info, error))
		return FALSE;
	return (S_ISREG(info.st_mode) && (info.st_mode & 0111) == 0111) ||
	       ash_throw(error, ASH_ERROR_CONFIG, "wsl.oobe_command: \"%s\" is no program that can be run", path);
}

static gboolean
check_files(const AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	const struct {
		const char *path;
		gboolean (*check)(const AshTreeRoot *root, const char *path, GError **error);
	} files[] = {
		{ type->wsl_default_uid != 0 ? type->wsl_oobe_command : NULL, check_oobe },
		{ type->wsl_icon, check_icon },
		{ type->wsl_terminal_profile, check_terminal_profile },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
		if (files[i].path != NULL && *files[i].path != '\0' && !files[i].check(root, files[i].path, error))
			return FALSE;
	if (type->wsl_systemd && !ash_tree_root_has(root, "sbin/init"))
		return ash_throw(error, ASH_ERROR_CONFIG, "wsl.systemd: no package of this system has \"/sbin/init\": add systemd's (systemd, systemd-sysv)");
	return TRUE;
}

/* WSL writes /etc/resolv.conf at each start, unless there is one. */
gboolean
ash_step_wsl_tidy(AshTreeRoot *root, GError **error)
{
	return ash_tree_root_remove(root, "etc/resolv.conf", error) && remove_all_kernels(root, error) &&
	       lock_passwords(root, error) && check_files(root, error);
}
