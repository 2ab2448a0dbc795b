/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/toml.h"
#include "model/imagetype.h"

/** The keys of image type files as one table: the loader, the JSON schema's test and the manual
 * page agree with it. */

typedef struct AshImgKey AshImgKey;

/**
 * Stores the value of @item, whose type is right, in @field. On failure it sets the error's text
 * without a place.
 * @has_base: "@base" in a list stands for the list that is there already.
 */
typedef gboolean (*AshImgKeySetter)(const AshImgKey *key, gpointer field, const AshTomlItem *item,
				    bool has_base, GError **error);

struct AshImgKey {
	const char *path; /* "packages.add"; below "partition." for partitions */
	AshTomlType type;
	AshImgKeySetter set;
	gsize offset;        /* into AshImageType, or AshPartition */
	gint64 min, max;     /* INTEGER */
	const AshNames *names; /* of an enumeration; NULL: it is none */
	const char *choices;   /* of another one that has choices: names separated by spaces; NULL: any */
};

#define ASH_IMG_PARTITION "partition"
#define ASH_IMG_BASE      "base"

/** All keys; the entry at *@ret_n is not one. */
const AshImgKey *ash_img_keys(guint *ret_n);
/** The key of @path, or NULL. */
const AshImgKey *ash_img_key_find(const char *path);
/** The names that @key takes. Owned; NULL: any. */
char **ash_img_key_dup_choices(const AshImgKey *key);
/** True if @path is a table that holds keys ("packages"). */
bool ash_img_key_is_table(const char *path);
/** "; did you mean ...?" or "". Owned. */
char *ash_img_key_hint(const char *path);
