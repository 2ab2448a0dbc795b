/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** The page for people: files of data/serve, held in memory. */
typedef struct AshPage AshPage;

/** ASH_ERROR_CONFIG if they are not in @data_dir. Owned; NULL on failure. */
AshPage *ash_page_load(const char *data_dir, GError **error);
void ash_page_free(AshPage *page);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPage, ash_page_free)

/** The file for the path @target ("/", "/ui/serve.css") and its media type (static); NULL: there is none. Borrowed. */
GBytes *ash_page_find(const AshPage *page, const char *target, const char **ret_type);
