/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/accounts.h"

#include <string.h>
#include <sys/stat.h>

#define PASSWD "etc/passwd"
#define SHADOW "etc/shadow"

/* Methods of crypt(5) that take long enough. What begins otherwise is DES, MD5, or NT. */
static const char *const strong_methods[] = { "$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$argon2" };

typedef void (*LineFunc)(const AshAudit *audit, char **fields, guint n, gpointer user_data);

/* Calls @func for each line of a file of fields with at least @least of them. */
static void
each_line(const AshAudit *audit, const char *path, guint least, LineFunc func, gpointer user_data)
{
	g_autofree char *text = ash_audit_load_text(audit, path);
	g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		g_auto(GStrv) fields = g_strsplit(*line, ":", -1);
		guint n = g_strv_length(fields);

		/* Lines of NIS begin with "+" or "-". */
		if (n >= least && strchr("+-#", fields[0][0]) == NULL)
			func(audit, fields, n, user_data);
	}
}

/* No one logs in with what is no hash: "*", "!", "!!", "x", "*NP*" or a locked hash. */
static bool
is_locked(const char *hash)
{
	return strchr("*!x", hash[0]) != NULL;
}

static void
check_hash(const AshAudit *audit, const char *path, const char *user, const char *hash)
{
	for (gsize i = 0; i < G_N_ELEMENTS(strong_methods); i++) {
		if (g_str_has_prefix(hash, strong_methods[i]))
			return;
	}
	ash_audit_report_add(audit->report, ASH_RULE_ACCOUNT_WEAK_HASH, path, user, "the password of \"%s\" has a weak hash", user);
}

/* shadow(5): name, hash, ... */
static void
check_shadow_line(const AshAudit *audit, char **fields, guint n, gpointer user_data)
{
	const char *user = fields[0], *hash = fields[1];

	if (hash[0] == '\0') {
		ash_audit_report_add(audit->report, ASH_RULE_ACCOUNT_EMPTY_PASSWORD, SHADOW, user, "\"%s\" has no password", user);
		return;
	}
	if (is_locked(hash))
		return;
	if (strcmp(user, "root") == 0)
		ash_audit_report_add(audit->report, ASH_RULE_ACCOUNT_ROOT_PASSWORD, SHADOW, user, "root has a password");
	else
		ash_audit_report_add(audit->report, ASH_RULE_ACCOUNT_PASSWORD, SHADOW, user, "\"%s\" has a password", user);
	check_hash(audit, SHADOW, user, hash);
}

/* passwd(5): name, hash or "x", number, ... @user_data: number as text -> name. */
static void
check_passwd_line(const AshAudit *audit, char **fields, guint n, gpointer user_data)
{
	const char *user = fields[0], *hash = fields[1], *number = fields[2];
	const char *other = g_hash_table_lookup(user_data, number);

	if (hash[0] == '\0')
		ash_audit_report_add(audit->report, ASH_RULE_ACCOUNT_EMPTY_PASSWORD, PASSWD, user, "\"%s\" has no password", user);
	else if (!is_locked(hash))
		ash_audit_report_add(audit->report, ASH_RULE_ACCOUNT_PASSWD_HASH, PASSWD, user, "the hash of \"%s\" is here, not in /etc/shadow", user);
	if (strcmp(number, "0") == 0 && strcmp(user, "root") != 0)
		ash_audit_report_add(audit->report, ASH_RULE_ACCOUNT_UID_ZERO, PASSWD, user, "\"%s\" has number 0, too", user);
	else if (other != NULL)
		ash_audit_report_add(audit->report, ASH_RULE_ACCOUNT_SAME_UID, PASSWD, user, "\"%s\" has the number of \"%s\", %s", user, other, number);
	else
		g_hash_table_insert(user_data, g_strdup(number), g_strdup(user));
}

static void
check_sudoers(const AshAudit *audit, const AshFsNode *node)
{
	g_autofree char *text = ash_audit_load_node(audit, node);
	g_autofree char *path = ash_fs_node_dup_path(node);
	g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		g_strstrip(*line);
		if ((*line)[0] == '#' || strstr(*line, "NOPASSWD:") == NULL)
			continue;
		(*line)[strcspn(*line, " \t")] = '\0';
		ash_audit_report_add(audit->report, ASH_RULE_ACCOUNT_SUDO_NOPASSWD, path, *line, "\"%s\" may become root without a password", *line);
	}
}

void
ash_audit_accounts_check(const AshAudit *audit)
{
	g_autoptr(GHashTable) numbers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	const AshFsNode *sudoers = ash_audit_resolve(audit, "etc/sudoers"), *more = ash_audit_resolve(audit, "etc/sudoers.d");

	each_line(audit, PASSWD, 7, check_passwd_line, numbers);
	each_line(audit, SHADOW, 2, check_shadow_line, NULL);
	if (sudoers != NULL)
		check_sudoers(audit, sudoers);
	for (guint i = 0; more != NULL && more->children != NULL && i < more->children->len; i++) {
		const AshFsNode *node = g_ptr_array_index(more->children, i);

		/* sudo(8) passes over names with a dot or a tilde at the end. */
		if (S_ISREG(node->mode) && strchr(node->name, '.') == NULL && !g_str_has_suffix(node->name, "~"))
			check_sudoers(audit, node);
	}
}
