/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/dracutview.h"

#include "base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_PERSON_ID 1000
#define NOBODY_ID 65534

/* The texts so far, and which accounts are left. */
typedef struct {
	GHashTable *views;
	GHashTable *accounts; /* names */
} Views;

/* The view of one line, its fields split; NULL: none. Owned. */
typedef char *(*LineFunc)(Views *views, char **fields, const char *line);

static bool
is_system_id(const char *text)
{
	guint64 id;

	return text != NULL && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &id, NULL) &&
	       (id < FIRST_PERSON_ID || id == NOBODY_ID);
}

/* passwd(5) */
static char *
view_account(Views *views, char **fields, const char *line)
{
	if (g_strv_length(fields) < 4 || !is_system_id(fields[2]))
		return NULL;
	g_hash_table_add(views->accounts, g_strdup(fields[0]));
	g_free(fields[1]);
	fields[1] = g_strdup("x");
	return g_strjoinv(":", fields);
}

/* group(5): people are members of system groups, too. */
static char *
view_group(Views *views, char **fields, const char *line)
{
	if (g_strv_length(fields) < 4 || !is_system_id(fields[2]))
		return NULL;
	g_auto(GStrv) members = g_strsplit(fields[3], ",", -1);
	g_autoptr(GString) kept = g_string_new(NULL);
	for (char **member = members; *member != NULL; member++)
		if (g_hash_table_contains(views->accounts, *member))
			g_string_append_printf(kept, "%s%s", kept->len > 0 ? "," : "", *member);
	return g_strdup_printf("%s:x:%s:%s", fields[0], fields[2], kept->str);
}

/* Passwords, their dates, ranges of ids: nothing. */
static char *
view_secret(Views *views, char **fields, const char *line)
{
	return NULL;
}

/* os-release(5) without what identity.c adds. */
static char *
view_release(Views *views, char **fields, const char *line)
{
	bool ours = g_str_has_prefix(line, "IMAGE_ID=") || g_str_has_prefix(line, "IMAGE_VERSION=");

	return ours ? NULL : g_strdup(line);
}

/* In this order: members of groups are accounts. */
static const struct {
	const char *path;
	LineFunc view;
} files[] = {
	{ "etc/passwd", view_account },	 { "etc/group", view_group },	     { "etc/shadow", view_secret },
	{ "etc/gshadow", view_secret },	 { "etc/subuid", view_secret },	     { "etc/subgid", view_secret },
	{ "etc/os-release", view_release }, { "usr/lib/os-release", view_release },
};

/* A link is not covered: what it points to is. */
static bool
is_regular(const AshTreeRoot *root, const char *path)
{
	struct stat info;
	ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_PATH | O_NOFOLLOW, 0, NULL);

	return fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

static char *
view_text(Views *views, const char *text, LineFunc view)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autoptr(GString) kept = g_string_new(NULL);

	for (char **line = lines; *line != NULL; line++) {
		g_auto(GStrv) fields = g_strsplit(*line, ":", -1);
		g_autofree char *seen = **line != '\0' ? view(views, fields, *line) : NULL;
		if (seen != NULL)
			g_string_append_printf(kept, "%s\n", seen);
	}
	return g_string_free(g_steal_pointer(&kept), FALSE);
}

GHashTable *
ash_dracut_views(const AshTreeRoot *root, GError **error)
{
	g_autoptr(GHashTable) table = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	g_autoptr(GHashTable) accounts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	Views views = { table, accounts };

	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *text = NULL;
		if (!is_regular(root, files[i].path))
			continue;
		if (!ash_tree_root_load(root, files[i].path, &text, error))
			return NULL;
		if (text != NULL)
			g_hash_table_insert(table, (gpointer) files[i].path, view_text(&views, text, files[i].view));
	}
	return g_steal_pointer(&table);
}
