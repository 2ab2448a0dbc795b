/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/repoconf.h"

#include <solv/queue.h>
#include <solv/repo.h>
#include <solv/repodata.h>
#include <stdbool.h>

/*
 * Private to solve/: parsed metadata as libsolv's .solv files in metadata->cache_dir: main.solv, filelists.solv.
 *
 * Each names, in its user data, the state of the repository and the version of libsolv it was made by; any
 * other is ignored and overwritten. Files appear whole (rename), and a cache that cannot be written is no error.
 */

/** True if @repo now holds what main.solv says; else @repo is empty. */
bool ash_cache_load_main(Repo *repo, const AshRepoMetadata *metadata);
/** True if main.solv now holds @repo. */
bool ash_cache_save_main(Repo *repo, const AshRepoMetadata *metadata);

/** True if the file lists were added to @repo with repo_add_solv()'s @flags. */
bool ash_cache_load_filelists(Repo *repo, const AshRepoMetadata *metadata, int flags);
void ash_cache_save_filelists(Repodata *data, const AshRepoMetadata *metadata);

/** Writes main.solv again if @added names files that were not looked up when it was written. */
void ash_cache_update_file_provides(Repo *repo, const AshRepoMetadata *metadata, Queue *added);
