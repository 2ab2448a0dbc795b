/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/hashlevels.h"

AshHashLevels
ash_hash_levels_compute(guint64 data_bytes)
{
	AshHashLevels levels = { .total = 1 };

	for (guint64 below = data_bytes / ASH_HASH_BLOCK_BYTES; below > 1 && levels.n < ASH_HASH_LEVELS_MAX;) {
		below = (below + ASH_HASHES_PER_BLOCK - 1) / ASH_HASHES_PER_BLOCK;
		levels.blocks[levels.n++] = below;
	}
	for (guint i = levels.n; i-- > 0;) {
		levels.first[i] = levels.total;
		levels.total += levels.blocks[i];
	}
	return levels;
}

guint64
ash_hash_area_bytes(guint64 data_bytes)
{
	return ash_hash_levels_compute(data_bytes).total * ASH_HASH_BLOCK_BYTES;
}
