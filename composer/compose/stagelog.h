/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/stagekey.h"
#include "store/store.h"

/**
 * AshStageLog: what the stages of one ref were made from when they last ran, in DIR/stages/REF.json of the store. It says
 * why a stage runs again, and which files an artifact's writing left where. It decides nothing that matters: a
 * log that is lost or damaged counts as empty, and costs a rewritten image at most.
 */
typedef struct AshStageLog AshStageLog;

/** The log of @ref; empty if there is none of this version. Owned. */
AshStageLog *ash_stage_log_load(AshStore *store, const char *ref);
void ash_stage_log_free(AshStageLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshStageLog, ash_stage_log_free)

/** What was noted of @stage; NULL if nothing. Borrowed. */
JsonObject *ash_stage_log_get(const AshStageLog *log, const char *stage);
/** Notes @entry (taken) of @stage. */
void ash_stage_log_set(AshStageLog *log, const char *stage, JsonObject *entry);

/** Writes it, readable for its owner only. */
gboolean ash_stage_log_save(const AshStageLog *log, GError **error);
