/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/uki.h"

#include "base/error.h"
#include "base/size.h"

#include <string.h>

/* PE/COFF (Microsoft PE Format): offsets in the headers that matter here. */
#define DOS_PE_OFFSET     0x3c
#define COFF_BYTES        20
#define OPTIONAL_PE32PLUS 0x20b
#define SECTION_BYTES     40
/* In the optional header of PE32+ */
#define OPT_INITIALIZED_DATA   8
#define OPT_SECTION_ALIGNMENT  32
#define OPT_FILE_ALIGNMENT     36
#define OPT_IMAGE_BYTES        56
#define OPT_HEADERS_BYTES      60
#define OPT_CHECKSUM           64
#define OPT_DIRECTORIES        108
#define OPT_SECURITY_DIRECTORY 144
#define OPT_LEAST_BYTES        152
/* Sections are read in place, page by page, whatever smaller alignment the stub has. */
#define LEAST_ALIGNMENT 4096
/* IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ */
#define SECTION_FLAGS 0x40000040u
#define MAX_SECTIONS  96

/** Where things are in a PE image that has been checked. */
typedef struct {
	const guint8 *data;
	gsize length;
	gsize coff;     /* offset of the COFF header */
	gsize optional; /* offset of the optional header */
	gsize table;    /* offset of the section table */
	guint n_sections;
} Pe;

typedef struct __attribute__((packed)) {
	char name[8];
	guint32 virtual_bytes;
	guint32 virtual_address;
	guint32 raw_bytes;
	guint32 raw_offset;
	guint32 relocations, line_numbers;
	guint16 n_relocations, n_line_numbers;
	guint32 flags;
} SectionHeader;

G_STATIC_ASSERT(sizeof(SectionHeader) == SECTION_BYTES);

static guint16
get16(const guint8 *at)
{
	return (guint16) (at[0] | at[1] << 8);
}

static guint32
get32(const guint8 *at)
{
	return get16(at) | (guint32) get16(at + 2) << 16;
}

static void
set16(guint8 *at, guint16 value)
{
	at[0] = (guint8) value;
	at[1] = (guint8) (value >> 8);
}

static void
set32(guint8 *at, guint32 value)
{
	set16(at, (guint16) value);
	set16(at + 2, (guint16) (value >> 16));
}

static gboolean
parse_pe(GBytes *image, Pe *pe, GError **error)
{
	gsize optional_bytes;

	pe->data = g_bytes_get_data(image, &pe->length);
	if (pe->length < DOS_PE_OFFSET + 4 || memcmp(pe->data, "MZ", 2) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "not a PE image: no DOS header");
	pe->coff = (gsize) get32(pe->data + DOS_PE_OFFSET) + 4;
	if (pe->coff + COFF_BYTES > pe->length || memcmp(pe->data + pe->coff - 4, "PE\0\0", 4) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "not a PE image: no PE header");
	pe->n_sections = get16(pe->data + pe->coff + 2);
	optional_bytes = get16(pe->data + pe->coff + 16);
	pe->optional = pe->coff + COFF_BYTES;
	pe->table = pe->optional + optional_bytes;
	if (optional_bytes < OPT_LEAST_BYTES || pe->n_sections > MAX_SECTIONS ||
	    pe->table + pe->n_sections * SECTION_BYTES > pe->length)
		return ash_throw(error, ASH_ERROR_CONFIG, "PE image: headers are cut off");
	if (get16(pe->data + pe->optional) != OPTIONAL_PE32PLUS)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "PE image: not of the 64-bit kind (PE32+)");
	return TRUE;
}

static SectionHeader
get_header(const Pe *pe, guint index)
{
	SectionHeader header;

	memcpy(&header, pe->data + pe->table + index * SECTION_BYTES, sizeof(header));
	header.virtual_bytes = GUINT32_FROM_LE(header.virtual_bytes);
	header.virtual_address = GUINT32_FROM_LE(header.virtual_address);
	header.raw_bytes = GUINT32_FROM_LE(header.raw_bytes);
	header.raw_offset = GUINT32_FROM_LE(header.raw_offset);
	return header;
}

GArray *
ash_uki_list(GBytes *image, GError **error)
{
	g_autoptr(GArray) sections = g_array_new(FALSE, TRUE, sizeof(AshUkiSection));
	Pe pe;

	if (!parse_pe(image, &pe, error))
		return NULL;
	for (guint i = 0; i < pe.n_sections; i++) {
		SectionHeader header = get_header(&pe, i);
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
find_virtual_end(const Pe *pe)
{
	guint64 end = 0;

	for (guint i = 0; i < pe->n_sections; i++) {
		SectionHeader header = get_header(pe, i);

		end = MAX(end, (guint64) header.virtual_address +
				   MAX(header.virtual_bytes, header.raw_bytes));
	}
	return end;
}

static gboolean
check_stub(const Pe *pe, guint n_new, GError **error)
{
	const guint8 *optional = pe->data + pe->optional;
	gsize table_end = pe->table + (pe->n_sections + n_new) * SECTION_BYTES;
	guint32 file_alignment = get32(optional + OPT_FILE_ALIGNMENT);

	if (get32(optional + OPT_DIRECTORIES) > 4 &&
	    get32(optional + OPT_SECURITY_DIRECTORY + 4) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the stub is signed: use the unsigned one, as adding to it breaks "
				 "the signature");
	if (pe->coff < DOS_PE_OFFSET + 8)
		return ash_throw(error, ASH_ERROR_CONFIG, "the stub's headers overlap");
	if (table_end > get32(optional + OPT_HEADERS_BYTES) || table_end > pe->length ||
	    pe->n_sections + n_new > MAX_SECTIONS)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the stub has no room for %u more sections in its headers", n_new);
	for (guint i = 0; i < pe->n_sections; i++) {
		SectionHeader header = get_header(pe, i);

		if (header.raw_bytes > 0 &&
		    (header.raw_offset < table_end ||
		     (guint64) header.raw_offset + header.raw_bytes > pe->length))
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "the stub has no room for %u more sections in its headers",
					 n_new);
	}
	if (file_alignment == 0 || file_alignment > 65536 ||
	    get32(optional + OPT_SECTION_ALIGNMENT) > ASH_MIB)
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
append_section(AshContent *out, guint8 *headers, const Pe *pe, guint index, const NewSection *section, guint64 offset,
	       guint64 address)
{
	guint32 file_alignment = get32(pe->data + pe->optional + OPT_FILE_ALIGNMENT);
	gsize padded = ash_size_round_up(section->length, file_alignment);
	SectionHeader header = {
	    .virtual_bytes = GUINT32_TO_LE((guint32) section->length),
	    .virtual_address = GUINT32_TO_LE((guint32) address),
	    .raw_bytes = GUINT32_TO_LE((guint32) padded),
	    .raw_offset = GUINT32_TO_LE((guint32) offset),
	    .flags = GUINT32_TO_LE(SECTION_FLAGS),
	};

	memcpy(header.name, section->name, strlen(section->name));
	memcpy(headers + pe->table + index * SECTION_BYTES, &header, sizeof(header));
	ash_content_add_content(out, section->content);
	add_padding(out, padded - section->length);
	return offset + padded;
}

static void
update_headers(guint8 *headers, const Pe *pe, guint n_new, guint32 added_bytes, guint64 virtual_end)
{
	guint8 *optional = headers + pe->optional;

	set16(headers + pe->coff + 2, (guint16) (pe->n_sections + n_new));
	set32(optional + OPT_INITIALIZED_DATA,
	      get32(optional + OPT_INITIALIZED_DATA) + added_bytes);
	set32(optional + OPT_IMAGE_BYTES, (guint32) virtual_end);
	/* Firmware does not look at it, and signing computes its own. */
	set32(optional + OPT_CHECKSUM, 0);
}

/* The stub with its new headers, then the sections. */
static AshContent *
join(const Pe *pe, const GArray *added, guint64 total, GError **error)
{
	guint64 alignment = MAX(LEAST_ALIGNMENT, get32(pe->data + pe->optional + OPT_SECTION_ALIGNMENT));
	gsize stub_bytes = ash_size_round_up(pe->length, get32(pe->data + pe->optional + OPT_FILE_ALIGNMENT));
	g_autofree guint8 *stub = g_malloc0(stub_bytes);
	g_autoptr(AshContent) sections = ash_content_new();
	g_autoptr(AshContent) out = ash_content_new();
	g_autoptr(GBytes) front = NULL;
	guint64 address = find_virtual_end(pe), offset = stub_bytes;

	memcpy(stub, pe->data, pe->length);
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
	Pe pe;

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
