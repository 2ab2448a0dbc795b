/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

#include <stdbool.h>

typedef struct {
	const char *credentials; /* as Docker's config.json; NULL: none */
	const char *ca_file;     /* PEM; NULL: the system's */
	guint connections;       /* at once; 0: 4 */
	bool verify;             /* asks for every object, also of releases that are there */
} AshPushOptions;

typedef struct {
	guint releases, objects; /* of the directory; blobs of theirs that were asked for */
	guint sent;              /* blobs that were not there */
	guint64 sent_bytes;
	guint removed;           /* tags of releases that are no more */
	guint64 requests;
	guint64 version;         /* of timestamp.json */
	bool unchanged;          /* it was there already */
} AshPushResult;

/**
 * Copies a release directory into a repository of an OCI registry (pack/registry.h): only what is not there, objects first, the manifest that
 * names the metadata last, so that nodes find all that it speaks of; then tags of releases whose files have gone from the directory are removed,
 * where the registry does that. Killed anywhere, the registry has what it had, and the next
 * push goes on. Trust stays with the signed metadata. ASH_ERROR_ROLLBACK if newer metadata is there, ASH_ERROR_FETCH.
 */
gboolean ash_push(AshContext *ctx, const char *dir, const char *url, const AshPushOptions *options, AshPushResult *ret, GError **error);
