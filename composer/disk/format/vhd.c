/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/vhd.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"

#include <string.h>

/* The format counts seconds from 2000-01-01 00:00 UTC. */
#define VHD_EPOCH    946684800
#define SECTOR_BYTES 512
#define TYPE_FIXED   2

/** On disk, big endian. */
typedef struct __attribute__((packed)) {
	char cookie[8];
	guint32 features;
	guint32 version;
	guint64 data_offset; /* all ones: fixed disk */
	guint32 timestamp;
	char creator[4];
	guint32 creator_version;
	char creator_os[4];
	guint64 original_bytes;
	guint64 current_bytes;
	guint16 cylinders;
	guint8 heads;
	guint8 sectors_per_track;
	guint32 type;
	guint32 checksum; /* ones' complement of the sum of all other bytes */
	guint8 uuid[16];
	guint8 saved_state;
	guint8 reserved[427];
} Footer;

G_STATIC_ASSERT(sizeof(Footer) == ASH_VHD_FOOTER_BYTES);

static guint32
compute_checksum(const Footer *footer)
{
	Footer copy = *footer;
	const guint8 *bytes = (const guint8 *) &copy;
	guint32 sum = 0;

	copy.checksum = 0;
	for (gsize i = 0; i < sizeof(copy); i++)
		sum += bytes[i];
	return ~sum;
}

/* The specification's appendix "CHS Calculation". */
static void
compute_geometry(guint64 sectors, Footer *footer)
{
	guint64 per_track = 255;
	guint64 heads = 16;
	guint64 cylinders_times_heads;

	sectors = MIN(sectors, (guint64) 65535 * 16 * 255);
	if (sectors < (guint64) 65535 * 16 * 63) {
		per_track = 17;
		cylinders_times_heads = sectors / per_track;
		heads = MAX((cylinders_times_heads + 1023) / 1024, 4);
		if (cylinders_times_heads >= heads * 1024 || heads > 16) {
			per_track = 31;
			heads = 16;
			cylinders_times_heads = sectors / per_track;
		}
		if (cylinders_times_heads >= heads * 1024)
			per_track = 63;
	}
	cylinders_times_heads = sectors / per_track;
	footer->cylinders = GUINT16_TO_BE((guint16) (cylinders_times_heads / heads));
	footer->heads = (guint8) heads;
	footer->sectors_per_track = (guint8) per_track;
}

gboolean
ash_vhd_append_footer(int fd, guint64 disk_bytes, const AshUuid *uuid, guint64 epoch,
		      GError **error)
{
	guint64 seconds = epoch > VHD_EPOCH ? epoch - VHD_EPOCH : 0;
	/* Readers that know a creator only by its geometry would round the size down; "qem2" is
	 * known to mean the size field. */
	Footer footer = {
	    .cookie = {'c', 'o', 'n', 'e', 'c', 't', 'i', 'x'},
	    .features = GUINT32_TO_BE(2),
	    .version = GUINT32_TO_BE(0x00010000),
	    .data_offset = ~(guint64) 0,
	    .timestamp = GUINT32_TO_BE((guint32) MIN(seconds, G_MAXUINT32)),
	    .creator = {'q', 'e', 'm', '2'},
	    .creator_version = GUINT32_TO_BE(0x00050003),
	    .creator_os = {'W', 'i', '2', 'k'},
	    .original_bytes = GUINT64_TO_BE(disk_bytes),
	    .current_bytes = GUINT64_TO_BE(disk_bytes),
	    .type = GUINT32_TO_BE(TYPE_FIXED),
	};

	if (disk_bytes == 0 || disk_bytes % ASH_MIB != 0)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "a VHD of %" G_GUINT64_FORMAT " bytes is not whole MiB",
				 disk_bytes);
	compute_geometry(disk_bytes / SECTOR_BYTES, &footer);
	memcpy(footer.uuid, uuid->bytes, sizeof(footer.uuid));
	footer.checksum = GUINT32_TO_BE(compute_checksum(&footer));
	return ash_fd_write_all(fd, &footer, sizeof(footer), disk_bytes, error);
}

gboolean
ash_vhd_detect(int fd, guint64 *ret_disk_bytes)
{
	Footer footer;
	struct stat st;
	guint64 disk_bytes;

	if (!ash_fd_stat(fd, "disk file", &st, NULL) || st.st_size < 2 * (off_t) sizeof(footer))
		return FALSE;
	disk_bytes = (guint64) st.st_size - sizeof(footer);
	if (!ash_fd_read_exact(fd, &footer, sizeof(footer), disk_bytes, NULL) ||
	    memcmp(footer.cookie, "conectix", sizeof(footer.cookie)) != 0 ||
	    GUINT32_FROM_BE(footer.type) != TYPE_FIXED ||
	    GUINT32_FROM_BE(footer.checksum) != compute_checksum(&footer) ||
	    GUINT64_FROM_BE(footer.current_bytes) != disk_bytes)
		return FALSE;
	*ret_disk_bytes = disk_bytes;
	return TRUE;
}
