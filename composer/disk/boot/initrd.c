/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/boot/initrd.h"

#include "base/error.h"
#include "base/fd.h"
#include "disk/boot/cpio.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <zstd.h>

#define OUT_BYTES ((gsize) 1024 * 1024)
/* No archive of another kind begins like these. */
#define ZSTD_MAGIC  "\x28\xb5\x2f\xfd"
#define CPIO_MAGIC  "07070"
#define MAGIC_LENGTH 5

typedef struct {
	int fd;
	guint64 written;    /* bytes, @buffer's not among them */
	GByteArray *buffer; /* owned; at most OUT_BYTES */
	AshCpioAligner *aligner;
} Unpacking;

static void
unpacking_clear(Unpacking *unpacking)
{
	ash_fd_clear(&unpacking->fd);
	g_clear_pointer(&unpacking->buffer, g_byte_array_unref);
	g_clear_pointer(&unpacking->aligner, ash_cpio_aligner_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Unpacking, unpacking_clear)

static gboolean
flush(Unpacking *unpacking, GError **error)
{
	const guint length = unpacking->buffer->len;

	if (!ash_fd_write_all(unpacking->fd, unpacking->buffer->data, length, unpacking->written, error))
		return FALSE;
	unpacking->written += length;
	g_byte_array_set_size(unpacking->buffer, 0);
	return TRUE;
}

static gboolean
take_bytes(const void *data, gsize length, gpointer user_data, GError **error)
{
	Unpacking *unpacking = user_data;

	if (unpacking->buffer->len + length > OUT_BYTES && !flush(unpacking, error))
		return FALSE;
	g_byte_array_append(unpacking->buffer, data, (guint) length);
	return TRUE;
}

/* One frame of Zstandard: whole archives. *@ret_used: its length. */
static gboolean
unpack_frame(Unpacking *unpacking, const guint8 *data, gsize length, gsize *ret_used, GError **error)
{
	ZSTD_inBuffer in = { data, length, 0 };
	ZSTD_DCtx *decompressor = ZSTD_createDCtx();
	const gsize room = ZSTD_DStreamOutSize();
	g_autofree guint8 *buffer = g_malloc(room);
	gboolean ok = TRUE;
	gsize rest = 1, used;

	while (ok && rest > 0) {
		ZSTD_outBuffer out = { buffer, room, 0 };
		const gsize before = in.pos;
		rest = ZSTD_decompressStream(decompressor, &out, &in);
		if (ZSTD_isError(rest) || (rest > 0 && out.pos == 0 && in.pos == before))
			ok = ash_throw(error, ASH_ERROR_CONFIG, "the initramfs is damaged: %s",
				       ZSTD_isError(rest) ? ZSTD_getErrorName(rest) : "it ends too early");
		else if (!ash_cpio_aligner_feed(unpacking->aligner, buffer, out.pos, &used, error))
			ok = FALSE;
		else if (used < out.pos)
			ok = ash_throw(error, ASH_ERROR_CONFIG, "the initramfs is damaged: something follows an archive");
	}
	ZSTD_freeDCtx(decompressor);
	*ret_used = in.pos;
	return ok;
}

/* *@ret_known false: it is not all of a kind that is known. */
static gboolean
unpack(Unpacking *unpacking, const guint8 *data, gsize length, bool *ret_known, GError **error)
{
	gsize used = 0;

	for (gsize at = 0; at < length; at += used) {
		if (data[at] == 0) {
			used = 1;
			continue;
		}
		const gsize rest = length - at;
		gboolean ok = TRUE;
		*ret_known = rest >= MAGIC_LENGTH;
		if (*ret_known && memcmp(data + at, ZSTD_MAGIC, strlen(ZSTD_MAGIC)) == 0)
			ok = unpack_frame(unpacking, data + at, rest, &used, error);
		else if (*ret_known && memcmp(data + at, CPIO_MAGIC, strlen(CPIO_MAGIC)) == 0)
			ok = ash_cpio_aligner_feed(unpacking->aligner, data + at, rest, &used, error);
		else
			*ret_known = false;
		if (!ok || !*ret_known)
			return ok;
	}
	*ret_known = ash_cpio_aligner_is_done(unpacking->aligner);
	return *ret_known || ash_throw(error, ASH_ERROR_CONFIG, "the initramfs is damaged: it ends too early");
}

static int
open_temporary(GError **error)
{
	const int fd = open(g_get_tmp_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		ash_throw_errno(error, "cannot make a temporary file in \"%s\"", g_get_tmp_dir());
	return fd;
}

/* In the page cache, not in our memory: it may be large. Owned; NULL on failure. */
static GMappedFile *
map_content(const AshContent *content, GError **error)
{
	int file = ash_content_get_fd(content);

	if (file >= 0)
		return g_mapped_file_new_from_fd(file, FALSE, error);
	ash_autofd int fd = open_temporary(error);
	return fd >= 0 && ash_content_write(content, fd, error) ? g_mapped_file_new_from_fd(fd, FALSE, error) : NULL;
}

AshContent *
ash_initrd_unpack(AshContent *packed, GError **error)
{
	g_auto(Unpacking) unpacking = { .fd = open_temporary(error) };
	bool is_known = false;

	if (unpacking.fd < 0)
		return NULL;
	g_autoptr(GMappedFile) map = map_content(packed, error);
	unpacking.buffer = g_byte_array_sized_new(OUT_BYTES);
	unpacking.aligner = ash_cpio_aligner_new(take_bytes, &unpacking);
	if (map == NULL || !unpack(&unpacking, (const guint8 *) g_mapped_file_get_contents(map), g_mapped_file_get_length(map), &is_known, error))
		return NULL;
	if (!is_known)
		return ash_content_ref(packed);
	if (!flush(&unpacking, error))
		return NULL;
	AshContent *content = ash_content_new();
	ash_content_add_fd(content, ash_fd_steal(&unpacking.fd), unpacking.written);
	return content;
}
