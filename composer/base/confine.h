/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshConfine: the view of the file system and the rights that the sandbox leaves, made in two steps: prepared with
 * all memory it needs, then applied by system calls only, so that it may run between fork and exec of a process
 * with threads. base/sandbox.c uses it, and install/scriptrunner.c, whose programs go where a sandbox is already; nobody else should.
 */
typedef struct AshConfine AshConfine;

/**
 * @nested: "/" is an empty directory that holds the root as "sysroot"; else "/" is the root itself. @bind_pairs
 * (path, host path; NULL-terminated; may be NULL) are read-only; a path that is missing is made below run and tmp,
 * elsewhere (the root being kept) it must exist. @output_pairs are the same, writable. Strings are copied. @supervised: the filter
 * has a listener.
 */
AshConfine *ash_confine_new(const char *root_path, bool nested, bool read_only, bool supervised,
			    const char *const *bind_pairs, const char *const *output_pairs, GError **error);
/** For rights only, with a listener that is asked about each call that names a file, too (base/watchcall.h). */
AshConfine *ash_confine_new_watched(GError **error);
void ash_confine_free(AshConfine *confine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshConfine, ash_confine_free)

/**
 * Applies the mounts to this process, which must have a mount namespace of its own and CAP_SYS_ADMIN in it.
 * System calls only. NULL if all is well, else a constant text of what failed, with errno.
 */
const char *ash_confine_mounts(const AshConfine *confine);

/**
 * Drops all capabilities but chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, setfcap and
 * sys_chroot, for ever (bounding set), sets no_new_privs and the system call filter. A program may still write
 * file capabilities; to gain from those of another it would have to be run by a user other than root, which no
 * installation needs. System calls only; returns as ash_confine_mounts(). *@ret_listener is the filter's listener
 * (seccomp_unotify(2), close-on-exec), -1 if it is not supervised.
 */
const char *ash_confine_rights(const AshConfine *confine, int *ret_listener);
