/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "disk/gpt/gpt.h"
#include "disk/gpt/place.h"

#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define DISK_BYTES (8 << 20)
/* Protective MBR, header and entries; what follows in the input lies at the end of the disk. */
#define HEAD_BYTES (34 * 512)
#define TAIL_BYTES (33 * 512)

const char *const fuzz_corpora[] = { "fuzz/corpus/gpt", NULL };

/* Any bytes give a layout whose partitions lie on the disk and apart from each other, or an error
 * of ours. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ash_autofd int fd = memfd_create("disk", MFD_CLOEXEC);
	g_autoptr(AshLayout) layout = NULL;
	g_autoptr(GError) error = NULL;
	size_t head = MIN(size, HEAD_BYTES);
	size_t tail = MIN(size - head, TAIL_BYTES);

	if (fd < 0 || ftruncate(fd, DISK_BYTES) < 0 || !ash_fd_write_all(fd, data, head, 0, NULL) ||
	    !ash_fd_write_all(fd, data + head, tail, DISK_BYTES - TAIL_BYTES, NULL))
		return 0;
	layout = ash_gpt_read(fd, &error);
	if (layout == NULL) {
		g_assert_true(error != NULL && error->domain == ASH_ERROR);
		return 0;
	}
	g_assert_true(ash_place_check(layout, NULL));
	for (guint i = 0; i < layout->partitions->len; i++) {
		const AshPartition *partition = layout->partitions->pdata[i];

		g_assert_true(g_utf8_validate(partition->label, -1, NULL));
	}
	return 0;
}
