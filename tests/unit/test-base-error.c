/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/context.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>

static void
test_throw(void)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_throw(&error, ASH_ERROR_TRUST, "key \"%s\" is %d", "a", 5));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	g_assert_cmpstr(error->message, ==, "key \"a\" is 5");
	g_assert_null(ash_throw_null(NULL, ASH_ERROR_TRUST, "nobody %s", "listens"));
	g_assert_false(ash_prefix(&error, "package \"%s\"", "b"));
	g_assert_cmpstr(error->message, ==, "package \"b\": key \"a\" is 5");
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

static void
test_prefix_of_nothing(void)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_prefix(NULL, "x"));
	g_assert_false(ash_prefix(&error, "x"));
	g_assert_no_error(error);
}

static void
test_errno(void)
{
	static const struct {
		int number;
		AshErrorCode code;
	} cases[] = {
		{ ENOENT, ASH_ERROR_INTERNAL }, { EACCES, ASH_ERROR_INTERNAL },
		{ ENOSPC, ASH_ERROR_NO_SPACE }, { EDQUOT, ASH_ERROR_NO_SPACE },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *wanted = g_strdup_printf("cannot open \"f\": %s", g_strerror(cases[i].number));
		errno = cases[i].number;
		g_assert_null(ash_throw_errno_null(&error, "cannot open \"%s\"", "f"));
		g_assert_error(error, ASH_ERROR, (int) cases[i].code);
		g_assert_cmpstr(error->message, ==, wanted);
	}
}

/* What README and ashlar(1) promise. */
static void
test_exit_status(void)
{
	static const struct {
		AshErrorCode code;
		int status;
		const char *name;
	} cases[] = {
		{ ASH_ERROR_INTERNAL, 1, "internal" },      { ASH_ERROR_USAGE, 2, "usage" },
		{ ASH_ERROR_CONFIG, 3, "config" },          { ASH_ERROR_UNSOLVABLE, 4, "unsolvable" },
		{ ASH_ERROR_FETCH, 5, "fetch" },            { ASH_ERROR_TRUST, 6, "trust" },
		{ ASH_ERROR_SCRIPT, 7, "script" },          { ASH_ERROR_NO_SPACE, 8, "no-space" },
		{ ASH_ERROR_EXPIRED, 9, "expired" },        { ASH_ERROR_ROLLBACK, 10, "rollback" },
		{ ASH_ERROR_FINDINGS, 11, "findings" },
		{ ASH_ERROR_UNCHANGED, 77, "unchanged" },   { ASH_ERROR_CANCELLED, 130, "cancelled" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = g_error_new(ASH_ERROR, cases[i].code, "x");
		g_assert_cmpint(ash_error_exit_status(error), ==, cases[i].status);
		g_assert_cmpstr(ash_error_code_to_string(cases[i].code), ==, cases[i].name);
	}
}

static void
test_foreign_domains(void)
{
	g_autoptr(GError) cancelled = g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "x");
	g_autoptr(GError) full = g_error_new(G_IO_ERROR, G_IO_ERROR_NO_SPACE, "x");
	g_autoptr(GError) full_file = g_error_new(G_FILE_ERROR, G_FILE_ERROR_NOSPC, "x");
	g_autoptr(GError) other = g_error_new(G_FILE_ERROR, G_FILE_ERROR_ACCES, "x");

	g_assert_cmpint(ash_error_code(cancelled), ==, ASH_ERROR_CANCELLED);
	g_assert_cmpint(ash_error_code(full), ==, ASH_ERROR_NO_SPACE);
	g_assert_cmpint(ash_error_code(full_file), ==, ASH_ERROR_NO_SPACE);
	g_assert_cmpint(ash_error_code(other), ==, ASH_ERROR_INTERNAL);
}

static void
test_context(void)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;

	g_assert_cmpuint(ctx->jobs, >=, 1);
	g_assert_true(ash_context_check(ctx, &error));
	g_assert_no_error(error);
	g_cancellable_cancel(ctx->cancellable);
	g_assert_false(ash_context_check(ctx, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CANCELLED);
	ash_context_free(NULL);
}

/* A context without anything to cancel it is never cancelled. */
static void
test_context_without_cancellable(void)
{
	AshContext ctx = { .jobs = 1 };

	g_assert_true(ash_context_check(&ctx, NULL));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/error/throw", test_throw);
	g_test_add_func("/base/error/prefix-of-nothing", test_prefix_of_nothing);
	g_test_add_func("/base/error/errno", test_errno);
	g_test_add_func("/base/error/exit-status", test_exit_status);
	g_test_add_func("/base/error/foreign-domains", test_foreign_domains);
	g_test_add_func("/base/context/check", test_context);
	g_test_add_func("/base/context/without-cancellable", test_context_without_cancellable);
	return g_test_run();
}
