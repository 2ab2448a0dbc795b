/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"

/**
 * AshDirFormat: puts a dirtree object of OSTree together, (a(say)a(sayay)) in GVariant's serialised form, byte by byte: what
 * GLib's builders make of thousands of names takes five times as long.
 */
typedef struct {
	GByteArray *files, *directories;         /* their elements */
	GArray *file_ends, *directory_ends;      /* of gsize: where each one ends */
} AshDirFormat;

/** Begins with an empty directory. Clear it in any case. */
void ash_dir_format_init(AshDirFormat *format);
void ash_dir_format_clear(AshDirFormat *format);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshDirFormat, ash_dir_format_clear)

/** Adds a file or link; sorted by their names' bytes, as OSTree wants them. */
void ash_dir_format_add_file(AshDirFormat *format, const char *name, const guint8 content[ASH_SHA256_SIZE]);

/** Adds a directory; sorted likewise. */
void ash_dir_format_add_directory(AshDirFormat *format, const char *name, const guint8 tree[ASH_SHA256_SIZE],
				  const guint8 meta[ASH_SHA256_SIZE]);

/** The object's bytes. Owned. */
GBytes *ash_dir_format_end(const AshDirFormat *format);
