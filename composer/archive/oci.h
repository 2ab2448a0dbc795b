/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "archive/compress.h"
#include "archive/layers.h"
#include "base/context.h"
#include "model/fstree.h"

/** All pointers are borrowed and may be NULL but for architecture. */
typedef struct {
	const char *architecture;      /* as RPM names it: "x86_64" */
	guint64 epoch;                 /* seconds: "created" everywhere */
	const char *title, *version;   /* annotations org.opencontainers.image.* */
	const char *ref_name;          /* tag in index.json, e.g. "1.0" */
	const char *const *env;        /* "NAME=value" */
	const char *const *entrypoint;
	const char *const *cmd;
	const char *user;
	const char *working_dir;
	GHashTable *labels;            /* char * -> char * */
	GHashTable *annotations;       /* char * -> char *, of manifest and index; beside title, version and created */
	const char *const *ports;      /* "80/tcp" */
	const char *const *volumes;    /* absolute paths */
	const char *stop_signal;
	const AshLayers *layers;       /* of the tree; NULL: one layer */
	GPtrArray *trees;              /* of AshFsTree: the layers as they are to be written, in place of the tree (some may be NULL); NULL: as above */
	const char *last_layer_label;  /* label whose value is the diff ID of the last layer; NULL: none */
	AshCompression compression;    /* of each layer */
	int level;                     /* see ash_compressor_new() */
} AshOciOptions;

/**
 * Writes @tree as an image in the form "oci-archive": a tar file (see AshOutput) that holds an
 * OCI image layout (OCI image specification 1.1, image-layout.md), without SELinux labels. ASH_ERROR_CONFIG if the
 * architecture has no name in OCI.
 */
gboolean ash_oci_write_file(AshContext *ctx, AshFsTree *tree, const AshOciOptions *options, const char *path,
			    GError **error);
