/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/release.h"

/** Changes of what a channel offers; entries stay in the order of their versions. */

/** How a version is offered. */
typedef struct {
	const GPtrArray *waves; /* of AshWave; NULL: as they are, or none for a new entry */
	int barrier;            /* 1, 0; -1: as it is */
	guint64 now;            /* seconds since 1970: when a new entry was published */
} AshOffer;

/** The entry of @version, or NULL. Borrowed. */
AshChannelEntry *ash_offer_find(const AshChannel *channel, const char *version);

/** Offers @version, or changes how it is; one that was withdrawn is offered again. True if that changed anything. */
bool ash_offer_set(AshChannel *channel, const char *version, const AshOffer *offer);

/** Withdraws @version: nodes do not take it any more. True if that changed anything; ASH_ERROR_USAGE if the channel does not have it. */
gboolean ash_offer_withdraw(AshChannel *channel, const char *version, bool *ret_changed, GError **error);

/** The newest version that is not withdrawn, or NULL. Borrowed. */
const AshChannelEntry *ash_offer_newest(const AshChannel *channel);
