/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * A sixth argument, which none of the calls below has and the kernel does not look at: with it, ash_write_call() says that it
 * knows what it does and is not asked about. A filter sees all six. For base/shared.c, where each file would cost three
 * questions.
 */
#define ASH_WRITE_CALL_OWN 0x41736c6172533355

/** Where the target of a call is, and whether a link at the end of its path is followed. */
typedef enum {
	ASH_WRITE_CALL_FD,       /* an open descriptor */
	ASH_WRITE_CALL_FOLLOW,   /* a path */
	ASH_WRITE_CALL_NOFOLLOW, /* a path */
	ASH_WRITE_CALL_OPEN,     /* a path with flags of open(2) */
	ASH_WRITE_CALL_OPEN_HOW, /* a path with a struct open_how in memory */
	ASH_WRITE_CALL_AT,       /* a path with AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH */
	ASH_WRITE_CALL_LINK,     /* a path with AT_SYMLINK_FOLLOW, AT_EMPTY_PATH */
	ASH_WRITE_CALL_IOCTL,    /* an open descriptor, if the request is one of ash_write_ioctls */
} AshWriteCallKind;

/** One system call that may change an inode in place: the places of its arguments, -1 if it has no such one. */
typedef struct {
	const char *name;
	AshWriteCallKind kind;
	gint8 dir; /* descriptor of the directory, or the descriptor itself */
	gint8 path;
	gint8 flags;
	gint8 attribute; /* name of the attribute that is set; 0: none is */
} AshWriteCall;

/**
 * All of them but those that are refused (io_uring, open_by_handle_at, calls newer than the filter), ended by a
 * NULL name. linkat(2) is among them: two names that a program makes must stay one file.
 */
extern const AshWriteCall ash_write_calls[];

/** Makes call @number (SYS_ in sys/syscall.h) of ours. Returns and fails as syscall(2). */
long ash_write_call(long number, long a, long b, long c, long d, long e);

/** Requests of ioctl(2) that change an inode of which a descriptor for reading is enough, ended by 0. */
extern const guint32 ash_write_ioctls[];
