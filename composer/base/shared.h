/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/**
 * Shared files: one inode with a name in the import cache, in staging roots and in the object store. It carries a mark,
 * an extended attribute without a value; whoever changes content, owner, mode, times or attributes of such a file
 * gives its name an inode of its own first: ash_shared_break(), which base/copyup.h does for programs in the sandbox.
 */
#define ASH_SHARED_XATTR "user.ashlar.shared"

/** What a bare-user object of OSTree says of its file; of the object, not of the file, so no copy has it. */
#define ASH_SHARED_OBJECT_XATTR "user.ostreemeta"

/**
 * True for the files that may be shared: regular, owner 0:0 as this process sees it, readable by the owner, not writable
 * for all, without set-id and sticky bits. Extended attributes are the caller's to look at.
 */
bool ash_shared_is_plain(const struct stat *info);

/** Marks an open plain file; its times stay. The file must be ours, but need not be open for writing. */
gboolean ash_shared_mark(int fd, GError **error);

/** Takes the mark, and the attribute of an object, from an open file that no longer has another name. */
gboolean ash_shared_unmark(int fd, GError **error);

/** True if @name, a path below @dir_fd whose last part is not followed, is a marked regular file. */
bool ash_shared_is_marked(int dir_fd, const char *name);

/**
 * If @name (without a slash) is a marked file, gives this name an inode of its own: content with its holes, owner,
 * mode, times to the nanosecond and extended attributes are kept, the mark and that of an object are not. The
 * directory keeps its times. A marked file without another name loses both attributes and stays. Made beside it and renamed; nothing is left behind on failure.
 */
gboolean ash_shared_break(int dir_fd, const char *name, GError **error);

/**
 * linkat(2) of a marked file (not looked at) without flags, as code of ours may do it in the sandbox: the guard of base/copyup.h
 * gives the file an inode of its own at every other. 0, or -1 with errno.
 */
int ash_shared_link(int from_dir, const char *from_name, int to_dir, const char *to_name);

/**
 * Makes @to_name, which must not exist, a second name of the regular file @from_name if that is marked, @may_link is set and
 * the file system allows one more link; else a copy (reflink, else the bytes with their holes) with owner, mode, times to
 * the nanosecond and extended attributes, without the mark and that of an object. Links are not followed. In the sandbox,
 * too, nothing here is asked about.
 */
gboolean ash_shared_clone(int from_dir, const char *from_name, int to_dir, const char *to_name, bool may_link,
			  GError **error);

/** A copy of the open file @from_fd as above into the new, empty file @to_fd. */
gboolean ash_shared_copy(int from_fd, int to_fd, GError **error);
