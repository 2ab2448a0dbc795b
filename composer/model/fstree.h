/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/**
 * AshFsTree: a whole file tree in memory, contents left where they are. store/ makes one from a commit;
 * the writers of file systems and archives (disk/, archive/) read it. Children are sorted by name (bytes).
 */
typedef struct AshFsNode AshFsNode;
typedef struct AshFsTree AshFsTree;

typedef struct {
	char *name;     /* e.g. "security.capability" */
	guint8 *value;
	gsize length;   /* bytes */
} AshFsXattr;

struct AshFsNode {
	char *name;         /* one path element; "" for the root */
	AshFsNode *parent;  /* borrowed; NULL for the root */
	guint32 mode;       /* type and permission bits, as in struct stat; commits have regular files, directories and links only */
	guint32 uid, gid;
	gint64 mtime;       /* seconds since the epoch */
	guint64 size;       /* bytes of a regular file, or length of a link's target */
	guint64 rdev;       /* of a device, as in struct stat */
	char *target;       /* symbolic link only */
	char *content;      /* regular file with size > 0: key given to the tree's open function */
	GBytes *bytes;      /* the content itself, if ash_fs_node_set_bytes() gave it one; else NULL */
	AshFsNode *hardlink; /* borrowed: the first node (in walk order) of this node's inode; NULL if this is the first or only one */
	guint32 nlink;      /* of the inode, on its first node; directories: 2 + subdirectories */
	GArray *xattrs;     /* of AshFsXattr, sorted by name; NULL if none */
	GPtrArray *children; /* directories only, owned, sorted */
	bool immutable;     /* a directory that nobody adds to or removes from (FS_IMMUTABLE_FL); what has no such flag leaves it out */
	guint32 number;     /* free for a writer's use */
};

/** Opens the content of a node for reading at offset 0: an fd owned by the caller, or -1. */
typedef int (*AshFsOpenFunc)(const AshFsNode *node, gpointer user_data, GError **error);

struct AshFsTree {
	AshFsNode *root;
	AshFsOpenFunc open;
	gpointer user_data;
	GDestroyNotify free_user_data;
};

AshFsTree *ash_fs_tree_new(void);
void ash_fs_tree_free(AshFsTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshFsTree, ash_fs_tree_free)

/** A new child of @parent (NULL: the root of nothing yet); owned by the parent. Sort afterwards. */
AshFsNode *ash_fs_node_new(AshFsNode *parent, const char *name, guint32 mode);
void ash_fs_node_free(AshFsNode *node);
/** Takes a leaf out of its directory, to which it still points; nlink stays. Now owned by the caller. */
void ash_fs_node_take(AshFsNode *node);
/** Puts it there again, in its place. Owned by its directory. */
void ash_fs_node_put_back(AshFsNode *node);
/** Owner, size, target and content of a leaf become those of @source; type, time, names and attributes stay. */
void ash_fs_node_copy_content(AshFsNode *node, const AshFsNode *source);
/** Adds a copy of the value, keeping xattrs sorted. */
void ash_fs_node_add_xattr(AshFsNode *node, const char *name, const void *value, gsize length);
/** As ash_fs_node_add_xattr(), in place of what the xattr was. */
void ash_fs_node_set_xattr(AshFsNode *node, const char *name, const void *value, gsize length);
/** From now on a regular file without other names has this content, from memory; all else stays as it is. */
void ash_fs_node_set_bytes(AshFsNode *node, GBytes *bytes);
/** Borrowed value of an xattr or NULL. */
const AshFsXattr *ash_fs_node_get_xattr(const AshFsNode *node, const char *name);
/** Sorts children everywhere and counts nlink. Call once after building. */
void ash_fs_tree_finish(AshFsTree *tree);
/** The node at "usr/bin/sh" (leading slash allowed), links not followed; borrowed or NULL. */
AshFsNode *ash_fs_tree_lookup(const AshFsTree *tree, const char *path);
/** As ash_fs_tree_lookup(), following symbolic links inside the tree (at most 40). */
AshFsNode *ash_fs_tree_resolve(const AshFsTree *tree, const char *path);
/** "usr/bin/sh"; "" for the root. Owned. */
char *ash_fs_node_dup_path(const AshFsNode *node);
/** An open descriptor of a regular file's content (an empty memfd for size 0), or -1. */
int ash_fs_tree_open(const AshFsTree *tree, const AshFsNode *node, GError **error);
/** The whole content of a regular file (links followed). Owned; error if absent or over 512 MiB. */
GBytes *ash_fs_tree_load(const AshFsTree *tree, const char *path, GError **error);

/** Calls @func for every node, parents first, children in order. Stops when it returns FALSE. */
typedef gboolean (*AshFsVisitFunc)(AshFsNode *node, gpointer user_data, GError **error);
gboolean ash_fs_tree_walk(AshFsTree *tree, AshFsVisitFunc func, gpointer user_data, GError **error);
