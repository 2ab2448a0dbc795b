/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/procpath.h"

#include <linux/seccomp.h>

#define ASH_CALL_PATH_LENGTH 4096

/** A call that waits for its supervisor (base/copyup.h), and where it writes to. */
typedef struct {
	int listener;
	int base; /* "/" of the process' mount namespace */
	const struct seccomp_notif *notif;
	AshProcPath path;
	char text[ASH_CALL_PATH_LENGTH + 1];
} AshCallTarget;

/** If the process' descriptor @number, or target->path, is a file that is shared, it gets an inode of its own. 0, or the error that the call gets. */
int ash_call_target_guard_fd(const AshCallTarget *target, int number);
int ash_call_target_guard_path(const AshCallTarget *target);

/** Reads memory of the process; a string may end before the page that follows it does not exist. 0, or an error of process_vm_readv(2). */
int ash_call_target_read_memory(const AshCallTarget *target, guint64 address, void *buffer, gsize length, gsize *ret_length);
/** The same of a path, into target->text; ENOENT if the call will find no text there. */
int ash_call_target_read_text(AshCallTarget *target, guint64 address);
