/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/watchcall.h"

#include <stdbool.h>
#include <sys/types.h>

/**
 * Copy on write for shared files (base/shared.h), for programs that know nothing of it: the sandbox' call filter stops
 * each call that may change an inode in place (base/writecall.h) and asks a supervisor (seccomp_unotify(2)), which lets
 * the file's name have an inode of its own before the call goes on. A call on a descriptor that was open for reading
 * gets that descriptor replaced. Setting the mark itself does nothing. If a copy cannot be made (disk full), the call fails with that error.
 *
 * It guards against programs that do not know better, not against two of them that race on purpose.
 */
typedef struct AshCopyup AshCopyup;

/**
 * Whether that works here: a kernel of 5.9 or later, no other listener on us, /proc of our own PID namespace. Asks a
 * forked child once for each process; to be called in the process that calls the sandbox. If not, files must be copied
 * instead of shared.
 */
bool ash_copyup_available(void);

/**
 * The supervisor's side. Waits on @channel, one end of a socket pair, for the listener that ash_copyup_send() sends, and
 * closes @channel. NULL with errno if none comes.
 */
AshCopyup *ash_copyup_receive(int channel);
void ash_copyup_free(AshCopyup *copyup);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshCopyup, ash_copyup_free)

/** The listener, for poll(2): POLLIN is a call that waits, POLLHUP the end of the last supervised process. Borrowed. */
int ash_copyup_get_fd(const AshCopyup *copyup);

/** A call of a watched process (base/watchcall.h), before it is made. */
typedef struct {
	pid_t pid;             /* process or thread */
	AshWatchEffect effect; /* ASH_WATCH_OPEN_HOW and ASH_WATCH_CREAT are told as ASH_WATCH_OPEN; ASH_WATCH_ODD, too, if its arguments cannot be read */
	int dir_fd;            /* a descriptor of its, or AT_FDCWD */
	const char *path;      /* NULL or "": what dir_fd is */
	guint64 flags;         /* of open(2), or AT_* */
} AshWatchedCall;

typedef void (*AshCopyupWatch)(const AshWatchedCall *call, gpointer data);

/** Has @watch told of each call that names a file; for a listener whose filter asks about them. */
void ash_copyup_set_watch(AshCopyup *copyup, AshCopyupWatch watch, gpointer data);

/** Answers one call that waits. */
void ash_copyup_serve(AshCopyup *copyup);

/**
 * The supervised side, which runs with the filter already: sends @listener and "/" to the supervisor. System calls only.
 * False with errno on failure.
 */
bool ash_copyup_send(int channel, int listener);

/** The same with "/", opened with O_PATH beforehand: for a filter that would ask about that, too. */
bool ash_copyup_send_base(int channel, int listener, int base);

/**
 * Starts a process that supervises whoever sends it a listener, until the last of these processes has ended or nobody can
 * send one any more. It is nobody's child but PID 1's, and has none of our descriptors. Returns the channel. To be called
 * by a process with one thread, before the filter is set and after the mounts are.
 */
int ash_copyup_start(GError **error);
