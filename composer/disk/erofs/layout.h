/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * AshErofsLayout: where everything is in a root file system (disk/erofs/erofs.h), without its content. The layout of a release is an
 * input of the next one: what did not change stays where it was, so that neither its blocks nor their hashes differ.
 *
 * A layout is only a wish: the writer checks every place in it, and a wrong one can waste space, but never damage a file.
 */
typedef struct AshErofsLayout AshErofsLayout;

/** One inode, by its first name. Slots are counted in 32 bytes, blocks in 4096, both from the start of the file system. */
typedef struct {
	const char *path;  /* "usr/bin/sh"; "" for the root */
	guint64 slot;      /* of the inode: its number */
	guint32 n_slots;   /* kept for it, with room to grow */
	guint64 block;     /* of its data */
	guint32 n_blocks;  /* 0: none */
	guint64 id;        /* of its content: equal for equal content; 0: none */
} AshErofsPlace;

/** An extended attribute that inodes share. */
typedef struct {
	guint64 id;     /* of name and value */
	guint32 offset; /* in the area of such attributes, bytes */
} AshErofsShared;

/** What is not of one inode. */
typedef struct {
	guint64 meta_end;      /* first block of the data zone */
	guint64 n_blocks;      /* of the whole file system */
	guint64 free_blocks;   /* of those, not used by anything */
	guint64 shared_block;  /* of the shared attributes' area ... */
	guint32 shared_blocks; /* ... which may have none */
} AshErofsZones;

AshErofsLayout *ash_erofs_layout_new(const AshErofsZones *zones);
void ash_erofs_layout_free(AshErofsLayout *layout);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshErofsLayout, ash_erofs_layout_free)

/** Adds a place, whose path is copied; call ash_erofs_layout_sort() behind the last. */
void ash_erofs_layout_add(AshErofsLayout *layout, const AshErofsPlace *place);
void ash_erofs_layout_add_shared(AshErofsLayout *layout, AshErofsShared shared);
/** Sorts by path: nothing is found before. */
void ash_erofs_layout_sort(AshErofsLayout *layout);

/** Borrowed. */
const AshErofsZones *ash_erofs_layout_get_zones(const AshErofsLayout *layout);
/** All places by path (of AshErofsPlace), and all shared attributes (of AshErofsShared), in the order they were added. Borrowed. */
const GArray *ash_erofs_layout_get_places(const AshErofsLayout *layout);
const GArray *ash_erofs_layout_get_shared(const AshErofsLayout *layout);
/** Borrowed; NULL if there is none. */
const AshErofsPlace *ash_erofs_layout_find(const AshErofsLayout *layout, const char *path);

/**
 * The layout as a file. Equal layouts give equal bytes: "ASHLAYT1", then numbers of 7 bits per byte (lowest first, the highest
 * bit says that more follow): the zones, the shared attributes, the places by path, each path as the number of bytes that it
 * shares with the one before, and the rest; slots and blocks as differences. A SHA-256 of all that ends it. Owned.
 */
GBytes *ash_erofs_layout_save(const AshErofsLayout *layout);
/** ASH_ERROR_CONFIG if the bytes are none, or damaged. Owned. */
AshErofsLayout *ash_erofs_layout_parse(GBytes *bytes, GError **error);
