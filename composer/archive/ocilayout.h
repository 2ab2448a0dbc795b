/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

#include <json-glib/json-glib.h>
#include <stdbool.h>

/*
 * An OCI image layout (OCI image specification 1.1, image-layout.md) whose members are a tree (archive/treereader.h). All errors are ASH_ERROR_CONFIG unless
 * said.
 */

#define ASH_OCI_LAYOUT_BLOBS "blobs/sha256"
#define ASH_OCI_DIGEST_PREFIX "sha256:"

/** "index.json"; NULL if @members are none of a layout. Borrowed. */
const AshFsNode *ash_oci_layout_get_index(const AshFsTree *members);

/** The blob that @descriptor (descriptor.md) names. Borrowed from @members; NULL if there is none. */
AshFsNode *ash_oci_layout_find_blob(const AshFsTree *members, JsonObject *descriptor, GError **error);

/** The object in the file @node of @members, owned; *@ret_text (owned; or NULL) is its text. NULL if it is none, or too large. */
JsonNode *ash_oci_layout_load_json(const AshFsTree *members, const AshFsNode *node, char **ret_text, GError **error);

/** What is done with each manifest that the index names, directly or through one more index: @entry is what index.json says of the one or
 * the other. Both are borrowed. */
typedef gboolean (*AshOciManifestFunc)(const AshFsTree *members, const AshFsNode *manifest, JsonObject *entry, gpointer user_data, GError **error);
gboolean ash_oci_layout_visit(const AshFsTree *members, AshOciManifestFunc func, gpointer user_data, GError **error);

/** The first of these manifests (manifest.md), an object, owned; the others may be missing. */
JsonNode *ash_oci_layout_load_manifest(const AshFsTree *members, GError **error);

/** Its configuration (config.md), an object, owned. */
JsonNode *ash_oci_layout_load_config(const AshFsTree *members, GError **error);

/** FALSE, and ASH_ERROR_TRUST, if a blob is not what its name says. */
gboolean ash_oci_layout_check(const AshFsTree *members, GError **error);
