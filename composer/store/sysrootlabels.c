/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/sysrootlabels.h"

#include <string.h>
#include <sys/stat.h>

#define LABEL "security.selinux"
/* libostree takes a file of this kind for the label of a deployment's origin. */
#define ORIGIN_PATH "/etc/ostree/remotes.d/origin.conf"

typedef struct {
	const AshSysrootParts *parts;
	AshLabelFunc label;
	gpointer label_data;
	char *inherited; /* that of "/"; or NULL */
} Labeller;

static void
set_label(AshFsNode *node, const char *label)
{
	/* The kernel's own form of the value includes the NUL. */
	if (label != NULL)
		ash_fs_node_set_xattr(node, LABEL, label, strlen(label) + 1);
}

static void
label_node(const Labeller *labeller, AshFsNode *node, const char *path)
{
	g_autofree char *label = labeller->label(path, node->mode, labeller->label_data);

	set_label(node, label);
}

/* Everything below @node, which the booted system has at @path. Another name of an inode has the inode's label. */
static void
label_tree(const Labeller *labeller, AshFsNode *node, const char *path)
{
	if (node->hardlink != NULL)
		return;
	label_node(labeller, node, path);
	for (guint i = 0; node->children != NULL && i < node->children->len; i++) {
		AshFsNode *child = g_ptr_array_index(node->children, i);
		g_autofree char *below = g_build_filename(path, child->name, NULL);
		label_tree(labeller, child, below);
	}
}

static bool
is_labelled_otherwise(const AshSysrootParts *parts, const AshFsNode *node)
{
	return node == parts->deployment || node == parts->var || node == parts->origin || g_str_has_suffix(node->name, ".file");
}

static void
label_inherited(const Labeller *labeller, AshFsNode *node)
{
	set_label(node, labeller->inherited);
	for (guint i = 0; node->children != NULL && i < node->children->len; i++) {
		AshFsNode *child = g_ptr_array_index(node->children, i);
		if (!is_labelled_otherwise(labeller->parts, child))
			label_inherited(labeller, child);
	}
}

void
ash_sysroot_label(const AshSysrootParts *parts, AshLabelFunc label, gpointer label_data)
{
	g_autofree char *inherited = label("/", S_IFDIR | 0755, label_data);
	const Labeller labeller = { parts, label, label_data, inherited };

	set_label(parts->root, inherited);
	label_node(&labeller, parts->lost_and_found, "/lost+found");
	label_tree(&labeller, parts->boot, "/boot");
	label_inherited(&labeller, parts->ostree);
	label_tree(&labeller, parts->etc, "/etc");
	label_tree(&labeller, parts->var, "/var");
	label_node(&labeller, parts->origin, ORIGIN_PATH);
}
