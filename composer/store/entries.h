/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/store.h"

/** What the store keeps beside commits, and a build can make anew. */
typedef enum {
	ASH_ENTRY_IMPORT,    /* an unpacked package: DIR/import/LAYOUT/ab/SHA256 */
	ASH_ENTRY_ROOT,      /* an installed root: DIR/roots/KEY */
	ASH_ENTRY_INITRAMFS, /* DIR/initramfs/NAME */
	ASH_ENTRY_MEMO,      /* DIR/memo/NAME: what scriptlets did */
	ASH_ENTRY_LEAVES,    /* DIR/leaves/SALT: hashes of files' blocks (disk/verity/leafcache.h) */
	ASH_ENTRY_RECORD,    /* of a stage or artifact: DIR/stages/REF.json */
	ASH_ENTRY_KINDS,
} AshEntryKind;

/** The layout of the import cache that this program reads and writes: the name of the directory below DIR/import. */
#define ASH_IMPORT_LAYOUT "1"

typedef struct {
	AshEntryKind kind;
	char *path;  /* below DIR */
	char *key;   /* last part of the path; of a record, all below DIR/stages */
	gint64 used; /* when a build last used it, seconds since 1970 */
	bool known;  /* false: another version's, or nobody's */
} AshStoreEntry;

void ash_store_entry_free(AshStoreEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshStoreEntry, ash_store_entry_free)

/** "import", "root", "initramfs", "memo", "leaves", "record". */
const char *ash_entry_kind_to_string(AshEntryKind kind);

/** All entries of @kind, the one used last first, then by path. Of AshStoreEntry, owned; NULL on failure. */
GPtrArray *ash_store_list_entries(AshStore *store, AshEntryKind kind, GError **error);

/** Paths of all files below DIR/@dir, relative to it, sorted; none if it is missing. Owned strings; NULL on failure. */
GPtrArray *ash_store_list_files(AshStore *store, const char *dir, GError **error);
