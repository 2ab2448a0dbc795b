/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/family.h"

#include "base/fd.h"
#include "base/size.h"

#include <string.h>
#include <sys/stat.h>

#define MAX_TEXT_BYTES ASH_MIB

AshFsNode *
ash_audit_resolve(const AshAudit *audit, const char *path)
{
	AshFsNode *node = ash_fs_tree_resolve(audit->tree, path);
	g_autofree char *moved = g_strconcat("usr/", path, NULL);

	return node != NULL || !g_str_has_prefix(path, "etc/") ? node : ash_fs_tree_resolve(audit->tree, moved);
}

char *
ash_audit_load_node(const AshAudit *audit, const AshFsNode *node)
{
	g_autofree char *text = NULL;
	ash_autofd int fd = -1;

	if (node != NULL && S_ISLNK(node->mode)) {
		g_autofree char *path = ash_fs_node_dup_path(node);

		node = ash_fs_tree_resolve(audit->tree, path);
	}
	if (node == NULL || !S_ISREG(node->mode) || node->size > MAX_TEXT_BYTES)
		return NULL;
	fd = ash_fs_tree_open(audit->tree, node, NULL);
	text = g_malloc0(node->size + 1);
	if (fd < 0 || !ash_fd_read_exact(fd, text, node->size, 0, NULL)) {
		g_autofree char *path = ash_fs_node_dup_path(node);

		ash_audit_report_notice(audit->report, "\"/%s\" cannot be read", path);
		return NULL;
	}
	return g_steal_pointer(&text);
}

char *
ash_audit_load_text(const AshAudit *audit, const char *path)
{
	return ash_audit_load_node(audit, ash_audit_resolve(audit, path));
}

bool
ash_audit_node_is_privileged(const AshFsNode *node)
{
	return (node->mode & S_ISUID) != 0 || ((node->mode & S_ISGID) != 0 && (node->mode & S_IXGRP) != 0) ||
	       ash_fs_node_get_xattr(node, "security.capability") != NULL;
}

AshAuditLevel
ash_audit_level_raise(AshAuditLevel level)
{
	return level < ASH_AUDIT_ERROR ? level + 1 : ASH_AUDIT_ERROR;
}

static int
compare_nodes(gconstpointer a, gconstpointer b)
{
	return strcmp((*(AshFsNode *const *) a)->name, (*(AshFsNode *const *) b)->name);
}

GPtrArray *
ash_audit_list_config(const AshAudit *audit, const char *const *directories, const char *suffix)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	GPtrArray *files = g_ptr_array_new();

	for (guint i = 0; directories[i] != NULL; i++) {
		const AshFsNode *directory = ash_audit_resolve(audit, directories[i]);

		for (guint j = 0; directory != NULL && directory->children != NULL && j < directory->children->len; j++) {
			AshFsNode *node = g_ptr_array_index(directory->children, j);

			if (S_ISDIR(node->mode) || !g_str_has_suffix(node->name, suffix) || !g_hash_table_add(seen, node->name))
				continue;
			if (!S_ISLNK(node->mode) || strcmp(node->target, "/dev/null") != 0)
				g_ptr_array_add(files, node);
		}
	}
	g_ptr_array_sort(files, compare_nodes);
	return files;
}
