/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

#include <stdbool.h>

/** The extended attributes of @node in OSTree's form a(ayay), sorted; floating. */
GVariant *ash_object_new_xattrs(const AshFsNode *node);

/** Owner, mode and extended attributes of @node in OSTree's form (uuua(ayay)), big-endian; owned. */
GVariant *ash_object_new_metadata(const AshFsNode *node);

/** What ash_object_digest_file() reads at once, in bytes. */
#define ASH_OBJECT_BUFFER_SIZE ((gsize) 256 * 1024)

/** The checksum of the object of the regular file @node, whose content is @fd. @buffer is scratch. Owned; NULL on failure. */
char *ash_object_digest_file(const AshFsNode *node, int fd, guint8 *buffer, GError **error);

/** True if there is the file object @checksum below @objects_fd. */
bool ash_object_exists(int objects_fd, const char *checksum);

/** True if the file @fd says @meta, from ash_object_new_metadata(), of itself, as an object does. */
bool ash_object_has_metadata(int fd, GVariant *meta);

/** As ash_object_has_metadata() for a path, whose last part is not followed. */
bool ash_object_path_has_metadata(const char *path, GVariant *meta);

/** Makes an inode ours, with nothing of its own left. */
gboolean ash_object_take_inode(int fd, GError **error);

/** Makes an inode of ours what an object is: its true metadata in an extended attribute, its time 0. */
gboolean ash_object_set_metadata(int fd, const AshFsNode *node, GVariant *meta, GError **error);

/**
 * Makes a shared inode an object without touching anything else of it. FALSE with no error if it cannot be: it is the
 * object of other metadata, such as another label, or not ours. Two commits may try at the same time.
 */
gboolean ash_object_share_inode(int fd, GVariant *meta, GError **error);

/** The checksum of the object of the symbolic link @node, if there is such an object already. Owned, or NULL. */
char *ash_object_find_symlink(int objects_fd, const AshFsNode *node);
