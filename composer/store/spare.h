/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/store.h"

/**
 * Spares: DIR/spare/KEY is what a build made of a clone of the root DIR/roots/KEY, once that is committed. To make it
 * a clone again (ash_store_clone_root()) is to mend what the build changed: some 3,000 links and directories to look at,
 * instead of 13,000 to remove and 13,000 to make. Of a root with a few other packages there is little more to mend. Nothing
 * in it is relied on. A prune removes them all.
 */

/**
 * Moves DIR/spare/@key, or else the spare that was last put for @ref, to @dest, which must not exist. False if there is none, or another
 * build was quicker.
 */
bool ash_spare_take(AshStore *store, const char *key, const char *ref, const char *dest);

/**
 * Moves the staging root @path to DIR/spare/@key, for @ref among others. If there is one, they change places; @path is for the caller to
 * remove then, as after any failure, of which nothing is said.
 */
void ash_spare_put(AshStore *store, const char *key, const char *ref, const char *path);
