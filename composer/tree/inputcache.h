/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/input.h"

/**
 * AshInputCache: results of a program, each with all that the program has read for it. As in a compiler cache's direct mode: a key
 * stands for what is known beforehand (arguments, versions); under it are the last few runs, each a list of inputs with their digests;
 * a run all of whose inputs are what they were then need not be repeated.
 *
 * In the directory: KEY.manifest, and KEY-DIGEST.img for each result. Everything is checked by digest when it is
 * used; what is damaged, missing or of another version of the format does not exist. Files are made under a temporary
 * name and renamed; of two writers the later one wins, and the other's run is forgotten.
 */
typedef struct {
	const char *dir;   /* made when needed */
	const char *key;   /* hex */
	const char *title; /* what the key is about, for explanations: a kernel's version */
} AshInputCache;

/**
 * An fd of a result (read-only, at its start, its digest right) whose inputs are what @reader takes now; -1 if there is
 * none, and why in *@ret_why (owned): "kernel \"6.1.0-56\" is new", "\"/usr/bin/bash\" has changed". Never fails.
 */
int ash_input_cache_find(const AshInputCache *cache, AshInputReader *reader, char **ret_why);

/** Keeps a result: the content of @fd, made of @inputs (AshInput). The oldest of too many is removed. */
gboolean ash_input_cache_add(const AshInputCache *cache, const GPtrArray *inputs, int fd, GError **error);
