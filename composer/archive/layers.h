/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

#include <stdbool.h>

/** Layers of an image at most: what overlay file systems of container engines take. */
#define ASH_LAYERS_MAX 127

/** What the layers are made of: packages of one source, which are updated together. */
typedef struct {
	const char *source; /* name of the source package, borrowed */
	guint64 size;       /* bytes of its files in the tree */
} AshLayerSource;

/**
 * Deals @n sources, each there once, out to layers 0 to @n_layers - 2: the result (owned, of n) says the layer of each. The largest have
 * one of their own, half of the layers; the others share the rest by a hash of their name. So the layer of a source
 * depends on the names of no other source, and hardly on sizes: what does not change stays in a layer that does not
 * change, without a look at the version before. @n_layers >= 2.
 */
guint *ash_layers_deal(const AshLayerSource *sources, guint n, guint n_layers);

/** AshLayers: the layer of each file of a tree. */
typedef struct AshLayers AshLayers;

/** The layer of a node that is no directory, or a number past the others for the last one. */
typedef guint (*AshLayerOfFunc)(const AshFsNode *node, gpointer user_data);

/**
 * Puts each file of @tree into the layer that @layer_of says, all names of an inode into that of the first, and the rest into the last of
 * @n_layers (at most ASH_LAYERS_MAX). A directory is in every layer that has something below it; the last has all of them. Uses
 * the nodes' numbers. Owned; borrows the tree.
 */
AshLayers *ash_layers_new(AshFsTree *tree, guint n_layers, AshLayerOfFunc layer_of, gpointer user_data);
void ash_layers_free(AshLayers *layers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshLayers, ash_layers_free)

/** True if @node is in @layer; for a directory: it or something below it. */
bool ash_layers_has(const AshLayers *layers, const AshFsNode *node, guint layer);
/** True if nothing is in @layer; the last never is empty. */
bool ash_layers_is_empty(const AshLayers *layers, guint layer);
guint ash_layers_get_count(const AshLayers *layers);
/** What is said of a layer in the image's history; borrowed, may be NULL. */
void ash_layers_set_comment(AshLayers *layers, guint layer, const char *comment);
const char *ash_layers_get_comment(const AshLayers *layers, guint layer);
