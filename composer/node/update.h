/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/plan.h"
#include "node/updater.h"

/**
 * The steps of an update. At each moment the running version can boot; the new one can from one rename on:
 *
 *     1. checks: release and UKI fit, the running version was found good, limits
 *     2. journal "writing"; the free slot's boot entry and leftovers go; the slot is labelled as empty
 *     3. blocks are copied or fetched, checked, written, synced, and the whole slot is read back (node/plan.h)
 *     4. UKI, made of the slot by the recipe of the release or fetched, under a temporary name on the ESP, checked, synced
 *     5. labels, PARTUUIDs and flags of the slot; journal "prepared"
 *     6. rename to NAME_VERSION+TRIES.efi, directory synced: the commit point; journal "staged"
 *
 * Every one may be interrupted: a plain repetition goes on.
 */
typedef struct {
	bool allow_full; /* although most of it has to be downloaded and AllowFull= says no */
	bool (*ask)(const char *question, gpointer user_data); /* where AllowFull= says ask: true is yes; NULL: nobody is there */
	gpointer user_data;
} AshNodeFetchOptions;

/** What it took. */
typedef struct {
	AshPlanCost cost;
	guint64 received; /* bytes of the network, in all */
	bool was_there;   /* nothing was to be done: it had been fetched before */
} AshNodeFetched;

/** The exact cost, for "check --exact": hash tree blocks are fetched for that, nothing is written. */
gboolean ash_node_update_measure(AshContext *ctx, AshNodeMachine *machine, AshNodeUpdater *updater, AshPlanCost *ret_cost, GError **error);

/** Steps 1 to 5 for updater->release. */
gboolean ash_node_update_fetch(AshContext *ctx, AshNodeMachine *machine, AshNodeUpdater *updater, const AshNodeFetchOptions *options,
			       AshNodeFetched *ret_fetched, GError **error);

/**
 * Step 6 for what the journal says is prepared. @verify: the slot is checked whole once more (the fetch was another time); the UKI always
 * is. *@ret_version: borrowed from the machine. ASH_ERROR_UNCHANGED if nothing is prepared, ASH_ERROR_TRUST if it was damaged since.
 */
gboolean ash_node_update_commit(AshContext *ctx, AshNodeMachine *machine, bool verify, const char **ret_version, GError **error);

/** Takes an update back that was fetched or applied and does not run: its boot entry goes. */
gboolean ash_node_update_cancel(AshNodeMachine *machine, const char *why, GError **error);
