/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/scan.h"
#include "store/store.h"

/** What to commit a directory as. All pointers are borrowed; only ref and subject must be set. */
typedef struct {
	const char *ref;          /* NAME/ARCH/VARIANT; set to the new commit */
	const char *subject;      /* one line */
	const char *version;
	guint64 timestamp;        /* seconds: SOURCE_DATE_EPOCH; newer mtimes are lowered to it */
	const char *lock_digest;  /* hex */
	const char *input_digest; /* hex: see ash_store_find_by_input() */
	const char *const *packages; /* NEVRAs, NULL-terminated; sorted by us */
	GHashTable *metadata;     /* char * -> char *: more keys, e.g. "ashlar.sbom" */
	bool adopt;               /* use the directory up instead of copying it: remove it afterwards */
	AshScanOptions scan;
} AshCommitRequest;

/**
 * Commits everything below the directory @root, and sets the ref to it. To be called where the files' owners, modes
 * and capabilities read as they shall be: in a worker, or as root. The same tree and request
 * give the same commit. The repository is consistent whenever this is killed. Returns the
 * commit's checksum, owned; NULL on failure.
 */
char *ash_store_commit(AshContext *ctx, AshStore *store, const char *root, const AshCommitRequest *request,
		       GError **error);

/** Lets @ref point to a commit that is in the store already, and notes it in the ref's history. */
gboolean ash_store_set_ref(AshStore *store, const char *ref, const char *checksum, GError **error);
