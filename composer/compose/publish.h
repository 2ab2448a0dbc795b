/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "disk/secureboot/bootsigner.h"
#include "publish/publish.h"
#include "store/store.h"

/** What a person asked for. Strings are borrowed. */
typedef struct {
	const char *commit;  /* ref or checksum */
	const char *type;    /* name of an image type */
	const AshUuid *seed; /* NULL: derived from the commit, as for its images */
	const AshKey *pcr_key; /* as of its images; NULL: none */
	const AshBootSigner *signer; /* likewise */
	const char *minimum; /* oldest version that may update to it; NULL: any */
	const char *channel; /* costs are from what it offers; NULL: from all releases of the ref */
	GBytes *anchor;      /* layout to be made with; NULL: as ash_publish_find_anchor() says */
	bool no_anchor;      /* none: packed anew */
	int level;           /* of Zstandard; 0: the default */
} AshComposePublish;

/**
 * Makes the parts of a slot from a commit and puts them into @dir as a release: see ash_publish_release(). Nothing is visible before
 * ash_release_dir_commit(). Owned; NULL on failure.
 */
AshPublishResult *ash_compose_publish(AshContext *ctx, AshStore *store, AshReleaseDir *dir, const AshComposePublish *request,
				      GError **error);
