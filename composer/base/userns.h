/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

#include <sys/types.h>

/** Ids that a composed system may use for its files: 0 to 65535 (the nobody user is 65534). */
#define ASH_USERNS_IDS 65536u

/**
 * The lines that map the ids 0 to 65535 of a new user namespace when we are root: each onto itself, split where
 * the extents of our own map (@own_map: the text of /proc/self/uid_map, user_namespaces(7)) are split.
 * Owned; NULL and ASH_ERROR_CONFIG if @own_map does not offer them all.
 */
char *ash_userns_identity_map(const char *own_map, const char *what, GError **error);

/** A range of subordinate ids (subuid(5)). */
typedef struct {
	guint64 start, count;
} AshIdRange;

/**
 * The ranges that @text (of /etc/subuid or /etc/subgid) gives to the user of this @name or id, enough of
 * them for the 65,535 ids beside the user's own. An array of AshIdRange, owned (the last range cut to what is needed).
 * NULL and ASH_ERROR_CONFIG with the remedy if there are fewer.
 */
GArray *ash_userns_parse_subids(const char *text, const char *file, const char *name, uid_t id, GError **error);

/** FALSE and ASH_ERROR_CONFIG with the remedy if this user cannot have the ids that a worker needs. */
gboolean ash_userns_check(GError **error);

/**
 * Writes the uid and gid maps of process @pid, which has just entered a user namespace that we own: directly
 * as root, else with newuidmap(1) and newgidmap(1): 0 is the user, 1 to 65535 are subordinate ids.
 */
gboolean ash_userns_map(AshContext *ctx, pid_t pid, GError **error);
