/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "solve/explain.h"

#include "base/error.h"
#include "solve/select.h"

#include <solv/problems.h>
#include <string.h>

/* Rules beyond these repeat what was said. */
#define RULES_MAX 20
#define SOLUTIONS_MAX 5

static void
append_rules(GString *text, Solver *solver, Id problem)
{
	g_autoptr(GHashTable) said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	ash_auto_queue rules;

	queue_init(&rules);
	solver_findallproblemrules(solver, problem, &rules);
	for (int i = 0; i < rules.count && g_hash_table_size(said) < RULES_MAX; i++) {
		Id source, target, dependency;
		SolverRuleinfo type = solver_ruleinfo(solver, rules.elements[i], &source, &target, &dependency);
		const char *line = solver_problemruleinfo2str(solver, type, source, target, dependency);
		if (g_hash_table_add(said, g_strdup(line)))
			g_string_append_printf(text, "\n  - %s", line);
	}
}

static void
append_solution(GString *text, Solver *solver, Id problem, Id solution)
{
	const char *separator = "\n  solution: ";
	Id element = 0, p, rp;

	while ((element = solver_next_solutionelement(solver, problem, solution, element, &p, &rp)) != 0) {
		g_string_append_printf(text, "%s%s", separator, solver_solutionelement2str(solver, p, rp));
		separator = ", and ";
	}
}

gboolean
ash_explain_problems(Solver *solver, GError **error)
{
	g_autoptr(GString) text = g_string_new("no package set satisfies the request");
	int count = (int)solver_problem_count(solver);

	for (Id problem = 1; problem <= count; problem++) {
		int solutions = (int)solver_solution_count(solver, problem);
		g_string_append_printf(text, "\nproblem %d of %d: %s", problem, count, solver_problem2str(solver, problem));
		append_rules(text, solver, problem);
		for (Id solution = 1; solution <= MIN(solutions, SOLUTIONS_MAX); solution++)
			append_solution(text, solver, problem, solution);
	}
	return ash_throw(error, ASH_ERROR_UNSOLVABLE, "%s", text->str);
}

gboolean
ash_explain_unknown(AshPool *pool, const char *spec, const char *origin, GError **error)
{
	g_autofree char *where = origin != NULL ? g_strdup_printf(" (%s)", origin) : g_strdup("");
	ash_auto_queue hidden;

	queue_init(&hidden);
	if (ash_select(pool, spec, ASH_SELECT_ANY | ASH_SELECT_HIDDEN, &hidden) != 0)
		return ash_throw(error, ASH_ERROR_UNSOLVABLE,
				 "package \"%s\"%s is excluded: by \"-%s\", a repository's excludes or includes, or the lock",
				 spec, where, pool_id2str(pool->pool, pool->pool->solvables[hidden.elements[0]].name));
	g_autoptr(GPtrArray) nearest = ash_select_nearest(pool, spec);
	g_autoptr(GString) hint = g_string_new(NULL);
	for (guint i = 0; i < nearest->len; i++)
		g_string_append_printf(hint, "%s\"%s\"", i == 0 ? "; did you mean " : " or ",
				       (char *)g_ptr_array_index(nearest, i));
	if (nearest->len > 0)
		g_string_append_c(hint, '?');
	return ash_throw(error, ASH_ERROR_UNSOLVABLE, "package \"%s\"%s is in no repository%s", spec, where, hint->str);
}
