/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/vartree.h"

#include "tree/selinux.h"

#include <sys/stat.h>

static void
copy_directory(AshFsNode *to, const AshFsNode *from)
{
	to->mode = from->mode;
	to->uid = from->uid;
	to->gid = from->gid;
	to->mtime = from->mtime;
	for (guint i = 0; from->xattrs != NULL && i < from->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(from->xattrs, AshFsXattr, i);
		ash_fs_node_add_xattr(to, xattr->name, xattr->value, xattr->length);
	}
	for (guint i = 0; i < from->children->len; i++) {
		const AshFsNode *child = g_ptr_array_index(from->children, i);
		if (S_ISDIR(child->mode))
			copy_directory(ash_fs_node_new(to, child->name, child->mode), child);
	}
}

AshFsTree *
ash_var_tree_new(const AshFsTree *tree)
{
	const AshFsNode *skeleton = ash_fs_tree_lookup(tree, ASH_SELINUX_SKELETON "/var");

	if (skeleton == NULL || !S_ISDIR(skeleton->mode))
		return NULL;
	AshFsTree *var = ash_fs_tree_new();
	copy_directory(var->root, skeleton);
	ash_fs_tree_finish(var);
	return var;
}
