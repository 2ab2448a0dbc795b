/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** Small RPM packages for tests, made by rpmbuild(8) under a temporary directory. */
typedef struct {
	char *dir;
	GPtrArray *paths; /* of char *: packages built, for cleaning up */
} AshRpmFixture;

/** FALSE, and the test is skipped, if rpmbuild is missing. */
bool ash_rpm_fixture_setup(AshRpmFixture *fixture);
void ash_rpm_fixture_clear(AshRpmFixture *fixture);

/**
 * Builds package @name-1-1.noarch. @body: what follows "%description" in the spec file (scriptlets, %files), @preamble more
 * tags. Directory FILES of the fixture is copied into its build root by "%install". Owned path.
 */
char *ash_rpm_fixture_build(AshRpmFixture *fixture, const char *name, const char *preamble, const char *body);

/** The body of a package with /bin/sh and a few programs of this machine, so that scriptlets can run. Owned path. */
char *ash_rpm_fixture_build_shell(AshRpmFixture *fixture);

/** Runs a program that must succeed; its standard output, owned. NULL stops the test. */
char *ash_fixture_run(const char *format, ...) G_GNUC_PRINTF(1, 2);
