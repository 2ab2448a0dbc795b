/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/search.h"

typedef struct {
	const char *path;
	guint max_roles;
	AshTufLoadRole load;
	gpointer data;
	GHashTable *visited;  /* names of roles */
	bool ended;           /* nothing further is to be looked at */
	AshTufTarget *target; /* owned */
} Search;

static gboolean search_role(Search *search, const AshTufMetadata *role, GError **error);

static gboolean
search_delegation(Search *search, const AshTufMetadata *delegator, AshTufDelegation *delegation, GError **error)
{
	if (g_hash_table_contains(search->visited, delegation->name))
		return TRUE;
	if (g_hash_table_size(search->visited) >= search->max_roles) {
		search->ended = true;
		return TRUE;
	}
	g_hash_table_add(search->visited, g_strdup(delegation->name));
	g_autoptr(AshTufMetadata) role = search->load(search->data, delegator, delegation, error);
	return role != NULL && search_role(search, role, error);
}

/* The depth is bounded by the number of roles. */
static gboolean
search_role(Search *search, const AshTufMetadata *role, GError **error)
{
	const AshTufTarget *target = g_hash_table_lookup(role->targets, search->path);

	if (target != NULL) {
		search->target = ash_tuf_target_copy(target);
		search->ended = true;
	}
	for (guint i = 0; i < role->delegations->len && !search->ended; i++) {
		AshTufDelegation *delegation = g_ptr_array_index(role->delegations, i);
		if (!ash_tuf_delegation_has_path(delegation, search->path))
			continue;
		if (!search_delegation(search, role, delegation, error))
			return FALSE;
		search->ended = search->ended || delegation->terminating;
	}
	return TRUE;
}

gboolean
ash_tuf_search(const AshTufMetadata *top, const char *path, guint max_roles, AshTufLoadRole load, gpointer data,
	       AshTufTarget **ret_target, GError **error)
{
	g_autoptr(GHashTable) visited = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	Search search = { path, max_roles, load, data, visited, false, NULL };

	if (!search_role(&search, top, error))
		return FALSE;
	*ret_target = search.target;
	return TRUE;
}
