/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/store.h"

/**
 * What a ref pointed to so far. A commit has no parent: its checksum would depend on what was built before it, and the same
 * inputs must give the same commit. So DIR/history/REF keeps one checksum a line, oldest first; a commit may
 * come again.
 */

/** Checksums, oldest first; ends with what the ref points to now. Empty if there is no such ref. Owned strings. */
GPtrArray *ash_reflog_load(AshStore *store, const char *ref, GError **error);

/** Notes that @ref now points to @checksum; does nothing if that is its last line. Call it under the store's lock. */
gboolean ash_reflog_append(AshStore *store, const char *ref, const char *checksum, GError **error);

/** Replaces the history of @ref by @lines (checksums, oldest first); none: removes it. Under the store's lock. */
gboolean ash_reflog_save(AshStore *store, const char *ref, const GPtrArray *lines, GError **error);

/** All refs that have a history, sorted, whether there is such a ref or not. Owned strings. */
GPtrArray *ash_reflog_list(AshStore *store, GError **error);
