/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"

#include <stdbool.h>

/**
 * A bounded reader of EROFS (flat plain and flat inline layouts; lz4 and zstd as disk/erofs/pack.h has them; extended and
 * compact inodes, 4096-byte blocks) inside a file. Every number read is checked before it is used; damaged
 * or hostile input is ASH_ERROR_CONFIG. What is compressed otherwise, or chunked, is refused by name, and the
 * rest stays readable.
 */
typedef struct AshErofsReader AshErofsReader;

/** Of the superblock. */
typedef struct {
	AshUuid uuid;
	char label[17];
	guint64 epoch; /* build time, seconds */
	guint64 bytes; /* of the file system */
	guint64 inodes;
} AshErofsInfo;

/** Of an inode. */
typedef struct {
	guint64 nid;
	guint32 mode; /* as in struct stat */
	guint32 uid, gid, nlink;
	guint64 size; /* bytes */
	gint64 mtime; /* seconds */
} AshErofsStat;

/** Opens the file system at byte @offset of @fd (borrowed, must stay open), which may take up at
 * most @room bytes. Owned. */
AshErofsReader *ash_erofs_open(int fd, guint64 offset, guint64 room, GError **error);
void ash_erofs_close(AshErofsReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshErofsReader, ash_erofs_close)

/** Borrowed. */
const AshErofsInfo *ash_erofs_get_info(const AshErofsReader *reader);

/** The same by the number of an inode, for whole trees; the root's first. None changes @reader: they may be called from any thread. */
guint64 ash_erofs_get_root(const AshErofsReader *reader);
gboolean ash_erofs_stat_nid(AshErofsReader *reader, guint64 nid, AshErofsStat *ret_stat, GError **error);
/** Is given one name of a directory, "." and ".." among them; returns true to stop. */
typedef bool (*AshErofsEntryFunc)(const char *name, guint64 nid, gpointer user_data);
gboolean ash_erofs_each_entry(AshErofsReader *reader, guint64 nid, AshErofsEntryFunc func, gpointer user_data, GError **error);
/** Reads @length bytes at @at of a regular file, which must have them. */
gboolean ash_erofs_read_nid(AshErofsReader *reader, guint64 nid, guint64 at, void *buffer, gsize length, GError **error);
char *ash_erofs_read_link_nid(AshErofsReader *reader, guint64 nid, GError **error);
GBytes *ash_erofs_get_xattr_nid(AshErofsReader *reader, guint64 nid, const char *name, GError **error);

/** Finds @path; symbolic links are followed inside the file system (at most 40), the last one too
 * if @follow. */
gboolean ash_erofs_stat(AshErofsReader *reader, const char *path, bool follow,
			AshErofsStat *ret_stat, GError **error);
/** True if @path, links followed, is there. */
bool ash_erofs_has(AshErofsReader *reader, const char *path);
/** Names in a directory without "." and "..", sorted by bytes. Owned vector. */
char **ash_erofs_list(AshErofsReader *reader, const char *path, GError **error);
/** Content of a regular file of at most @max bytes, links followed. Owned. */
GBytes *ash_erofs_load(AshErofsReader *reader, const char *path, guint64 max, GError **error);
/** Target of a symbolic link. Owned. */
char *ash_erofs_read_link(AshErofsReader *reader, const char *path, GError **error);
/** Value of an extended attribute of @path (last link not followed). Owned; NULL without
 * @error if it has none of that name. */
GBytes *ash_erofs_get_xattr(AshErofsReader *reader, const char *path, const char *name,
			    GError **error);
