/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <rpm/rpmte.h>
#include <stdbool.h>

/**
 * AshPayload: puts a package's files into the root out of the import cache (install/entry.h) where librpm would unpack
 * them: the same order, owners, modes, times, links and names, whatever scriptlets left in the way. Shared files
 * (base/shared.h) become links to the cache, if @may_link of ash_payload_new(); everything else is copied.
 */
typedef struct AshPayload AshPayload;

/**
 * Before the sandbox, which the descriptors opened here see through: a link can only be made within one mount, and
 * the sandbox's view of the root is another.
 */
AshPayload *ash_payload_new(const char *import_dir, const char *root_path, bool may_link, GError **error);
void ash_payload_free(AshPayload *payload);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPayload, ash_payload_free)

/**
 * Within RPMCALLBACK_INST_START of @element (this process is in the root then): places its files from the entry of
 * @sha256, and notes their states for the database. Errors name package and file.
 */
gboolean ash_payload_place(AshPayload *payload, rpmte element, const char *sha256, GError **error);

/** Files linked and files copied so far, and the bytes of the copies. */
void ash_payload_count(const AshPayload *payload, guint *ret_linked, guint *ret_copied, guint64 *ret_bytes);
