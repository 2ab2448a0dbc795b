/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of store/ share, and nobody else sees. */

#include "store/store.h"

#include <ostree.h>

struct AshStore {
	char *dir;
	char *repo_path;
	OstreeRepo *repo;
	int dir_fd;     /* DIR */
	int tmp_fd;     /* DIR/tmp */
	int objects_fd; /* DIR/repo/objects */
	int use_fd;     /* DIR/use, locked by ash_store_use(); else -1 */
};

/* Keys of a commit's metadata. */
#define ASH_STORE_KEY_VERSION "version" /* s; stock ostree shows it too */
#define ASH_STORE_KEY_REFS OSTREE_COMMIT_META_KEY_REF_BINDING
#define ASH_STORE_KEY_LOCK "ashlar.lock-digest"    /* s: hex */
#define ASH_STORE_KEY_INPUT "ashlar.input-digest"  /* s: hex */
#define ASH_STORE_KEY_PACKAGES "ashlar.packages"   /* as: NEVRAs */
#define ASH_STORE_KEY_MTIMES "ashlar.mtimes"       /* au, big-endian seconds: one per entry in walk order */
#define ASH_STORE_KEY_HARDLINKS "ashlar.hardlinks" /* a(uu), big-endian places in the walk order: (later name, first name) */

/* The xattr in which a bare-user repository keeps owner, mode and xattrs of an object: (uuua(ayay)), big-endian. */
#define ASH_STORE_META_XATTR "user.ostreemeta"

#define ASH_STORE_OBJECT_NAME_SIZE (2 + 1 + 62 + sizeof ".file")

/* Relative path of a file object below objects/: "ab/cdef....file". */
void ash_store_object_name(const char *checksum, char ret_name[ASH_STORE_OBJECT_NAME_SIZE]);

/* Waits for and takes the store's lock: an fd to be closed, or -1. */
int ash_store_lock(AshStore *store, GError **error);

/* Removes the lock files of stages that nobody is at. The caller has the store's lock. */
void ash_store_clean_locks(AshStore *store);
