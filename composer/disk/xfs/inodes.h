/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

/**
 * Finishes the XFS in the file @fd, which nobody has mounted yet: an inode whose owner is the number N gets mode, owner, time and attributes of
 * @nodes[N - 1] (of AshFsNode); the others, of the file system itself, get @epoch as their time. Inodes are those of the trees of the allocation
 * groups ("XFS Algorithms and Data Structures", chapters "Allocation Groups" and "On-disk Inode"); attributes are in them, in the short form.
 * ASH_ERROR_CONFIG naming the entry whose attributes do not fit or are of other namespaces than "user", "trusted" and "security";
 * ASH_ERROR_INTERNAL for what looks like no new XFS of version 5 with large times.
 */
gboolean ash_xfs_finish_inodes(int fd, const GPtrArray *nodes, gint64 epoch, GError **error);
