/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/manifest.h"

#include <stdbool.h>

/**
 * AshStore: the content-addressed store of everything that was composed.
 *
 * DIR/repo is an OSTree repository of mode "bare-user": any user can read it with stock ostree, and
 * objects are uncompressed, so that images are written straight from them. DIR/tmp holds staging
 * roots and unfinished objects, DIR/lock serialises writers. Readers need no lock.
 */
typedef struct AshStore AshStore;

/**
 * Opens the store in @dir, an absolute or relative path; makes it if @create. What dead processes left in
 * DIR/tmp is removed where this user may. NULL and ASH_ERROR_CONFIG if there is no store, or
 * DIR/repo is a repository of another mode. Owned.
 */
AshStore *ash_store_open(const char *dir, bool create, GError **error);
void ash_store_free(AshStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshStore, ash_store_free)

/** DIR, absolute. Borrowed. */
const char *ash_store_get_dir(const AshStore *store);
/** DIR/repo, to be given to ostree. Borrowed. */
const char *ash_store_get_repo_path(const AshStore *store);

/**
 * Makes a new empty directory DIR/tmp/@prefix-XXXXXX (mode 0755) on the file system of the objects. *@ret_fd,
 * owned by the caller, keeps it: once that descriptor and its copies in children are closed, the directory is
 * stale and goes at the next open. Returns its path, owned; NULL on failure.
 */
char *ash_store_make_staging(AshStore *store, const char *prefix, int *ret_fd, GError **error);

/**
 * Removes the directories in DIR/tmp that no living process keeps, and those of libostree's transactions if there is none. Call it where files of other ids may be
 * removed, that is in a worker.
 */
gboolean ash_store_clean_stale(AshStore *store, GError **error);

/**
 * The full checksum of a commit, from a ref (NAME/ARCH/VARIANT), a checksum or an unambiguous beginning of
 * one; "^" behind a ref means what it pointed to before. Owned; NULL and ASH_ERROR_CONFIG if there is none.
 */
char *ash_store_resolve(AshStore *store, const char *ref_or_checksum, GError **error);

/** All refs, sorted; owned vector. */
char **ash_store_list_refs(AshStore *store, GError **error);
