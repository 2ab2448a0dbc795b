/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/release.h"

#include <stdbool.h>

/**
 * The immutable files of a release directory (model/release.h), objects/ab/DIGEST: written under a temporary name, synced, then renamed. One
 * that is there is left alone, unless it turns out to be damaged: then it is replaced. DIR/tmp holds what is not finished;
 * readers never look there.
 */
typedef struct AshObjects AshObjects;

/**
 * Opens the objects of the release directory @dir_fd (borrowed, must outlive it), which the caller has locked: what a killed publisher
 * left in DIR/tmp is removed. Owned; NULL on failure.
 */
AshObjects *ash_objects_open(int dir_fd, GError **error);
void ash_objects_free(AshObjects *objects);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshObjects, ash_objects_free)

/** One object while it is written, from front to back. */
typedef struct AshObjectFile AshObjectFile;
AshObjectFile *ash_objects_begin(AshObjects *objects, GError **error);
/** Gives it up: the temporary file goes. */
void ash_object_file_free(AshObjectFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshObjectFile, ash_object_file_free)
gboolean ash_object_file_write(AshObjectFile *file, const void *data, gsize length, GError **error);
/** Syncs it and gives it its name. *@ret_object: sha256 is owned. @file can only be freed afterwards. ASH_ERROR_INTERNAL if it is empty. */
gboolean ash_object_file_finish(AshObjectFile *file, AshObjectRef *ret_object, GError **error);

/**
 * As ash_object_file_finish(), but gives it the name @path below the release directory, replacing what has it. For what is no object; *@ret_sha256 is
 * owned.
 */
gboolean ash_object_file_finish_as(AshObjectFile *file, const char *path, char **ret_sha256, GError **error);

/** Gives an object a second name, @path below the release directory (a hard link, or a copy where there are none), unless that is there. */
gboolean ash_objects_link(AshContext *ctx, AshObjects *objects, const AshObjectRef *object, const char *path, GError **error);

/** Whole objects: from memory, from @bytes at @offset of a file. */
gboolean ash_objects_add_bytes(AshObjects *objects, GBytes *bytes, AshObjectRef *ret_object, GError **error);
gboolean ash_objects_add_range(AshContext *ctx, AshObjects *objects, int fd, guint64 offset, guint64 bytes, AshObjectRef *ret_object,
			       GError **error);

/**
 * Gives @path below the release directory this content, in the same way; directories are made. For targets, whose names have digests too: one with the same
 * content is left alone.
 */
gboolean ash_objects_save(AshObjects *objects, const char *path, GBytes *bytes, GError **error);

/** An empty file without a name on the disk of the release directory, for reading and writing: gone when it is closed. -1 on failure. */
int ash_objects_open_scratch(AshObjects *objects, GError **error);

/** Syncs the directories: afterwards every object that was finished survives a power cut. Call it before metadata names them. */
gboolean ash_objects_sync(AshObjects *objects, GError **error);

/** How many objects were new, and their bytes. */
void ash_objects_get_written(const AshObjects *objects, guint *ret_files, guint64 *ret_bytes);

/** The content of an object of at most @max bytes; size and digest are checked. Owned; ASH_ERROR_TRUST, or another one if it is not there. */
GBytes *ash_objects_load(AshObjects *objects, const AshObjectRef *object, guint64 max, GError **error);
/** Opens an object for reading; only its size is checked. -1 on failure. */
int ash_objects_open_object(AshObjects *objects, const AshObjectRef *object, GError **error);
