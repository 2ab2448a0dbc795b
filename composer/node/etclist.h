/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/erofs/reader.h"

#include <glib.h>
#include <stdbool.h>

/** Files of one /etc: path below it to AshNodeEtcFile. Owned; g_hash_table_unref(). */
typedef GHashTable AshNodeEtcList;

typedef struct {
	char *sha256; /* of the content, of a link's target */
	guint mode;   /* permission bits */
	bool is_link;
} AshNodeEtcFile;

AshNodeEtcList *ash_node_etc_list_new(void);
/** Reads the directory @name below @dir_fd. */
gboolean ash_node_etc_list_read_directory(AshNodeEtcList *list, int dir_fd, const char *name, GError **error);
/** Reads /etc of a file system. */
gboolean ash_node_etc_list_read_erofs(AshNodeEtcList *list, AshErofsReader *reader, GError **error);
/** Reads the lines "sha256  mode  path" of a release (compose/etclist.h). What is not such a line is ASH_ERROR_TRUST. */
gboolean ash_node_etc_list_parse(AshNodeEtcList *list, const char *text, GError **error);
/** True if both are absent (NULL) or the same. */
bool ash_node_etc_file_equal(const AshNodeEtcFile *one, const AshNodeEtcFile *other);
