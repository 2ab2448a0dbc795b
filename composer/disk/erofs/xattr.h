/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/erofs/layout.h"
#include "model/fstree.h"

/**
 * AshErofsXattrs: the extended attributes of a file system (erofs.rst, "Extended attributes"; include/uapi has no header:
 * struct erofs_xattr_ibody_header and erofs_xattr_entry). One that several inodes have, such as a label, is kept once, in an
 * area of its own; others beside their inode.
 */
typedef struct AshErofsXattrs AshErofsXattrs;

AshErofsXattrs *ash_erofs_xattrs_new(void);
void ash_erofs_xattrs_free(AshErofsXattrs *xattrs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshErofsXattrs, ash_erofs_xattrs_free)

/** What the names of attributes with the number @index begin with ("user."); NULL: that is not known. */
const char *ash_erofs_xattr_prefix(guint8 index);

/** Looks at the attributes of one more inode; ASH_ERROR_CONFIG, without its path, for those that EROFS cannot hold. */
gboolean ash_erofs_xattrs_add(AshErofsXattrs *xattrs, const AshFsNode *node, GError **error);
/** When all were added: those that are shared get their places, the old ones of @previous (or NULL) if it had them. */
void ash_erofs_xattrs_settle(AshErofsXattrs *xattrs, const AshErofsLayout *previous);

/** Bytes beside the inode, 0 if it has none; ASH_ERROR_CONFIG if they are too many. */
gboolean ash_erofs_xattrs_measure(const AshErofsXattrs *xattrs, const AshFsNode *node, guint32 *ret_bytes, GError **error);
/** Writes what ash_erofs_xattrs_measure() has measured (not 0) to @at, which is all zero. */
void ash_erofs_xattrs_put(const AshErofsXattrs *xattrs, const AshFsNode *node, guint8 *at);

/** Bytes of the area of shared attributes. */
guint32 ash_erofs_xattrs_get_area_bytes(const AshErofsXattrs *xattrs);
/** Writes the area to @at, which is all zero. */
void ash_erofs_xattrs_put_area(const AshErofsXattrs *xattrs, guint8 *at);
/** Notes in @layout where each shared attribute is. */
void ash_erofs_xattrs_save(const AshErofsXattrs *xattrs, AshErofsLayout *layout);
