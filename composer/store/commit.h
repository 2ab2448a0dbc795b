/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/objectwriter.h"
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
	bool bootable;            /* says what clients of OSTree ask of a tree that they deploy: "ostree.bootable", "ostree.linux" */
	bool adopt;               /* use the directory up instead of copying it: remove it afterwards; shared files stay good */
	AshScanOptions scan;
	AshObjectMap *objects;    /* what is known of the store's objects (ash_ahead_get_objects()), or NULL */
	AshObjectCounts *counts;  /* may be NULL; set if the commit succeeds */
} AshCommitRequest;

/**
 * Commits everything below the directory @root, and sets the ref to it. To be called where the files' owners, modes
 * and capabilities read as they shall be: in a worker, or as root. The same tree and request
 * give the same commit. Shared files (base/shared.h) become objects by a link, and those that are objects are
 * not read. The file system is synced before each step that gives names; the repository is consistent whenever this is killed. Any number of processes and
 * threads may commit at the same time. Returns the commit's checksum, owned; NULL on failure.
 */
char *ash_store_commit(AshContext *ctx, AshStore *store, const char *root, const AshCommitRequest *request,
		       GError **error);

/**
 * Makes the commit that ash_store_commit() would make with @request (adopt, scan and counts aside) of the tree of @commit (see
 * ash_store_resolve()), and sets the ref to it. Costs no more than writing that one object. ASH_ERROR_CONFIG if it cannot be
 * known what that commit is: when some mtimes of @commit were, or may have been, lowered to its timestamp
 * and that of @request is newer, or when another program made it.
 */
char *ash_store_recommit(AshContext *ctx, AshStore *store, const char *commit, const AshCommitRequest *request,
			 GError **error);

/** Lets @ref point to a commit that is in the store already, and notes it in the ref's history. */
gboolean ash_store_set_ref(AshStore *store, const char *ref, const char *checksum, GError **error);
