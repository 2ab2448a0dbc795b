/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** Version of the layout below the import directory, its first path element; others are ignored, and may be removed. */
#define ASH_ENTRY_LAYOUT "1"
/** The RPM file up to its payload, in an entry. */
#define ASH_ENTRY_HEADER "header"
/** What the entry holds: SHA-256 of the rest, then a GVariant (little endian); see entry.c. */
#define ASH_ENTRY_MANIFEST "manifest"

/** One unpacked regular file. Its name in the entry is @index in decimal; of hard links only the last one is there. */
typedef struct {
	guint32 index;       /* in the header's list of files */
	guint32 mode;        /* permission bits that the file has in the entry */
	guint64 size;        /* bytes */
	gint64 mtime;        /* seconds, with no fraction */
	bool shared;         /* marked (base/shared.h): may be linked */
	guint8 sha256[32];
} AshEntryFile;

/**
 * AshEntry: one unpacked package of the import cache, a directory IMPORT/1/ab/SHA256 named by the digest of the RPM
 * file. Entries are complete or absent (made elsewhere, renamed into place); nothing in one ever changes but the
 * manifest, which is replaced when other keys have verified the same file.
 */
typedef struct {
	char *nevra;
	char *trust;         /* by what it was verified: ash_verifier_get_trust() */
	char *header_digest; /* RPMTAG_SHA256HEADER; "" if the package has none */
	guint64 header_size; /* bytes of the file "header" */
	guint8 header_sha256[32];
	GArray *files;       /* of AshEntryFile, ascending by index */
} AshEntry;

AshEntry *ash_entry_new(void);
void ash_entry_free(AshEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshEntry, ash_entry_free)

/** "1/ab/SHA256", relative to the import directory. Owned; NULL if @sha256 is not 64 hexadecimal digits. */
char *ash_entry_path(const char *sha256);

/** Reads the manifest of the entry open as @dir_fd. NULL and ASH_ERROR_INTERNAL if there is no valid one. */
AshEntry *ash_entry_load(int dir_fd, GError **error);

/** Writes the manifest, replacing one that is there; not to stable storage. */
gboolean ash_entry_save(const AshEntry *entry, int dir_fd, GError **error);

/**
 * Compares type, owner, mode, size and mtime of every file with the manifest, and the digest of the header. ASH_ERROR_INTERNAL
 * names the first file that differs.
 */
gboolean ash_entry_check(const AshEntry *entry, int dir_fd, GError **error);

/** The same, and the digests of all files' contents. */
gboolean ash_entry_check_content(const AshEntry *entry, int dir_fd, GError **error);

/** The file of this index; NULL if there is none. Borrowed. */
const AshEntryFile *ash_entry_find(const AshEntry *entry, guint32 index);
