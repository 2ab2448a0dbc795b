/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"
#include "config/repofile.h"
#include "model/strv.h"

#include <fcntl.h>
#include <string.h>

#define REPO_FILE_MAX (1024 * 1024)

/* The search for one section in folders of .repo files. */

/* Names of the .repo files of @dir, sorted; a folder that does not exist has none. */
static char **
list_repo_files(const char *dir)
{
	g_autoptr(GDir) handle = g_dir_open(dir, 0, NULL);
	char **names = ash_strv_new();
	const char *name = NULL;

	while (handle != NULL && (name = g_dir_read_name(handle)) != NULL)
		if (g_str_has_suffix(name, ".repo") && *name != '.')
			ash_strv_add(&names, name);
	ash_strv_sort(names);
	return names;
}

/* True if there is a line "[id]": files without it are not parsed, so that a mistake in them is
 * none of ours. */
static bool
has_section(const char *text, const char *id)
{
	g_autofree char *header = g_strdup_printf("[%s]", id);

	return strstr(text, header) != NULL;
}

/* A file is read once for each repository in it, and is talked about once. */
static void
add_new_notices(GPtrArray *notices, GPtrArray *heard)
{
	for (guint i = 0; notices != NULL && i < heard->len; i++) {
		const char *notice = g_ptr_array_index(heard, i);

		if (!g_ptr_array_find_with_equal_func(notices, notice, g_str_equal, NULL))
			g_ptr_array_add(notices, g_strdup(notice));
	}
}

static gboolean
find_in_file(const char *id, const char *path, const AshRepoVars *vars, GPtrArray *notices,
	     AshRepoConf **ret_conf, GError **error)
{
	gsize length = 0;
	g_autofree char *text = ash_file_load(AT_FDCWD, path, REPO_FILE_MAX, &length, error);
	g_autoptr(GPtrArray) heard = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) confs = NULL;

	if (text == NULL)
		return FALSE;
	*ret_conf = NULL;
	if (!has_section(text, id))
		return TRUE;
	confs = ash_repofile_parse(text, length, path, vars, heard, error);
	if (confs == NULL)
		return FALSE;
	add_new_notices(notices, heard);
	for (guint i = 0; i < confs->len && *ret_conf == NULL; i++) {
		const AshRepoConf *conf = g_ptr_array_index(confs, i);

		if (g_str_equal(conf->id, id))
			*ret_conf = ash_repo_conf_copy(conf);
	}
	return TRUE;
}

gboolean
ash_repofile_find(const char *id, const char *const *dirs, const AshRepoVars *vars,
		  GPtrArray *notices, AshRepoConf **ret_conf, GError **error)
{
	*ret_conf = NULL;
	for (guint i = 0; dirs[i] != NULL; i++) {
		g_auto(GStrv) names = list_repo_files(dirs[i]);

		for (guint j = 0; names[j] != NULL; j++) {
			g_autofree char *path = g_build_filename(dirs[i], names[j], NULL);

			if (!find_in_file(id, path, vars, notices, ret_conf, error))
				return FALSE;
			if (*ret_conf != NULL)
				return TRUE;
		}
	}
	return TRUE;
}
