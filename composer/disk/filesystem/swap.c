/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/filesystem/swap.h"

#include "base/error.h"
#include "base/fd.h"

#include <string.h>

#define PAGE_BYTES 4096
#define VERSION    1
/* At the end of the first page. */
#define MAGIC      "SWAPSPACE2"

/** The first page. The kernel reads numbers in its own byte order; ours is x86-64's. */
typedef struct __attribute__((packed)) {
	char boot_bits[1024]; /* room for boot loaders and disk labels */
	guint32 version;
	guint32 last_page;
	guint32 n_bad_pages;
	guint8 uuid[16];
	char label[16];
	guint32 padding[117];
	guint32 bad_pages[1];
	char unused[PAGE_BYTES - 1536 - 4 - (sizeof(MAGIC) - 1)];
	char magic[sizeof(MAGIC) - 1];
} Header;

G_STATIC_ASSERT(sizeof(Header) == PAGE_BYTES);

gboolean
ash_swap_write(const AshUuid *uuid, const char *label, int fd, guint64 offset, guint64 bytes, GError **error)
{
	Header header = {
		.version = GUINT32_TO_LE(VERSION),
		.last_page = GUINT32_TO_LE((guint32) (bytes / PAGE_BYTES - 1)),
	};

	if (bytes / PAGE_BYTES - 1 > G_MAXUINT32)
		return ash_throw(error, ASH_ERROR_CONFIG, "an area for swapping cannot be larger than 16 TiB");
	memcpy(header.uuid, uuid->bytes, sizeof(header.uuid));
	memcpy(header.label, label, MIN(strlen(label), sizeof(header.label) - 1));
	memcpy(header.magic, MAGIC, sizeof(header.magic));
	return ash_fd_write_all(fd, &header, sizeof(header), offset, error);
}
