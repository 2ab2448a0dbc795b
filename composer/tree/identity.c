/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

gboolean
ash_step_hostname(AshTreeRoot *root, GError **error)
{
	const char *name = root->request->spec->hostname;
	g_autofree char *line = g_strdup_printf("%s\n", name != NULL ? name : "localhost");

	if (name == NULL && ash_tree_root_has(root, "etc/hostname"))
		return TRUE;
	return ash_tree_root_save(root, "etc/hostname", line, 0644, error);
}

/* @text without the lines that set one of @names (NULL-terminated), ending in a newline. Owned. */
static char *
without_assignments(const char *text, const char *const *names)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autoptr(GString) kept = g_string_new(NULL);

	for (gsize i = 0; lines[i] != NULL; i++) {
		bool dropped = *lines[i] == '\0' && lines[i + 1] == NULL;
		for (gsize j = 0; names[j] != NULL && !dropped; j++)
			dropped = g_str_has_prefix(lines[i], names[j]) && lines[i][strlen(names[j])] == '=';
		if (!dropped)
			g_string_append_printf(kept, "%s\n", lines[i]);
	}
	return g_string_free(g_steal_pointer(&kept), FALSE);
}

/* os-release(5): what the distribution says stays; which image it is comes at the end. */
gboolean
ash_step_release(AshTreeRoot *root, GError **error)
{
	static const char *const own[] = { "IMAGE_ID", "IMAGE_VERSION", NULL };
	static const char *const paths[] = { "usr/lib/os-release", "etc/os-release" };
	g_autofree char *text = NULL;
	const char *path = NULL;

	for (gsize i = 0; i < G_N_ELEMENTS(paths) && text == NULL; i++) {
		path = paths[i];
		if (!ash_tree_root_load(root, path, &text, error))
			return FALSE;
	}
	if (text == NULL)
		return TRUE;
	g_autofree char *kept = without_assignments(text, own);
	g_autofree char *whole = g_strdup_printf("%sIMAGE_ID=\"%s\"\nIMAGE_VERSION=\"%s\"\n", kept, root->request->spec->name,
						 root->request->version);
	return ash_tree_root_save(root, path, whole, 0644, error);
}

/* What this system was made of. */
gboolean
ash_step_lock(AshTreeRoot *root, GError **error)
{
	if (root->request->lock_text == NULL)
		return TRUE;
	return ash_tree_root_save(root, ASH_TREE_LOCK_PATH, root->request->lock_text, 0644, error);
}

/* rpm(8) in the system must look where the database is, whatever its distribution's default. */
gboolean
ash_step_rpm(AshTreeRoot *root, GError **error)
{
	if (!ash_tree_root_has(root, "usr/lib/rpm/macros.d") || !ash_tree_root_has(root, "usr/lib/sysimage/rpm"))
		return TRUE;
	return ash_tree_root_save(root, "usr/lib/rpm/macros.d/macros.ashlar", "%_dbpath /usr/lib/sysimage/rpm\n", 0644,
				  error);
}

/*
 * machine-id(5): an empty file. The overlay over /etc is writable when the system manager starts, so the first boot
 * fills it in; "uninitialized" would also undo what the kickstart says of services (presets) and might ask questions on the
 * console (systemd-firstboot(1)).
 *
 * The .updated marks tell systemd that caches in /etc fit this /usr (systemd-update-done.service(8)); libostree removes them.
 */
gboolean
ash_step_machine_id(AshTreeRoot *root, GError **error)
{
	if (!ash_tree_root_has(root, "usr/lib/systemd") && !ash_tree_root_has(root, "etc/machine-id"))
		return TRUE;
	if (!ash_tree_root_save(root, "etc/machine-id", "", 0444, error))
		return FALSE;
	if (!root->request->type->bootable || root->request->type->system == ASH_SYSTEM_OSTREE)
		return TRUE;
	return ash_tree_root_save(root, "etc/.updated", "# This file was made when the image was composed.\n", 0644, error);
}
