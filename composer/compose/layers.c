/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/layers.h"

#include "compose/rpmtree.h"

#include <string.h>
#include <sys/stat.h>

typedef struct {
	const AshRpmOwners *owners;
	guint *sources;   /* of each package: index of its source */
	GPtrArray *names; /* of char *, borrowed: the sources, in the order of the packages */
	GArray *sizes;    /* of guint64, of each source */
	guint *layers;    /* of each source */
	guint none;       /* the number of no layer */
} Deal;

/* The package whose file this is, as it was installed; NULL if there is none. */
static const AshRpmOwned *
find_owned(const Deal *deal, const AshFsNode *node)
{
	g_autofree char *path = ash_fs_node_dup_path(node);
	const AshRpmOwned *owned = g_hash_table_lookup(deal->owners->files, path);

	if (owned == NULL || owned->mtime != node->mtime || (S_ISREG(node->mode) && owned->size != node->size))
		return NULL;
	return owned;
}

static gboolean
add_size(AshFsNode *node, gpointer data, GError **error)
{
	Deal *deal = data;
	const AshRpmOwned *owned = S_ISREG(node->mode) && node->hardlink == NULL ? find_owned(deal, node) : NULL;

	if (owned != NULL)
		g_array_index(deal->sizes, guint64, deal->sources[owned->package]) += node->size;
	return TRUE;
}

static guint
layer_of(const AshFsNode *node, gpointer data)
{
	const Deal *deal = data;
	const AshRpmOwned *owned = find_owned(deal, node);

	return owned != NULL ? deal->layers[deal->sources[owned->package]] : deal->none;
}

static void
find_sources(Deal *deal)
{
	g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < deal->owners->packages->len; i++) {
		const AshRpmOwner *package = g_ptr_array_index(deal->owners->packages, i);
		gpointer place = NULL;
		const guint64 size = 0;

		if (!g_hash_table_lookup_extended(places, package->source, NULL, &place)) {
			place = GUINT_TO_POINTER(deal->names->len);
			g_hash_table_insert(places, package->source, place);
			g_ptr_array_add(deal->names, package->source);
			g_array_append_val(deal->sizes, size);
		}
		deal->sources[i] = GPOINTER_TO_UINT(place);
	}
}

static void
deal_out(Deal *deal, AshFsTree *tree, guint n_layers)
{
	g_autofree AshLayerSource *sources = g_new(AshLayerSource, deal->names->len);

	(void) ash_fs_tree_walk(tree, add_size, deal, NULL);
	for (guint i = 0; i < deal->names->len; i++)
		sources[i] = (AshLayerSource){ g_ptr_array_index(deal->names, i), g_array_index(deal->sizes, guint64, i) };
	deal->layers = ash_layers_deal(sources, deal->names->len, n_layers);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Says in each layer whose files it has. */
static void
name_layers(const Deal *deal, AshLayers *layers)
{
	const guint last = ash_layers_get_count(layers) - 1;

	for (guint layer = 0; layer < last; layer++) {
		g_autoptr(GPtrArray) names = g_ptr_array_new();
		g_autofree char *comment = NULL;

		for (guint i = 0; i < deal->names->len; i++)
			if (deal->layers[i] == layer && g_array_index(deal->sizes, guint64, i) > 0)
				g_ptr_array_add(names, g_ptr_array_index(deal->names, i));
		g_ptr_array_sort(names, compare_names);
		g_ptr_array_add(names, NULL);
		comment = g_strjoinv(" ", (char **) names->pdata);
		ash_layers_set_comment(layers, layer, comment);
	}
	ash_layers_set_comment(layers, last, "what belongs to no package or was changed");
}

gboolean
ash_compose_layers(AshFsTree *tree, guint n_layers, AshLayers **ret_layers, GError **error)
{
	g_autoptr(AshRpmOwners) owners = NULL;
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	g_autoptr(GArray) sizes = g_array_new(FALSE, FALSE, sizeof(guint64));
	g_autofree guint *sources = NULL, *dealt = NULL;

	*ret_layers = NULL;
	if (n_layers < 2 || !ash_rpmtree_has_database(tree))
		return TRUE;
	owners = ash_rpmtree_load_owners(tree, error);
	if (owners == NULL)
		return FALSE;
	sources = g_new0(guint, owners->packages->len);
	Deal deal = { .owners = owners, .sources = sources, .names = names, .sizes = sizes, .none = G_MAXUINT };
	find_sources(&deal);
	deal_out(&deal, tree, n_layers);
	dealt = deal.layers;
	*ret_layers = ash_layers_new(tree, n_layers, layer_of, &deal);
	name_layers(&deal, *ret_layers);
	return TRUE;
}
