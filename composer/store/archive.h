/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "store/store.h"

/** What goes into an archive. Strings are borrowed. */
typedef struct {
	const char *commit;     /* see ash_store_resolve() */
	const char *ref;        /* set to it; NULL: no ref is touched, the commit is only there */
	const char *delta_from; /* checksum of the commit that those who update have: a static delta from it is made, if the archive has it; NULL: none */
	const char *path;       /* directory of the archive */
} AshArchiveRequest;

/**
 * Puts a commit into an OSTree repository of mode archive, made if there is none, which any web server can serve to "ostree pull": objects,
 * delta, ref, summary, in this order, so that readers always find what they are told of. What is there already is left alone.
 */
gboolean ash_store_export_archive(AshContext *ctx, AshStore *store, const AshArchiveRequest *request, GError **error);

/**
 * Removes all commits from the archive at @path (which need not be there) but those in the set @kept (hex strings) and those that refs name, with what
 * only they have. *@ret_removed: how many.
 */
gboolean ash_store_prune_archive(AshContext *ctx, const char *path, GHashTable *kept, guint *ret_removed, GError **error);
