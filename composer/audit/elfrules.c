/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/elfrules.h"

#include "audit/elf.h"

#include <string.h>

/* One file under examination. */
typedef struct {
	const AshAudit *audit;
	const AshElf *elf;
	const char *path;
	bool privileged;
} File;

/* What runs with others' rights weighs more. */
static void
add(const File *file, AshAuditRuleId rule, const char *subject, const char *message)
{
	AshAuditLevel level = ash_audit_rule_get(rule)->level;

	if (file->privileged)
		ash_audit_report_add_at(file->audit->report, rule, ash_audit_level_raise(level), file->path, subject,
					"%s; it runs with rights of others", message);
	else
		ash_audit_report_add(file->audit->report, rule, file->path, subject, "%s", message);
}

static bool
is_static(const AshElf *elf)
{
	return elf->kind == ASH_ELF_STATIC || elf->kind == ASH_ELF_STATIC_PIE;
}

static void
check_addresses(const File *file)
{
	const AshElf *elf = file->elf;

	if (elf->kind == ASH_ELF_PROGRAM || elf->kind == ASH_ELF_STATIC)
		add(file, ASH_RULE_ELF_NO_PIE, NULL, "not position-independent");
	if (is_static(elf))
		add(file, ASH_RULE_ELF_STATIC, NULL, "statically linked");
	if (elf->textrel)
		add(file, ASH_RULE_ELF_TEXTREL, NULL, "has text relocations");
	if (elf->kind != ASH_ELF_STATIC && !elf->relro)
		add(file, ASH_RULE_ELF_NO_RELRO, NULL, "no RELRO");
	else if (!is_static(elf) && !elf->bind_now && elf->lazy_binding)
		add(file, ASH_RULE_ELF_NO_BIND_NOW, NULL, "partial RELRO: functions are bound late");
}

static void
check_memory(const File *file)
{
	const AshElf *elf = file->elf;

	/* Without the header the loader takes a library of x86 for one that needs an executable stack. */
	if (elf->exec_stack || (!elf->stack_header && elf->x86 && elf->has_code && !is_static(elf)))
		add(file, ASH_RULE_ELF_EXEC_STACK, NULL,
		    elf->exec_stack ? "asks for an executable stack" : "does not say that it needs no executable stack");
	if (elf->writable_code)
		add(file, ASH_RULE_ELF_WRITABLE_CODE, NULL, "has a segment that is writable and executable");
}

static void
check_compiler(const File *file)
{
	const AshElf *elf = file->elf;

	if (!elf->stack_protector && elf->imports > 0)
		add(file, ASH_RULE_ELF_NO_STACK_PROTECTOR, NULL, "no stack protector");
	if (elf->fortifiable > 0 && elf->fortified == 0)
		add(file, ASH_RULE_ELF_NO_FORTIFY, NULL, "no checked function of the C library");
	if (elf->x86 && elf->has_code && !(elf->ibt && elf->shstk)) {
		const char *missing = elf->ibt ? "no shadow stack (SHSTK)" : elf->shstk ? "no branch tracking (IBT)" : "neither IBT nor SHSTK";

		/* Mostly all of a system has it or nothing has: no more of a concern for some. */
		ash_audit_report_add(file->audit->report, ASH_RULE_ELF_NO_CET, file->path, NULL, "%s", missing);
	}
}

/* "usr/lib/x" of an absolute path, "." and ".." taken away; $ORIGIN is the file's own directory. Owned; NULL if it is relative. */
static char *
expand(const File *file, const char *element)
{
	g_autofree char *dir = g_path_get_dirname(file->path);
	const char *rest = NULL;

	if (g_str_has_prefix(element, "$ORIGIN"))
		rest = element + strlen("$ORIGIN");
	else if (g_str_has_prefix(element, "${ORIGIN}"))
		rest = element + strlen("${ORIGIN}");
	if (rest == NULL && element[0] != '/')
		return NULL;
	g_autofree char *joined = rest != NULL ? g_strdup_printf("/%s%s", dir, rest) : g_strdup(element);
	return g_canonicalize_filename(joined, "/");
}

static bool
is_system_dir(const char *path)
{
	static const char *const places[] = { "/usr/", "/lib", "/opt/" };

	for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
		if (g_str_has_prefix(path, places[i]))
			return !g_str_has_prefix(path, "/usr/local/tmp") && !g_str_has_prefix(path, "/usr/src/");
	}
	return false;
}

static void
check_runpath(const File *file)
{
	g_auto(GStrv) elements = g_strsplit(file->elf->runpath != NULL ? file->elf->runpath : "", ":", -1);

	for (guint i = 0; elements[i] != NULL; i++) {
		g_autofree char *path = expand(file, elements[i]);
		const AshFsNode *node = path != NULL ? ash_fs_tree_resolve(file->audit->tree, path) : NULL;
		g_autofree char *message = NULL;

		if (path == NULL)
			message = g_strdup_printf("searches libraries relative to the current directory (\"%s\")", elements[i]);
		else if (node != NULL && (node->mode & 0002) != 0)
			message = g_strdup_printf("searches libraries in \"%s\", which every user can write", path);
		else if (!is_system_dir(path))
			message = g_strdup_printf("searches libraries in \"%s\", outside of the system", path);
		if (message != NULL)
			add(file, ASH_RULE_ELF_RUNPATH, elements[i], message);
	}
}

static void
add_program(const AshAudit *audit, const AshElf *elf, const char *path)
{
	AshAuditProgram *program = g_new0(AshAuditProgram, 1);

	program->path = g_utf8_make_valid(path, -1);
	program->kind = ash_elf_kind_to_string(elf->kind);
	program->relro = !elf->relro ? "no" : elf->bind_now ? "full" : "partial";
	program->stack_protector = elf->stack_protector;
	program->bind_now = elf->bind_now;
	program->ibt = elf->ibt;
	program->shstk = elf->shstk;
	program->exec_stack = elf->exec_stack;
	program->textrel = elf->textrel;
	program->fortified = elf->fortified;
	program->fortifiable = elf->fortifiable;
	program->runpath = elf->runpath != NULL ? g_utf8_make_valid(elf->runpath, -1) : NULL;
	g_mutex_lock(&audit->report->lock);
	g_ptr_array_add(audit->report->programs, program);
	g_mutex_unlock(&audit->report->lock);
}

/* What is ELF, but runs without the kernel or in it: stubs of the boot loader, the kernel's own vDSO. */
static bool
is_user_space(const char *path)
{
	return !g_str_has_suffix(path, ".elf.stub") && !g_str_has_prefix(path, "usr/lib/modules/") && !g_str_has_prefix(path, "boot/");
}

void
ash_elfrules_check(const AshAudit *audit, const AshFsNode *node, const char *path, const guint8 *data, gsize length)
{
	g_autoptr(GError) error = NULL;
	g_auto(AshElf) elf = { 0 };
	File file = { audit, &elf, path, ash_audit_node_is_privileged(node) };

	if (!ash_elf_read(data, length, &elf, &error)) {
		ash_audit_report_add(audit->report, ASH_RULE_ELF_DAMAGED, path, NULL, "%s", error->message);
		return;
	}
	/* Kernel modules, objects of compilers, code of BPF. */
	if (elf.kind == ASH_ELF_OTHER || !is_user_space(path))
		return;
	add_program(audit, &elf, path);
	check_addresses(&file);
	check_memory(&file);
	check_compiler(&file);
	check_runpath(&file);
}
