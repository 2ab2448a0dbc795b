/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/secureboot/authenticode.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/uki/pe.h"

#include <string.h>

/* More than any header has. */
#define MAX_HEAD_BYTES 65536
/* Certificate tables, and what of a file they end, are whole multiples. */
#define ALIGNMENT 8
/* WIN_CERTIFICATE (UEFI 2.10 32.2.4): bytes, revision 2.0, type PKCS #7 SignedData. */
#define CERTIFICATE_HEAD_BYTES 8
#define CERTIFICATE_REVISION   0x0200
#define CERTIFICATE_PKCS7      0x0002
#define MAX_CERTIFICATE_BYTES  (1024 * 1024)

/* DigestInfo up to the digest, at the end of indirect_head. */
#define DIGEST_INFO_HEAD_BYTES 19

#define OID_INDIRECT_DATA "1.3.6.1.4.1.311.2.1.4"

/*
 * SpcIndirectDataContent of a PE image up to the digest: the data's type is SPC_PE_IMAGE_DATAOBJ, with no flags and the obsolete file name that all
 * programs put there; the digest's algorithm is SHA-256.
 */
static const guint8 indirect_head[] = {
	0x30, 0x68, 0x30, 0x33,
	/* 1.3.6.1.4.1.311.2.1.15 */
	0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x0f,
	/* SpcPeImageData: flags; file, a link to a Unicode string */
	0x30, 0x25, 0x03, 0x01, 0x00, 0xa0, 0x20, 0xa2, 0x1e, 0x80, 0x1c,
	0, '<', 0, '<', 0, '<', 0, 'O', 0, 'b', 0, 's', 0, 'o', 0, 'l', 0, 'e', 0, 't', 0, 'e', 0, '>', 0, '>', 0, '>',
	/* DigestInfo: 2.16.840.1.101.3.4.2.1 */
	0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
};

/** An image, taken apart. */
typedef struct {
	AshContent *content; /* borrowed */
	guint8 *head;
	AshPe pe;            /* of @head */
	gsize checksum, directory; /* offsets of the two fields that change */
	guint64 end;         /* of what is not the certificate table */
	guint32 table_bytes; /* 0: it is not signed */
} Image;

static void
image_clear(Image *image)
{
	g_clear_pointer(&image->head, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Image, image_clear)

static int
compare_sections(gconstpointer a, gconstpointer b)
{
	const AshPeSection *first = a, *second = b;

	return first->raw_offset < second->raw_offset ? -1 : first->raw_offset > second->raw_offset;
}

/* Then "headers, sections in their order, what follows" is the file from front to end. */
static gboolean
check_gaps(const Image *image, GError **error)
{
	g_autoptr(GArray) sections = g_array_new(FALSE, FALSE, sizeof(AshPeSection));
	guint64 at = ash_pe_get32(image->pe.data + image->pe.optional + ASH_PE_OPT_HEADERS_BYTES);

	for (guint i = 0; i < image->pe.n_sections; i++) {
		AshPeSection section = ash_pe_get_section(&image->pe, i);
		if (section.raw_bytes > 0)
			g_array_append_val(sections, section);
	}
	g_array_sort(sections, compare_sections);
	for (guint i = 0; i < sections->len; i++) {
		const AshPeSection *section = &g_array_index(sections, AshPeSection, i);
		if (section->raw_offset != at)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "PE image: there are gaps between its sections, or they overlap: programs differ in what a signature of it covers");
		at += section->raw_bytes;
	}
	if (at < image->pe.table || at > image->end)
		return ash_throw(error, ASH_ERROR_CONFIG, "PE image: sections are cut off");
	return TRUE;
}

static gboolean
open_image(AshContent *content, Image *image, GError **error)
{
	gsize head_bytes = (gsize) MIN(ash_content_get_size(content), MAX_HEAD_BYTES);
	guint32 table;

	image->content = content;
	image->head = g_malloc(head_bytes + 1);
	if (!ash_content_read(content, image->head, head_bytes, 0, error) || !ash_pe_parse(&image->pe, image->head, head_bytes, error))
		return FALSE;
	if (ash_pe_get32(image->head + image->pe.optional + ASH_PE_OPT_DIRECTORIES) <= ASH_PE_SECURITY_DIRECTORY)
		return ash_throw(error, ASH_ERROR_CONFIG, "PE image: it has no place for a signature");
	image->checksum = image->pe.optional + ASH_PE_OPT_CHECKSUM;
	image->directory = image->pe.optional + ASH_PE_OPT_SECURITY_DIRECTORY;
	image->end = ash_content_get_size(content);
	ash_pe_get_certificates(&image->pe, &table, &image->table_bytes);
	if (image->table_bytes > 0 && (table % ALIGNMENT != 0 || (guint64) table + image->table_bytes != image->end))
		return ash_throw(error, ASH_ERROR_CONFIG, "PE image: its signatures are not at its end");
	if (image->table_bytes > 0)
		image->end = table;
	return check_gaps(image, error);
}

static AshContent *
take_range(AshContent *content, guint64 from, guint64 end)
{
	AshContent *range = ash_content_new();

	ash_content_add_range(range, content, from, end - from);
	return range;
}

static gsize
padding_of(guint64 length)
{
	return (gsize) (ash_size_round_up(length, ALIGNMENT) - length);
}

static gboolean
digest_image(const Image *image, guint8 ret_digest[ASH_SHA256_SIZE], GError **error)
{
	static const guint8 zeros[ALIGNMENT];
	g_autoptr(AshDigest) digest = ash_digest_new();
	gsize after = image->directory + 8;
	g_autoptr(AshContent) rest = take_range(image->content, after, image->end);

	ash_digest_update(digest, image->head, image->checksum);
	ash_digest_update(digest, image->head + image->checksum + 4, image->directory - image->checksum - 4);
	if (!ash_content_update_digest(rest, digest, error))
		return FALSE;
	ash_digest_update(digest, zeros, padding_of(image->end));
	ash_digest_finish(digest, ret_digest);
	return TRUE;
}

gboolean
ash_authenticode_digest(AshContent *content, guint8 ret_digest[ASH_SHA256_SIZE], GError **error)
{
	g_auto(Image) image = { 0 };

	return open_image(content, &image, error) && digest_image(&image, ret_digest, error);
}

static GBytes *
make_signature(const Image *image, const AshSigner *signer, GError **error)
{
	guint8 indirect[sizeof(indirect_head) + ASH_SHA256_SIZE];

	memcpy(indirect, indirect_head, sizeof(indirect_head));
	if (!digest_image(image, indirect + sizeof(indirect_head), error))
		return NULL;
	g_autoptr(GBytes) value = g_bytes_new(indirect, sizeof(indirect));
	return ash_pkcs7_sign_value(signer, OID_INDIRECT_DATA, value, error);
}

/* One certificate, padded. */
static GBytes *
make_table(GBytes *signature)
{
	gsize length;
	const guint8 *data = g_bytes_get_data(signature, &length);
	gsize bytes = CERTIFICATE_HEAD_BYTES + length, padded = bytes + padding_of(bytes);
	guint8 *table = g_malloc0(padded);

	ash_pe_set32(table, (guint32) bytes);
	ash_pe_set16(table + 4, CERTIFICATE_REVISION);
	ash_pe_set16(table + 6, CERTIFICATE_PKCS7);
	memcpy(table + CERTIFICATE_HEAD_BYTES, data, length);
	return g_bytes_new_take(table, padded);
}

static void
add_taken(AshContent *out, void *data, gsize length)
{
	g_autoptr(GBytes) bytes = g_bytes_new_take(data, length);

	ash_content_add_bytes(out, bytes);
}

AshContent *
ash_authenticode_sign(AshContent *content, const AshSigner *signer, GError **error)
{
	g_auto(Image) image = { 0 };
	g_autoptr(GBytes) signature = open_image(content, &image, error) ? make_signature(&image, signer, error) : NULL;
	g_autoptr(GBytes) table = signature != NULL ? make_table(signature) : NULL;
	g_autoptr(AshContent) out = ash_content_new();

	if (table == NULL)
		return NULL;
	guint64 padded = ash_size_round_up(image.end, ALIGNMENT);
	gsize after = image.directory + 8;
	guint8 *head = g_memdup2(image.head, after);
	/* Of no use to firmware; one of the unsigned image would be wrong. */
	ash_pe_set32(head + image.checksum, 0);
	ash_pe_set32(head + image.directory, (guint32) padded);
	ash_pe_set32(head + image.directory + 4, (guint32) g_bytes_get_size(table));
	add_taken(out, head, after);
	ash_content_add_range(out, content, after, image.end - after);
	if (padded > image.end)
		add_taken(out, g_malloc0((gsize) (padded - image.end)), (gsize) (padded - image.end));
	ash_content_add_bytes(out, table);
	return g_steal_pointer(&out);
}

static void
signature_free(gpointer data)
{
	AshAuthenticode *signature = data;

	g_clear_pointer(&signature->signer, ash_certificate_unref);
	g_free(signature->problem);
	g_free(signature);
}

static gboolean
read_signature(GBytes *der, AshAuthenticode *signature, GError **error)
{
	g_autoptr(GBytes) value = NULL;
	gsize length;

	if (!ash_pkcs7_read(der, OID_INDIRECT_DATA, &value, &signature->signer, error))
		return FALSE;
	const guint8 *data = g_bytes_get_data(value, &length);
	const gsize tail = DIGEST_INFO_HEAD_BYTES + ASH_SHA256_SIZE;
	/* What precedes DigestInfo says nothing to firmware either. */
	if (length < tail || memcmp(data + length - tail, indirect_head + sizeof(indirect_head) - DIGEST_INFO_HEAD_BYTES, DIGEST_INFO_HEAD_BYTES) != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "the signature is not of a SHA-256 digest");
	memcpy(signature->covered, data + length - ASH_SHA256_SIZE, ASH_SHA256_SIZE);
	return TRUE;
}

static AshAuthenticode *
judge(GBytes *der, const guint8 digest[ASH_SHA256_SIZE])
{
	AshAuthenticode *signature = g_new0(AshAuthenticode, 1);
	g_autoptr(GError) error = NULL;

	if (!read_signature(der, signature, &error))
		signature->problem = g_strdup(error->message);
	else if (memcmp(signature->covered, digest, ASH_SHA256_SIZE) != 0)
		signature->problem = g_strdup("the image was changed after it was signed");
	else
		signature->is_right = true;
	return signature;
}

static gboolean
list_table(const guint8 *table, gsize length, const guint8 digest[ASH_SHA256_SIZE], GPtrArray *list, GError **error)
{
	gsize at = 0;

	while (at < length) {
		gsize bytes = length - at >= CERTIFICATE_HEAD_BYTES ? ash_pe_get32(table + at) : 0;
		if (bytes < CERTIFICATE_HEAD_BYTES || bytes > length - at)
			return ash_throw(error, ASH_ERROR_CONFIG, "PE image: its table of signatures is broken");
		if (ash_pe_get16(table + at + 6) == CERTIFICATE_PKCS7) {
			g_autoptr(GBytes) der = g_bytes_new(table + at + CERTIFICATE_HEAD_BYTES, bytes - CERTIFICATE_HEAD_BYTES);
			g_ptr_array_add(list, judge(der, digest));
		}
		at += ash_size_round_up(bytes, ALIGNMENT);
	}
	return TRUE;
}

GPtrArray *
ash_authenticode_list(AshContent *content, GError **error)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(signature_free);
	g_auto(Image) image = { 0 };
	guint8 digest[ASH_SHA256_SIZE];

	if (!open_image(content, &image, error))
		return NULL;
	if (image.table_bytes == 0)
		return g_steal_pointer(&list);
	if (image.table_bytes > MAX_CERTIFICATE_BYTES)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "PE image: its table of signatures is too large");
	g_autofree guint8 *table = g_malloc(image.table_bytes);
	if (!ash_content_read(content, table, image.table_bytes, image.end, error) || !digest_image(&image, digest, error) ||
	    !list_table(table, image.table_bytes, digest, list, error))
		return NULL;
	return g_steal_pointer(&list);
}

bool
ash_authenticode_is_signed(AshContent *content)
{
	g_auto(Image) image = { 0 };

	return open_image(content, &image, NULL) && image.table_bytes > 0;
}
