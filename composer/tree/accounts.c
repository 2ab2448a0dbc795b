/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/accounts.h"

#include "base/digest.h"
#include "base/error.h"
#include "model/strv.h"

#include <crypt.h>
#include <string.h>

enum { PASSWD, GROUP, SHADOW, GSHADOW, SUBUID, SUBGID, _FILE_COUNT };

static const struct {
	const char *path;
	mode_t mode;
	guint fields;
	bool optional; /* not made where it is missing */
} account_files[_FILE_COUNT] = {
	[PASSWD] = { "etc/passwd", 0644, 7, false },  [GROUP] = { "etc/group", 0644, 4, false },
	[SHADOW] = { "etc/shadow", 0640, 9, false },  [GSHADOW] = { "etc/gshadow", 0640, 4, true },
	[SUBUID] = { "etc/subuid", 0644, 3, true },   [SUBGID] = { "etc/subgid", 0644, 3, true },
};

/* One file: its lines, each a vector of fields. */
typedef struct {
	GPtrArray *lines; /* of char ** */
	bool present, changed;
} AccountFile;

struct AshAccounts {
	AccountFile files[_FILE_COUNT];
};

#define FIRST_ID 1000u
#define LAST_ID 60000u
#define SUBID_FIRST 100000u
#define SUBID_COUNT 65536u
#define SECONDS_PER_DAY 86400

static void
strv_free(gpointer data)
{
	g_strfreev(data);
}

static void
parse_file(AccountFile *file, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (gsize i = 0; lines[i] != NULL; i++)
		if (*lines[i] != '\0')
			g_ptr_array_add(file->lines, g_strsplit(lines[i], ":", -1));
}

AshAccounts *
ash_accounts_load(const AshTreeRoot *root, GError **error)
{
	g_autoptr(AshAccounts) accounts = g_new0(AshAccounts, 1);

	for (int i = 0; i < _FILE_COUNT; i++)
		accounts->files[i].lines = g_ptr_array_new_with_free_func(strv_free);
	for (int i = 0; i < _FILE_COUNT; i++) {
		g_autofree char *text = NULL;
		if (!ash_tree_root_load(root, account_files[i].path, &text, error))
			return NULL;
		accounts->files[i].present = text != NULL || !account_files[i].optional;
		if (text != NULL)
			parse_file(&accounts->files[i], text);
	}
	return g_steal_pointer(&accounts);
}

void
ash_accounts_free(AshAccounts *accounts)
{
	if (accounts == NULL)
		return;
	for (int i = 0; i < _FILE_COUNT; i++)
		g_clear_pointer(&accounts->files[i].lines, g_ptr_array_unref);
	g_free(accounts);
}

static gboolean
save_file(AccountFile *file, const AshTreeRoot *root, int index, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < file->lines->len; i++) {
		g_autofree char *line = g_strjoinv(":", g_ptr_array_index(file->lines, i));
		g_string_append_printf(text, "%s\n", line);
	}
	return ash_tree_root_rewrite(root, account_files[index].path, text->str, account_files[index].mode, error);
}

gboolean
ash_accounts_save(AshAccounts *accounts, const AshTreeRoot *root, GError **error)
{
	for (int i = 0; i < _FILE_COUNT; i++)
		if (accounts->files[i].changed && !save_file(&accounts->files[i], root, i, error))
			return FALSE;
	return TRUE;
}

/* The fields of @name's line, all of them there; NULL if none. */
static char **
find_line(const AshAccounts *accounts, int index, const char *name)
{
	GPtrArray *lines = accounts->files[index].lines;

	for (guint i = 0; i < lines->len; i++) {
		char **fields = g_ptr_array_index(lines, i);
		if (strcmp(fields[0], name) == 0 && g_strv_length(fields) >= account_files[index].fields)
			return fields;
	}
	return NULL;
}

static void
set_field(AshAccounts *accounts, int index, char **fields, guint field, const char *value)
{
	if (strcmp(fields[field], value) == 0)
		return;
	g_free(fields[field]);
	fields[field] = g_strdup(value);
	accounts->files[index].changed = true;
}

static void
add_line(AshAccounts *accounts, int index, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void
add_line(AshAccounts *accounts, int index, const char *format, ...)
{
	va_list args;

	if (!accounts->files[index].present)
		return;
	va_start(args, format);
	g_autofree char *line = g_strdup_vprintf(format, args);
	va_end(args);
	g_ptr_array_add(accounts->files[index].lines, g_strsplit(line, ":", -1));
	accounts->files[index].changed = true;
}

void
ash_account_clear(AshAccount *account)
{
	g_clear_pointer(&account->home, g_free);
}

static guint
parse_id(const char *text)
{
	guint64 id = 0;

	return g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &id, NULL) ? (guint) id : 65534;
}

gboolean
ash_accounts_find(const AshAccounts *accounts, const char *user, AshAccount *ret_account)
{
	char **fields = find_line(accounts, PASSWD, user);

	if (fields == NULL)
		return FALSE;
	*ret_account = (AshAccount){ parse_id(fields[2]), parse_id(fields[3]), g_strdup(fields[5]) };
	return TRUE;
}

/* The name that has this number; NULL if it is free. */
static const char *
owner_of_id(const AshAccounts *accounts, int index, guint id)
{
	GPtrArray *lines = accounts->files[index].lines;

	for (guint i = 0; i < lines->len; i++) {
		char **fields = g_ptr_array_index(lines, i);
		if (g_strv_length(fields) >= account_files[index].fields && parse_id(fields[2]) == id)
			return fields[0];
	}
	return NULL;
}

static gboolean
choose_id(const AshAccounts *accounts, int index, const char *name, int wanted, guint *ret_id, GError **error)
{
	const char *owner = wanted >= 0 ? owner_of_id(accounts, index, (guint) wanted) : NULL;

	if (owner != NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s \"%s\": the number %d belongs to \"%s\" already",
				 index == PASSWD ? "user" : "group", name, wanted, owner);
	*ret_id = wanted >= 0 ? (guint) wanted : FIRST_ID;
	while (wanted < 0 && owner_of_id(accounts, index, *ret_id) != NULL && *ret_id < LAST_ID)
		(*ret_id)++;
	return TRUE;
}

gboolean
ash_accounts_add_group(AshAccounts *accounts, const char *name, int gid, guint *ret_gid, GError **error)
{
	char **fields = find_line(accounts, GROUP, name);
	guint id = fields != NULL ? parse_id(fields[2]) : 0;

	if (fields != NULL && gid >= 0 && id != (guint) gid)
		return ash_throw(error, ASH_ERROR_CONFIG, "group \"%s\" exists already, with the number %u", name, id);
	if (fields == NULL) {
		if (!choose_id(accounts, GROUP, name, gid, &id, error))
			return FALSE;
		add_line(accounts, GROUP, "%s:x:%u:", name, id);
		add_line(accounts, GSHADOW, "%s:!::", name);
	}
	if (ret_gid != NULL)
		*ret_gid = id;
	return TRUE;
}

static void
add_subids(AshAccounts *accounts, int index, const char *name)
{
	guint start = SUBID_FIRST;
	GPtrArray *lines = accounts->files[index].lines;

	if (find_line(accounts, index, name) != NULL)
		return;
	for (guint i = 0; i < lines->len; i++) {
		char **fields = g_ptr_array_index(lines, i);
		if (g_strv_length(fields) >= 3)
			start = MAX(start, parse_id(fields[1]) + parse_id(fields[2]));
	}
	add_line(accounts, index, "%s:%u:%u", name, start, SUBID_COUNT);
}

static gboolean
add_new_user(AshAccounts *accounts, const AshUserSpec *user, const char *shell, guint64 epoch, GError **error)
{
	g_autofree char *home = user->home != NULL ? g_strdup(user->home) : g_build_filename("/home", user->name, NULL);
	const char *owner = user->gid >= 0 ? owner_of_id(accounts, GROUP, (guint) user->gid) : NULL;
	guint uid = 0, gid = 0;

	if (!choose_id(accounts, PASSWD, user->name, user->uid, &uid, error))
		return FALSE;
	/* A number that a group has already is that group. */
	if (owner != NULL)
		gid = (guint) user->gid;
	else if (!ash_accounts_add_group(accounts, user->name, user->gid, &gid, error))
		return FALSE;
	add_line(accounts, PASSWD, "%s:x:%u:%u:%s:%s:%s", user->name, uid, gid, user->gecos != NULL ? user->gecos : "",
		 home, user->shell != NULL ? user->shell : shell);
	add_line(accounts, SHADOW, "%s:!:%" G_GUINT64_FORMAT ":0:99999:7:::", user->name, epoch / SECONDS_PER_DAY);
	add_subids(accounts, SUBUID, user->name);
	add_subids(accounts, SUBGID, user->name);
	return TRUE;
}

gboolean
ash_accounts_add_user(AshAccounts *accounts, const AshUserSpec *user, const char *shell, guint64 epoch, GError **error)
{
	char **fields = find_line(accounts, PASSWD, user->name);

	if (fields == NULL)
		return add_new_user(accounts, user, shell, epoch, error);
	if (user->uid >= 0 && parse_id(fields[2]) != (guint) user->uid)
		return ash_throw(error, ASH_ERROR_CONFIG, "user \"%s\" exists already, with the number %s", user->name,
				 fields[2]);
	if (user->gecos != NULL)
		set_field(accounts, PASSWD, fields, 4, user->gecos);
	if (user->home != NULL)
		set_field(accounts, PASSWD, fields, 5, user->home);
	if (user->shell != NULL)
		set_field(accounts, PASSWD, fields, 6, user->shell);
	return TRUE;
}

/* Adds to the last field of a line, a list of names. */
static void
add_member(AshAccounts *accounts, int index, const char *group, const char *user)
{
	char **fields = find_line(accounts, index, group);

	if (fields == NULL)
		return;
	g_auto(GStrv) members = g_strsplit(fields[3], ",", -1);
	if (g_strv_contains((const char *const *) members, user))
		return;
	g_autofree char *value = *fields[3] != '\0' ? g_strconcat(fields[3], ",", user, NULL) : g_strdup(user);
	set_field(accounts, index, fields, 3, value);
}

gboolean
ash_accounts_join(AshAccounts *accounts, const char *user, const char *group, GError **error)
{
	if (find_line(accounts, GROUP, group) == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "user \"%s\": there is no group \"%s\"", user, group);
	add_member(accounts, GROUP, group, user);
	add_member(accounts, GSHADOW, group, user);
	return TRUE;
}

gboolean
ash_accounts_set_password(AshAccounts *accounts, const char *user, const char *hash, guint64 epoch, GError **error)
{
	char **fields = find_line(accounts, SHADOW, user);
	g_autofree char *day = g_strdup_printf("%" G_GUINT64_FORMAT, epoch / SECONDS_PER_DAY);

	if (strpbrk(hash, ":\n") != NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "user \"%s\": the encrypted password is no crypt(5) hash", user);
	if (fields == NULL) {
		add_line(accounts, SHADOW, "%s:%s:%s:0:99999:7:::", user, hash, day);
		return TRUE;
	}
	set_field(accounts, SHADOW, fields, 1, hash);
	set_field(accounts, SHADOW, fields, 2, day);
	return TRUE;
}

char **
ash_accounts_lock_passwords(AshAccounts *accounts)
{
	static const char *const locked[] = { "*", "!", "!!", "!*", NULL };
	GPtrArray *lines = accounts->files[SHADOW].lines;
	char **users = ash_strv_new();

	for (guint i = 0; i < lines->len; i++) {
		char **fields = g_ptr_array_index(lines, i);
		if (fields[0] == NULL || fields[1] == NULL || g_strv_contains(locked, fields[1]))
			continue;
		set_field(accounts, SHADOW, fields, 1, "!");
		ash_strv_add(&users, fields[0]);
	}
	return users;
}

char *
ash_accounts_hash_password(const char *password, const char *user, const char *system, GError **error)
{
	static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree struct crypt_data *data = g_new0(struct crypt_data, 1);
	guint8 sum[ASH_SHA256_SIZE];
	char setting[] = "$6$................$";

	ash_digest_update_string(digest, "password salt");
	ash_digest_update_string(digest, system);
	ash_digest_update_string(digest, user);
	ash_digest_finish(digest, sum);
	for (gsize i = 0; i < 16; i++)
		setting[3 + i] = alphabet[sum[i] % 64];
	const char *hash = crypt_r(password, setting, data);
	if (hash == NULL || *hash == '*')
		return ash_throw_errno_null(error, "user \"%s\": the password cannot be encrypted", user);
	return g_strdup(hash);
}
