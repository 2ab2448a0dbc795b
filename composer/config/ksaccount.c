/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kscommand.h"
#include "model/strv.h"

#include <string.h>

/*
 * Whether a password that is said to be encrypted is a crypt(5) hash. Some files have a word there that no hash can be, so that
 * nobody can log in: it is as good as a lock, and better not kept.
 */
static bool
is_hash(const char *password)
{
	return strchr("$!*_", *password) != NULL || (strlen(password) == 13 && ash_check_word(password, "./"));
}

static gboolean
check_password(AshKsCall *call, char **password, bool crypted, bool *ret_locked, GError **error)
{
	*ret_locked = false;
	if (*password == NULL || !crypted)
		return TRUE;
	if (!ash_check_field(*password))
		return ash_option_throw(&call->place, error,
					"the password has a colon or a control character, which no crypt(5) hash has");
	if (is_hash(*password))
		return TRUE;
	ash_option_notice(&call->place, "the password is no crypt(5) hash: nobody can log in with it");
	g_clear_pointer(password, g_free);
	*ret_locked = true;
	return TRUE;
}

typedef struct {
	bool crypted, lock, allow_ssh;
} RootValues;

#define FIELD(member) G_STRUCT_OFFSET(RootValues, member)

static const AshOptionDef rootpw_options[] = {
	{ "--iscrypted", ASH_OPTION_FLAG, FIELD(crypted) },
	{ "--plaintext", ASH_OPTION_UNFLAG, FIELD(crypted) },
	{ "--lock", ASH_OPTION_FLAG, FIELD(lock) },
	{ "--allow-ssh", ASH_OPTION_FLAG, FIELD(allow_ssh) },
	{ NULL },
};

#undef FIELD

static gboolean
handle_rootpw(AshKsCall *call, GError **error)
{
	const RootValues *values = call->values;
	AshRootPassword *root = &call->spec->root_password;
	g_autofree char *password = call->args[0] != NULL && *call->args[0] != '\0' ? g_strdup(call->args[0]) : NULL;
	bool locked = false;

	if (password == NULL && !values->lock)
		return ash_option_throw(&call->place, error, "a password or --lock is expected");
	if (!check_password(call, &password, values->crypted, &locked, error))
		return FALSE;
	g_free(root->password);
	root->set = true;
	root->crypted = password != NULL && values->crypted;
	root->locked = values->lock || locked;
	root->password = g_steal_pointer(&password);
	root->allow_ssh = values->allow_ssh;
	return TRUE;
}

typedef struct {
	char *name, *gecos, *homedir, *shell, *password;
	char **groups;
	bool crypted, lock;
	int uid, gid;
} UserValues;

#define FIELD(member) G_STRUCT_OFFSET(UserValues, member)

static const AshOptionDef user_options[] = {
	{ "--name", ASH_OPTION_STRING, FIELD(name), .required = true },
	{ "--gecos", ASH_OPTION_STRING, FIELD(gecos) },
	{ "--homedir", ASH_OPTION_STRING, FIELD(homedir) },
	{ "--shell", ASH_OPTION_STRING, FIELD(shell) },
	{ "--groups", ASH_OPTION_LIST, FIELD(groups) },
	{ "--password", ASH_OPTION_STRING, FIELD(password) },
	{ "--iscrypted", ASH_OPTION_FLAG, FIELD(crypted) },
	{ "--plaintext", ASH_OPTION_UNFLAG, FIELD(crypted) },
	{ "--lock", ASH_OPTION_FLAG, FIELD(lock) },
	{ "--uid", ASH_OPTION_INT, FIELD(uid) },
	{ "--gid", ASH_OPTION_INT, FIELD(gid) },
	{ NULL },
};

#undef FIELD

/* "wheel" or "builders(5002)" */
static bool
is_group_with_gid(const char *text)
{
	const char *open = strchr(text, '(');
	g_autofree char *name = open != NULL ? g_strndup(text, open - text) : g_strdup(text);
	g_autofree char *number = NULL;

	if (!ash_check_account_name(name))
		return false;
	if (open == NULL)
		return true;
	if (!g_str_has_suffix(open, ")"))
		return false;
	number = g_strndup(open + 1, strlen(open) - 2);
	return g_ascii_string_to_unsigned(number, 10, 0, G_MAXINT, NULL, NULL);
}

static gboolean
check_user(AshKsCall *call, UserValues *values, bool *ret_locked, GError **error)
{
	if (!ash_check_account_name(values->name))
		return ash_option_throw(&call->place, error, "\"%s\" is no user name",
					values->name);
	if (values->homedir != NULL && !ash_check_path(values->homedir))
		return ash_option_throw(&call->place, error,
					"--homedir: \"%s\" is no absolute path", values->homedir);
	if (values->shell != NULL && !ash_check_path(values->shell))
		return ash_option_throw(&call->place, error, "--shell: \"%s\" is no absolute path",
					values->shell);
	if (values->gecos != NULL && !ash_check_field(values->gecos))
		return ash_option_throw(&call->place, error,
					"--gecos has a colon or a control character");
	for (guint i = 0; values->groups[i] != NULL; i++)
		if (!is_group_with_gid(values->groups[i]))
			return ash_option_throw(&call->place, error,
						"--groups: \"%s\" is neither NAME nor NAME(GID)",
						values->groups[i]);
	return check_password(call, &values->password, values->crypted, ret_locked, error);
}

/* As with anaconda, the first line about a user is the one that counts. */
static bool
is_known_user(AshKsCall *call, const char *name)
{
	for (guint i = 0; i < call->spec->users->len; i++) {
		const AshUserSpec *other = g_ptr_array_index(call->spec->users, i);

		if (!g_str_equal(other->name, name))
			continue;
		ash_option_notice(&call->place, "has no effect: user \"%s\" is already at %s", name,
				  other->origin);
		return true;
	}
	return false;
}

static gboolean
handle_user(AshKsCall *call, GError **error)
{
	UserValues *values = call->values;
	AshUserSpec *user = NULL;
	bool locked = false;

	if (!check_user(call, values, &locked, error))
		return FALSE;
	if (is_known_user(call, values->name))
		return TRUE;
	user = ash_user_spec_new(values->name, call->place.origin);
	user->gecos = g_steal_pointer(&values->gecos);
	user->home = g_steal_pointer(&values->homedir);
	user->shell = g_steal_pointer(&values->shell);
	user->password = g_steal_pointer(&values->password);
	ash_strv_replace(&user->groups, (const char *const *) values->groups);
	user->crypted = values->crypted && user->password != NULL;
	user->locked = values->lock || locked;
	user->uid = values->uid;
	user->gid = values->gid;
	g_ptr_array_add(call->spec->users, user);
	return TRUE;
}

typedef struct {
	char *name;
	int gid;
} GroupValues;

#define FIELD(member) G_STRUCT_OFFSET(GroupValues, member)

static const AshOptionDef group_options[] = {
	{ "--name", ASH_OPTION_STRING, FIELD(name), .required = true },
	{ "--gid", ASH_OPTION_INT, FIELD(gid) },
	{ NULL },
};

#undef FIELD

static gboolean
handle_group(AshKsCall *call, GError **error)
{
	const GroupValues *values = call->values;
	AshGroupSpec *group = NULL;

	if (!ash_check_account_name(values->name))
		return ash_option_throw(&call->place, error, "\"%s\" is no group name",
					values->name);
	for (guint i = 0; i < call->spec->groups->len; i++) {
		const AshGroupSpec *other = g_ptr_array_index(call->spec->groups, i);

		if (g_str_equal(other->name, values->name))
			return ash_option_throw(&call->place, error,
						"group \"%s\" is already at %s", values->name,
						other->origin);
	}
	group = ash_group_spec_new(values->name, call->place.origin);
	group->gid = values->gid;
	g_ptr_array_add(call->spec->groups, group);
	return TRUE;
}

typedef struct {
	char *username;
} SshKeyValues;

static const AshOptionDef sshkey_options[] = {
	{ "--username", ASH_OPTION_STRING, G_STRUCT_OFFSET(SshKeyValues, username),
	  .required = true },
	{ NULL },
};

/* authorized_keys(5): [options] type base64 [comment]; all OpenSSH public keys begin with the bytes
 * 00 00 00. */
static bool
is_ssh_key(const char *text)
{
	static const char *const types[] = { "ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-" };
	g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);

	for (guint i = 0; words[i] != NULL && words[i + 1] != NULL; i++)
		for (guint j = 0; j < G_N_ELEMENTS(types); j++)
			if (g_str_has_prefix(words[i], types[j]) &&
			    g_str_has_prefix(words[i + 1], "AAAA"))
				return true;
	return false;
}

static gboolean
handle_sshkey(AshKsCall *call, GError **error)
{
	const SshKeyValues *values = call->values;

	if (!ash_check_account_name(values->username))
		return ash_option_throw(&call->place, error, "\"%s\" is no user name",
					values->username);
	if (!is_ssh_key(call->args[0]))
		return ash_option_throw(
			&call->place, error,
			"\"%s\" is no public key (\"ssh-ed25519 AAAA... comment\", in quotes)",
			call->args[0]);
	g_ptr_array_add(call->spec->ssh_keys,
			ash_ssh_key_spec_new(values->username, call->args[0], call->place.origin));
	return TRUE;
}

const AshKsCommand ash_ks_account_commands[] = {
	{ .name = "rootpw",
	  .handler = handle_rootpw,
	  .options = rootpw_options,
	  .values_size = sizeof(RootValues),
	  .max_args = 1,
	  .once = true },
	{ .name = "user",
	  .handler = handle_user,
	  .options = user_options,
	  .values_size = sizeof(UserValues) },
	{ .name = "group",
	  .handler = handle_group,
	  .options = group_options,
	  .values_size = sizeof(GroupValues) },
	{ .name = "sshkey",
	  .handler = handle_sshkey,
	  .options = sshkey_options,
	  .values_size = sizeof(SshKeyValues),
	  .min_args = 1,
	  .max_args = 1 },
	{ NULL },
};
