/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

/**
 * The defaults of /etc as a release has them, so that a node can tell what its owner changed from what the new version changes. A line for each
 * name below /etc, sorted by path (bytes):
 *
 *     SHA256  MODE  PATH
 *
 * SHA256: 64 hex digits, of a file's content or of a link's target; "-" for a directory. MODE: type and permission bits as stat(2) has
 * them, six octal digits. PATH: relative to /etc. Between them are two spaces. Names with control characters are left out.
 * Owned; empty if there is no /etc; NULL on failure.
 */
GBytes *ash_etc_list_make(const AshFsTree *tree, GError **error);
