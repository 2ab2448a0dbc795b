/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "archive/compress.h"
#include "base/context.h"
#include "model/fstree.h"

#include <stdbool.h>

/** True if @node, and all below it, shall be left out. */
typedef bool (*AshTarExcludeFunc)(const AshFsNode *node, gpointer user_data);

typedef struct {
	const char *prefix;        /* before every name: "./", which gives the root an entry too, or NULL for none */
	bool drop_selinux;         /* leave out labels and signatures of security modules (SELinux, IMA, EVM): for containers and WSL */
	AshTarExcludeFunc exclude; /* may be NULL */
	gpointer exclude_data;
	bool directories_at_zero;  /* directories get the time 0: another layer has them with their own */
} AshTarOptions;

/**
 * Writes @tree as a tar stream (POSIX.1-2001 pax, extended headers only where ustar does not do) into @sink: in
 * walk order, owners as numbers, whole seconds, further names of an inode as links, xattrs as
 * SCHILY.xattr records. The bytes depend on nothing but the tree and the options.
 */
gboolean ash_tar_write(AshContext *ctx, AshFsTree *tree, const AshTarOptions *options, AshSinkFunc sink,
		       gpointer user_data, GError **error);

/** As ash_tar_write(), compressed, into the file @path (see AshOutput). @level: see ash_compressor_new(). */
gboolean ash_tar_write_file(AshContext *ctx, AshFsTree *tree, const AshTarOptions *options,
			    AshCompression compression, int level, const char *path, GError **error);
