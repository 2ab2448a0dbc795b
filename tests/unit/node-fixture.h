/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/release.h"
#include "node/plan.h"

/**
 * Small root images with their hash trees, and release directories of them, for tests of composer/node. All of these fail the
 * test instead of returning errors.
 */

/** A slot in two files. */
typedef struct {
	AshSlotView view;
	char *data_path, *hash_path;
} NodeSlot;

/** Makes DIR/NAME.data and DIR/NAME.hash of these sizes, bytes; holes. */
NodeSlot *node_slot_new(const char *dir, const char *name, guint64 data_bytes, guint64 hash_bytes);
/** Opens what is there. */
NodeSlot *node_slot_open(const char *data_path, const char *hash_path);
void node_slot_free(NodeSlot *slot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NodeSlot, node_slot_free)

/** Makes the first @bytes of the slot an image: its hash tree is written, root hash and "known" are set. */
void node_slot_format(NodeSlot *slot, guint64 bytes);
/** As node_slot_new(), with @image: its bytes, and its hash tree. */
NodeSlot *node_slot_new_image(const char *dir, const char *name, const guint8 *image, guint64 bytes);

/** Writes the objects of a release with the image of @slot, @bytes long, into @dir. Owned. */
AshRelease *node_release_publish(const char *dir, const NodeSlot *slot, guint64 bytes, const char *version);

/** Gives @release, whose image is @to, a delta from @from as @lie_from (NULL: @from itself) would have it. Both images are @bytes long. */
void node_release_add_delta(const char *dir, AshRelease *release, const NodeSlot *from, const NodeSlot *lie_from, const NodeSlot *to,
			    guint64 bytes);

/** @bytes of content that compresses by about a half: block N is a function of @seed and N. Owned. */
guint8 *node_image_new(guint32 seed, guint64 bytes);

/** True if data and hash area are the release's, by its root hash. */
bool node_slot_has_release(const NodeSlot *slot, const AshRelease *release);
