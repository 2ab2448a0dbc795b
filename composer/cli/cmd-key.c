/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/keyfile.h"
#include "cli/keyrender.h"
#include "cli/passphrase.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Keys of signed release metadata: one command of several actions, which share their options. */
typedef struct {
	AshCommonOptions common;
	char **arguments; /* the action first */
	char **keys, **add, **remove, **thresholds, **days;
	char *role, *kind, *passphrase_file;
	gboolean passphrase;
	AshPassphraseSource source;
} KeyCommand;

static void
key_command_clear(KeyCommand *command)
{
	ash_common_options_clear(&command->common);
	g_strfreev(command->arguments);
	g_strfreev(command->keys);
	g_strfreev(command->add);
	g_strfreev(command->remove);
	g_strfreev(command->thresholds);
	g_strfreev(command->days);
	g_free(command->role);
	g_free(command->kind);
	g_free(command->passphrase_file);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KeyCommand, key_command_clear)

/* Takes @object. */
static void
print_json(JsonObject *object)
{
	g_autoptr(JsonObject) owned = object;
	g_autofree char *text = ash_json_object_to_string(owned, TRUE);

	fputs(text, stdout);
}

static GPtrArray *
new_keys(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify) ash_key_unref);
}

/* @where is a file or URI, added to @keys. */
static gboolean
load_key(const KeyCommand *command, GPtrArray *keys, const char *where, GError **error)
{
	AshKey *key = ash_key_file_load(where, &command->source.ask, error);

	if (key == NULL)
		return FALSE;
	g_ptr_array_add(keys, key);
	return TRUE;
}

static GPtrArray *
load_keys(const KeyCommand *command, char **where, GError **error)
{
	g_autoptr(GPtrArray) keys = new_keys();

	for (; where != NULL && *where != NULL; where++)
		if (!load_key(command, keys, *where, error))
			return NULL;
	return g_steal_pointer(&keys);
}

static gboolean
parse_number(const char *text, const char *option, guint64 most, guint64 *ret_number, GError **error)
{
	return g_ascii_string_to_unsigned(text, 10, 1, most, ret_number, NULL) ||
	       ash_throw(error, ASH_ERROR_USAGE, "--%s: \"%s\" is not a number from 1 to %" G_GUINT64_FORMAT, option, text, most);
}

static gboolean
parse_role(const char *text, AshTufRole *ret_role, GError **error)
{
	return ash_tuf_role_parse(text, ret_role) ||
	       ash_throw(error, ASH_ERROR_USAGE, "\"%s\" is none of the roles root, targets, snapshot, timestamp", text);
}

/* "ROLE[,ROLE...]=VALUE": *@ret_value is borrowed of @text. */
static gboolean
parse_for_roles(const char *text, const char *option, bool ret_for[ASH_TUF_N_ROLES], const char **ret_value, GError **error)
{
	const char *equals = strchr(text, '=');
	AshTufRole role;

	if (equals == NULL || equals[1] == '\0')
		return ash_throw(error, ASH_ERROR_USAGE, "--%s=%s: \"ROLE=...\" is expected, as in \"targets,snapshot=...\"", option,
				 text);
	g_autofree char *list = g_strndup(text, (gsize) (equals - text));
	g_auto(GStrv) names = g_strsplit(list, ",", -1);
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		ret_for[i] = false;
	for (char **name = names; *name != NULL; name++) {
		if (!parse_role(*name, &role, error))
			return FALSE;
		ret_for[role] = true;
	}
	*ret_value = equals + 1;
	return TRUE;
}

/* "ROLE=N" of an option into an array by role. */
static gboolean
parse_numbers(char **texts, const char *option, guint64 most, guint64 ret_numbers[ASH_TUF_N_ROLES], GError **error)
{
	bool for_role[ASH_TUF_N_ROLES];
	const char *value = NULL;
	guint64 number;

	for (; texts != NULL && *texts != NULL; texts++) {
		if (!parse_for_roles(*texts, option, for_role, &value, error) || !parse_number(value, option, most, &number, error))
			return FALSE;
		for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
			ret_numbers[i] = for_role[i] ? number : ret_numbers[i];
	}
	return TRUE;
}

static gboolean
parse_validity(const KeyCommand *command, AshTufValidity *validity, GError **error)
{
	guint64 days[ASH_TUF_N_ROLES] = { 0 };

	if (!parse_numbers(command->days, "days", 36500, days, error))
		return FALSE;
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		validity->days[i] = (guint) days[i];
	return TRUE;
}

static gboolean
run_generate(const KeyCommand *command, GError **error)
{
	const char *path = command->arguments[1];
	g_autofree char *public_path = g_strconcat(path, ".pub", NULL);
	AshKeyKind kind = ASH_KEY_ED25519;
	char *passphrase = NULL;

	if (command->kind != NULL && !ash_key_kind_parse(command->kind, &kind))
		return ash_throw(error, ASH_ERROR_USAGE, "--kind=%s is none of ed25519, ecdsa, rsa", command->kind);
	if (ash_file_exists(AT_FDCWD, public_path))
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" exists; a key is never overwritten", public_path);
	g_autoptr(AshKey) key = ash_key_generate(kind, error);
	if (key == NULL)
		return FALSE;
	if (command->passphrase || command->passphrase_file != NULL) {
		passphrase = ash_passphrase_choose(&command->source, path, error);
		if (passphrase == NULL)
			return FALSE;
	}
	gboolean ok = ash_key_file_save(key, AT_FDCWD, path, passphrase, error);
	ash_key_file_wipe(passphrase);
	g_autofree char *pem = ash_key_dup_public_pem(key);
	if (!ok || !ash_file_save(AT_FDCWD, public_path, pem, -1, 0644, error))
		return FALSE;
	if (command->common.json)
		print_json(ash_key_render_to_json(key, path));
	else
		ash_key_render(key, path);
	return TRUE;
}

/* The folder of a file, for what is beside it. */
static int
open_parent(const char *path, char **ret_name, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(path);

	*ret_name = g_path_get_basename(path);
	return ash_file_open_dir(AT_FDCWD, dir, false, error);
}

static gboolean
sign_file(const char *path, GPtrArray *keys, bool json, GError **error)
{
	g_autofree char *name = NULL;
	AshTufSignStatus status;

	ash_autofd int dir_fd = open_parent(path, &name, error);
	if (dir_fd < 0 || !ash_tuf_sign_file(dir_fd, name, keys, &status, error))
		return FALSE;
	if (json)
		print_json(ash_key_render_status_to_json(&status, path));
	else
		ash_key_render_status(&status, path);
	return TRUE;
}

static gboolean
show_repository(const KeyCommand *command, const char *dir, GError **error)
{
	ash_autofd int dir_fd = ash_file_open_dir(AT_FDCWD, dir, false, error);
	g_autoptr(AshTufRepository) repository = dir_fd >= 0 ? ash_tuf_repository_open(dir_fd, error) : NULL;

	if (repository == NULL)
		return ash_prefix(error, "\"%s\"", dir);
	if (command->common.json)
		print_json(ash_key_render_repository_to_json(repository, dir));
	else
		ash_key_render_repository(repository);
	return TRUE;
}

/* A directory is a repository, "NAME.json" is metadata, anything else a key. */
static gboolean
run_show(const KeyCommand *command, GError **error)
{
	const char *what = command->arguments[1];
	struct stat st;

	if (!ash_key_file_is_token(what) && stat(what, &st) == 0 && S_ISDIR(st.st_mode))
		return show_repository(command, what, error);
	if (!ash_key_file_is_token(what) && g_str_has_suffix(what, ".json"))
		return sign_file(what, NULL, command->common.json, error);
	g_autoptr(AshKey) key = ash_key_file_load(what, &command->source.ask, error);
	if (key == NULL)
		return FALSE;
	if (command->common.json)
		print_json(ash_key_render_to_json(key, what));
	else
		ash_key_render(key, what);
	return TRUE;
}

/* Renews and prints. */
static gboolean
commit(const KeyCommand *command, int dir_fd, GPtrArray *keys, const AshTufValidity *validity, GError **error)
{
	const char *dir = command->arguments[1];
	g_autoptr(AshTufRepository) repository = ash_tuf_repository_open(dir_fd, error);
	AshTufCommitted committed;

	if (repository == NULL || !ash_tuf_repository_commit(repository, keys, validity, time(NULL), true, &committed, error))
		return ash_prefix(error, "\"%s\"", dir);
	if (command->common.json)
		print_json(ash_key_render_committed_to_json(repository, &committed, dir));
	else
		ash_key_render_committed(repository, &committed);
	return TRUE;
}

typedef struct {
	GPtrArray *by_role[ASH_TUF_N_ROLES];
	GPtrArray *all;
} RoleKeys;

static void
role_keys_clear(RoleKeys *keys)
{
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		g_ptr_array_unref(keys->by_role[i]);
	g_ptr_array_unref(keys->all);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RoleKeys, role_keys_clear)

static gboolean
load_role_keys(const KeyCommand *command, RoleKeys *keys, GError **error)
{
	bool for_role[ASH_TUF_N_ROLES];
	const char *where = NULL;

	for (char **text = command->keys; text != NULL && *text != NULL; text++) {
		if (!parse_for_roles(*text, "key", for_role, &where, error) || !load_key(command, keys->all, where, error))
			return FALSE;
		AshKey *key = g_ptr_array_index(keys->all, keys->all->len - 1);
		for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
			if (for_role[i])
				g_ptr_array_add(keys->by_role[i], ash_key_ref(key));
	}
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		if (keys->by_role[i]->len == 0)
			return ash_throw(error, ASH_ERROR_USAGE, "no key for role \"%s\"; give --key=%s=FILE",
					 ash_tuf_role_to_string((AshTufRole) i), ash_tuf_role_to_string((AshTufRole) i));
	return TRUE;
}

static bool
has_private_keys(const RoleKeys *keys)
{
	for (guint i = 0; i < keys->all->len; i++)
		if (!ash_key_is_private(g_ptr_array_index(keys->all, i)))
			return false;
	return true;
}

static gboolean
run_init(const KeyCommand *command, GError **error)
{
	const char *dir = command->arguments[1];
	g_auto(RoleKeys) keys = { .all = new_keys() };
	guint64 thresholds[ASH_TUF_N_ROLES] = { 0 };
	AshTufValidity validity;

	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		keys.by_role[i] = new_keys();
	if (!load_role_keys(command, &keys, error) || !parse_validity(command, &validity, error) ||
	    !parse_numbers(command->thresholds, "threshold", 1000, thresholds, error) ||
	    !ash_file_mkdirs(AT_FDCWD, dir, 0755, error))
		return FALSE;
	ash_autofd int dir_fd = ash_file_open_dir(AT_FDCWD, dir, false, error);
	if (dir_fd < 0)
		return FALSE;
	if (!ash_tuf_repository_create(dir_fd, keys.by_role, thresholds, &validity, time(NULL), error))
		return ash_prefix(error, "\"%s\"", dir);
	if (has_private_keys(&keys))
		return commit(command, dir_fd, keys.all, &validity, error);
	/* Some are elsewhere: the draft waits for them. */
	g_autofree char *draft = g_build_filename(dir, ASH_TUF_METADATA_DIR, ASH_TUF_DRAFT_NAME, NULL);
	return sign_file(draft, NULL, command->common.json, error);
}

/* "N", or "ROLE=N" of that role. */
static gboolean
parse_change_threshold(const KeyCommand *command, AshTufRootChange *change, GError **error)
{
	guint64 numbers[ASH_TUF_N_ROLES] = { 0 };

	if (command->thresholds == NULL)
		return TRUE;
	if (command->thresholds[1] != NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "one --threshold at a time");
	if (strchr(command->thresholds[0], '=') == NULL)
		return parse_number(command->thresholds[0], "threshold", 1000, &change->threshold, error);
	if (!parse_numbers(command->thresholds, "threshold", 1000, numbers, error))
		return FALSE;
	change->threshold = numbers[change->role];
	return change->threshold > 0 ||
	       ash_throw(error, ASH_ERROR_USAGE, "--threshold and --role are of different roles; one at a time");
}

static gboolean
run_rotate(const KeyCommand *command, GError **error)
{
	AshTufRootChange change = { .role = ASH_TUF_ROOT, .remove = command->remove };
	AshTufValidity validity;

	bool changes = command->add != NULL || command->remove != NULL || command->thresholds != NULL;
	if (changes && command->role == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--add, --remove and --threshold need --role");
	if ((command->role != NULL && !parse_role(command->role, &change.role, error)) ||
	    !parse_change_threshold(command, &change, error) || !parse_validity(command, &validity, error))
		return FALSE;
	g_autoptr(GPtrArray) add = load_keys(command, command->add, error);
	if (add == NULL)
		return FALSE;
	change.add = add;
	g_autofree char *metadata = g_build_filename(command->arguments[1], ASH_TUF_METADATA_DIR, NULL);
	ash_autofd int dir_fd = ash_file_open_dir(AT_FDCWD, metadata, false, error);
	if (dir_fd < 0 || !ash_tuf_root_draft_change(dir_fd, &change, validity.days[ASH_TUF_ROOT], time(NULL), error))
		return FALSE;
	g_autofree char *draft = g_build_filename(metadata, ASH_TUF_DRAFT_NAME, NULL);
	return sign_file(draft, NULL, command->common.json, error);
}

static gboolean
run_sign(const KeyCommand *command, GError **error)
{
	g_autoptr(GPtrArray) keys = load_keys(command, command->keys, error);

	if (keys == NULL)
		return FALSE;
	if (keys->len == 0)
		return ash_throw(error, ASH_ERROR_USAGE, "no key to sign with; give --key");
	return sign_file(command->arguments[1], keys, command->common.json, error);
}

static gboolean
run_refresh(const KeyCommand *command, GError **error)
{
	g_autoptr(GPtrArray) keys = load_keys(command, command->keys, error);
	AshTufValidity validity;

	if (keys == NULL || !parse_validity(command, &validity, error))
		return FALSE;
	ash_autofd int dir_fd = ash_file_open_dir(AT_FDCWD, command->arguments[1], false, error);
	return dir_fd >= 0 && commit(command, dir_fd, keys, &validity, error);
}

/* Which of the options an action has. */
enum {
	OPTION_KEY = 1 << 0,
	OPTION_CHANGE = 1 << 1, /* --role, --add, --remove */
	OPTION_THRESHOLD = 1 << 2,
	OPTION_DAYS = 1 << 3,
	OPTION_KIND = 1 << 4, /* and --passphrase */
};

typedef struct {
	const char *name, *argument;
	guint options;
	gboolean (*run)(const KeyCommand *command, GError **error);
} Action;

static const Action actions[] = {
	{ "generate", "FILE", OPTION_KIND, run_generate },
	{ "show", "KEY|FILE.json|DIR", 0, run_show },
	{ "init", "DIR", OPTION_KEY | OPTION_THRESHOLD | OPTION_DAYS, run_init },
	{ "rotate", "DIR", OPTION_CHANGE | OPTION_THRESHOLD | OPTION_DAYS, run_rotate },
	{ "sign", "FILE.json", OPTION_KEY, run_sign },
	{ "refresh", "DIR", OPTION_KEY | OPTION_DAYS, run_refresh },
};

static const Action *
find_action(const char *name, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return ash_throw_null(error, ASH_ERROR_USAGE, "\"%s\" is none of generate, show, init, rotate, sign, refresh", name);
}

static gboolean
check_options(const KeyCommand *command, const Action *action, GError **error)
{
	const struct {
		const char *name;
		bool given;
		guint option;
	} given[] = {
		{ "key", command->keys != NULL, OPTION_KEY },
		{ "role", command->role != NULL, OPTION_CHANGE },
		{ "add", command->add != NULL, OPTION_CHANGE },
		{ "remove", command->remove != NULL, OPTION_CHANGE },
		{ "threshold", command->thresholds != NULL, OPTION_THRESHOLD },
		{ "days", command->days != NULL, OPTION_DAYS },
		{ "kind", command->kind != NULL, OPTION_KIND },
		{ "passphrase", command->passphrase, OPTION_KIND },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(given); i++)
		if (given[i].given && (action->options & given[i].option) == 0)
			return ash_throw(error, ASH_ERROR_USAGE, "\"key %s\" has no option --%s", action->name, given[i].name);
	if (g_strv_length(command->arguments) != 2)
		return ash_throw(error, ASH_ERROR_USAGE, "usage: ashlar key %s %s", action->name, action->argument);
	return TRUE;
}

gboolean
ash_command_key(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(KeyCommand) command = { 0 };
	const GOptionEntry entries[] = {
		{ "key", 'k', 0, G_OPTION_ARG_FILENAME_ARRAY, &command.keys,
		  "A key to sign with: a file, or a \"pkcs11:\" URI; of \"init\": for which roles (public ones will do)",
		  "[ROLE,...=]KEY" },
		{ "role", 0, 0, G_OPTION_ARG_STRING, &command.role, "Change the keys of root, targets, snapshot or timestamp", "ROLE" },
		{ "add", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &command.add, "Let this key sign for the role", "KEY" },
		{ "remove", 0, 0, G_OPTION_ARG_STRING_ARRAY, &command.remove, "Let this one sign no more (8 digits will do)", "ID" },
		{ "threshold", 0, 0, G_OPTION_ARG_STRING_ARRAY, &command.thresholds, "So many keys of the role must sign (default: 1)",
		  "[ROLE=]N" },
		{ "days", 0, 0, G_OPTION_ARG_STRING_ARRAY, &command.days,
		  "How long metadata is valid (root=365, targets=90, snapshot=14, timestamp=7)", "ROLE=N" },
		{ "kind", 0, 0, G_OPTION_ARG_STRING, &command.kind, "ed25519 (default), ecdsa or rsa", "KIND" },
		{ "passphrase", 0, 0, G_OPTION_ARG_NONE, &command.passphrase, "Encrypt the new key; ask for a passphrase", NULL },
		{ "passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &command.passphrase_file,
		  "Passphrase or PIN of keys: the first line of this file", "FILE" },
		{ NULL },
	};

	if (!ash_command_parse(env, entries, argc, argv, 1, -1, &command.common, &command.arguments, error))
		return FALSE;
	ash_passphrase_source_init(&command.source, env->ctx, command.passphrase_file);
	const Action *action = find_action(command.arguments[0], error);
	return action != NULL && check_options(&command, action, error) && action->run(&command, error);
}
