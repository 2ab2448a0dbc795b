/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/check.h"
#include "store/reach.h"

/** What a check of the repository found. */
typedef struct {
	GHashTable *damaged; /* AshObjectId: there, but not what its name says */
	GHashTable *missing; /* AshObjectId: some commit needs it */
	GHashTable *inodes;  /* gint64: of the damaged ones; other names of them are damaged too */
	GPtrArray *lost;     /* checksums of commits that lack something, owned */
} AshObjectCheck;

AshObjectCheck *ash_object_check_new(void);
void ash_object_check_free(AshObjectCheck *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshObjectCheck, ash_object_check_free)

/** Reads every object, on ctx->jobs threads, and notes it in the report's number of objects. */
gboolean ash_object_check_content(AshContext *ctx, AshStore *store, AshObjectCheck *check, AshCheckReport *report,
				  GError **error);

/** Finds what commits miss, and which are lost with that and with what is damaged. */
gboolean ash_object_check_commits(AshContext *ctx, AshStore *store, AshObjectCheck *check, AshCheckReport *report,
				  GError **error);
