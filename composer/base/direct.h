/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshDirect: writes much of a file past the page cache (O_DIRECT of open(2)). A disk image is synced before it gets its
 * name, so its bytes go to the disk in any case; on the way through the cache they are copied once more, push out what will be
 * read again, and in a virtual machine every page that the host has taken back must be given anew, which is most of the time.
 *
 * Where the file system cannot do it, or a range does not fit, the cache is used: nobody need ask.
 */
typedef struct {
	int fd;    /* borrowed */
	int other; /* the same file past the cache, or -1 */
} AshDirect;

/** Offset, length and address are multiples of it, or the cache is used. */
#define ASH_DIRECT_ALIGN 4096

/** @fd: open for reading and writing, and so for longer than @direct. */
void ash_direct_init(AshDirect *direct, int fd);
void ash_direct_clear(AshDirect *direct);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshDirect, ash_direct_clear)

/** As ash_fd_write_all(). Several threads may do so at the same time. */
gboolean ash_direct_write(const AshDirect *direct, const void *buffer, gsize length, guint64 offset, GError **error);

/** Memory that is aligned; ends the program if there is none, as g_malloc() does. For ash_direct_free(). */
void *ash_direct_alloc(gsize bytes);
void ash_direct_free(void *buffer);
