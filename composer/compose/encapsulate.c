/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/encapsulate.h"

#include "compose/layers.h"
#include "store/encapsulate.h"
#include "store/history.h"

/* Keys of the commit's metadata that are labels, too. */
static const struct {
	const char *key, *label;
} copied[] = {
	{ "ostree.linux", "ostree.linux" },
	{ "version", "version" },
	{ "version", "org.opencontainers.image.version" },
};

/* What is always so: only bootable trees are made for OSTree. */
static const char *const fixed[][2] = { { "ostree.bootable", "true" }, { "containers.bootc", "1" } };

/* The rest, which is the last layer elsewhere, is the first one here: it has the commit itself. */
static guint
layer_of(const AshFsNode *node, gpointer user_data)
{
	const AshLayers *layers = user_data;
	guint last = layers != NULL ? ash_layers_get_count(layers) - 1 : 0;

	for (guint i = 0; i < last; i++)
		if (ash_layers_has(layers, node, i))
			return i + 1;
	return 0;
}

static void
add_labels(AshStore *store, const char *checksum, GHashTable *labels)
{
	for (guint i = 0; i < G_N_ELEMENTS(copied); i++) {
		/* Another program's commit need not have them. */
		char *value = ash_store_get_metadata(store, checksum, copied[i].key, NULL);
		if (value != NULL)
			g_hash_table_insert(labels, g_strdup(copied[i].label), value);
	}
	for (guint i = 0; i < G_N_ELEMENTS(fixed); i++)
		g_hash_table_insert(labels, g_strdup(fixed[i][0]), g_strdup(fixed[i][1]));
	g_hash_table_insert(labels, g_strdup("ostree.commit"), g_strdup(checksum));
}

GPtrArray *
ash_encapsulate(AshStore *store, const char *checksum, AshFsTree *tree, guint n_layers, GHashTable *labels, GError **error)
{
	g_autoptr(AshLayers) layers = NULL;

	add_labels(store, checksum, labels);
	if (!ash_compose_layers(tree, n_layers, &layers, error))
		return NULL;
	return ash_store_encapsulate(store, checksum, tree, layers != NULL ? ash_layers_get_count(layers) : 1, layer_of, layers, error);
}
