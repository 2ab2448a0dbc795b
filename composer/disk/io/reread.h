/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/io/content.h"
#include "disk/io/filecopy.h"
#include "disk/io/usedmap.h"

/**
 * AshReread: the content of a raw disk that was just written, taken from where it came from: the files of the tree are still in the
 * page cache, while the disk's own bytes went past it (base/direct.h). What is of no file is read from the disk.
 */
typedef struct AshReread AshReread;

/** Of the raw disk @fd (borrowed, as all else) with no files yet. @used: what is known of it; may be NULL. Owned. */
AshReread *ash_reread_new(int fd, const AshUsedMap *used);
/** For another thread. Owned. */
AshReread *ash_reread_dup(const AshReread *reread);
void ash_reread_free(AshReread *reread);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshReread, ash_reread_free)

/** The disk has the files of @tree in places @copies (of AshFileCopy, as ash_filecopy_run() was given them; referenced). */
void ash_reread_set_files(AshReread *reread, const AshFsTree *tree, GArray *copies);

/** The disk has contents in @places (of AshContentPlace, in ascending order, none in a file's; referenced). */
void ash_reread_set_contents(AshReread *reread, GArray *places);

/** Exactly @length bytes at @offset of the disk. Quickest from front to back; for one thread at a time. */
gboolean ash_reread_read(AshReread *reread, void *buffer, gsize length, guint64 offset, GError **error);

/** The raw disk, borrowed. */
int ash_reread_get_fd(const AshReread *reread);
/** Whether cluster @index (disk/io/usedmap.h) is known to hold something. */
bool ash_reread_knows(const AshReread *reread, guint64 index);
