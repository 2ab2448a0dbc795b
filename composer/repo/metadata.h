/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/repoconf.h"

/**
 * Fetches what the solver needs of the repository @conf: repomd.xml, and, unless this state of the
 * repository is in the cache already, primary, filelists and comps. All of it ends up in
 * CACHE/metadata/ID-URLS/REPOMD-SHA256/ under fixed names; the newest few states are kept.
 *
 * With repo_gpgcheck, repomd.xml.asc must be a good signature by one of conf->gpgkeys; every file's checksum and size
 * must be those in repomd.xml, each time, cached or not.
 *
 * Errors are prefixed by the repository's name: CONFIG (no URL, no or unreadable key), FETCH (unreachable, not a repository),
 * TRUST (signature, checksum or size), CANCELLED. The result is owned; it holds a copy of @conf.
 */
AshRepoMetadata *ash_repo_load_metadata(AshContext *ctx, const AshRepoConf *conf, GError **error);
