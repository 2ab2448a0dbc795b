/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/package.h"

#include <stdbool.h>

/**
 * AshImporter: the import cache (install/entry.h). Packages are verified (as by install/verify.h) and unpacked once, on ctx->jobs
 * threads of this process; a transaction then places their files without reading a payload (AshTransactionPlan.import_dir).
 *
 * Use: for each package of a set ash_importer_find(), and where it says no, fetch and ash_importer_push(); then
 * ash_importer_finish(), after which every package's path is its entry's header file.
 */
typedef struct AshImporter AshImporter;

/** FALSE if this librpm does not let us place files: then use ash_verify_packages() and a plain transaction. */
bool ash_importer_available(void);

/**
 * @import_dir is made if missing; @staging_dir: empty, on the same file system, removed by the caller afterwards; @confs: of
 * AshRepoConf. Errors of ash_verify_packages() that concern keys. While one exists, no other librpm log is kept.
 */
AshImporter *ash_importer_new(AshContext *ctx, const char *import_dir, const char *staging_dir, GPtrArray *confs,
			      GError **error);

/** Waits for what was pushed, if it was not finished. */
void ash_importer_free(AshImporter *importer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshImporter, ash_importer_free)

/**
 * Whether the cache has @package (by its sha256), verified with what its repository trusts now, undamaged as far as
 * stat(2) tells; then its path becomes that of the entry's header file. A damaged entry is removed. FALSE only for a
 * package whose paths are bad (ASH_ERROR_TRUST), or a cache that cannot be repaired. Any thread.
 */
gboolean ash_importer_find(AshImporter *importer, AshPackage *package, bool *ret_found, GError **error);

/** @package (borrowed until the finish) is complete at its path, and that file has its sha256: import it meanwhile. Any thread. */
void ash_importer_push(AshImporter *importer, AshPackage *package);

/**
 * Waits until all are imported, checks the paths of the whole set (install/filepaths.h), and sets the path of each pushed
 * package to its entry's header file. Errors as ash_verify_packages(), and ASH_ERROR_NO_SPACE. Once, and the last call.
 */
gboolean ash_importer_finish(AshImporter *importer, GError **error);
