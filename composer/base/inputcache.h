/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/input.h"

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
	const char *key;   /* letters, digits and "-" */
	const char *title; /* what the key is about, for explanations: a kernel's version */
} AshInputCache;

/**
 * The digest (hex, owned) of a result whose inputs are what @reader takes now; NULL if there is none, and why in *@ret_why (owned):
 * "kernel \"6.1.0-56\" is new", "\"/usr/bin/bash\" has changed". Never fails. The result itself is not looked at.
 */
char *ash_input_cache_match(const AshInputCache *cache, AshInputReader *reader, char **ret_why);

/**
 * The path (owned) of the result with this digest; NULL if it is missing or is not what the digest says. The file may be a shared one
 * (base/shared.h), and may be removed at any time by whoever keeps newer results.
 */
char *ash_input_cache_get(const AshInputCache *cache, const char *digest);

/**
 * Keeps the file @name below @dir_fd, which was made of @inputs (AshInput): by a link if it can be a shared file, which it is
 * marked as then, else by a copy. The oldest of too many is removed. Returns its digest (hex, owned), or NULL.
 */
char *ash_input_cache_add(const AshInputCache *cache, const GPtrArray *inputs, int dir_fd, const char *name,
			  GError **error);
