/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "install/entry.h"

#include <rpm/header.h>
#include <rpm/rpmio.h>

/**
 * Unpacks a package that was just checked (@fd is at its payload) into the empty directory @dir_fd: the file "header" and its
 * regular files (install/entry.h); every file's digest is compared with the header's. Memory is bounded by the
 * compression's window. Thread-safe. The entry (owned) has no trust yet, and no manifest is written. ASH_ERROR_TRUST if
 * the payload is not what the header says.
 */
AshEntry *ash_unpack(Header header, FD_t fd, const char *nevra, const char *path, int dir_fd, GError **error);
