/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * What the kernel and the loader see of an ELF file (System V gABI 4.1, chapters 4 and 5): program headers, the dynamic
 * section, its symbols and strings, the properties in its notes. Own code and not libelf: these are four tables, read only,
 * of both classes and both byte orders; and every number of a file from outside is checked where it is used.
 */

typedef enum {
	ASH_ELF_OTHER,      /* relocatable, a core dump, ... */
	ASH_ELF_PROGRAM,    /* ET_EXEC: at a fixed address */
	ASH_ELF_PIE,        /* ET_DYN with an interpreter or DF_1_PIE */
	ASH_ELF_LIBRARY,    /* ET_DYN otherwise */
	ASH_ELF_STATIC,     /* ET_EXEC without interpreter */
	ASH_ELF_STATIC_PIE, /* ET_DYN with DF_1_PIE, without interpreter */
} AshElfKind;

typedef struct {
	AshElfKind kind;
	bool x86;             /* i386 or x86-64, which know CET */
	bool has_code;        /* an executable segment */
	bool stack_header;    /* PT_GNU_STACK is there */
	bool exec_stack;      /* PT_GNU_STACK says executable */
	bool writable_code;   /* a segment that is writable and executable */
	bool relro, bind_now, textrel;
	bool lazy_binding;    /* it has functions that can be bound late (DT_JMPREL) */
	bool ibt, shstk;      /* GNU_PROPERTY_X86_FEATURE_1_AND (x86-64 psABI, Linux extensions 1.2) */
	bool stack_protector; /* a symbol of its is there */
	guint imports;        /* undefined functions */
	guint fortified;      /* imported functions that check sizes */
	guint fortifiable;    /* imported functions that have such a variant */
	char *runpath;        /* DT_RUNPATH, else DT_RPATH; owned, NULL if none */
} AshElf;

void ash_elf_clear(AshElf *elf);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshElf, ash_elf_clear)

/** True if @data begins as an ELF file does. */
bool ash_elf_detect(const guint8 *data, gsize length);
/** Reads the file @data of @length bytes (at least its begin is looked at). ASH_ERROR_CONFIG if its tables contradict themselves. */
gboolean ash_elf_read(const guint8 *data, gsize length, AshElf *ret_elf, GError **error);

/** "program", "pie", "library", "static", "static-pie", "other". Borrowed, static. */
const char *ash_elf_kind_to_string(AshElfKind kind);
