/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/record.h"
#include "store/entries.h"
#include "store/store.h"

/** What is wrong with one thing, and what was done. */
typedef struct {
	char *kind;    /* "object", "commit", "ref", "history", "import", "root", "initramfs", "memo", "leaves" or "record" */
	char *name;    /* a checksum, ref or path below the store */
	char *problem;
	char *remedy;  /* what was done; NULL: nothing yet */
} AshDamage;

typedef struct {
	guint64 objects, commits, entries; /* that were looked at */
	bool repair;
	GPtrArray *damages; /* of AshDamage */
} AshCheckReport;

extern const AshField ash_check_report_fields[];

AshCheckReport *ash_check_report_new(void);
void ash_check_report_free(AshCheckReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshCheckReport, ash_check_report_free)

/** Adds a damage (strings are copied) and returns it, borrowed. */
AshDamage *ash_check_report_add(AshCheckReport *report, const char *kind, const char *name, const char *problem);

/** Checks an entry in a format that is not store/'s: FALSE says what is wrong with it. @dir_fd is DIR. Several threads. */
typedef gboolean (*AshCheckEntryFunc)(int dir_fd, const AshStoreEntry *entry, GError **error);

typedef struct {
	bool repair;
	AshCheckEntryFunc check[ASH_ENTRY_KINDS]; /* NULL: only what can be known without it */
} AshCheckOptions;

/**
 * Checks the content of every object, what every commit needs, refs and their histories, and all that is kept beside
 * them, on ctx->jobs threads. To repair, caches are removed where damaged (builds make them again); an object is
 * restored from a file of the same content elsewhere in the store, else the commits that need it are taken out of the store,
 * their refs going back to what they pointed to before: the same build makes them again. To be called in a worker.
 * ASH_ERROR_CONFIG if a build uses the store and @options ask for repair. NULL on failure; damage is none. Owned.
 */
AshCheckReport *ash_store_check(AshContext *ctx, AshStore *store, const AshCheckOptions *options, GError **error);
