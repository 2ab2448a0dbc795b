/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "solve/select.h"

#include <solv/selection.h>
#include <solv/solvable.h>
#include <string.h>

#define NEAREST_MAX 3

/* The order in which dnf tries what a word could mean ("Specifying packages" in dnf(8)). */
static const struct {
	int form, selection;
} forms[] = {
	{ ASH_SELECT_NAMES, SELECTION_NAME | SELECTION_DOTARCH | SELECTION_GLOB },
	{ ASH_SELECT_NAMES, SELECTION_CANON | SELECTION_DOTARCH | SELECTION_GLOB },
	{ ASH_SELECT_PROVIDES, SELECTION_PROVIDES | SELECTION_REL | SELECTION_GLOB },
	{ ASH_SELECT_FILES, SELECTION_FILELIST | SELECTION_GLOB },
};

bool
ash_select_is_glob(const char *spec)
{
	return strpbrk(spec, "*?[") != NULL;
}

/* pool_installable() with what is hidden counted in or not. */
static bool
is_selectable(AshPool *pool, Id id, bool with_hidden)
{
	Solvable *solvable = pool_id2solvable(pool->pool, id);

	if (solvable->arch == ARCH_SRC || solvable->arch == ARCH_NOSRC || pool_badarch_solvable(pool->pool, solvable))
		return false;
	return with_hidden || MAPTST(&pool->considered, id);
}

static int
compare_ids(const void *a, const void *b, void *data)
{
	return *(const Id *)a - *(const Id *)b;
}

static void
sort_unique(Queue *queue)
{
	int kept = 0;

	solv_sort(queue->elements, (size_t)queue->count, sizeof(Id), compare_ids, NULL);
	for (int i = 0; i < queue->count; i++)
		if (kept == 0 || queue->elements[kept - 1] != queue->elements[i])
			queue->elements[kept++] = queue->elements[i];
	queue_truncate(queue, kept);
}

/* Appends what one form of @spec matches; false if nothing. */
static bool
select_form(AshPool *pool, const char *spec, int selection_flags, bool with_hidden, Queue *packages)
{
	ash_auto_queue selection, found;
	int before = packages->count;

	queue_init(&selection);
	queue_init(&found);
	if (with_hidden)
		selection_flags |= SELECTION_WITH_DISABLED;
	if (selection_make(pool->pool, &selection, spec, selection_flags) != 0)
		selection_solvables(pool->pool, &selection, &found);
	for (int i = 0; i < found.count; i++)
		if (is_selectable(pool, found.elements[i], with_hidden))
			queue_push(packages, found.elements[i]);
	sort_unique(packages);
	return packages->count > before;
}

int
ash_select(AshPool *pool, const char *spec, int flags, Queue *packages)
{
	for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
		if ((flags & forms[i].form) == 0 || (forms[i].form == ASH_SELECT_FILES && *spec != '/' && *spec != '*'))
			continue;
		if (select_form(pool, spec, forms[i].selection, (flags & ASH_SELECT_HIDDEN) != 0, packages))
			return forms[i].form;
	}
	return 0;
}

void
ash_select_add_obsoleters(AshPool *owner, Queue *packages)
{
	Pool *pool = owner->pool;
	ash_auto_queue found;
	int wanted = packages->count;
	Id id;

	queue_init(&found);
	FOR_POOL_SOLVABLES(id) {
		Solvable *solvable = pool_id2solvable(pool, id);
		if (solvable->obsoletes == 0 || !is_selectable(owner, id, false))
			continue;
		for (int i = 0; i < wanted; i++)
			if (solvable_matchessolvable(solvable, SOLVABLE_OBSOLETES, packages->elements[i], NULL, 0)) {
				queue_push(packages, id);
				break;
			}
	}
	sort_unique(packages);
}

/* The number of edits, a swap of neighbours being one, from @a to @b; more than @limit reads as limit + 1. */
static guint
edit_distance(const char *a, const char *b, guint limit)
{
	gsize rows = strlen(a), columns = strlen(b);

	if (MAX(rows, columns) - MIN(rows, columns) > limit)
		return limit + 1;
	g_autofree guint *cells = g_new(guint, 3 * (columns + 1));
	guint *before = cells, *last = cells + columns + 1, *row = last + columns + 1;
	for (gsize j = 0; j <= columns; j++)
		last[j] = (guint)j;
	for (gsize i = 1; i <= rows; i++) {
		row[0] = (guint)i;
		for (gsize j = 1; j <= columns; j++) {
			guint cost = a[i - 1] != b[j - 1];
			row[j] = MIN(MIN(last[j] + 1, row[j - 1] + 1), last[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
		guint *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return MIN(last[columns], limit + 1);
}

typedef struct {
	const char *name; /* borrowed from the pool */
	guint distance;
} Candidate;

static int
compare_candidates(gconstpointer a, gconstpointer b)
{
	const Candidate *left = a, *right = b;

	if (left->distance != right->distance)
		return left->distance < right->distance ? -1 : 1;
	return strcmp(left->name, right->name);
}

static GArray *
collect_candidates(AshPool *owner, const char *name)
{
	Pool *pool = owner->pool;
	GArray *candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
	guint limit = (guint)MAX(1, strlen(name) / 3);
	ash_auto_map seen;
	Id id;

	map_init(&seen, pool->ss.nstrings);
	FOR_POOL_SOLVABLES(id) {
		Id string = pool_id2solvable(pool, id)->name;
		if (MAPTST(&seen, string) || !is_selectable(owner, id, false))
			continue;
		MAPSET(&seen, string);
		Candidate candidate = { pool_id2str(pool, string), 0 };
		candidate.distance = edit_distance(name, candidate.name, limit);
		/* "python" for "python3" and the like: one is the beginning of the other. */
		if (candidate.distance > limit && strlen(name) >= 4 && g_str_has_prefix(candidate.name, name))
			candidate.distance = limit;
		if (candidate.distance <= limit)
			g_array_append_val(candidates, candidate);
	}
	g_array_sort(candidates, compare_candidates);
	return candidates;
}

GPtrArray *
ash_select_nearest(AshPool *pool, const char *name)
{
	g_autoptr(GArray) candidates = collect_candidates(pool, name);
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

	for (guint i = 0; i < MIN(candidates->len, NEAREST_MAX); i++)
		g_ptr_array_add(names, g_strdup(g_array_index(candidates, Candidate, i).name));
	return names;
}
