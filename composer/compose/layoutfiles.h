/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * The files of a root file system (of AshDeltaFile, pack/delta.h, by offset) as its layout (disk/erofs/layout.h) has them: directories and
 * links with blocks of their own, too. A length is that of the blocks. Owned; NULL and ASH_ERROR_CONFIG if @layout is damaged.
 */
GPtrArray *ash_layout_files_read(GBytes *layout, GError **error);
