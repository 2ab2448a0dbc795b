/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/tarhead.h"

#include <string.h>

/** In the archive. */
typedef struct {
	guint8 name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type;
	guint8 target[100], magic[8], user[32], group[32], rest[183];
} Header;

G_STATIC_ASSERT(sizeof(Header) == ASH_TAR_BLOCK_BYTES);

void
ash_tar_put_number(guint8 *field, gsize field_bytes, guint64 value)
{
	gsize digits = field_bytes - 1;

	if (digits * 3 < 64 && value >> (digits * 3) != 0) {
		for (gsize i = field_bytes; i > 0; i--, value >>= 8)
			field[i - 1] = (guint8) value;
		field[0] |= 0x80;
		return;
	}
	field[digits] = '\0';
	for (gsize i = digits; i > 0; i--, value >>= 3)
		field[i - 1] = (guint8) ('0' + (value & 7));
}

void
ash_tar_sum(guint8 block[ASH_TAR_BLOCK_BYTES])
{
	Header *header = (Header *) block;
	guint sum = 0;

	memset(header->sum, ' ', sizeof(header->sum));
	for (gsize i = 0; i < ASH_TAR_BLOCK_BYTES; i++)
		sum += block[i];
	/* Six digits, NUL and the blank that is there already. */
	ash_tar_put_number(header->sum, sizeof(header->sum) - 1, sum);
}

void
ash_tar_header(guint8 ret_block[ASH_TAR_BLOCK_BYTES], const char *name, guint64 bytes, guint64 epoch)
{
	Header *header = (Header *) ret_block;
	gsize length = strlen(name);

	g_assert(length < sizeof(header->name));
	memset(header, 0, sizeof(*header));
	memcpy(header->name, name, length);
	ash_tar_put_number(header->mode, sizeof(header->mode), 0644);
	ash_tar_put_number(header->uid, sizeof(header->uid), 0);
	ash_tar_put_number(header->gid, sizeof(header->gid), 0);
	ash_tar_put_number(header->size, sizeof(header->size), bytes);
	ash_tar_put_number(header->mtime, sizeof(header->mtime), epoch);
	header->type = '0';
	memcpy(header->magic, "ustar  ", sizeof(header->magic));
	memcpy(header->user, "root", 4);
	memcpy(header->group, "root", 4);
	ash_tar_sum(ret_block);
}
