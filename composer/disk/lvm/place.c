/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/lvm/lvm.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/gpt/place.h"

static bool
is_in(const AshPartition *volume, const AshPartition *partition)
{
	return g_strcmp0(volume->group, partition->group) == 0;
}

/* What it has at least, in extents; one that has a part of its group gets that later. */
static gboolean
count_extents(const AshPartition *volume, guint64 content_bytes, guint64 extent_bytes, guint64 *ret_extents, GError **error)
{
	guint64 bytes = volume->size;

	if (content_bytes > ASH_PLACE_MAX_SIZE || volume->size > ASH_PLACE_MAX_SIZE || volume->min_size > ASH_PLACE_MAX_SIZE)
		return ash_throw(error, ASH_ERROR_CONFIG, "logical volume \"%s/%s\" is too large", volume->group, volume->label);
	if (bytes == 0 && volume->percent == 0)
		bytes = MAX(content_bytes + content_bytes * volume->headroom_percent / 100, volume->min_size);
	else if (bytes == 0)
		bytes = content_bytes;
	*ret_extents = MAX(ash_size_round_up(bytes, extent_bytes) / extent_bytes, 1);
	return TRUE;
}

gboolean
ash_lvm_measure(const AshLayout *layout, const AshPartition *partition, const guint64 *content_bytes, guint64 *ret_bytes, GError **error)
{
	guint64 total = 0;

	for (guint i = 0; i < layout->volumes->len; i++) {
		const AshPartition *volume = layout->volumes->pdata[i];
		guint64 extents;

		if (!is_in(volume, partition))
			continue;
		if (!count_extents(volume, content_bytes[i], partition->extent_bytes, &extents, error))
			return FALSE;
		total += extents;
	}
	*ret_bytes = ASH_LVM_DATA_OFFSET + total * partition->extent_bytes;
	return TRUE;
}

/* By its limit. */
static guint64
get_most(const AshPartition *volume, guint64 extent_bytes)
{
	return volume->max_size != 0 ? volume->max_size / extent_bytes : G_MAXUINT64;
}

/* Equal parts of @free for all that can still grow, again and again until nothing is left or nobody can. */
static void
share(const AshLayout *layout, const AshPartition *partition, guint64 *extents, guint64 free)
{
	for (;;) {
		guint64 n = 0, before = free;

		for (guint i = 0; i < layout->volumes->len; i++) {
			const AshPartition *volume = layout->volumes->pdata[i];
			n += is_in(volume, partition) && volume->grow && extents[i] < get_most(volume, partition->extent_bytes);
		}
		const guint64 part = n > 0 ? MAX(free / n, 1) : 0;
		for (guint i = 0; n > 0 && free > 0 && i < layout->volumes->len; i++) {
			const AshPartition *volume = layout->volumes->pdata[i];
			const guint64 most = get_most(volume, partition->extent_bytes);

			if (!is_in(volume, partition) || !volume->grow || extents[i] >= most)
				continue;
			const guint64 more = MIN(MIN(part, free), most - extents[i]);
			extents[i] += more;
			free -= more;
		}
		if (free == 0 || free == before)
			return;
	}
}

static gboolean
throw_small(const AshPartition *volume, guint64 has, guint64 needs, GError **error)
{
	g_autofree char *had = ash_size_format(has), *needed = ash_size_format(needs);

	return ash_throw(error, ASH_ERROR_CONFIG, "logical volume \"%s/%s\" has %s, its content needs %s: raise its size", volume->group, volume->label, had,
			 needed);
}

/* Sets the sizes of all in @partition, in extents. */
static gboolean
size_volumes(const AshLayout *layout, const AshPartition *partition, const guint64 *content_bytes, guint64 *extents, GError **error)
{
	const guint64 extent_bytes = partition->extent_bytes;
	const guint64 total = (partition->size - ASH_LVM_DATA_OFFSET) / extent_bytes;
	guint64 taken = 0;

	for (guint i = 0; i < layout->volumes->len; i++) {
		const AshPartition *volume = layout->volumes->pdata[i];

		if (!is_in(volume, partition))
			continue;
		if (!count_extents(volume, content_bytes[i], extent_bytes, &extents[i], error))
			return FALSE;
		if (volume->percent != 0)
			extents[i] = total * (guint) volume->percent / 100;
		if (extents[i] * extent_bytes < content_bytes[i])
			return throw_small(volume, extents[i] * extent_bytes, content_bytes[i], error);
		taken += extents[i];
	}
	if (taken > total) {
		g_autofree char *has = ash_size_format(total * extent_bytes), *needs = ash_size_format(taken * extent_bytes);

		return ash_throw(error, ASH_ERROR_CONFIG, "volume group \"%s\" has %s, its logical volumes need %s: raise the size of \"%s\", or let it grow",
				 partition->group, has, needs, partition->label);
	}
	share(layout, partition, extents, total - taken);
	return TRUE;
}

static gboolean
place_group(const AshLayout *layout, const AshPartition *partition, const guint64 *content_bytes, guint64 *extents, GError **error)
{
	guint64 offset = partition->offset + ASH_LVM_DATA_OFFSET;

	if (partition->size < ASH_LVM_DATA_OFFSET + partition->extent_bytes)
		return ash_throw(error, ASH_ERROR_CONFIG, "volume group \"%s\" has not the room for one extent: raise the size of \"%s\"", partition->group,
				 partition->label);
	if (!size_volumes(layout, partition, content_bytes, extents, error))
		return FALSE;
	for (guint i = 0; i < layout->volumes->len; i++) {
		AshPartition *volume = layout->volumes->pdata[i];

		if (!is_in(volume, partition))
			continue;
		volume->offset = offset;
		volume->size = extents[i] * partition->extent_bytes;
		offset += volume->size;
	}
	return TRUE;
}

gboolean
ash_lvm_place(AshLayout *layout, const guint64 *content_bytes, GError **error)
{
	g_autofree guint64 *extents = g_new0(guint64, layout->volumes->len + 1);

	for (guint i = 0; i < layout->partitions->len; i++) {
		const AshPartition *partition = layout->partitions->pdata[i];

		if (partition->role == ASH_PARTITION_LVM && partition->group != NULL && !place_group(layout, partition, content_bytes, extents, error))
			return FALSE;
	}
	return TRUE;
}
