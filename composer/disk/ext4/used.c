/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/ext4/used.h"

#include "base/error.h"
#include "base/file.h"
#include "disk/luks/luks.h"

#include <et/com_err.h>
#include <ext2fs/ext2fs.h>

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(ext2_filsys, ext2fs_free, NULL)

static void
add_block(GArray *ranges, guint64 block, guint64 block_bytes)
{
	AshLuksRange *last = ranges->len > 0 ? &g_array_index(ranges, AshLuksRange, ranges->len - 1) : NULL;
	const AshLuksRange range = { block * block_bytes, block_bytes };

	if (last != NULL && last->offset + last->length == range.offset)
		last->length += block_bytes;
	else
		g_array_append_val(ranges, range);
}

GArray *
ash_ext4_list_used(int fd, guint64 offset, GError **error)
{
	g_autofree char *path = ash_file_fd_path(fd);
	g_autofree char *io_option = g_strdup_printf("offset=%" G_GUINT64_FORMAT, offset);
	g_auto(ext2_filsys) fs = NULL;
	errcode_t rc = ext2fs_open2(path, io_option, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs);

	if (rc == 0)
		rc = ext2fs_read_block_bitmap(fs);
	if (rc != 0)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "ext4: %s", error_message(rc));
	GArray *ranges = g_array_new(FALSE, FALSE, sizeof(AshLuksRange));
	for (guint64 block = 0; block < ext2fs_blocks_count(fs->super); block++) {
		if (ext2fs_test_block_bitmap2(fs->block_map, block))
			add_block(ranges, block, fs->blocksize);
	}
	return ranges;
}
