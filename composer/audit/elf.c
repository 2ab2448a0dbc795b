/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/elf.h"

#include "base/error.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* More than any file has; what is beyond is not looked at. */
#define MAX_SYMBOLS  (1024 * 1024)
#define MAX_DYNAMIC  4096
#define MAX_STRING   4096

/* Newer than some <elf.h>. */
#ifndef DF_1_PIE
#define DF_1_PIE 0x08000000
#endif

typedef struct {
	const guint8 *data;
	gsize length;
	bool wide, big; /* 64 bits; most significant byte first */
	bool damaged;   /* something lay outside of the file */
} Image;

/** What the dynamic section says, addresses as the loader sees them. */
typedef struct {
	guint64 strings, strings_size, symbols, hash, flags, flags_1;
	guint64 runpath, rpath; /* offsets in the strings */
	bool has_symbols, has_hash, has_runpath, has_rpath, textrel, bind_now, soname, jmprel;
} Dynamic;

/* Functions that have a variant "__NAME_chk" in the C library, sorted. */
static const char *const fortifiable_names[] = {
	"asprintf", "confstr", "dprintf", "explicit_bzero", "fgets", "fgets_unlocked", "fgetws", "fgetws_unlocked", "fprintf", "fread",
	"fread_unlocked", "fwprintf", "getcwd", "getdomainname", "getgroups", "gethostname", "getlogin_r", "gets", "getwd",
	"longjmp", "mbsnrtowcs", "mbsrtowcs", "mbstowcs", "memcpy", "memmove", "mempcpy", "memset", "obstack_printf",
	"obstack_vprintf", "poll", "ppoll", "pread", "pread64", "printf", "ptsname_r", "read", "readlink", "readlinkat",
	"realpath", "recv", "recvfrom", "snprintf", "sprintf", "stpcpy", "stpncpy", "strcat", "strcpy", "strlcat", "strlcpy", "strncat",
	"strncpy", "swprintf", "syslog", "ttyname_r", "vasprintf", "vdprintf", "vfprintf", "vfwprintf", "vprintf",
	"vsnprintf", "vsprintf", "vswprintf", "vsyslog", "vwprintf", "wcpcpy", "wcpncpy", "wcrtomb", "wcscat", "wcscpy", "wcslcat", "wcslcpy",
	"wcsncat", "wcsncpy", "wcsnrtombs", "wcsrtombs", "wcstombs", "wctomb", "wmemcpy", "wmemmove", "wmempcpy",
	"wmemset", "wprintf",
};

static const char *const kind_names[] = {
	[ASH_ELF_OTHER] = "other",	 [ASH_ELF_PROGRAM] = "program", [ASH_ELF_PIE] = "pie",
	[ASH_ELF_LIBRARY] = "library",	 [ASH_ELF_STATIC] = "static",	[ASH_ELF_STATIC_PIE] = "static-pie",
};

void
ash_elf_clear(AshElf *elf)
{
	g_clear_pointer(&elf->runpath, g_free);
}

const char *
ash_elf_kind_to_string(AshElfKind kind)
{
	return kind_names[kind];
}

bool
ash_elf_detect(const guint8 *data, gsize length)
{
	return length >= EI_NIDENT && memcmp(data, ELFMAG, SELFMAG) == 0;
}

static bool
has_room(const Image *image, guint64 at, guint64 length)
{
	return at <= image->length && length <= image->length - at;
}

/* The number of @bytes bytes at @at; 0 outside of the file, which is then damaged. */
static guint64
get(Image *image, guint64 at, guint bytes)
{
	guint64 value = 0;

	if (!has_room(image, at, bytes)) {
		image->damaged = true;
		return 0;
	}
	for (guint i = 0; i < bytes; i++)
		value |= (guint64) image->data[at + i] << 8 * (image->big ? bytes - 1 - i : i);
	return value;
}

/* A member of a structure that has the same members in both classes, at different places. */
#define FIELD(image, at, type, member)                                                                                \
	get((image), (at) + ((image)->wide ? G_STRUCT_OFFSET(Elf64_##type, member) : G_STRUCT_OFFSET(Elf32_##type, member)), \
	    (image)->wide ? sizeof(((Elf64_##type *) NULL)->member) : sizeof(((Elf32_##type *) NULL)->member))
#define SIZE(image, type) ((image)->wide ? sizeof(Elf64_##type) : sizeof(Elf32_##type))

/** One program header. */
typedef struct {
	guint64 type, flags, offset, address, file_bytes, align;
} Segment;

static guint
count_segments(Image *image)
{
	guint64 size = FIELD(image, 0, Ehdr, e_phentsize);
	guint n = (guint) FIELD(image, 0, Ehdr, e_phnum);

	if (n > 0 && size != SIZE(image, Phdr))
		image->damaged = true;
	return image->damaged ? 0 : n;
}

static Segment
get_segment(Image *image, guint index)
{
	guint64 table = FIELD(image, 0, Ehdr, e_phoff);
	guint64 at = table + (guint64) index * SIZE(image, Phdr);

	if (!has_room(image, table, (guint64) (index + 1) * SIZE(image, Phdr))) {
		image->damaged = true;
		return (Segment) { PT_NULL };
	}
	return (Segment) {
		.type = FIELD(image, at, Phdr, p_type),
		.flags = FIELD(image, at, Phdr, p_flags),
		.offset = FIELD(image, at, Phdr, p_offset),
		.address = FIELD(image, at, Phdr, p_vaddr),
		.file_bytes = FIELD(image, at, Phdr, p_filesz),
		.align = FIELD(image, at, Phdr, p_align),
	};
}

/* Where in the file the byte at an address is; false if no segment has it. */
static bool
locate(Image *image, guint64 address, guint64 *ret_offset)
{
	guint n = count_segments(image);

	for (guint i = 0; i < n; i++) {
		Segment segment = get_segment(image, i);

		if (segment.type != PT_LOAD || address < segment.address || address - segment.address >= segment.file_bytes)
			continue;
		*ret_offset = segment.offset + (address - segment.address);
		return *ret_offset >= segment.offset && *ret_offset < image->length;
	}
	return false;
}

/* A string of the file; NULL if it does not end soon. */
static const char *
get_string(const Image *image, guint64 table, guint64 table_size, guint64 at)
{
	gsize room;

	if (at >= table_size || !has_room(image, table, table_size))
		return NULL;
	room = (gsize) MIN(table_size - at, MAX_STRING);
	return memchr(image->data + table + at, '\0', room) != NULL ? (const char *) image->data + table + at : NULL;
}

static void
read_dynamic_entry(Dynamic *dynamic, guint64 tag, guint64 value)
{
	switch (tag) {
	case DT_STRTAB: dynamic->strings = value; break;
	case DT_STRSZ: dynamic->strings_size = value; break;
	case DT_SYMTAB: dynamic->symbols = value; dynamic->has_symbols = true; break;
	case DT_HASH: dynamic->hash = value; dynamic->has_hash = true; break;
	case DT_FLAGS: dynamic->flags = value; break;
	case DT_FLAGS_1: dynamic->flags_1 = value; break;
	case DT_RUNPATH: dynamic->runpath = value; dynamic->has_runpath = true; break;
	case DT_RPATH: dynamic->rpath = value; dynamic->has_rpath = true; break;
	case DT_TEXTREL: dynamic->textrel = true; break;
	case DT_BIND_NOW: dynamic->bind_now = true; break;
	case DT_SONAME: dynamic->soname = true; break;
	case DT_JMPREL: dynamic->jmprel = true; break;
	default: break;
	}
}

static Dynamic
read_dynamic(Image *image, const Segment *segment)
{
	Dynamic dynamic = { 0 };
	guint64 n = MIN(segment->file_bytes / SIZE(image, Dyn), MAX_DYNAMIC);

	for (guint64 i = 0; i < n && !image->damaged; i++) {
		guint64 at = segment->offset + i * SIZE(image, Dyn);
		guint64 tag = FIELD(image, at, Dyn, d_tag);

		if (tag == DT_NULL)
			break;
		read_dynamic_entry(&dynamic, tag, FIELD(image, at, Dyn, d_un));
	}
	dynamic.textrel = dynamic.textrel || (dynamic.flags & DF_TEXTREL) != 0;
	dynamic.bind_now = dynamic.bind_now || (dynamic.flags & DF_BIND_NOW) != 0 || (dynamic.flags_1 & DF_1_NOW) != 0;
	return dynamic;
}

/** A table of symbols and its strings, as offsets. */
typedef struct {
	guint64 offset, count;
	guint64 strings, strings_size;
} Symbols;

/* The table of sections of type @wanted; false if there is none, as in a file without section headers. */
static bool
find_section_symbols(Image *image, guint64 wanted, Symbols *ret_symbols)
{
	guint64 table = FIELD(image, 0, Ehdr, e_shoff);
	guint n = (guint) FIELD(image, 0, Ehdr, e_shnum);

	if (table == 0 || n == 0 || FIELD(image, 0, Ehdr, e_shentsize) != SIZE(image, Shdr) ||
	    !has_room(image, table, (guint64) n * SIZE(image, Shdr)))
		return false;
	for (guint i = 0; i < n; i++) {
		guint64 at = table + (guint64) i * SIZE(image, Shdr);
		guint64 link = FIELD(image, at, Shdr, sh_link);
		guint64 strings = table + link * SIZE(image, Shdr);

		if (FIELD(image, at, Shdr, sh_type) != wanted || link >= n)
			continue;
		ret_symbols->offset = FIELD(image, at, Shdr, sh_offset);
		ret_symbols->count = FIELD(image, at, Shdr, sh_size) / SIZE(image, Sym);
		ret_symbols->strings = FIELD(image, strings, Shdr, sh_offset);
		ret_symbols->strings_size = FIELD(image, strings, Shdr, sh_size);
		return has_room(image, ret_symbols->offset, ret_symbols->count * SIZE(image, Sym)) &&
		       has_room(image, ret_symbols->strings, ret_symbols->strings_size);
	}
	return false;
}

/*
 * Without section headers the number of dynamic symbols is in the hash table (nchain, its second word); without that, all
 * linkers put the strings right behind the symbols.
 */
static bool
find_dynamic_symbols(Image *image, const Dynamic *dynamic, Symbols *ret_symbols)
{
	guint64 hash = 0;

	if (!dynamic->has_symbols || !locate(image, dynamic->symbols, &ret_symbols->offset) ||
	    !locate(image, dynamic->strings, &ret_symbols->strings))
		return false;
	ret_symbols->strings_size = MIN(dynamic->strings_size, image->length - ret_symbols->strings);
	if (dynamic->has_hash && locate(image, dynamic->hash, &hash))
		ret_symbols->count = get(image, hash + 4, 4);
	else if (ret_symbols->strings > ret_symbols->offset)
		ret_symbols->count = (ret_symbols->strings - ret_symbols->offset) / SIZE(image, Sym);
	else
		return false;
	return !image->damaged && ret_symbols->count <= image->length / SIZE(image, Sym) &&
	       has_room(image, ret_symbols->offset, ret_symbols->count * SIZE(image, Sym));
}

static int
compare_names(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *) element);
}

static bool
is_fortified(const char *name)
{
	gsize length = strlen(name);

	return length > 6 && strncmp(name, "__", 2) == 0 && strcmp(name + length - 4, "_chk") == 0;
}

/* Of GCC and Clang; the guard itself is a variable on some processors. */
static bool
is_protector(const char *name)
{
	return strcmp(name, "__stack_chk_fail") == 0 || strcmp(name, "__stack_chk_guard") == 0 ||
	       strcmp(name, "__stack_chk_fail_local") == 0 || strcmp(name, "__intel_security_cookie") == 0;
}

static void
read_symbols(Image *image, const Symbols *symbols, AshElf *elf)
{
	guint64 n = MIN(symbols->count, MAX_SYMBOLS);

	for (guint64 i = 1; i < n; i++) {
		guint64 at = symbols->offset + i * SIZE(image, Sym);
		const char *name = get_string(image, symbols->strings, symbols->strings_size, FIELD(image, at, Sym, st_name));
		guint type = (guint) FIELD(image, at, Sym, st_info) & 0xf;

		if (name == NULL)
			continue;
		elf->stack_protector = elf->stack_protector || is_protector(name);
		if (FIELD(image, at, Sym, st_shndx) != SHN_UNDEF || (type != STT_FUNC && type != STT_NOTYPE && type != STT_GNU_IFUNC))
			continue;
		elf->imports += type == STT_FUNC;
		if (is_fortified(name))
			elf->fortified++;
		else if (bsearch(name, fortifiable_names, G_N_ELEMENTS(fortifiable_names), sizeof(char *), compare_names) != NULL)
			elf->fortifiable++;
	}
}

/* NT_GNU_PROPERTY_TYPE_0: properties of type, size and value, aligned to 4 or 8 bytes. */
static void
read_properties(Image *image, guint64 at, guint64 end, AshElf *elf)
{
	guint64 align = image->wide ? 8 : 4;

	while (at + 8 <= end && !image->damaged) {
		guint64 type = get(image, at, 4), size = get(image, at + 4, 4);

		if (type == GNU_PROPERTY_X86_FEATURE_1_AND && size == 4 && elf->x86) {
			guint64 value = get(image, at + 8, 4);

			elf->ibt = (value & GNU_PROPERTY_X86_FEATURE_1_IBT) != 0;
			elf->shstk = (value & GNU_PROPERTY_X86_FEATURE_1_SHSTK) != 0;
		}
		at += 8 + (size + align - 1) / align * align;
	}
}

static void
read_notes(Image *image, const Segment *segment, AshElf *elf)
{
	guint64 align = segment->align == 8 ? 8 : 4, at = segment->offset, end = segment->offset + segment->file_bytes;

	if (!has_room(image, segment->offset, segment->file_bytes))
		return;
	while (at + sizeof(Elf32_Nhdr) <= end && !image->damaged) {
		guint64 name_size = get(image, at, 4), size = get(image, at + 4, 4), type = get(image, at + 8, 4);
		guint64 name = at + sizeof(Elf32_Nhdr), value = name + (name_size + align - 1) / align * align;

		/* The header is 12 bytes, so that with 8 the name "GNU" ends where the value begins. */
		if (align == 8)
			value = at + (sizeof(Elf32_Nhdr) + name_size + 7) / 8 * 8;
		if (value > end || size > end - value)
			return;
		if (type == NT_GNU_PROPERTY_TYPE_0 && name_size == 4 && memcmp(image->data + name, "GNU", 4) == 0)
			read_properties(image, value, value + size, elf);
		at = value + (size + align - 1) / align * align;
	}
}

/** What the program headers say beside the flags. */
typedef struct {
	bool interpreter, has_dynamic;
	Dynamic dynamic;
} Loader;

static void
read_segment(Image *image, const Segment *segment, AshElf *elf, Loader *loader)
{
	switch (segment->type) {
	case PT_LOAD:
		elf->has_code = elf->has_code || (segment->flags & PF_X) != 0;
		elf->writable_code = elf->writable_code || (segment->flags & (PF_W | PF_X)) == (PF_W | PF_X);
		break;
	case PT_INTERP:
		loader->interpreter = true;
		break;
	case PT_DYNAMIC:
		loader->has_dynamic = true;
		loader->dynamic = read_dynamic(image, segment);
		break;
	case PT_GNU_STACK:
		elf->stack_header = true;
		elf->exec_stack = (segment->flags & PF_X) != 0;
		break;
	case PT_GNU_RELRO:
		elf->relro = true;
		break;
	case PT_NOTE:
		read_notes(image, segment, elf);
		break;
	default:
		break;
	}
}

static AshElfKind
find_kind(guint64 type, const Loader *loader)
{
	bool pie = (loader->dynamic.flags_1 & DF_1_PIE) != 0;

	if (type == ET_EXEC)
		return loader->interpreter || loader->has_dynamic ? ASH_ELF_PROGRAM : ASH_ELF_STATIC;
	if (type != ET_DYN)
		return ASH_ELF_OTHER;
	if (pie && !loader->interpreter)
		return ASH_ELF_STATIC_PIE;
	/* Linkers before 2015 set no flag; libc.so.6 and the like can be run, but have a name as libraries. */
	return pie || (loader->interpreter && !loader->dynamic.soname) ? ASH_ELF_PIE : ASH_ELF_LIBRARY;
}

static void
read_loader(Image *image, const Loader *loader, AshElf *elf)
{
	const Dynamic *dynamic = &loader->dynamic;
	Symbols symbols = { 0 };
	guint64 strings = 0;

	elf->bind_now = dynamic->bind_now;
	elf->textrel = dynamic->textrel;
	elf->lazy_binding = dynamic->jmprel;
	if ((dynamic->has_runpath || dynamic->has_rpath) && locate(image, dynamic->strings, &strings)) {
		guint64 at = dynamic->has_runpath ? dynamic->runpath : dynamic->rpath;

		elf->runpath = g_strdup(get_string(image, strings, MIN(dynamic->strings_size, image->length - strings), at));
	}
	if (find_section_symbols(image, SHT_DYNSYM, &symbols) || find_dynamic_symbols(image, dynamic, &symbols))
		read_symbols(image, &symbols, elf);
	/* Statically linked: everything is defined in the file, if it was not stripped. */
	if (elf->imports == 0 && !elf->stack_protector && find_section_symbols(image, SHT_SYMTAB, &symbols))
		read_symbols(image, &symbols, elf);
}

gboolean
ash_elf_read(const guint8 *data, gsize length, AshElf *ret_elf, GError **error)
{
	Image image = { .data = data, .length = length };
	g_auto(AshElf) elf = { 0 };
	Loader loader = { 0 };
	guint64 type, machine;

	if (!ash_elf_detect(data, length) || data[EI_CLASS] < ELFCLASS32 || data[EI_CLASS] > ELFCLASS64 ||
	    data[EI_DATA] < ELFDATA2LSB || data[EI_DATA] > ELFDATA2MSB)
		return ash_throw(error, ASH_ERROR_CONFIG, "not an ELF file");
	image.wide = data[EI_CLASS] == ELFCLASS64;
	image.big = data[EI_DATA] == ELFDATA2MSB;
	type = FIELD(&image, 0, Ehdr, e_type);
	machine = FIELD(&image, 0, Ehdr, e_machine);
	elf.x86 = machine == EM_X86_64 || machine == EM_386;
	if (type == ET_EXEC || type == ET_DYN) {
		guint n = count_segments(&image);

		for (guint i = 0; i < n && !image.damaged; i++) {
			Segment segment = get_segment(&image, i);
			read_segment(&image, &segment, &elf, &loader);
		}
		if (!image.damaged)
			read_loader(&image, &loader, &elf);
	}
	elf.kind = find_kind(type, &loader);
	if (image.damaged)
		return ash_throw(error, ASH_ERROR_CONFIG, "ELF: something lies outside the file");
	*ret_elf = elf;
	elf = (AshElf) { 0 };
	return TRUE;
}
