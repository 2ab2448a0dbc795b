/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"
#include "store/inode.h"

/**
 * The SELinux label of @path ("/usr/bin/sh") with @mode, owned, or NULL for none. Called from one thread,
 * in walk order.
 */
typedef char *(*AshLabelFunc)(const char *path, guint32 mode, gpointer user_data);

typedef struct {
	bool skip_special;  /* leave out sockets, fifos and devices, which are an error otherwise */
	AshLabelFunc label; /* may be NULL: no labels */
	gpointer label_data;
} AshScanOptions;

/** What a tree does not say of the inode of a node that is no directory. */
typedef struct {
	AshInode id;
	guint32 nlink; /* in the file system: more than the node's own if there are names outside the tree */
} AshScanInode;

/**
 * Reads the metadata of everything below @root_fd into a tree, content unread: names, modes, owners,
 * mtimes, sizes, link targets and hard links; xattrs of directories and labels. The xattrs of regular files are
 * left to whoever opens them for their content, with ash_scan_read_xattrs(). Appends to @inodes, an array of
 * AshScanInode, one for each node: its place there is the node's number. The tree has no open function. NULL on failure.
 */
AshFsTree *ash_scan_directory(int root_fd, const AshScanOptions *options, GArray *inodes, GError **error);

/**
 * Adds to @node those extended attributes of the open file @fd that belong to the system that is composed: file
 * capabilities, POSIX ACLs, IMA signatures and user.*. Never security.selinux, which is the build host's.
 */
gboolean ash_scan_read_xattrs(int fd, AshFsNode *node, GError **error);
