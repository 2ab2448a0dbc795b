/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "archive/oci.h"

#include <json-glib/json-glib.h>

/* Private to archive/oci*.c: the JSON documents of an image (OCI image specification 1.1). Members are in the order of their names. */

/** A blob as manifests refer to it. */
typedef struct {
	char *sha256; /* hex */
	guint64 size;
} AshOciBlob;

void ash_oci_blob_clear(AshOciBlob *blob);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshOciBlob, ash_oci_blob_clear)

/** A layer that was written. */
typedef struct {
	AshOciBlob blob;     /* as stored */
	char *diff_sha256;   /* hex, of the plain tar */
	const char *comment; /* borrowed, may be NULL */
} AshOciLayer;

void ash_oci_layer_free(gpointer layer);

/** The place of options->architecture in the table of those that have a name in OCI; ASH_ERROR_CONFIG if it has none. */
gboolean ash_oci_find_architecture(const AshOciOptions *options, guint *ret_place, GError **error);

/** The configuration (config.md) of an image of @layers (of AshOciLayer). Owned. */
JsonObject *ash_oci_new_config(const AshOciOptions *options, guint architecture, GPtrArray *layers);

/** Its manifest (manifest.md). Owned. */
JsonObject *ash_oci_new_manifest(const AshOciOptions *options, const AshOciBlob *config, GPtrArray *layers);

/** The index with that manifest (image-index.md). Owned. */
JsonObject *ash_oci_new_index(const AshOciOptions *options, guint architecture, const AshOciBlob *manifest);
