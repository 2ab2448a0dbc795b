/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/worker.h"

/** A worker that describes a tree in text, for tests that compare two. */
#define TREE_DUMP_WORKER "tree-dump"

/**
 * One line for each file below @root, sorted by path: type and mode, owner, size, mtime to the nanosecond ("now" if it is
 * @since, seconds, or later), device, link target, SHA-256 of the content, extended attributes but those of shared files,
 * and for a second name of an inode the first. Owned; NULL and @error if something cannot be read.
 */
char *tree_dump(AshContext *ctx, const char *root, gint64 since, GError **error);

JsonObject *tree_dump_worker(AshContext *ctx, JsonObject *request, GError **error);
