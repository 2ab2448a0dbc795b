/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/selinux.h"
#include "tree/steps.h"

#include <string.h>

#define CONFIG "etc/selinux/config"

/* The value of KEY= in a file of such lines; the last one counts. Owned, NULL if none. */
static char *
config_value(const char *text, const char *key)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	char *value = NULL;

	for (gsize i = 0; lines[i] != NULL; i++) {
		const char *line = g_strchug(lines[i]);
		if (!g_str_has_prefix(line, key) || line[strlen(key)] != '=')
			continue;
		g_free(value);
		value = g_strstrip(g_strdup(line + strlen(key) + 1));
	}
	return value;
}

gboolean
ash_selinux_find_contexts(const AshTreeRoot *root, char **ret_path, GError **error)
{
	g_autofree char *text = NULL;

	*ret_path = NULL;
	/* A tree for OSTree, once it is finished. */
	const char *etc = ash_tree_root_has(root, "etc") ? "etc" : "usr/etc";
	g_autofree char *config = g_build_filename(etc, "selinux/config", NULL);
	if (!ash_tree_root_load(root, config, &text, error))
		return FALSE;
	g_autofree char *mode = text != NULL ? config_value(text, "SELINUX") : NULL;
	g_autofree char *type = text != NULL ? config_value(text, "SELINUXTYPE") : NULL;
	if (type == NULL || strchr(type, '/') != NULL || g_strcmp0(mode, "disabled") == 0)
		return TRUE;
	g_autofree char *path = g_build_filename(etc, "selinux", type, "contexts/files/file_contexts", NULL);
	if (ash_tree_root_has(root, path))
		*ret_path = g_steal_pointer(&path);
	return TRUE;
}

/* /etc/selinux/config: SELINUX= as the kickstart says; the policy stays the package's. */
gboolean
ash_step_selinux(AshTreeRoot *root, GError **error)
{
	static const char *const modes[] = {
		[ASH_SELINUX_UNSET] = NULL,
		[ASH_SELINUX_ENFORCING] = "enforcing",
		[ASH_SELINUX_PERMISSIVE] = "permissive",
		[ASH_SELINUX_DISABLED] = "disabled",
	};
	const char *mode = modes[root->request->spec->selinux];
	g_autofree char *text = NULL;
	g_autoptr(GString) kept = g_string_new(NULL);

	if (mode == NULL)
		return TRUE;
	if (!ash_tree_root_load(root, CONFIG, &text, error))
		return FALSE;
	if (text == NULL && root->request->spec->selinux == ASH_SELINUX_DISABLED)
		return TRUE;
	if (text == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "selinux --%s: no package of this system has an SELinux policy", mode);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (gsize i = 0; lines[i] != NULL && !(*lines[i] == '\0' && lines[i + 1] == NULL); i++)
		if (!g_str_has_prefix(lines[i], "SELINUX="))
			g_string_append_printf(kept, "%s\n", lines[i]);
	g_string_append_printf(kept, "SELINUX=%s\n", mode);
	return ash_tree_root_rewrite(root, CONFIG, kept->str, 0644, error);
}

/*
 * Places that are others' by another name: a policy knows the names of the Filesystem Hierarchy Standard. The last two are what a new
 * /var and the changes to a new /etc begin with (data/dracut/90ashlar). None is below another: libselinux asks in no order that it
 * promises.
 */
static const struct {
	const char *alias, *of;
} aliases[] = {
	{ "/var/home", "/home" },
	{ "/var/roothome", "/root" },
	{ "/var/srv", "/srv" },
	{ "/var/opt", "/opt" },
	{ "/var/mnt", "/mnt" },
	{ "/var/usrlocal", "/usr/local" },
	{ "/var/lib/ashlar/etc/upper", "/etc" },
	{ "/" ASH_SELINUX_SKELETON "/var", "/var" },
	{ "/" ASH_SELINUX_SKELETON "/etc", "/etc" },
};

/* Lines "ALIAS OF" of a file of substitutions (selabel_file(5)) whose ALIAS is not there yet. */
static void
add_aliases(GString *text)
{
	g_auto(GStrv) lines = g_strsplit(text->str, "\n", -1);
	g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (gsize i = 0; lines[i] != NULL; i++)
		g_hash_table_add(known, g_strndup(lines[i], strcspn(lines[i], " \t")));
	for (gsize i = 0; i < G_N_ELEMENTS(aliases); i++)
		if (!g_hash_table_contains(known, aliases[i].alias))
			g_string_append_printf(text, "%s %s\n", aliases[i].alias, aliases[i].of);
}

static gboolean
make_skeleton(AshTreeRoot *root, GError **error)
{
	return ash_tree_root_mkdirs(root, ASH_SELINUX_SKELETON "/etc", 0755, error) &&
	       ash_tree_root_mkdirs(root, ASH_SELINUX_SKELETON "/var/lib/ashlar/etc", 0755, error) &&
	       /* systemd-random-seed(8) comes before systemd-tmpfiles(8). */
	       ash_tree_root_mkdirs(root, ASH_SELINUX_SKELETON "/var/lib/systemd", 0755, error) &&
	       ash_tree_root_mkdirs(root, ASH_SELINUX_SKELETON "/var/lost+found", 0700, error);
}

/* The writer of ext4 makes one in each file system; what the tree has of it is its label. */
static gboolean
make_lost_and_found(AshTreeRoot *root, GError **error)
{
	const GPtrArray *mounts = root->request->type->mounts;

	for (guint i = 0; i < mounts->len; i++) {
		const AshMount *mount = g_ptr_array_index(mounts, i);
		if (mount->mount_point == NULL || strcmp(mount->fs, "ext4") != 0)
			continue;
		g_autofree char *path = g_build_filename(mount->mount_point + strspn(mount->mount_point, "/"), "lost+found", NULL);
		if (!ash_tree_root_mkdirs(root, path, 0700, error))
			return FALSE;
	}
	return TRUE;
}

/* What is in /var and in the changes to /etc has the labels of the policy too, whoever makes it: the composer, the initramfs or restorecon(8). */
gboolean
ash_step_selinux_paths(AshTreeRoot *root, GError **error)
{
	g_autofree char *contexts = NULL, *present = NULL;

	if (!ash_selinux_find_contexts(root, &contexts, error))
		return FALSE;
	if (contexts == NULL)
		return TRUE;
	g_autofree char *path = g_strconcat(contexts, ".subs", NULL);
	if (!ash_tree_root_load(root, path, &present, error))
		return FALSE;
	g_autoptr(GString) text = g_string_new(present);
	if (text->len > 0 && text->str[text->len - 1] != '\n')
		g_string_append_c(text, '\n');
	add_aliases(text);
	if (!ash_tree_root_rewrite(root, path, text->str, 0644, error))
		return FALSE;
	/* OSTree makes /var and /etc itself, and neither is a file system of its own. */
	return root->request->type->system == ASH_SYSTEM_OSTREE || (make_skeleton(root, error) && make_lost_and_found(root, error));
}

/* Where every name is the usual one, only file systems beside the root's have a directory that no package and no step has made. */
gboolean
ash_step_selinux_file_systems(AshTreeRoot *root, GError **error)
{
	g_autofree char *contexts = NULL;

	return ash_selinux_find_contexts(root, &contexts, error) && (contexts == NULL || make_lost_and_found(root, error));
}
