/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/metadata.h"

/** Metadata of a delegated role, checked for this delegation. Owned; NULL and an error ends the search. */
typedef AshTufMetadata *(*AshTufLoadRole)(gpointer data, const AshTufMetadata *delegator, const AshTufDelegation *delegation,
					  GError **error);

/**
 * Looks for @path in @top and below it: depth first, in the order of delegations, no role twice, at most @max_roles of
 * them, and no further than a terminating delegation (TUF 1.0 5.6.7). *@ret_target is NULL if nothing is found; owned.
 */
gboolean ash_tuf_search(const AshTufMetadata *top, const char *path, guint max_roles, AshTufLoadRole load, gpointer data,
			AshTufTarget **ret_target, GError **error);
