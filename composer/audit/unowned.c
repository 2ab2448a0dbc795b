/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/unowned.h"

#include <string.h>
#include <sys/stat.h>

#define FACTORY "usr/share/factory/"

/* Where our systems have what packages put at the top, and in /var. */
static const struct {
	const char *from, *to;
} moved[] = {
	{ "root/", FACTORY "var/roothome/" }, { "home/", FACTORY "var/home/" }, { "srv/", FACTORY "var/srv/" },
	{ "opt/", FACTORY "var/opt/" },	      { "mnt/", FACTORY "var/mnt/" },	{ "var/", FACTORY "var/" },
	{ "etc/", "usr/etc/" },
};

/* Made by scriptlets, by the composer, or on the machine: no package can own them. */
static const char *const passed[] = {
	"usr/lib/sysimage/", "usr/lib/ashlar/", "usr/lib/modules/", "var/", "boot/", "efi/", "run/", "tmp/", "etc/ld.so.cache", "etc/alternatives/",
	"etc/ssl/certs/", "etc/pki/ca-trust/extracted/", "etc/systemd/system/", "etc/selinux/", FACTORY "var/lib/selinux/",
	"etc/.updated", "etc/fstab", "etc/hostname", "etc/locale.conf", "etc/vconsole.conf", "etc/machine-id", "usr/lib/tmpfiles.d/ashlar-",
	"usr/lib/systemd/system/ashlar-", "usr/lib/rpm/macros.d/macros.ashlar", "usr/lib/repart.d/50-",
	"usr/lib/locale/locale-archive", "usr/lib/udev/hwdb.bin", "etc/udev/hwdb.bin",
};

typedef struct {
	AshAuditReport *report;
	GHashTable *owned; /* of AshFsNode */
} Walk;

/* The node at a path, the links of directories followed, its own not. */
static AshFsNode *
find(const AshFsTree *tree, const char *path)
{
	g_autofree char *dir = g_path_get_dirname(path);
	AshFsNode *parent = ash_fs_tree_resolve(tree, dir);
	g_autofree char *real = NULL, *full = NULL;

	if (parent == NULL)
		return NULL;
	real = ash_fs_node_dup_path(parent);
	full = g_strdup_printf("%s/%s", real, strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path);
	return ash_fs_tree_lookup(tree, full);
}

static void
add_owned(const AshFsTree *tree, const char *path, GHashTable *owned)
{
	AshFsNode *node = find(tree, path);

	for (gsize i = 0; node == NULL && i < G_N_ELEMENTS(moved); i++) {
		g_autofree char *other = NULL;

		if (!g_str_has_prefix(path, moved[i].from))
			continue;
		other = g_strconcat(moved[i].to, path + strlen(moved[i].from), NULL);
		node = find(tree, other);
	}
	if (node != NULL)
		g_hash_table_add(owned, node);
}

static gboolean
check_node(AshFsNode *node, gpointer user_data, GError **error)
{
	const Walk *walk = user_data;
	g_autofree char *path = NULL;

	if (!S_ISREG(node->mode) || g_hash_table_contains(walk->owned, node))
		return TRUE;
	path = ash_fs_node_dup_path(node);
	for (gsize i = 0; i < G_N_ELEMENTS(passed); i++) {
		if (g_str_has_prefix(path, passed[i]))
			return TRUE;
	}
	ash_audit_report_add(walk->report, ASH_RULE_FILE_UNOWNED, path, NULL, "no package owns it");
	return TRUE;
}

void
ash_unowned_check(const AshFsTree *tree, const GPtrArray *paths, AshAuditReport *report)
{
	g_autoptr(GHashTable) owned = g_hash_table_new(NULL, NULL);
	Walk walk = { report, owned };

	for (guint i = 0; i < paths->len; i++) {
		const char *path = g_ptr_array_index(paths, i);

		add_owned(tree, path + strspn(path, "/"), owned);
	}
	/* The walk changes nothing. */
	ash_fs_tree_walk((AshFsTree *) tree, check_node, &walk, NULL);
}
