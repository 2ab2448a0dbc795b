/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/uki/uki.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/uki/pe.h"

#include <string.h>

/* Sections are read in place, page by page, whatever smaller alignment the stub has. */
#define LEAST_ALIGNMENT 4096
/* IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ */
#define SECTION_FLAGS 0x40000040u

static gboolean
parse_pe(GBytes *image, AshPe *pe, GError **error)
{
	gsize length;
	const guint8 *data = g_bytes_get_data(image, &length);

	return ash_pe_parse(pe, data, length, error);
}

GArray *
ash_uki_list(GBytes *image, GError **error)
{
	g_autoptr(GArray) sections = g_array_new(FALSE, TRUE, sizeof(AshUkiSection));
	AshPe pe;

	if (!parse_pe(image, &pe, error))
		return NULL;
	for (guint i = 0; i < pe.n_sections; i++) {
		AshPeSection header = ash_pe_get_section(&pe, i);
		AshUkiSection section = {.offset = header.raw_offset, .bytes = header.raw_bytes};

		memcpy(section.name, header.name, sizeof(header.name));
		/* The file has it padded; the rest of a larger virtual size is zeros. */
		if (header.virtual_bytes > 0)
			section.bytes = MIN(section.bytes, header.virtual_bytes);
		if (section.bytes > 0 && (guint64) section.offset + section.bytes > pe.length)
			return ash_throw_null(error, ASH_ERROR_CONFIG,
					      "PE image: section %u lies outside the file", i);
		g_array_append_val(sections, section);
	}
	return g_steal_pointer(&sections);
}

GBytes *
ash_uki_get(GBytes *image, const GArray *sections, const char *name)
{
	for (guint i = 0; i < sections->len; i++) {
		const AshUkiSection *section = &g_array_index(sections, AshUkiSection, i);

		if (strcmp(section->name, name) == 0)
			return g_bytes_new_from_bytes(
			    image, section->bytes > 0 ? section->offset : 0, section->bytes);
	}
	return NULL;
}

char *
ash_uki_get_text(GBytes *image, const GArray *sections, const char *name)
{
	g_autoptr(GBytes) content = ash_uki_get(image, sections, name);
	g_autofree char *text = NULL;
	gsize length = 0;
	const char *data = content != NULL ? g_bytes_get_data(content, &length) : NULL;

	if (data == NULL)
		return content != NULL ? g_strdup("") : NULL;
	text = g_strndup(data, length);
	length = strlen(text);
	if (length > 0 && text[length - 1] == '\n')
		text[length - 1] = '\0';
	return g_utf8_validate(text, -1, NULL) ? g_steal_pointer(&text) : NULL;
}

/** A section to add. */
typedef struct {
	const char *name;
	AshContent *content;
	gsize length;
} NewSection;

static void
section_clear(gpointer data)
{
	g_clear_pointer(&((NewSection *) data)->content, ash_content_unref);
}

static void
add_section(GArray *added, const char *name, AshContent *content)
{
	NewSection section = {name, content, 0};

	if (content == NULL || ash_content_get_size(content) == 0)
		return;
	section.length = (gsize) ash_content_get_size(content);
	ash_content_ref(content);
	g_array_append_val(added, section);
}

static void
add_bytes(GArray *added, const char *name, GBytes *bytes)
{
	g_autoptr(AshContent) content = bytes != NULL ? ash_content_new_from_bytes(bytes) : NULL;

	add_section(added, name, content);
}

static void
add_text(GArray *added, const char *name, const char *text)
{
	g_autoptr(GBytes) bytes = text != NULL ? g_bytes_new(text, strlen(text)) : NULL;

	add_bytes(added, name, bytes);
}

/* The order in which systemd's own tool puts them: what is small and measured first, the large ones
 * last. */
static GArray *
list_new_sections(const AshUkiParts *parts)
{
	GArray *added = g_array_new(FALSE, FALSE, sizeof(NewSection));

	g_array_set_clear_func(added, section_clear);
	add_bytes(added, ".osrel", parts->osrel);
	add_text(added, ".cmdline", parts->cmdline);
	add_text(added, ".uname", parts->uname);
	add_bytes(added, ".pcrpkey", parts->pcrpkey);
	add_bytes(added, ".pcrsig", parts->pcrsig);
	add_section(added, ".initrd", parts->initrd);
	add_section(added, ".linux", parts->linux_);
	return added;
}

/* The first address behind all sections of the stub. */
static guint64
find_virtual_end(const AshPe *pe)
{
	guint64 end = 0;

	for (guint i = 0; i < pe->n_sections; i++) {
		AshPeSection header = ash_pe_get_section(pe, i);

		end = MAX(end, (guint64) header.virtual_address +
				   MAX(header.virtual_bytes, header.raw_bytes));
	}
	return end;
}

static gboolean
check_stub(const AshPe *pe, guint n_new, GError **error)
{
	const guint8 *optional = pe->data + pe->optional;
	gsize table_end = pe->table + (pe->n_sections + n_new) * ASH_PE_SECTION_BYTES;
	guint32 file_alignment = ash_pe_get32(optional + ASH_PE_OPT_FILE_ALIGNMENT), certificates, certificate_bytes;

	ash_pe_get_certificates(pe, &certificates, &certificate_bytes);
	if (certificate_bytes != 0)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the stub is signed: use the unsigned one, as adding to it breaks "
				 "the signature");
	if (pe->coff < ASH_PE_DOS_OFFSET + 8)
		return ash_throw(error, ASH_ERROR_CONFIG, "the stub's headers overlap");
	if (table_end > ash_pe_get32(optional + ASH_PE_OPT_HEADERS_BYTES) || table_end > pe->length ||
	    pe->n_sections + n_new > ASH_PE_MAX_SECTIONS)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the stub has no room for %u more sections in its headers", n_new);
	for (guint i = 0; i < pe->n_sections; i++) {
		AshPeSection header = ash_pe_get_section(pe, i);

		if (header.raw_bytes > 0 &&
		    (header.raw_offset < table_end ||
		     (guint64) header.raw_offset + header.raw_bytes > pe->length))
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "the stub has no room for %u more sections in its headers",
					 n_new);
	}
	if (file_alignment == 0 || file_alignment > 65536 ||
	    ash_pe_get32(optional + ASH_PE_OPT_SECTION_ALIGNMENT) > ASH_MIB)
		return ash_throw(error, ASH_ERROR_CONFIG, "the stub has odd alignments");
	return TRUE;
}

/* What lies between a section and the next. */
static void
add_padding(AshContent *out, gsize length)
{
	g_autoptr(GBytes) zeros = length > 0 ? g_bytes_new_take(g_malloc0(length), length) : NULL;

	if (zeros != NULL)
		ash_content_add_bytes(out, zeros);
}

/* @offset: of the section in the image. Returns where it ends there. */
static guint64
append_section(AshContent *out, guint8 *headers, const AshPe *pe, guint index, const NewSection *section, guint64 offset,
	       guint64 address)
{
	guint32 file_alignment = ash_pe_get32(pe->data + pe->optional + ASH_PE_OPT_FILE_ALIGNMENT);
	gsize padded = ash_size_round_up(section->length, file_alignment);
	AshPeSection header = {
	    .virtual_bytes = GUINT32_TO_LE((guint32) section->length),
	    .virtual_address = GUINT32_TO_LE((guint32) address),
	    .raw_bytes = GUINT32_TO_LE((guint32) padded),
	    .raw_offset = GUINT32_TO_LE((guint32) offset),
	    .flags = GUINT32_TO_LE(SECTION_FLAGS),
	};

	memcpy(header.name, section->name, strlen(section->name));
	memcpy(headers + pe->table + index * ASH_PE_SECTION_BYTES, &header, sizeof(header));
	ash_content_add_content(out, section->content);
	add_padding(out, padded - section->length);
	return offset + padded;
}

static void
update_headers(guint8 *headers, const AshPe *pe, guint n_new, guint32 added_bytes, guint64 virtual_end)
{
	guint8 *optional = headers + pe->optional;

	ash_pe_set16(headers + pe->coff + 2, (guint16) (pe->n_sections + n_new));
	ash_pe_set32(optional + ASH_PE_OPT_INITIALIZED_DATA,
	      ash_pe_get32(optional + ASH_PE_OPT_INITIALIZED_DATA) + added_bytes);
	ash_pe_set32(optional + ASH_PE_OPT_IMAGE_BYTES, (guint32) virtual_end);
	/* Symbols: they are left out. */
	ash_pe_set32(headers + pe->coff + 8, 0);
	ash_pe_set32(headers + pe->coff + 12, 0);
	/* Firmware does not look at it. */
	ash_pe_set32(optional + ASH_PE_OPT_CHECKSUM, 0);
}

/* Symbols may follow, which nobody reads: between sections some programs would have a signature cover them, and others not. */
static gsize
find_file_end(const AshPe *pe)
{
	gsize end = 0;

	for (guint i = 0; i < pe->n_sections; i++) {
		AshPeSection header = ash_pe_get_section(pe, i);

		if (header.raw_bytes > 0)
			end = MAX(end, (gsize) header.raw_offset + header.raw_bytes);
	}
	return end > 0 ? end : pe->length;
}

/* The stub with its new headers, then the sections. */
static AshContent *
join(const AshPe *pe, const GArray *added, guint64 total, GError **error)
{
	guint64 alignment = MAX(LEAST_ALIGNMENT, ash_pe_get32(pe->data + pe->optional + ASH_PE_OPT_SECTION_ALIGNMENT));
	gsize used = find_file_end(pe), stub_bytes = ash_size_round_up(used, ash_pe_get32(pe->data + pe->optional + ASH_PE_OPT_FILE_ALIGNMENT));
	g_autofree guint8 *stub = g_malloc0(stub_bytes);
	g_autoptr(AshContent) sections = ash_content_new();
	g_autoptr(AshContent) out = ash_content_new();
	g_autoptr(GBytes) front = NULL;
	guint64 address = find_virtual_end(pe), offset = stub_bytes;

	memcpy(stub, pe->data, used);
	for (guint i = 0; i < added->len; i++) {
		const NewSection *section = &g_array_index(added, NewSection, i);

		address = ash_size_round_up(address, alignment);
		if (address > G_MAXINT32 - total)
			return ash_throw_null(error, ASH_ERROR_CONFIG, "the stub has odd addresses");
		offset = append_section(sections, stub, pe, pe->n_sections + i, section, offset, address);
		address += section->length;
	}
	update_headers(stub, pe, added->len, (guint32) (offset - stub_bytes), ash_size_round_up(address, alignment));
	front = g_bytes_new_take(g_steal_pointer(&stub), stub_bytes);
	ash_content_add_bytes(out, front);
	ash_content_add_content(out, sections);
	return g_steal_pointer(&out);
}

AshContent *
ash_uki_build(const AshUkiParts *parts, GError **error)
{
	g_autoptr(GArray) added = list_new_sections(parts);
	guint64 total = 0;
	AshPe pe;

	if (parts->linux_ == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "a UKI needs a kernel");
	if (!parse_pe(parts->stub, &pe, error) || !check_stub(&pe, added->len, error))
		return NULL;
	for (guint i = 0; i < added->len; i++)
		total += g_array_index(added, NewSection, i).length + ASH_MIB;
	if (pe.length + total > G_MAXINT32)
		return ash_throw_null(
		    error, ASH_ERROR_CONFIG,
		    "kernel and initramfs are larger than the 2 GiB of a PE image");
	return join(&pe, added, total, error);
}
