/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/imageoptions.h"
#include "compose/stagekey.h"
#include "model/imagetype.h"

/*
 * Artifacts as stages: which files an image type's writing gave, and whether they are still there, untouched. Private to compose/.
 */

/** What the files of @type are made from. Owned. */
AshStageKey *ash_artifact_log_key(const char *commit, const AshImageType *type, const AshImageOptions *options);

/**
 * Adds to @artifacts what @entry (of the stage log; may be NULL) says was written for an equal key, if every file is in @out_dir
 * and nobody touched it since. FALSE (no error): write them. *@ret_why (owned) says why, or why not.
 */
bool ash_artifact_log_find(JsonObject *entry, const AshStageKey *key, const char *out_dir, GPtrArray *artifacts,
			   char **ret_why);

/** The entry for @artifacts, which are at their final places. Owned. */
JsonObject *ash_artifact_log_entry(const AshStageKey *key, const GPtrArray *artifacts);
