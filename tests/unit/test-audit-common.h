/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of composer/audit share: trees in memory with texts for contents, ELF files made by hand. */

#include "audit/audit.h"
#include "base/context.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* @user_data: content key -> GBytes. */
static inline int
text_open(const AshFsNode *node, gpointer user_data, GError **error)
{
	GBytes *bytes = g_hash_table_lookup(user_data, node->content);
	int fd = memfd_create("content", MFD_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(write(fd, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)), ==, (gssize) g_bytes_get_size(bytes));
	return fd;
}

static inline AshFsTree *
text_tree_new(void)
{
	AshFsTree *tree = ash_fs_tree_new();

	tree->open = text_open;
	tree->user_data = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
	tree->free_user_data = (GDestroyNotify) g_hash_table_unref;
	return tree;
}

/* The node at a path, which is made with its directories if it is not there. */
static inline AshFsNode *
tree_make(AshFsTree *tree, const char *path, guint32 mode)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1);
	AshFsNode *node = tree->root;

	for (guint i = 0; names[i] != NULL; i++) {
		AshFsNode *child = NULL;

		for (guint j = 0; j < node->children->len && child == NULL; j++) {
			AshFsNode *other = g_ptr_array_index(node->children, j);

			child = strcmp(other->name, names[i]) == 0 ? other : NULL;
		}
		if (child == NULL)
			child = ash_fs_node_new(node, names[i], names[i + 1] != NULL ? S_IFDIR | 0755 : mode);
		node = child;
	}
	return node;
}

static inline AshFsNode *
tree_bytes(AshFsTree *tree, const char *path, guint32 mode, GBytes *bytes)
{
	AshFsNode *node = tree_make(tree, path, S_IFREG | mode);

	node->size = g_bytes_get_size(bytes);
	node->content = node->size > 0 ? g_strdup(path) : NULL;
	g_hash_table_insert(tree->user_data, g_strdup(path), g_bytes_ref(bytes));
	return node;
}

static inline AshFsNode *
tree_text(AshFsTree *tree, const char *path, guint32 mode, const char *text)
{
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

	return tree_bytes(tree, path, mode, bytes);
}

static inline void
tree_link(AshFsTree *tree, const char *path, const char *target)
{
	AshFsNode *node = tree_make(tree, path, S_IFLNK | 0777);

	node->target = g_strdup(target);
	node->size = strlen(target);
}

/* What an ELF file made by hand has. */
typedef struct {
	bool wide, big;
	guint type, machine;
	const char *interpreter, *runpath;
	const char *imports[8]; /* names of functions, NULL at the end */
	bool relro, now, pie, textrel, exec_stack, no_stack, writable_code;
	guint features; /* of x86, in a note; 0: no note */
	bool no_dynamic;
} ElfPlan;

typedef struct {
	GByteArray *bytes;
	const ElfPlan *plan;
} ElfMaker;

static inline void
elf_put(ElfMaker *maker, guint64 value, guint length)
{
	for (guint i = 0; i < length; i++) {
		guint place = maker->plan->big ? length - 1 - i : i;
		guint8 byte = place < sizeof(value) ? (guint8) (value >> 8 * place) : 0;

		g_byte_array_append(maker->bytes, &byte, 1);
	}
}

/* An address, offset or size. */
static inline void
elf_word(ElfMaker *maker, guint64 value)
{
	elf_put(maker, value, maker->plan->wide ? 8 : 4);
}

static inline void
elf_segment(ElfMaker *maker, guint type, guint flags, guint64 at, guint64 length, guint align)
{
	elf_put(maker, type, 4);
	if (maker->plan->wide)
		elf_put(maker, flags, 4);
	elf_word(maker, at);
	elf_word(maker, at);
	elf_word(maker, at);
	elf_word(maker, length);
	elf_word(maker, length);
	if (!maker->plan->wide)
		elf_put(maker, flags, 4);
	elf_word(maker, align);
}

static inline void
elf_symbol(ElfMaker *maker, guint name, guint info)
{
	elf_put(maker, name, 4);
	if (maker->plan->wide) {
		elf_put(maker, info, 1);
		elf_put(maker, 0, 1 + 2 + 8 + 8);
	} else {
		elf_put(maker, 0, 4 + 4);
		elf_put(maker, info, 1);
		elf_put(maker, 0, 1 + 2);
	}
}

#define ELF_STRINGS  0x400
#define ELF_STRINGS_SIZE 0x200
#define ELF_SYMBOLS  0x600
#define ELF_HASH     0x800
#define ELF_DYNAMIC  0x900
#define ELF_NOTE     0xb00
#define ELF_INTERP   0xc00
#define ELF_SIZE     0x1000

static inline void
elf_pad(ElfMaker *maker, guint to)
{
	g_assert_cmpuint(maker->bytes->len, <=, to);
	while (maker->bytes->len < to)
		g_byte_array_append(maker->bytes, (const guint8 *) "", 1);
}

static inline void
elf_entry(ElfMaker *maker, guint64 tag, guint64 value)
{
	elf_word(maker, tag);
	elf_word(maker, value);
}

/* Without section headers, as sstrip(1) leaves a file. */
static inline GBytes *
elf_make(const ElfPlan *plan)
{
	ElfMaker maker = { g_byte_array_new(), plan };
	guint phdr_size = plan->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr), n = 0;
	g_autoptr(GString) strings = g_string_new(NULL);
	guint offsets[8] = { 0 }, runpath = 0;
	const guint8 ident[] = { 0x7f, 'E', 'L', 'F', plan->wide ? ELFCLASS64 : ELFCLASS32, plan->big ? ELFDATA2MSB : ELFDATA2LSB, 1 };

	g_string_append_c(strings, '\0');
	for (; plan->imports[n] != NULL; n++) {
		offsets[n] = (guint) strings->len;
		g_string_append_len(strings, plan->imports[n], (gssize) strlen(plan->imports[n]) + 1);
	}
	if (plan->runpath != NULL) {
		runpath = (guint) strings->len;
		g_string_append_len(strings, plan->runpath, (gssize) strlen(plan->runpath) + 1);
	}
	g_byte_array_append(maker.bytes, ident, sizeof(ident));
	elf_pad(&maker, EI_NIDENT);
	elf_put(&maker, plan->type, 2);
	elf_put(&maker, plan->machine, 2);
	elf_put(&maker, 1, 4);
	elf_word(&maker, 0);
	elf_word(&maker, plan->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr));
	elf_word(&maker, 0);
	elf_put(&maker, 0, 4);
	elf_put(&maker, plan->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr), 2);
	elf_put(&maker, phdr_size, 2);
	elf_put(&maker, 6, 2);
	elf_put(&maker, 0, 6);
	elf_segment(&maker, PT_LOAD, PF_R | PF_X | (plan->writable_code ? PF_W : 0), 0, ELF_SIZE, 0x1000);
	elf_segment(&maker, plan->no_dynamic ? PT_NULL : PT_DYNAMIC, PF_R, ELF_DYNAMIC, 0x200, 8);
	elf_segment(&maker, plan->no_stack ? PT_NULL : PT_GNU_STACK, PF_R | PF_W | (plan->exec_stack ? PF_X : 0), 0, 0, 16);
	elf_segment(&maker, plan->relro ? PT_GNU_RELRO : PT_NULL, PF_R, ELF_DYNAMIC, 0x200, 1);
	elf_segment(&maker, plan->interpreter != NULL ? PT_INTERP : PT_NULL, PF_R, ELF_INTERP, 16, 1);
	elf_segment(&maker, plan->features != 0 ? PT_NOTE : PT_NULL, PF_R, ELF_NOTE, plan->wide ? 32 : 28, plan->wide ? 8 : 4);
	elf_pad(&maker, ELF_STRINGS);
	g_byte_array_append(maker.bytes, (const guint8 *) strings->str, (guint) strings->len);
	elf_pad(&maker, ELF_SYMBOLS);
	elf_symbol(&maker, 0, 0);
	for (guint i = 0; i < n; i++)
		elf_symbol(&maker, offsets[i], STB_GLOBAL << 4 | STT_FUNC);
	elf_pad(&maker, ELF_HASH);
	elf_put(&maker, 1, 4);
	elf_put(&maker, n + 1, 4);
	elf_pad(&maker, ELF_DYNAMIC);
	elf_entry(&maker, DT_STRTAB, ELF_STRINGS);
	elf_entry(&maker, DT_STRSZ, ELF_STRINGS_SIZE);
	elf_entry(&maker, DT_SYMTAB, ELF_SYMBOLS);
	elf_entry(&maker, DT_HASH, ELF_HASH);
	elf_entry(&maker, DT_JMPREL, 0);
	if (plan->runpath != NULL)
		elf_entry(&maker, DT_RUNPATH, runpath);
	if (plan->textrel)
		elf_entry(&maker, DT_TEXTREL, 0);
	elf_entry(&maker, DT_FLAGS_1, (plan->now ? DF_1_NOW : 0) | (plan->pie ? 0x08000000 : 0));
	elf_entry(&maker, DT_NULL, 0);
	elf_pad(&maker, ELF_NOTE);
	elf_put(&maker, 4, 4);
	elf_put(&maker, plan->wide ? 16 : 12, 4);
	elf_put(&maker, NT_GNU_PROPERTY_TYPE_0, 4);
	g_byte_array_append(maker.bytes, (const guint8 *) "GNU", 4);
	elf_put(&maker, GNU_PROPERTY_X86_FEATURE_1_AND, 4);
	elf_put(&maker, 4, 4);
	elf_put(&maker, plan->features, 4);
	elf_pad(&maker, ELF_SIZE);
	return g_byte_array_free_to_bytes(maker.bytes);
}
