/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "store/store.h"

#include <stdbool.h>

/** A commit in somebody else's OSTree repository. Strings are borrowed. */
typedef struct {
	const char *url;    /* of the repository: file://, http:// or https:// */
	const char *remote; /* its name, by which libostree looks for keys of its own */
	const char *ref;
	bool verify;        /* it must be signed with a key that OSTree of this machine trusts: *.gpg in /usr/share/ostree/trusted.gpg.d, or $OSTREE_GPG_HOME */
} AshPullSource;

/**
 * What @source->ref is at the moment; fetches nothing but that commit's own object. Its checksum, owned; NULL and ASH_ERROR_FETCH if it cannot be had,
 * ASH_ERROR_TRUST if its signature is wrong or missing. *@ret_version, owned, is NULL if it has none; *@ret_timestamp in seconds.
 */
char *ash_pull_find(AshContext *ctx, const AshPullSource *source, char **ret_version, guint64 *ret_timestamp, GError **error);

/** Fetches the commit @checksum with its tree into the store, verified as its source says. Objects that the store has are not fetched. */
gboolean ash_pull_commit(AshContext *ctx, AshStore *store, const AshPullSource *source, const char *checksum, GError **error);

/** Whether the store has the whole of the commit @checksum. */
gboolean ash_pull_has(AshStore *store, const char *checksum, bool *ret_has, GError **error);

/** ASH_ERROR_TRUST unless the commit @checksum in the store is signed with a key as AshPullSource.verify says. */
gboolean ash_pull_verify(AshContext *ctx, AshStore *store, const char *checksum, GError **error);
