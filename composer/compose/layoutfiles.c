/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/layoutfiles.h"

#include "disk/erofs/layout.h"
#include "pack/delta.h"

#define BLOCK_BYTES 4096

static int
compare_offsets(gconstpointer a, gconstpointer b)
{
	const AshDeltaFile *left = *(AshDeltaFile *const *) a, *right = *(AshDeltaFile *const *) b;

	return (left->offset > right->offset) - (left->offset < right->offset);
}

/* The writer of a layout checks places, but what was published is read here: one over another is left out. */
static void
drop_overlaps(GPtrArray *files)
{
	guint64 end = 0;

	for (guint i = 0; i < files->len;) {
		const AshDeltaFile *file = g_ptr_array_index(files, i);
		if (file->offset < end) {
			g_ptr_array_remove_index(files, i);
			continue;
		}
		end = file->offset + file->bytes;
		i++;
	}
}

GPtrArray *
ash_layout_files_read(GBytes *bytes, GError **error)
{
	g_autoptr(AshErofsLayout) layout = ash_erofs_layout_parse(bytes, error);
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify) ash_delta_file_free);

	if (layout == NULL)
		return NULL;
	const GArray *places = ash_erofs_layout_get_places(layout);
	const AshErofsZones *zones = ash_erofs_layout_get_zones(layout);
	for (guint i = 0; i < places->len; i++) {
		const AshErofsPlace *place = &g_array_index(places, AshErofsPlace, i);
		if (place->n_blocks == 0 || place->block < zones->meta_end || place->block + place->n_blocks > zones->n_blocks)
			continue;
		AshDeltaFile *file = g_new0(AshDeltaFile, 1);
		file->path = g_strdup(place->path);
		file->offset = place->block * BLOCK_BYTES;
		file->bytes = (guint64) place->n_blocks * BLOCK_BYTES;
		g_ptr_array_add(files, file);
	}
	g_ptr_array_sort(files, compare_offsets);
	drop_overlaps(files);
	return g_steal_pointer(&files);
}
