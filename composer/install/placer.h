/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <rpm/rpmte.h>
#include <stdbool.h>

/**
 * AshPlacer: a process beside the transaction that places packages' files (install/payload.h). It sees the root as the transaction
 * and its scriptlets do, but runs without their call filter: that would give every file a copy of its own before it
 * is linked, and look at each call that makes a file. While the transaction works on one package it reads the next.
 */
typedef struct AshPlacer AshPlacer;

/**
 * Starts the process. Before the sandbox, by a process with one thread. @may_link: FALSE if shared files must be copied
 * (base/copyup.h).
 */
AshPlacer *ash_placer_new(const char *import_dir, const char *root_path, bool may_link, GError **error);

/** Ends the process. */
void ash_placer_free(AshPlacer *placer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPlacer, ash_placer_free)

/**
 * In the sandbox, once: @root is where it has the root; @packages (of borrowed char *, pairs of NEVRA and SHA-256 of the RPM
 * file) those that will be placed, in order.
 */
gboolean ash_placer_start(AshPlacer *placer, const char *root, GPtrArray *packages, GError **error);

/**
 * Within RPMCALLBACK_INST_START of @element, the next package (this process is in the root then): has its files placed, and notes
 * their states for the database. Users and groups are those of the root as %pre left it. What librpm would say goes to
 * its log. The files need not be there yet: librpm goes on with its database meanwhile. Errors name package and file, and may be
 * those of an earlier package.
 */
gboolean ash_placer_place(AshPlacer *placer, rpmte element, GError **error);

/** Waits until all files are there: before anything looks at the root, a scriptlet of whatever kind, and at the end. */
gboolean ash_placer_wait(AshPlacer *placer, GError **error);
