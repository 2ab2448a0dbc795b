/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * The blocks that the ext4 file system at byte @offset of the plain file @fd has in use, its own tables and journal among them, as an array of
 * AshLuksRange from its start (sorted, whole blocks). What is in none of them is free, and nobody reads it. Owned; NULL and
 * ASH_ERROR_INTERNAL if libext2fs cannot read it.
 */
GArray *ash_ext4_list_used(int fd, guint64 offset, GError **error);
