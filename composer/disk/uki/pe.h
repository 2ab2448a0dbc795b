/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * PE/COFF images (Microsoft "PE Format") as firmware starts them: PE32+ only.
 */

/** Of the field that says where the PE header is. */
#define ASH_PE_DOS_OFFSET 0x3c
/** Of fields in the optional header. */
#define ASH_PE_OPT_INITIALIZED_DATA   8
#define ASH_PE_OPT_SECTION_ALIGNMENT  32
#define ASH_PE_OPT_FILE_ALIGNMENT     36
#define ASH_PE_OPT_IMAGE_BYTES        56
#define ASH_PE_OPT_HEADERS_BYTES      60
#define ASH_PE_OPT_CHECKSUM           64
#define ASH_PE_OPT_DIRECTORIES        108
#define ASH_PE_OPT_SECURITY_DIRECTORY 144

/** The number of the directory of certificates: they are the fifth. */
#define ASH_PE_SECURITY_DIRECTORY 4

#define ASH_PE_SECTION_BYTES 40
#define ASH_PE_MAX_SECTIONS  96

/** Where things are in an image whose headers have been checked. */
typedef struct {
	const guint8 *data; /* borrowed: the file, or its front */
	gsize length;       /* of @data */
	gsize coff;         /* offset of the COFF header */
	gsize optional;     /* offset of the optional header */
	gsize table;        /* offset of the section table, which lies in @data */
	guint n_sections;
} AshPe;

/** A section header, in the machine's byte order. */
typedef struct __attribute__((packed)) {
	char name[8];
	guint32 virtual_bytes;
	guint32 virtual_address;
	guint32 raw_bytes;
	guint32 raw_offset;
	guint32 relocations, line_numbers;
	guint16 n_relocations, n_line_numbers;
	guint32 flags;
} AshPeSection;

G_STATIC_ASSERT(sizeof(AshPeSection) == ASH_PE_SECTION_BYTES);

/** ASH_ERROR_CONFIG if it is no PE32+ image, or @data ends within its headers. */
gboolean ash_pe_parse(AshPe *ret_pe, const guint8 *data, gsize length, GError **error);

/** Header number @index; what it says of the file is not checked. */
AshPeSection ash_pe_get_section(const AshPe *pe, guint index);

/** Where the certificate table is in the file (data directory 4, the only one that is a file offset) and its bytes; both 0 if there is none. */
void ash_pe_get_certificates(const AshPe *pe, guint32 *ret_offset, guint32 *ret_bytes);

/** Little-endian fields. */
guint16 ash_pe_get16(const guint8 *at);
guint32 ash_pe_get32(const guint8 *at);
void ash_pe_set16(guint8 *at, guint16 value);
void ash_pe_set32(guint8 *at, guint32 value);
