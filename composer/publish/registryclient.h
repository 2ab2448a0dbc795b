/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/release.h"

#include <stdbool.h>

/**
 * AshRegistryClient: writes into a repository of an OCI registry (OCI distribution specification 1.1, "Push"). What fails for a moment - the
 * connection, 408, 429, 5xx - is repeated after growing pauses. All calls may come from several threads at once. Errors: ASH_ERROR_FETCH.
 */
typedef struct AshRegistryClient AshRegistryClient;

/** @url as for ash_registry_new(); @credentials may be NULL, @ca_file (PEM) too. ASH_ERROR_CONFIG. Owned. */
AshRegistryClient *ash_registry_client_new(const char *url, const char *credentials, const char *ca_file, GError **error);
void ash_registry_client_free(AshRegistryClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshRegistryClient, ash_registry_client_free)

/** Asks whether a blob is there ("HEAD"). */
gboolean ash_registry_client_has_blob(AshContext *ctx, AshRegistryClient *client, const AshObjectRef *blob, bool *ret_there, GError **error);

/** Uploads a blob, from the file @fd (read by pread(2), not into memory) or, if that is -1, from @bytes. The registry checks the digest. */
gboolean ash_registry_client_put_blob(AshContext *ctx, AshRegistryClient *client, const AshObjectRef *blob, int fd, GBytes *bytes,
				      GError **error);

/** Asks for the digest (hex, owned) of the manifest with @tag; NULL: there is none, or the registry does not say. */
gboolean ash_registry_client_find_manifest(AshContext *ctx, AshRegistryClient *client, const char *tag, char **ret_digest, GError **error);

/** The manifest, or index, with @tag; *@ret is NULL if there is none. Owned. */
gboolean ash_registry_client_load_manifest(AshContext *ctx, AshRegistryClient *client, const char *tag, GBytes **ret, GError **error);

/**
 * Gives the manifest @text (@type: ASH_REGISTRY_TYPE_MANIFEST, or INDEX) the tag @tag, which may have another one; with its own digest
 * ("sha256:HEX") as @tag it has none.
 */
gboolean ash_registry_client_put_manifest(AshContext *ctx, AshRegistryClient *client, const char *tag, const char *type, const char *text,
					  GError **error);

/** All tags of the repository: char *, owned; none if there is no such repository. */
gboolean ash_registry_client_list_tags(AshContext *ctx, AshRegistryClient *client, GPtrArray **ret_tags, GError **error);

/** Takes @tag away ("Deleting tags", which registries need not do); one that is gone already is fine. Not repeated. */
gboolean ash_registry_client_delete_tag(AshContext *ctx, AshRegistryClient *client, const char *tag, GError **error);

/** Requests made so far. */
guint64 ash_registry_client_get_requests(AshRegistryClient *client);
