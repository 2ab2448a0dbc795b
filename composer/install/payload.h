/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshPayload: puts packages' files into the root out of the import cache (install/entry.h) as librpm would unpack them: the
 * same order, owners, modes, times, links and names, whatever scriptlets left in the way. Shared files (base/shared.h)
 * become links to the cache, if @may_link of ash_payload_new(); everything else is copied.
 */
typedef struct AshPayload AshPayload;

/**
 * Before the sandbox, which the descriptors opened here see through: a link can only be made within one mount, and
 * the sandbox's view of the root is another.
 */
AshPayload *ash_payload_new(const char *import_dir, const char *root_path, bool may_link, GError **error);
void ash_payload_free(AshPayload *payload);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPayload, ash_payload_free)

/** One package, read from the cache. */
typedef struct AshPayloadPackage AshPayloadPackage;

/** Reads the entry of @sha256, which must be of package @nevra. @payload must outlive it. */
AshPayloadPackage *ash_payload_open(const AshPayload *payload, const char *nevra, const char *sha256, GError **error);
void ash_payload_package_free(AshPayloadPackage *package);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPayloadPackage, ash_payload_package_free)

/** What the transaction has decided about one file. */
typedef struct {
	guint32 mode, uid, gid;
	guint32 action; /* rpmFileAction */
} AshPayloadFile;

/**
 * Places the files; "/" of this process is the root. @files: as many as the package has, in the header's order. @notices gets a
 * line for each file that was renamed or got another name. Errors name package and file.
 */
gboolean ash_payload_place(AshPayloadPackage *package, const AshPayloadFile *files, guint count, GString *notices,
			   GError **error);
