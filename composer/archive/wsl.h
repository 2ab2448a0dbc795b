/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"

/**
 * Writes @tree as a WSL distribution, which is a gzip-compressed tar of its root ("Build a Custom Linux Distribution
 * for WSL"). etc/wsl.conf and etc/wsl-distribution.conf are the tree's business. WSL's
 * kernel has no SELinux: labels are left out. @level: see ash_compressor_new().
 */
gboolean ash_wsl_write_file(AshContext *ctx, AshFsTree *tree, int level, const char *path, GError **error);

/** One distribution in a manifest of "wsl --install"; everything is borrowed. */
typedef struct {
	const char *name;          /* of the entry; begins with the flavor */
	const char *flavor;        /* NULL: the name */
	const char *friendly_name; /* for people */
	const char *architecture;  /* x86_64 or aarch64 */
	const char *url;           /* of the file; one that ends in "/" is the folder where it is */
	const char *file_name;
	const char *sha256;        /* hex, of the file */
} AshWslEntry;

/**
 * A manifest with this entry as the only and default one of its flavor: DistributionInfo.json, "ModernDistributions" (the same guide,
 * "Distribution manifest details"). Owned. ASH_ERROR_CONFIG: the name does not begin with the flavor, or WSL has no such architecture.
 */
char *ash_wsl_manifest_format(const AshWslEntry *entry, GError **error);

/** Writes it as @path. */
gboolean ash_wsl_manifest_write_file(const AshWslEntry *entry, const char *path, GError **error);
