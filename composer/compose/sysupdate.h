/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "publish/releasedir.h"

/**
 * A view of a release directory for systemd-sysupdate(8), which takes it as it is (sysupdate.d(5); data/sysupdate has the transfer files):
 *
 *     sysupdate/REF/NAME_VERSION_PARTUUID.root.raw.gz     the root file system
 *     sysupdate/REF/NAME_VERSION_PARTUUID.verity.raw      its hash area: a second name of the object
 *     sysupdate/REF/NAME_VERSION.efi                      the unified kernel image: likewise
 *     sysupdate/REF/SHA256SUMS  SHA256SUMS.gpg            of all versions
 *
 * The UUIDs are halves of the root hash (Discoverable Partitions Specification): "@u" of MatchPattern= gives them to the partitions. gzip is
 * what every version of systemd unpacks; Zstandard only from 258 on.
 */
#define ASH_SYSUPDATE_DIR "sysupdate"

/**
 * Adds @release to the view. @gpg_key (may be NULL: not signed) is what gpg(1) takes for --local-user. SHA256SUMS comes last, but before its signature:
 * that there is a moment at which they do not fit is sysupdate's format. *@ret_changed is false if it was there already.
 */
gboolean ash_sysupdate_add(AshContext *ctx, AshReleaseDir *dir, const AshRelease *release, const char *gpg_key, bool *ret_changed,
			   GError **error);

/**
 * Takes what is no published release out of the SHA256SUMS of @ref; the files themselves stay. Paths of those that are left are added to the
 * set of strings @files. With @dry_run nothing is written. *@ret_changed: there was something. ASH_ERROR_USAGE if the list is signed and no key is given.
 */
gboolean ash_sysupdate_drop(AshContext *ctx, AshReleaseDir *dir, const char *ref, const char *gpg_key, bool dry_run, GHashTable *files,
			    bool *ret_changed, GError **error);
