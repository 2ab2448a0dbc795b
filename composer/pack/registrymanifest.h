/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/release.h"

#include <stdbool.h>

/**
 * Manifests of an OCI registry (OCI image specification 1.1, manifest.md, "Guidelines for artifact usage"): they list files of a release
 * directory. Each descriptor has the file's path as its title, so that tools which unpack artifacts make the directory again.
 */
#define ASH_REGISTRY_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define ASH_REGISTRY_TYPE_INDEX	   "application/vnd.oci.image.index.v1+json"
#define ASH_REGISTRY_TYPE_EMPTY	   "application/vnd.oci.empty.v1+json"
/** artifactType of the manifest of a release, and of that of the metadata. */
#define ASH_REGISTRY_TYPE_RELEASE  "application/vnd.ashlar.release.v1"
#define ASH_REGISTRY_TYPE_METADATA "application/vnd.ashlar.metadata.v1"
/** The config of all: "{}". */
#define ASH_REGISTRY_EMPTY "{}"
/** Registries need not take longer manifests, bytes. */
#define ASH_REGISTRY_MAX_MANIFEST_BYTES (4 * 1024 * 1024)
/** Annotation of the metadata's manifest: version of timestamp.json. */
#define ASH_REGISTRY_VERSION_KEY "vnd.ashlar.timestamp.version"

/** A file of the release directory, as a blob. */
typedef struct {
	char *path; /* below the release directory */
	AshObjectRef blob;
} AshRegistryFile;

void ash_registry_file_free(AshRegistryFile *file);

/** The text of a manifest of @files (of AshRegistryFile), with @annotations (NAME, VALUE, ..., NULL). Owned. */
char *ash_registry_manifest_format(const char *artifact_type, const GPtrArray *files, const char *const *annotations);

/** True if it is the manifest of a release. */
bool ash_registry_manifest_is_release(GBytes *manifest);

/** The names in a list of tags (distribution specification 1.1, "Listing Tags"): char *, owned. NULL and ASH_ERROR_FETCH if it is none. */
GPtrArray *ash_registry_tags_parse(GBytes *list, GError **error);

/**
 * The files of a manifest by their paths: char * -> AshObjectRef *, owned. *@ret_version: that of ASH_REGISTRY_VERSION_KEY, 0 if there is none.
 * ASH_ERROR_FETCH if it is not a manifest of ours: nothing of it is to be trusted anyway.
 */
GHashTable *ash_registry_manifest_parse(GBytes *manifest, const char *what, guint64 *ret_version, GError **error);
