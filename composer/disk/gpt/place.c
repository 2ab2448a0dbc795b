/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/gpt/place.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/verity/verity.h"
#include "model/hashlevels.h"

#define SECTOR_BYTES ((guint64) 512)

static AshPartition *
get_partition(const AshLayout *layout, guint index)
{
	return layout->partitions->pdata[index];
}

static char *
describe(const AshPartition *partition)
{
	const char *label = partition->label != NULL ? partition->label : "";

	return g_strdup_printf("partition \"%s\" (%s)", label,
			       ash_partition_role_to_string(partition->role));
}

/* Rounds up to whole MiB; refuses what no disk of ours holds, so that later sums cannot overflow.
 */
static gboolean
round_size(const AshPartition *partition, guint64 bytes, guint64 *ret_bytes, GError **error)
{
	if (bytes > ASH_PLACE_MAX_SIZE) {
		g_autofree char *what = describe(partition);

		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: a size of %" G_GUINT64_FORMAT " bytes is too large", what,
				 bytes);
	}
	*ret_bytes = ash_size_round_up(bytes, ASH_PLACE_ALIGNMENT);
	return TRUE;
}

/* The size of a partition whose template leaves it to the content: every slot of a role gets the same. Other partitions have nothing to do with
 * those of their role. */
static gboolean
size_by_content(const AshLayout *layout, const guint64 *content_bytes, guint index,
		guint64 *ret_bytes, GError **error)
{
	const AshPartition *partition = get_partition(layout, index);
	guint64 largest = 0;

	for (guint i = 0; i < layout->partitions->len; i++) {
		const AshPartition *other = get_partition(layout, i);
		guint64 needed = content_bytes[i];

		if (other->role != partition->role || other->size != 0 || (partition->slot == 0 && other != partition))
			continue;
		if (needed > ASH_PLACE_MAX_SIZE || other->headroom_percent > 10000)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "partition \"%s\": content or headroom is too large",
					 other->label != NULL ? other->label : "");
		needed += needed * other->headroom_percent / 100;
		largest = MAX(largest, MAX(needed, other->min_size));
	}
	return round_size(partition, largest, ret_bytes, error);
}

static gboolean
check_size(const AshPartition *partition, guint64 bytes, guint64 content_bytes, GError **error)
{
	g_autofree char *what = NULL;
	g_autofree char *has = NULL;
	g_autofree char *needs = NULL;

	if (bytes > 0 && bytes >= content_bytes)
		return TRUE;
	what = describe(partition);
	if (bytes == 0)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s has neither a size nor content: set \"size\" or \"min_size\"",
				 what);
	has = ash_size_format(bytes);
	needs = ash_size_format(content_bytes);
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "%s has %s, its content needs %s: raise its \"size\"", what, has, needs);
}

/* First all that content or the template decides, then hash partitions, which follow their roots.
 */
static gboolean
compute_sizes(const AshLayout *layout, const guint64 *content_bytes, guint64 *sizes, GError **error)
{
	for (guint i = 0; i < layout->partitions->len; i++) {
		const AshPartition *partition = get_partition(layout, i);

		if (partition->size != 0) {
			if (!round_size(partition, partition->size, &sizes[i], error))
				return FALSE;
		} else if (!size_by_content(layout, content_bytes, i, &sizes[i], error)) {
			return FALSE;
		}
	}
	for (guint i = 0; i < layout->partitions->len; i++) {
		const AshPartition *partition = get_partition(layout, i);
		guint64 largest = 0;

		for (guint j = 0; j < layout->partitions->len; j++) {
			const AshPartition *other = get_partition(layout, j);

			if (other->role == ASH_PARTITION_ROOT &&
			    (partition->slot == 0 || other->slot == partition->slot))
				largest = MAX(largest, sizes[j]);
		}
		if (partition->role == ASH_PARTITION_ROOT_VERITY && partition->size == 0 &&
		    largest > 0)
			sizes[i] = MAX(sizes[i], ash_size_round_up(ash_hash_area_bytes(largest),
								   ASH_PLACE_ALIGNMENT));
	}
	return TRUE;
}

gboolean
ash_place_layout(AshLayout *layout, const guint64 *content_bytes, GError **error)
{
	guint n = layout->partitions->len;
	g_autofree guint64 *sizes = g_new0(guint64, n + 1);
	guint64 end = ASH_PLACE_ALIGNMENT;

	if (n == 0 || n > ASH_PLACE_MAX_PARTITIONS)
		return ash_throw(error, ASH_ERROR_CONFIG, "a disk has 1 to %d partitions, not %u",
				 ASH_PLACE_MAX_PARTITIONS, n);
	if (!compute_sizes(layout, content_bytes, sizes, error))
		return FALSE;
	for (guint i = 0; i < n; i++) {
		AshPartition *partition = get_partition(layout, i);

		if (!check_size(partition, sizes[i], content_bytes[i], error))
			return FALSE;
		partition->size = sizes[i];
		partition->offset = end;
		end += sizes[i];
	}
	if (layout->size == 0)
		layout->size = ash_size_round_up(end + ASH_PLACE_BACKUP_TABLE_BYTES, ASH_PLACE_ALIGNMENT);
	return ash_place_check(layout, error);
}

static gboolean
check_pair(const AshPartition *a, const AshPartition *b, GError **error)
{
	g_autofree char *first = NULL;
	g_autofree char *second = NULL;

	if (a->offset + a->size <= b->offset || b->offset + b->size <= a->offset)
		return TRUE;
	first = describe(a);
	second = describe(b);
	return ash_throw(error, ASH_ERROR_CONFIG, "%s overlaps %s", first, second);
}

static gboolean
check_bounds(const AshLayout *layout, const AshPartition *partition, GError **error)
{
	g_autofree char *what = NULL;
	guint64 last = layout->size - ASH_PLACE_BACKUP_TABLE_BYTES;

	if (partition->size > 0 && partition->offset % SECTOR_BYTES == 0 &&
	    partition->size % SECTOR_BYTES == 0 && partition->offset >= ASH_PLACE_TABLE_BYTES &&
	    partition->offset <= last && partition->size <= last - partition->offset)
		return TRUE;
	what = describe(partition);
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "%s at byte %" G_GUINT64_FORMAT " of size %" G_GUINT64_FORMAT
			 " does not lie in whole sectors between the partition tables of a disk of "
			 "%" G_GUINT64_FORMAT " bytes",
			 what, partition->offset, partition->size, layout->size);
}

gboolean
ash_place_check(const AshLayout *layout, GError **error)
{
	if (layout->size > ASH_PLACE_MAX_SIZE || layout->size < 2 * ASH_PLACE_ALIGNMENT ||
	    layout->size % SECTOR_BYTES != 0)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "a disk of %" G_GUINT64_FORMAT
				 " bytes is too small, too large, or not whole sectors",
				 layout->size);
	for (guint i = 0; i < layout->partitions->len; i++) {
		if (!check_bounds(layout, get_partition(layout, i), error))
			return FALSE;
		for (guint j = 0; j < i; j++) {
			if (!check_pair(get_partition(layout, j), get_partition(layout, i), error))
				return FALSE;
		}
	}
	return TRUE;
}
