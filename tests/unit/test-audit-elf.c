/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/elf.h"
#include "base/error.h"
#include "test-audit-common.h"

static const ElfPlan hardened = {
	.wide = true, .type = ET_DYN, .machine = EM_X86_64, .interpreter = "/lib64/ld.so", .relro = true, .now = true, .pie = true,
	.features = GNU_PROPERTY_X86_FEATURE_1_IBT | GNU_PROPERTY_X86_FEATURE_1_SHSTK,
	.imports = { "puts", "__stack_chk_fail", "__memcpy_chk", "strcpy" },
};

static void
read_plan(const ElfPlan *plan, AshElf *ret_elf)
{
	g_autoptr(GBytes) bytes = elf_make(plan);
	g_autoptr(GError) error = NULL;
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(bytes, &length);

	g_assert_true(ash_elf_detect(data, length));
	g_assert_true(ash_elf_read(data, length, ret_elf, &error));
	g_assert_no_error(error);
}

/* Both classes and both byte orders say the same. */
static void
test_hardened(void)
{
	for (guint i = 0; i < 4; i++) {
		ElfPlan plan = hardened;
		g_auto(AshElf) elf = { 0 };

		plan.wide = (i & 1) != 0;
		plan.big = (i & 2) != 0;
		read_plan(&plan, &elf);
		g_assert_cmpstr(ash_elf_kind_to_string(elf.kind), ==, "pie");
		g_assert_true(elf.x86 && elf.has_code && elf.stack_header && elf.relro && elf.bind_now && elf.ibt && elf.shstk);
		g_assert_true(elf.stack_protector && elf.lazy_binding);
		g_assert_false(elf.exec_stack || elf.textrel || elf.writable_code);
		g_assert_cmpuint(elf.imports, ==, 4);
		g_assert_cmpuint(elf.fortified, ==, 1);
		g_assert_cmpuint(elf.fortifiable, ==, 1);
		g_assert_null(elf.runpath);
	}
}

static void
test_weak(void)
{
	const ElfPlan plan = {
		.wide = true, .type = ET_EXEC, .machine = EM_X86_64, .interpreter = "/lib64/ld.so", .exec_stack = true, .textrel = true,
		.writable_code = true, .runpath = "/tmp/lib:$ORIGIN", .imports = { "memcpy", "sprintf" },
	};
	g_auto(AshElf) elf = { 0 };

	read_plan(&plan, &elf);
	g_assert_cmpint(elf.kind, ==, ASH_ELF_PROGRAM);
	g_assert_true(elf.exec_stack && elf.textrel && elf.writable_code);
	g_assert_false(elf.relro || elf.bind_now || elf.ibt || elf.shstk || elf.stack_protector);
	g_assert_cmpuint(elf.fortifiable, ==, 2);
	g_assert_cmpuint(elf.fortified, ==, 0);
	g_assert_cmpstr(elf.runpath, ==, "/tmp/lib:$ORIGIN");
}

static void
test_kinds(void)
{
	static const struct {
		guint type;
		bool interpreter, pie, no_dynamic;
		AshElfKind kind;
	} cases[] = {
		{ ET_EXEC, true, false, false, ASH_ELF_PROGRAM }, { ET_EXEC, false, false, true, ASH_ELF_STATIC },
		{ ET_DYN, true, true, false, ASH_ELF_PIE },	  { ET_DYN, true, false, false, ASH_ELF_PIE },
		{ ET_DYN, false, false, false, ASH_ELF_LIBRARY }, { ET_DYN, false, true, false, ASH_ELF_STATIC_PIE },
		{ ET_REL, false, false, true, ASH_ELF_OTHER },	  { ET_CORE, false, false, true, ASH_ELF_OTHER },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		ElfPlan plan = { .wide = true, .type = cases[i].type, .machine = EM_AARCH64, .pie = cases[i].pie };
		g_auto(AshElf) elf = { 0 };

		plan.interpreter = cases[i].interpreter ? "/lib/ld.so" : NULL;
		plan.no_dynamic = cases[i].no_dynamic;
		read_plan(&plan, &elf);
		g_assert_cmpint(elf.kind, ==, cases[i].kind);
		g_assert_false(elf.x86);
	}
}

/* Cut anywhere, it is read or refused. */
static void
test_damaged(void)
{
	g_autoptr(GBytes) bytes = elf_make(&hardened);
	const guint8 *data = g_bytes_get_data(bytes, NULL);

	for (gsize length = 0; length < ELF_SIZE; length += 7) {
		g_autofree guint8 *copy = g_memdup2(data, MAX(length, 1));
		g_autoptr(GError) error = NULL;
		g_auto(AshElf) elf = { 0 };

		if (!ash_elf_read(copy, length, &elf, &error))
			g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		if (length < ELF_SIZE / 4)
			g_assert_false(elf.stack_protector);
	}
	g_assert_false(ash_elf_detect((const guint8 *) "\x7f" "ELF", 4));
	g_assert_false(ash_elf_detect((const guint8 *) "#!/bin/sh -e     ", 16));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/audit/elf/hardened", test_hardened);
	g_test_add_func("/audit/elf/weak", test_weak);
	g_test_add_func("/audit/elf/kinds", test_kinds);
	g_test_add_func("/audit/elf/damaged", test_damaged);
	return g_test_run();
}
