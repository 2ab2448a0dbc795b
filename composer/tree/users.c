/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "tree/accounts.h"
#include "tree/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The shell of people whom the kickstart gives none. */
static const char *
default_shell(const AshTreeRoot *root)
{
	return ash_tree_root_has(root, "bin/bash") ? "/bin/bash" : "/bin/sh";
}

/* What shadow's second field becomes: NULL if the kickstart says nothing of it. Owned. */
static gboolean
password_field(const AshTreeRoot *root, const char *user, const char *password, bool crypted, bool locked,
	       char **ret_field, GError **error)
{
	g_autofree char *hash = NULL;

	if (password != NULL && *password != '\0')
		hash = crypted ? g_strdup(password)
			       : ash_accounts_hash_password(password, user, root->request->spec->name, error);
	else
		hash = g_strdup(locked ? "" : NULL);
	if (password != NULL && *password != '\0' && hash == NULL)
		return FALSE;
	*ret_field = locked && hash != NULL ? g_strconcat("!", hash, NULL) : g_strdup(hash);
	return TRUE;
}

static gboolean
set_password(const AshTreeRoot *root, AshAccounts *accounts, const char *user, const char *password, bool crypted,
	     bool locked, GError **error)
{
	g_autofree char *field = NULL;

	if (!password_field(root, user, password, crypted, locked, &field, error))
		return FALSE;
	return field == NULL || ash_accounts_set_password(accounts, user, field, root->request->epoch, error);
}

/* "wheel" or "staff(2000)": the latter makes the group with that number; so does the former if there is none (as Anaconda does). */
static gboolean
join_group(AshAccounts *accounts, const char *user, const char *text, GError **error)
{
	const char *open = strchr(text, '(');
	g_autofree char *name = open != NULL ? g_strndup(text, (gsize) (open - text)) : g_strdup(text);
	guint64 gid = 0;

	if (open != NULL) {
		g_autofree char *number = g_strndup(open + 1, strcspn(open + 1, ")"));
		if (!g_ascii_string_to_unsigned(number, 10, 0, 65533, &gid, NULL))
			return ash_throw(error, ASH_ERROR_CONFIG, "user \"%s\": \"%s\" is no group", user, text);
	}
	return ash_accounts_add_group(accounts, name, open != NULL ? (int) gid : -1, NULL, error) &&
	       ash_accounts_join(accounts, user, name, error);
}

static gboolean
add_user(const AshTreeRoot *root, AshAccounts *accounts, const AshUserSpec *user, GError **error)
{
	if (!ash_accounts_add_user(accounts, user, default_shell(root), root->request->epoch, error))
		return FALSE;
	for (gsize i = 0; user->groups != NULL && user->groups[i] != NULL; i++)
		if (!join_group(accounts, user->name, user->groups[i], error))
			return FALSE;
	return set_password(root, accounts, user->name, user->password, user->crypted, user->locked, error);
}

/* Copies one entry of /etc/skel, and what is below it, giving it to the user. */
static gboolean
copy_skeleton(int from, int to, const char *name, const AshAccount *account, GError **error)
{
	struct stat info;
	char target[4096];

	if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot read \"/etc/skel/%s\"", name);
	if (S_ISLNK(info.st_mode)) {
		ssize_t length = readlinkat(from, name, target, sizeof target - 1);
		target[MAX(length, 0)] = '\0';
		if (length < 0 || (symlinkat(target, to, name) < 0 && errno != EEXIST))
			return ash_throw_errno(error, "cannot copy \"/etc/skel/%s\"", name);
	} else if (S_ISREG(info.st_mode)) {
		gsize length = 0;
		g_autofree char *data = ash_file_load(from, name, 0, &length, error);
		if (data == NULL || !ash_file_write(to, name, data, (gssize) length, info.st_mode & 0777, error))
			return FALSE;
	} else if (S_ISDIR(info.st_mode)) {
		if (!ash_file_mkdirs(to, name, info.st_mode & 0777, error))
			return FALSE;
		ash_autofd int inner_from = ash_file_open_dir(from, name, false, error);
		ash_autofd int inner_to = inner_from >= 0 ? ash_file_open_dir(to, name, false, error) : -1;
		const AshTreeRoot inner = { .fd = inner_from };
		g_auto(GStrv) names = inner_to >= 0 ? ash_tree_root_list(&inner, ".") : NULL;
		for (gsize i = 0; names != NULL && names[i] != NULL; i++)
			if (!copy_skeleton(inner_from, inner_to, names[i], account, error))
				return FALSE;
		if (inner_to < 0)
			return FALSE;
	} else {
		return TRUE;
	}
	if (fchownat(to, name, account->uid, account->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot give \"%s\" away", name);
	return TRUE;
}

/* The home directory: made from /etc/skel unless it is there. */
static gboolean
make_home(const AshTreeRoot *root, const AshAccount *account, GError **error)
{
	const char *path = account->home + strspn(account->home, "/");
	const char *name;

	if (*path == '\0' || ash_tree_root_has(root, path))
		return TRUE;
	ash_autofd int parent = ash_tree_root_open_parent(root, path, true, &name, error);
	if (parent < 0 || !ash_file_mkdirs(parent, name, 0700, error))
		return FALSE;
	ash_autofd int home = ash_file_open_dir(parent, name, false, error);
	ash_autofd int skel = ash_fd_open_in_root(root->fd, "etc/skel", O_RDONLY | O_DIRECTORY, 0, NULL);
	const AshTreeRoot inner = { .fd = skel };
	g_auto(GStrv) names = skel >= 0 ? ash_tree_root_list(&inner, ".") : NULL;
	if (home < 0 || fchown(home, account->uid, account->gid) < 0)
		return home < 0 ? FALSE : ash_throw_errno(error, "cannot make \"%s\"", account->home);
	for (gsize i = 0; names != NULL && names[i] != NULL; i++)
		if (!copy_skeleton(skel, home, names[i], account, error))
			return FALSE;
	return TRUE;
}

/* authorized_keys(5), one line a key. */
static gboolean
add_ssh_key(const AshTreeRoot *root, const AshAccounts *accounts, const AshSshKeySpec *key, GError **error)
{
	g_auto(AshAccount) account = { 0 };
	g_autofree char *text = NULL;

	if (!ash_accounts_find(accounts, key->user, &account))
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: sshkey: there is no user \"%s\"",
				 key->origin != NULL ? key->origin : "kickstart", key->user);
	g_autofree char *dir = g_build_filename(account.home + strspn(account.home, "/"), ".ssh", NULL);
	g_autofree char *path = g_build_filename(dir, "authorized_keys", NULL);
	if (!ash_tree_root_load(root, path, &text, error) || !ash_tree_root_mkdirs(root, dir, 0700, error))
		return FALSE;
	g_autofree char *whole = g_strconcat(text != NULL ? text : "", key->key, "\n", NULL);
	if (!ash_tree_root_save(root, path, whole, 0600, error))
		return FALSE;
	ash_autofd int fd = ash_fd_open_in_root(root->fd, dir, O_RDONLY | O_DIRECTORY, 0, error);
	if (fd < 0)
		return FALSE;
	if (fchown(fd, account.uid, account.gid) < 0 || fchownat(fd, "authorized_keys", account.uid, account.gid, 0) < 0)
		return ash_throw_errno(error, "cannot give \"/%s\" to \"%s\"", path, key->user);
	return TRUE;
}

static gboolean
add_all(const AshTreeRoot *root, AshAccounts *accounts, GError **error)
{
	const AshSpec *spec = root->request->spec;
	const AshRootPassword *password = &spec->root_password;

	for (guint i = 0; i < spec->groups->len; i++) {
		const AshGroupSpec *group = g_ptr_array_index(spec->groups, i);
		if (!ash_accounts_add_group(accounts, group->name, group->gid, NULL, error))
			return ash_prefix(error, "%s: group", group->origin != NULL ? group->origin : "kickstart");
	}
	for (guint i = 0; i < spec->users->len; i++) {
		const AshUserSpec *user = g_ptr_array_index(spec->users, i);
		if (!add_user(root, accounts, user, error))
			return ash_prefix(error, "%s: user", user->origin != NULL ? user->origin : "kickstart");
	}
	if (!password->set)
		return TRUE;
	return set_password(root, accounts, "root", password->password, password->crypted, password->locked, error);
}

static gboolean
make_homes(const AshTreeRoot *root, const AshAccounts *accounts, GError **error)
{
	const AshSpec *spec = root->request->spec;

	for (guint i = 0; i < spec->users->len; i++) {
		const AshUserSpec *user = g_ptr_array_index(spec->users, i);
		g_auto(AshAccount) account = { 0 };
		if (ash_accounts_find(accounts, user->name, &account) && !make_home(root, &account, error))
			return FALSE;
	}
	for (guint i = 0; i < spec->ssh_keys->len; i++)
		if (!add_ssh_key(root, accounts, g_ptr_array_index(spec->ssh_keys, i), error))
			return FALSE;
	return TRUE;
}

/* rootpw, group, user, sshkey. System users come from packages; systemd-sysusers(8) adds those that were only declared. */
gboolean
ash_step_users(AshTreeRoot *root, GError **error)
{
	static const char *const sysusers[] = { "systemd-sysusers", NULL };

	if (ash_tree_root_has_program(root, sysusers[0]) && !ash_tree_root_run(root, sysusers, error))
		return FALSE;
	g_autoptr(AshAccounts) accounts = ash_accounts_load(root, error);
	if (accounts == NULL || !add_all(root, accounts, error) || !ash_accounts_save(accounts, root, error) ||
	    !make_homes(root, accounts, error))
		return FALSE;
	if (!root->request->spec->root_password.allow_ssh)
		return TRUE;
	return ash_tree_root_save(root, "etc/ssh/sshd_config.d/01-permitrootlogin.conf", "PermitRootLogin yes\n", 0600,
				  error);
}
