/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/machine.h"
#include "node/source.h"
#include "tuf/client.h"

/** What is offered to this machine; a connection to where releases are, with checked metadata. */
typedef struct {
	AshSource *source;
	AshTufClient *tuf;
	AshTufFetcher fetcher;
	AshContext *ctx;      /* borrowed */
	AshChannel *channel;
	AshRelease *release;  /* to be taken; NULL: see why */
	guint64 published;    /* of it */
	const char *why;      /* there is nothing to take: static text */
	guint64 next;         /* when a roll-out reaches this node; 0: none will */
	guint64 time;         /* that metadata and roll-outs are compared with */
	bool staged_is_withdrawn; /* the update that was fetched or applied, and does not run yet */
} AshNodeUpdater;

typedef struct {
	bool ignore_waves; /* do not wait for one's place in a roll-out */
	bool retry_bad;    /* versions that were bad here too */
} AshNodeCheckOptions;

/**
 * Refreshes the metadata, reads the channel, and chooses: newer than what runs, not withdrawn, not below the high-water mark, not bad
 * here, its roll-out has come to this node, barriers in turn. The release is checked to be one of this system, for this machine. Errors: of TUF and of
 * fetching; ASH_ERROR_CONFIG where the configuration lacks something or the running version is too old. @machine must be open for
 * writing, and outlive it. Owned.
 */
AshNodeUpdater *ash_node_updater_check(AshContext *ctx, AshNodeMachine *machine, const AshNodeCheckOptions *options, GError **error);
void ash_node_updater_free(AshNodeUpdater *updater);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshNodeUpdater, ash_node_updater_free)

/** What an update from the running version costs by the release's own account, NULL if it has none. Borrowed. */
const AshReleaseCost *ash_node_updater_find_cost(const AshNodeUpdater *updater, const AshNodeMachine *machine);
