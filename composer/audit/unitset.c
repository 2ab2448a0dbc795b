/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/unitset.h"

#include <string.h>
#include <sys/stat.h>

#define MAX_ALIASES 8

static const char *const directories[] = {
	"etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system", NULL,
};

static const char *const unit_suffixes[] = { ".service", ".socket", ".target", ".timer", ".path", ".mount", ".automount", ".swap", ".slice", ".device" };

/* Links in these directories pull units in. */
static const char *const pulling_suffixes[] = { ".wants", ".requires", ".upholds" };
static const char *const pulling_keys[] = { "Wants", "Requires", "BindsTo", "Upholds" };

struct AshUnitSet {
	GHashTable *units; /* name -> AshUnit */
};

static void
unit_free(AshUnit *unit)
{
	g_free(unit->name);
	g_free(unit->path);
	g_free(unit->alias);
	ash_unitfile_free(unit->file);
	g_ptr_array_unref(unit->dropins);
	g_ptr_array_unref(unit->pulled);
	g_free(unit);
}

void
ash_unit_set_free(AshUnitSet *set)
{
	if (set == NULL)
		return;
	g_hash_table_unref(set->units);
	g_free(set);
}

static AshUnit *
take(AshUnitSet *set, const char *name)
{
	AshUnit *unit = g_hash_table_lookup(set->units, name);

	if (unit != NULL)
		return unit;
	unit = g_new0(AshUnit, 1);
	unit->name = g_strdup(name);
	unit->file = ash_unitfile_new();
	unit->dropins = g_ptr_array_new();
	unit->pulled = g_ptr_array_new_with_free_func(g_free);
	g_hash_table_insert(set->units, unit->name, unit);
	return unit;
}

static bool
has_suffix(const char *name, const char *const *suffixes, gsize n, gsize *ret_stem)
{
	for (gsize i = 0; i < n; i++) {
		if (g_str_has_suffix(name, suffixes[i])) {
			*ret_stem = strlen(name) - strlen(suffixes[i]);
			return true;
		}
	}
	return false;
}

/* The file of a unit, if none of a directory before has it. @masked: names that are done with. */
static void
add_file(const AshAudit *audit, AshUnitSet *set, GHashTable *seen, AshFsNode *node)
{
	AshUnit *unit;

	if (!g_hash_table_add(seen, node->name))
		return;
	unit = take(set, node->name);
	if (S_ISLNK(node->mode)) {
		g_autofree char *base = g_path_get_basename(node->target);
		g_autofree char *path = ash_fs_node_dup_path(node);

		if (strcmp(node->target, "/dev/null") == 0)
			return;
		if (strcmp(base, node->name) != 0) {
			unit->alias = g_steal_pointer(&base);
			return;
		}
		node = ash_fs_tree_resolve(audit->tree, path);
	}
	if (node == NULL || !S_ISREG(node->mode) || node->size == 0)
		return;
	unit->node = node;
	unit->path = ash_fs_node_dup_path(node);
}

static void
add_pulled(AshUnitSet *set, const AshFsNode *directory, gsize stem)
{
	g_autofree char *name = g_strndup(directory->name, stem);
	AshUnit *unit = take(set, name);

	for (guint i = 0; directory->children != NULL && i < directory->children->len; i++)
		g_ptr_array_add(unit->pulled, g_strdup(((AshFsNode *) g_ptr_array_index(directory->children, i))->name));
}

static void
add_dropins(AshUnitSet *set, const AshFsNode *directory)
{
	g_autofree char *name = g_strndup(directory->name, strlen(directory->name) - 2);
	AshUnit *unit = take(set, name);

	for (guint i = 0; directory->children != NULL && i < directory->children->len; i++) {
		AshFsNode *node = g_ptr_array_index(directory->children, i);
		bool covered = false;

		for (guint j = 0; j < unit->dropins->len; j++)
			covered = covered || strcmp(((AshFsNode *) g_ptr_array_index(unit->dropins, j))->name, node->name) == 0;
		if (!covered && g_str_has_suffix(node->name, ".conf"))
			g_ptr_array_add(unit->dropins, node);
	}
}

static void
add_directory(const AshAudit *audit, AshUnitSet *set, GHashTable *seen, const AshFsNode *directory)
{
	for (guint i = 0; directory->children != NULL && i < directory->children->len; i++) {
		AshFsNode *node = g_ptr_array_index(directory->children, i);
		gsize stem = 0;

		if (!S_ISDIR(node->mode)) {
			if (has_suffix(node->name, unit_suffixes, G_N_ELEMENTS(unit_suffixes), &stem))
				add_file(audit, set, seen, node);
		} else if (has_suffix(node->name, pulling_suffixes, G_N_ELEMENTS(pulling_suffixes), &stem)) {
			add_pulled(set, node, stem);
		} else if (g_str_has_suffix(node->name, ".d")) {
			add_dropins(set, node);
		}
	}
}

static int
compare_nodes(gconstpointer a, gconstpointer b)
{
	return strcmp((*(AshFsNode *const *) a)->name, (*(AshFsNode *const *) b)->name);
}

static void
parse(const AshAudit *audit, AshUnitFile *file, const AshFsNode *node)
{
	g_autofree char *text = ash_audit_load_node(audit, node);

	if (text != NULL)
		ash_unitfile_parse(file, text);
}

const AshUnit *
ash_unit_set_get_common(const AshUnitSet *set, const char *type)
{
	return g_hash_table_lookup(set->units, type);
}

/* Its own drop-ins, and those for all units of its type ("service.d"). */
static void
read_unit(const AshAudit *audit, const AshUnitSet *set, AshUnit *unit)
{
	const char *dot = strrchr(unit->name, '.');
	const AshUnit *type = dot != NULL ? ash_unit_set_get_common(set, dot + 1) : NULL;
	g_autoptr(GPtrArray) nodes = g_ptr_array_new();

	for (guint i = 0; type != NULL && i < type->dropins->len; i++)
		g_ptr_array_add(nodes, g_ptr_array_index(type->dropins, i));
	g_ptr_array_sort(unit->dropins, compare_nodes);
	for (guint i = 0; i < unit->dropins->len; i++)
		g_ptr_array_add(nodes, g_ptr_array_index(unit->dropins, i));
	g_ptr_array_sort(nodes, compare_nodes);
	parse(audit, unit->file, unit->node);
	for (guint i = 0; i < nodes->len; i++)
		parse(audit, unit->file, g_ptr_array_index(nodes, i));
}

/* "getty@.service" of "getty@tty1.service"; NULL if it is no instance. Owned. */
static char *
dup_template(const char *name)
{
	const char *at = strchr(name, '@'), *dot = strrchr(name, '.');

	if (at == NULL || dot == NULL || dot <= at + 1)
		return NULL;
	return g_strdup_printf("%.*s@%s", (int) (at - name), name, dot);
}

AshUnit *
ash_unit_set_find(const AshUnitSet *set, const char *name)
{
	AshUnit *unit = g_hash_table_lookup(set->units, name);
	g_autofree char *template = dup_template(name);

	for (guint i = 0; unit != NULL && unit->alias != NULL && i < MAX_ALIASES; i++)
		unit = g_hash_table_lookup(set->units, unit->alias);
	if ((unit == NULL || unit->node == NULL) && template != NULL)
		return ash_unit_set_find(set, template);
	return unit != NULL && unit->node != NULL ? unit : NULL;
}

/* Adds @name to what has to be started, "%i" being the instance of @by. */
static void
pull(GQueue *queue, const char *name, const char *by)
{
	const char *at = strchr(by, '@'), *dot = strrchr(by, '.');
	g_autofree char *instance = at != NULL && dot != NULL && dot > at ? g_strndup(at + 1, (gsize) (dot - at - 1)) : g_strdup("");
	g_auto(GStrv) parts = g_strsplit(name, "%i", -1);
	char *full = g_strjoinv(instance, parts);

	g_queue_push_tail(queue, full);
}

/* The unit that a socket, timer or path starts. */
static void
pull_triggered(GQueue *queue, const AshUnit *unit, const char *name)
{
	static const struct {
		const char *suffix, *section, *key;
	} triggers[] = { { ".socket", "Socket", "Service" }, { ".timer", "Timer", "Unit" }, { ".path", "Path", "Unit" } };

	for (gsize i = 0; i < G_N_ELEMENTS(triggers); i++) {
		const char *named, *accept;
		g_autofree char *same = NULL;

		if (!g_str_has_suffix(name, triggers[i].suffix))
			continue;
		named = ash_unitfile_get(unit->file, triggers[i].section, triggers[i].key);
		accept = ash_unitfile_get(unit->file, "Socket", "Accept");
		same = g_strndup(name, strlen(name) - strlen(triggers[i].suffix));
		if (named != NULL) {
			pull(queue, named, name);
			return;
		}
		/* One service for each connection. */
		if (accept != NULL && strchr("yYtT1", accept[0]) != NULL)
			g_queue_push_tail(queue, g_strdup_printf("%s@0.service", same));
		else
			g_queue_push_tail(queue, g_strdup_printf("%s.service", same));
	}
}

static void
start_unit(AshUnitSet *set, GQueue *queue, const char *name)
{
	AshUnit *unit = ash_unit_set_find(set, name);
	const AshUnit *named = g_hash_table_lookup(set->units, name);

	/* Links may be below the name of an instance or an alias. */
	for (guint i = 0; named != NULL && i < named->pulled->len; i++)
		pull(queue, g_ptr_array_index(named->pulled, i), name);
	if (unit == NULL)
		return;
	unit->started = true;
	for (guint i = 0; unit != named && i < unit->pulled->len; i++)
		pull(queue, g_ptr_array_index(unit->pulled, i), name);
	for (gsize i = 0; i < G_N_ELEMENTS(pulling_keys); i++) {
		g_auto(GStrv) words = ash_unitfile_get_words(unit->file, "Unit", pulling_keys[i]);

		for (char **word = words; *word != NULL; word++)
			pull(queue, *word, name);
	}
	pull_triggered(queue, unit, name);
}

/* Everything that default.target leads to. */
static void
start_all(AshUnitSet *set)
{
	static const char *const candidates[] = { "default.target", "graphical.target", "multi-user.target", NULL };
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GQueue) queue = g_queue_new();
	char *name;

	for (guint i = 0; candidates[i] != NULL && g_queue_is_empty(queue); i++) {
		if (ash_unit_set_find(set, candidates[i]) != NULL)
			g_queue_push_tail(queue, g_strdup(candidates[i]));
	}
	while ((name = g_queue_pop_head(queue)) != NULL) {
		if (g_hash_table_contains(seen, name)) {
			g_free(name);
			continue;
		}
		g_hash_table_add(seen, name);
		start_unit(set, queue, name);
	}
}

AshUnitSet *
ash_unit_set_load(const AshAudit *audit)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);
	AshUnitSet *set = g_new0(AshUnitSet, 1);
	GHashTableIter iter;
	gpointer unit;

	set->units = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) unit_free);
	for (guint i = 0; directories[i] != NULL; i++) {
		AshFsNode *directory = ash_audit_resolve(audit, directories[i]);

		/* /lib may be a link to /usr/lib. */
		if (directory != NULL && g_hash_table_add(done, directory))
			add_directory(audit, set, seen, directory);
	}
	g_hash_table_iter_init(&iter, set->units);
	while (g_hash_table_iter_next(&iter, NULL, &unit)) {
		if (((AshUnit *) unit)->node != NULL)
			read_unit(audit, set, unit);
	}
	start_all(set);
	return set;
}

static int
compare_units(gconstpointer a, gconstpointer b)
{
	return strcmp((*(AshUnit *const *) a)->name, (*(AshUnit *const *) b)->name);
}

GPtrArray *
ash_unit_set_list(const AshUnitSet *set)
{
	GPtrArray *list = g_ptr_array_new();
	GHashTableIter iter;
	gpointer unit;

	g_hash_table_iter_init(&iter, set->units);
	while (g_hash_table_iter_next(&iter, NULL, &unit)) {
		if (((AshUnit *) unit)->node != NULL)
			g_ptr_array_add(list, unit);
	}
	g_ptr_array_sort(list, compare_units);
	return list;
}
