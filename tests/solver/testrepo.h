/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Repositories for tests from a few lines of text; the syntax is described in tests/solver/README.
 */

/** One repository and how it is to be seen. */
typedef struct {
	char *id;
	GString *primary, *filelists, *groups, *environments; /* XML, without the outer elements */
	guint n_packages;
	GHashTable *sums;   /* NEVRA -> SHA-256 of its file, hex */
	GHashTable *files;  /* NEVRA -> content of its file */
	int priority, cost;
	GPtrArray *excludes, *includes; /* NULL-terminated when finished */
} TestRepo;

TestRepo *test_repo_new(const char *id);
void test_repo_free(TestRepo *repo);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestRepo, test_repo_free)

/** Takes one line of a repository's description; FALSE if its keyword is unknown. */
gboolean test_repo_line(TestRepo *repo, const char *keyword, const char *rest);

/** Writes repodata/ and the packages' files (their content is no RPM) into the new directory @dir. Aborts on failure. */
void test_repo_write(TestRepo *repo, const char *dir);

/** A repository of the lines in @text, written to @dir. */
TestRepo *test_repo_from_text(const char *text, const char *dir);
