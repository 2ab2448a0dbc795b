/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/uki/pe.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

#define COFF_BYTES        20
#define OPTIONAL_PE32PLUS 0x20b
#define OPT_LEAST_BYTES   152

guint16
ash_pe_get16(const guint8 *at)
{
	return (guint16) (at[0] | at[1] << 8);
}

guint32
ash_pe_get32(const guint8 *at)
{
	return ash_pe_get16(at) | (guint32) ash_pe_get16(at + 2) << 16;
}

void
ash_pe_set16(guint8 *at, guint16 value)
{
	at[0] = (guint8) value;
	at[1] = (guint8) (value >> 8);
}

void
ash_pe_set32(guint8 *at, guint32 value)
{
	ash_pe_set16(at, (guint16) value);
	ash_pe_set16(at + 2, (guint16) (value >> 16));
}

gboolean
ash_pe_parse(AshPe *ret_pe, const guint8 *data, gsize length, GError **error)
{
	AshPe pe = { .data = data, .length = length };
	gsize optional_bytes;

	if (length < ASH_PE_DOS_OFFSET + 4 || memcmp(data, "MZ", 2) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "not a PE image: no DOS header");
	pe.coff = (gsize) ash_pe_get32(data + ASH_PE_DOS_OFFSET) + 4;
	if (pe.coff + COFF_BYTES > length || memcmp(data + pe.coff - 4, "PE\0\0", 4) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "not a PE image: no PE header");
	pe.n_sections = ash_pe_get16(data + pe.coff + 2);
	optional_bytes = ash_pe_get16(data + pe.coff + 16);
	pe.optional = pe.coff + COFF_BYTES;
	pe.table = pe.optional + optional_bytes;
	if (optional_bytes < OPT_LEAST_BYTES || pe.n_sections > ASH_PE_MAX_SECTIONS ||
	    pe.table + pe.n_sections * ASH_PE_SECTION_BYTES > length)
		return ash_throw(error, ASH_ERROR_CONFIG, "PE image: headers are cut off");
	if (ash_pe_get16(data + pe.optional) != OPTIONAL_PE32PLUS)
		return ash_throw(error, ASH_ERROR_CONFIG, "PE image: not of the 64-bit kind (PE32+)");
	*ret_pe = pe;
	return TRUE;
}

AshPeSection
ash_pe_get_section(const AshPe *pe, guint index)
{
	AshPeSection section;

	memcpy(&section, pe->data + pe->table + index * ASH_PE_SECTION_BYTES, sizeof(section));
	section.virtual_bytes = GUINT32_FROM_LE(section.virtual_bytes);
	section.virtual_address = GUINT32_FROM_LE(section.virtual_address);
	section.raw_bytes = GUINT32_FROM_LE(section.raw_bytes);
	section.raw_offset = GUINT32_FROM_LE(section.raw_offset);
	return section;
}

void
ash_pe_get_certificates(const AshPe *pe, guint32 *ret_offset, guint32 *ret_bytes)
{
	const guint8 *optional = pe->data + pe->optional;
	bool has = ash_pe_get32(optional + ASH_PE_OPT_DIRECTORIES) > ASH_PE_SECURITY_DIRECTORY &&
		   ash_pe_get32(optional + ASH_PE_OPT_SECURITY_DIRECTORY + 4) != 0;

	*ret_offset = has ? ash_pe_get32(optional + ASH_PE_OPT_SECURITY_DIRECTORY) : 0;
	*ret_bytes = has ? ash_pe_get32(optional + ASH_PE_OPT_SECURITY_DIRECTORY + 4) : 0;
}
