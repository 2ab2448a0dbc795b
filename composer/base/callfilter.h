/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * The system call filter of the sandbox (seccomp(2)) as a compiled BPF program: mount, namespace, module,
 * keyring, bpf, perf, ptrace, clock and similar calls fail with EPERM, clone3 and io_uring with ENOSYS (so that
 * callers fall back), and calls that only flush to disk succeed at once: a staging root that a power cut takes is
 * made again. Calls newer than this program (fchmodat2 and later) fail with ENOSYS. Everything else is allowed, but @supervised
 * has each call that may change an inode in place (base/writecall.h) ask a listener, and @watched, which needs it, each
 * call that names a file (base/watchcall.h), too. An array of struct sock_filter as bytes; owned.
 */
GBytes *ash_call_filter_new(bool supervised, bool watched, GError **error);
