/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/io/content.h"

/** What goes into a unified kernel image; all borrowed, NULL leaves a section out (linux is
 * required). */
typedef struct {
	GBytes *stub;   /* PE stub, e.g. linuxx64.efi.stub of systemd */
	AshContent *linux_; /* kernel with EFI stub */
	AshContent *initrd;
	GBytes *osrel; /* os-release */
	const char *cmdline;
	const char *uname; /* kernel release */
	GBytes *pcrpkey;   /* of disk/uki/pcr.h: a public key in PEM, and signatures of PCR 11 in JSON */
	GBytes *pcrsig;
} AshUkiParts;

/**
 * A unified kernel image (UAPI Group specification "Unified Kernel Image", PE sections .osrel
 * .cmdline .uname .pcrpkey .pcrsig .linux .initrd): the sections are added behind those of the stub, which stay as
 * they are, .sbat included. Deterministic. Kernel and initramfs are shared, not copied. Owned. NULL and ASH_ERROR_CONFIG if the stub is no PE
 * image, is signed, or has no room in its section table.
 */
AshContent *ash_uki_build(const AshUkiParts *parts, GError **error);

/** One section of a PE image. */
typedef struct {
	char name[9];
	guint32 offset; /* in the file */
	guint32 bytes;  /* of content: without the padding */
} AshUkiSection;

/** The sections of a PE image, bounds checked (GArray of AshUkiSection, owned); NULL and
 * ASH_ERROR_CONFIG if it is none. */
GArray *ash_uki_list(GBytes *image, GError **error);

/** The content of the first section called @name (".cmdline"), sharing memory with @image. Owned;
 * NULL if absent. */
GBytes *ash_uki_get(GBytes *image, const GArray *sections, const char *name);
/** As ash_uki_get() for text: stops at a NUL, and the final newline is removed. Owned; NULL if
 * absent or not UTF-8. */
char *ash_uki_get_text(GBytes *image, const GArray *sections, const char *name);
