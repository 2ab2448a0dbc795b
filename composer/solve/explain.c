/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "solve/explain.h"

#include "base/error.h"
#include "solve/select.h"

#include <solv/problems.h>
#include <string.h>

/* Rules beyond these repeat what was said. */
#define RULES_MAX 20
#define SOLUTIONS_MAX 5

/* libsolv's words, but "disabled" is our "excluded". Owned. */
static char *
rule_text(Solver *solver, Id rule)
{
	Id source, target, dependency;
	SolverRuleinfo type = solver_ruleinfo(solver, rule, &source, &target, &dependency);

	if (type == SOLVER_RULE_PKG_NOT_INSTALLABLE &&
	    pool_disabled_solvable(solver->pool, pool_id2solvable(solver->pool, source)))
		return g_strdup_printf("package %s is excluded", pool_solvid2str(solver->pool, source));
	return g_strdup(solver_problemruleinfo2str(solver, type, source, target, dependency));
}

static void
append_rules(GString *text, Solver *solver, Id problem)
{
	g_autoptr(GHashTable) said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	ash_auto_queue rules;

	queue_init(&rules);
	solver_findallproblemrules(solver, problem, &rules);
	for (int i = 0; i < rules.count && g_hash_table_size(said) < RULES_MAX; i++) {
		char *line = rule_text(solver, rules.elements[i]);
		if (!g_hash_table_contains(said, line))
			g_string_append_printf(text, "\n  - %s", line);
		g_hash_table_add(said, line);
	}
}

static void
append_solution(GString *text, Solver *solver, GPtrArray *labels, Id problem, Id solution)
{
	const char *separator = "\n  solution: ";
	Id element = 0, p, rp;

	while ((element = solver_next_solutionelement(solver, problem, solution, element, &p, &rp)) != 0) {
		/* A job's solution is one more than its place in the queue, which has two elements for each. */
		guint number = p == SOLVER_SOLUTION_JOB ? (guint)(rp - 1) / 2 : labels->len;
		g_string_append(text, separator);
		if (number < labels->len)
			g_string_append_printf(text, "do not ask for %s", (char *)g_ptr_array_index(labels, number));
		else
			g_string_append(text, solver_solutionelement2str(solver, p, rp));
		separator = ", and ";
	}
}

gboolean
ash_explain_problems(Solver *solver, GPtrArray *labels, GError **error)
{
	g_autoptr(GString) text = g_string_new("no package set satisfies the request");
	int count = (int)solver_problem_count(solver);

	for (Id problem = 1; problem <= count; problem++) {
		int solutions = (int)solver_solution_count(solver, problem);
		g_autofree char *gist = rule_text(solver, solver_findproblemrule(solver, problem));
		/* The first line alone is the reason in short. */
		if (problem == 1)
			g_string_append_printf(text, ": %s", gist);
		g_string_append_printf(text, "\nproblem %d of %d: %s", problem, count, gist);
		append_rules(text, solver, problem);
		for (Id solution = 1; solution <= MIN(solutions, SOLUTIONS_MAX); solution++)
			append_solution(text, solver, labels, problem, solution);
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
