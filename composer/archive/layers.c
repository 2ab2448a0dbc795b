/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/layers.h"

#include "base/digest.h"

#include <string.h>
#include <sys/stat.h>

#define WORD_BITS 64

/* Which layers a directory is in; ASH_LAYERS_MAX fits. */
typedef struct {
	guint64 words[2];
} LayerSet;

struct AshLayers {
	guint n;
	GArray *directories; /* of LayerSet, by the node's number */
	char *comments[ASH_LAYERS_MAX];
	AshLayerOfFunc layer_of;
	gpointer user_data;
};

static void
layer_set_add(LayerSet *set, guint layer)
{
	set->words[layer / WORD_BITS] |= G_GUINT64_CONSTANT(1) << (layer % WORD_BITS);
}

static bool
layer_set_has(const LayerSet *set, guint layer)
{
	return (set->words[layer / WORD_BITS] >> (layer % WORD_BITS) & 1) != 0;
}

/* Largest first; names decide between equals. */
static int
compare_sizes(gconstpointer a, gconstpointer b)
{
	const AshLayerSource *x = *(const AshLayerSource *const *) a, *y = *(const AshLayerSource *const *) b;

	return x->size != y->size ? (x->size > y->size ? -1 : 1) : strcmp(x->source, y->source);
}

/* The same for a name on every machine, unlike GLib's hashes, which promise nothing. */
static guint
hash_name(const char *name, guint modulus)
{
	guint8 sum[ASH_SHA256_SIZE];

	ash_sha256(name, strlen(name), sum);
	return (guint) (((guint32) sum[0] << 24 | (guint32) sum[1] << 16 | (guint32) sum[2] << 8 | sum[3]) % modulus);
}

guint *
ash_layers_deal(const AshLayerSource *sources, guint n, guint n_layers)
{
	guint *result = g_new0(guint, n);
	guint alone = (n_layers - 1) / 2, shared = n_layers - 1 - alone;
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();

	for (guint i = 0; i < n; i++)
		g_ptr_array_add(sorted, (gpointer) &sources[i]);
	g_ptr_array_sort(sorted, compare_sizes);
	for (guint i = 0; i < n; i++) {
		const AshLayerSource *source = g_ptr_array_index(sorted, i);
		result[source - sources] = i < alone ? i : alone + hash_name(source->source, shared);
	}
	return result;
}

static LayerSet *
get_set(const AshLayers *layers, const AshFsNode *directory)
{
	return &g_array_index(layers->directories, LayerSet, directory->number);
}

static void
place_file(AshLayers *layers, AshFsNode *node)
{
	guint layer = node->hardlink != NULL ? node->hardlink->number : layers->layer_of(node, layers->user_data);

	node->number = MIN(layer, layers->n - 1);
	for (const AshFsNode *at = node->parent; at != NULL; at = at->parent)
		layer_set_add(get_set(layers, at), node->number);
}

static gboolean
place_node(AshFsNode *node, gpointer data, GError **error)
{
	AshLayers *layers = data;
	LayerSet set = { { 0 } };

	if (!S_ISDIR(node->mode)) {
		place_file(layers, node);
		return TRUE;
	}
	layer_set_add(&set, layers->n - 1);
	node->number = layers->directories->len;
	g_array_append_val(layers->directories, set);
	return TRUE;
}

AshLayers *
ash_layers_new(AshFsTree *tree, guint n_layers, AshLayerOfFunc layer_of, gpointer user_data)
{
	AshLayers *layers = g_new0(AshLayers, 1);

	layers->n = CLAMP(n_layers, 1, ASH_LAYERS_MAX);
	layers->directories = g_array_new(FALSE, FALSE, sizeof(LayerSet));
	layers->layer_of = layer_of;
	layers->user_data = user_data;
	/* It fails only where its function does. */
	(void) ash_fs_tree_walk(tree, place_node, layers, NULL);
	return layers;
}

void
ash_layers_free(AshLayers *layers)
{
	if (layers == NULL)
		return;
	for (guint i = 0; i < layers->n; i++)
		g_free(layers->comments[i]);
	g_array_unref(layers->directories);
	g_free(layers);
}

bool
ash_layers_has(const AshLayers *layers, const AshFsNode *node, guint layer)
{
	return S_ISDIR(node->mode) ? layer_set_has(get_set(layers, node), layer) : node->number == layer;
}

bool
ash_layers_is_empty(const AshLayers *layers, guint layer)
{
	/* The root's node is the first. */
	return !layer_set_has(&g_array_index(layers->directories, LayerSet, 0), layer);
}

guint
ash_layers_get_count(const AshLayers *layers)
{
	return layers->n;
}

void
ash_layers_set_comment(AshLayers *layers, guint layer, const char *comment)
{
	g_free(layers->comments[layer]);
	layers->comments[layer] = g_strdup(comment);
}

const char *
ash_layers_get_comment(const AshLayers *layers, guint layer)
{
	return layers->comments[layer];
}
