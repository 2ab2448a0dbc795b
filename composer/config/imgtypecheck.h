/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/imagetype.h"

/** An image type while it is read, with the places that its values came from. */
typedef struct {
	AshImageType *type;
	const char *data_dir;
	bool has_base;
	bool kind_said;
	GArray *partition_lines; /* of guint, as type->layout's partitions */
	char *partition_file;    /* that they are in */
	GHashTable *places;      /* path of a key -> "file:line" it was given at */
} AshImgLoader;

/** Sets ASH_ERROR_CONFIG "file:line: key: text"; returns FALSE. */
gboolean ash_img_throw(const char *file, guint line, const char *key, GError **error,
		       const char *format, ...) G_GNUC_PRINTF(5, 6);

/** As ash_img_throw(), of a key that was read already, or is missing: then the top of @file is where it belongs. */
gboolean ash_img_throw_key(AshImgLoader *loader, const char *file, const char *key, GError **error, const char *format, ...)
	G_GNUC_PRINTF(5, 6);

/**
 * Whether the values of the type in @loader fit together; fills in what follows from a partition's
 * role. @file is where a missing key is missing.
 */
gboolean ash_img_check(AshImgLoader *loader, const char *file, GError **error);
