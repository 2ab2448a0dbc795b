/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/sysctl.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static const char *const directories[] = { "etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d", NULL };

typedef struct {
	char *key;   /* elements joined by "/"; may be a pattern */
	char *value; /* NULL: taken out of patterns */
	char *path;
} Setting;

struct AshSysctl {
	GPtrArray *settings; /* of Setting, in order */
};

/* What a setting must be, and what it is if nothing sets it (Documentation/admin-guide/sysctl of the kernel). */
typedef struct {
	AshAuditRuleId rule;
	const char *key;
	gint64 least, most; /* good values */
	gint64 bad;         /* but not this one; -1: none */
	gint64 initial;     /* of the kernel */
	const char *config; /* option of the kernel that changes that: its number, or if it is "y" then: */
	gint64 initial_y;
} Wanted;

static const Wanted wanted[] = {
	{ ASH_RULE_SYSCTL_PROTECTED_SYMLINKS, "fs/protected_symlinks", 1, 1, -1, 0 },
	{ ASH_RULE_SYSCTL_PROTECTED_HARDLINKS, "fs/protected_hardlinks", 1, 1, -1, 0 },
	{ ASH_RULE_SYSCTL_PROTECTED_FIFOS, "fs/protected_fifos", 1, 2, -1, 0 },
	{ ASH_RULE_SYSCTL_PROTECTED_REGULAR, "fs/protected_regular", 1, 2, -1, 0 },
	{ ASH_RULE_SYSCTL_SUID_DUMPABLE, "fs/suid_dumpable", 0, 2, 1, 0 },
	{ ASH_RULE_SYSCTL_KPTR_RESTRICT, "kernel/kptr_restrict", 1, 4, -1, 0 },
	{ ASH_RULE_SYSCTL_DMESG_RESTRICT, "kernel/dmesg_restrict", 1, 1, -1, 0, "CONFIG_SECURITY_DMESG_RESTRICT", 1 },
	{ ASH_RULE_SYSCTL_ASLR, "kernel/randomize_va_space", 2, 2, -1, 2, "CONFIG_COMPAT_BRK", 1 },
	{ ASH_RULE_SYSCTL_BPF, "kernel/unprivileged_bpf_disabled", 1, 2, -1, 0, "CONFIG_BPF_UNPRIV_DEFAULT_OFF", 2 },
	{ ASH_RULE_SYSCTL_PERF_EVENTS, "kernel/perf_event_paranoid", 2, 4, -1, 2 },
	{ ASH_RULE_SYSCTL_PTRACE_SCOPE, "kernel/yama/ptrace_scope", 1, 3, -1, 1 },
	{ ASH_RULE_SYSCTL_SYSRQ, "kernel/sysrq", 0, 511, 1, 1, "CONFIG_MAGIC_SYSRQ_DEFAULT_ENABLE", 1 },
	{ ASH_RULE_SYSCTL_MMAP_MIN_ADDR, "vm/mmap_min_addr", 4096, G_MAXINT64, -1, 65536, "CONFIG_DEFAULT_MMAP_MIN_ADDR", 65536 },
	{ ASH_RULE_SYSCTL_SYNCOOKIES, "net/ipv4/tcp_syncookies", 1, 2, -1, 1 },
	{ ASH_RULE_SYSCTL_RP_FILTER, "net/ipv4/conf/default/rp_filter", 1, 2, -1, 0 },
	{ ASH_RULE_SYSCTL_SOURCE_ROUTE, "net/ipv4/conf/all/accept_source_route", 0, 0, -1, 0 },
	{ ASH_RULE_SYSCTL_ACCEPT_REDIRECTS, "net/ipv4/conf/all/accept_redirects", 0, 0, -1, 1 },
	{ ASH_RULE_SYSCTL_ACCEPT_REDIRECTS, "net/ipv6/conf/all/accept_redirects", 0, 0, -1, 1 },
};

static void
setting_free(Setting *setting)
{
	g_free(setting->key);
	g_free(setting->value);
	g_free(setting->path);
	g_free(setting);
}

AshSysctl *
ash_sysctl_new(void)
{
	AshSysctl *sysctl = g_new0(AshSysctl, 1);

	sysctl->settings = g_ptr_array_new_with_free_func((GDestroyNotify) setting_free);
	return sysctl;
}

void
ash_sysctl_free(AshSysctl *sysctl)
{
	if (sysctl == NULL)
		return;
	g_ptr_array_unref(sysctl->settings);
	g_free(sysctl);
}

/* sysctl.d(5): the first separator says whether "." or "/" stands between elements; the other is then part of a name. */
static char *
normalize(const char *key)
{
	gsize first = strcspn(key, "./");
	char *copy = g_strdup(key);

	if (key[first] != '.')
		return copy;
	for (char *at = copy; *at != '\0'; at++)
		*at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
	return copy;
}

/* Takes all over. A key that was set before goes to the end, as systemd-sysctl does it. */
static void
set(AshSysctl *sysctl, char *key, char *value, const char *path)
{
	Setting *setting = g_new0(Setting, 1);

	for (guint i = 0; i < sysctl->settings->len; i++) {
		if (strcmp(((Setting *) g_ptr_array_index(sysctl->settings, i))->key, key) == 0) {
			g_ptr_array_remove_index(sysctl->settings, i);
			break;
		}
	}
	setting->key = key;
	setting->value = value;
	setting->path = g_strdup(path);
	g_ptr_array_add(sysctl->settings, setting);
}

static void
parse_line(AshSysctl *sysctl, char *line, const char *path)
{
	char *equals;

	g_strstrip(line);
	if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
		return;
	equals = strchr(line, '=');
	if (equals == NULL) {
		/* "-KEY": no pattern is to set it. */
		if (line[0] == '-')
			set(sysctl, normalize(g_strstrip(line + 1)), NULL, path);
		return;
	}
	*equals = '\0';
	/* "-KEY = VALUE": a failure is ignored. */
	line += line[0] == '-';
	set(sysctl, normalize(g_strstrip(line)), g_strdup(g_strstrip(equals + 1)), path);
}

void
ash_sysctl_parse(AshSysctl *sysctl, const char *text, const char *path)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line != NULL; line++)
		parse_line(sysctl, *line, path);
}

const char *
ash_sysctl_get(const AshSysctl *sysctl, const char *key, const char **ret_path)
{
	const Setting *found = NULL;

	for (guint i = 0; i < sysctl->settings->len; i++) {
		const Setting *setting = g_ptr_array_index(sysctl->settings, i);

		if (strcmp(setting->key, key) == 0) {
			found = setting;
			break;
		}
		if (strpbrk(setting->key, "*?[") != NULL && fnmatch(setting->key, key, FNM_PATHNAME) == 0)
			found = setting;
	}
	if (found == NULL || found->value == NULL)
		return NULL;
	if (ret_path != NULL)
		*ret_path = found->path;
	return found->value;
}

/* The configuration of a kernel in the tree; an empty string if there is none. Owned. */
static char *
load_kernel_config(const AshAudit *audit)
{
	const AshFsNode *modules = ash_fs_tree_resolve(audit->tree, "usr/lib/modules");
	const AshFsNode *boot = ash_fs_tree_resolve(audit->tree, "boot");
	char *text = NULL;

	for (guint i = 0; modules != NULL && modules->children != NULL && text == NULL && i < modules->children->len; i++) {
		const AshFsNode *node = g_ptr_array_index(modules->children, i);
		g_autofree char *path = g_strdup_printf("usr/lib/modules/%s/config", node->name);

		text = ash_audit_load_text(audit, path);
	}
	for (guint i = 0; boot != NULL && boot->children != NULL && text == NULL && i < boot->children->len; i++) {
		const AshFsNode *node = g_ptr_array_index(boot->children, i);

		if (g_str_has_prefix(node->name, "config-"))
			text = ash_audit_load_node(audit, node);
	}
	return text != NULL ? text : g_strdup("");
}

static bool
parse_number(const char *text, gint64 *ret_number)
{
	char *end = NULL;

	errno = 0;
	*ret_number = g_ascii_strtoll(text, &end, 0);
	return errno == 0 && end != text && (*end == '\0' || g_ascii_isspace(*end));
}

static gint64
find_initial(const Wanted *row, const char *config)
{
	g_autofree char *line = row->config != NULL ? g_strdup_printf("\n%s=", row->config) : NULL;
	const char *at = line != NULL ? strstr(config, line) : NULL;
	gint64 number = 0;

	if (at == NULL)
		return row->initial;
	at += strlen(line);
	if (*at == 'y')
		return row->initial_y;
	return parse_number(at, &number) ? number : row->initial;
}

static bool
is_good(const Wanted *row, gint64 number)
{
	return number >= row->least && number <= row->most && number != row->bad;
}

static void
check_setting(const AshAudit *audit, const AshSysctl *sysctl, const Wanted *row, const char *config)
{
	g_autofree char *name = g_strdelimit(g_strdup(row->key), "/", '.');
	const char *path = NULL;
	const char *value = ash_sysctl_get(sysctl, row->key, &path);
	gint64 initial = find_initial(row, config), number = initial;

	if (value != NULL && !parse_number(value, &number))
		ash_audit_report_add(audit->report, row->rule, path, name, "%s = %s is no number", name, value);
	else if (!is_good(row, number) && value != NULL)
		ash_audit_report_add(audit->report, row->rule, path, name, "%s = %s", name, value);
	else if (!is_good(row, number))
		ash_audit_report_add(audit->report, row->rule, "", name, "%s is not set; the kernel begins with %" G_GINT64_FORMAT, name, initial);
}

void
ash_sysctl_check(const AshAudit *audit)
{
	g_autoptr(GPtrArray) files = ash_audit_list_config(audit, directories, ".conf");
	g_autoptr(AshSysctl) sysctl = ash_sysctl_new();
	g_autofree char *config = NULL;

	/* A system that others start has no settings of the kernel: a container image. */
	if (ash_audit_resolve(audit, "usr/lib/systemd/systemd") == NULL && ash_audit_resolve(audit, "sbin/init") == NULL && files->len == 0)
		return;
	for (guint i = 0; i < files->len; i++) {
		g_autofree char *path = ash_fs_node_dup_path(g_ptr_array_index(files, i));
		g_autofree char *text = ash_audit_load_text(audit, path);

		if (text != NULL)
			ash_sysctl_parse(sysctl, text, path);
	}
	config = load_kernel_config(audit);
	for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++)
		check_setting(audit, sysctl, &wanted[i], config);
}
