/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

#include <stdbool.h>

typedef struct {
	const char *credentials; /* as Docker's config.json; NULL: none */
	const char *ca_file;     /* PEM; NULL: the system's */
	const char *tag;         /* NULL: the first archive's own (org.opencontainers.image.ref.name), else "latest" */
	bool add;                /* what the tag has for other architectures stays */
} AshPushImagesOptions;

typedef struct {
	char *tag;              /* owned */
	char *digest;           /* owned: sha256, hex, of what the tag names now */
	GPtrArray *platforms;   /* of char *, owned: "linux/amd64", all that the tag has */
	guint blobs, sent;      /* of the archives; those that were not there */
	guint64 sent_bytes;
	guint64 requests;
} AshPushImagesResult;

void ash_push_images_result_clear(AshPushImagesResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshPushImagesResult, ash_push_images_result_clear)

/**
 * Sends container images to the repository @url ("oci://HOST/REPOSITORY", pack/registry.h): @archives (paths, NULL-terminated) are archives of
 * OCI image layouts ("oci-archive"), one of each architecture. One image gets the tag itself; several, or with options->add, an image index
 * (OCI image specification 1.1, image-index.md) that names them by platform. Blobs first, the tag last: whoever pulls meanwhile gets what was
 * there. ASH_ERROR_CONFIG for an archive that is none, ASH_ERROR_USAGE for two images of one platform, ASH_ERROR_TRUST for a damaged blob,
 * ASH_ERROR_FETCH.
 */
gboolean ash_push_images(AshContext *ctx, const char *const *archives, const char *url, const AshPushImagesOptions *options,
			 AshPushImagesResult *ret, GError **error);
