/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/modes.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* By number (linux/capability.h), in lower case as cap_to_text(3) writes them. */
static const char *const capability_names[] = {
	"cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill", "cap_setgid", "cap_setuid",
	"cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast", "cap_net_admin", "cap_net_raw",
	"cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio", "cap_sys_chroot", "cap_sys_ptrace", "cap_sys_pacct",
	"cap_sys_admin", "cap_sys_boot", "cap_sys_nice", "cap_sys_resource", "cap_sys_time", "cap_sys_tty_config", "cap_mknod",
	"cap_lease", "cap_audit_write", "cap_audit_control", "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog",
	"cap_wake_alarm", "cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore",
};

#define BIT(number) (G_GUINT64_CONSTANT(1) << (number))
/* Each of these is root by another name (capabilities(7)). */
#define ROOT_LIKE                                                                                                          \
	(BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | BIT(CAP_SETGID) | BIT(CAP_SETUID) | \
	 BIT(CAP_SETPCAP) | BIT(CAP_SYS_MODULE) | BIT(CAP_SYS_RAWIO) | BIT(CAP_SYS_PTRACE) | BIT(CAP_SYS_ADMIN) |       \
	 BIT(CAP_MKNOD) | BIT(CAP_SETFCAP) | BIT(CAP_MAC_OVERRIDE) | BIT(CAP_MAC_ADMIN))

/* Who exists: numbers of /etc/passwd and /etc/group. */
typedef struct {
	const AshAudit *audit;
	GHashTable *users, *groups; /* number -> itself */
} Walk;

static guint32
read_word(const guint8 *at)
{
	guint32 value;

	memcpy(&value, at, sizeof(value));
	return GUINT32_FROM_LE(value);
}

char *
ash_modes_describe_capability(const guint8 *value, gsize length, guint64 *ret_mask)
{
	GString *text;
	guint64 mask;

	/* Revision 1 has one word of each set, 2 and 3 have two: effective flag, permitted, inheritable. */
	if (length < 12)
		return NULL;
	mask = read_word(value + 4);
	if (length >= 20)
		mask |= (guint64) read_word(value + 12) << 32;
	text = g_string_new(NULL);
	for (guint i = 0; i < 64; i++) {
		if ((mask & BIT(i)) == 0)
			continue;
		g_string_append(text, text->len > 0 ? ", " : "");
		if (i < G_N_ELEMENTS(capability_names))
			g_string_append(text, capability_names[i]);
		else
			g_string_append_printf(text, "capability %u", i);
	}
	*ret_mask = mask;
	return g_string_free(text, FALSE);
}

static void
check_capability(const AshAudit *audit, const AshFsNode *node, const char *path)
{
	const AshFsXattr *xattr = ash_fs_node_get_xattr(node, "security.capability");
	guint64 mask = 0;

	if (xattr == NULL)
		return;
	g_autofree char *text = ash_modes_describe_capability(xattr->value, xattr->length, &mask);
	if (text == NULL)
		ash_audit_report_add(audit->report, ASH_RULE_MODE_CAPABILITY, path, NULL, "capabilities that cannot be read");
	else if ((mask & ROOT_LIKE) != 0)
		ash_audit_report_add_at(audit->report, ASH_RULE_MODE_CAPABILITY, ASH_AUDIT_WARNING, path, NULL, "%s, which is as good as root", text);
	else
		ash_audit_report_add(audit->report, ASH_RULE_MODE_CAPABILITY, path, NULL, "%s", text);
}

static void
check_setid(const AshAudit *audit, const AshFsNode *node, const char *path)
{
	bool setuid = (node->mode & S_ISUID) != 0;
	/* Without the right to execute it stands for mandatory locks. */
	bool setgid = (node->mode & S_ISGID) != 0 && (node->mode & S_IXGRP) != 0;
	bool others = (node->mode & S_IWOTH) != 0 || ((node->mode & S_IWGRP) != 0 && node->gid != 0);

	if (setuid)
		ash_audit_report_add(audit->report, ASH_RULE_MODE_SETUID, path, NULL, "mode %04o, runs as user %u", node->mode & 07777, node->uid);
	if (setgid)
		ash_audit_report_add(audit->report, ASH_RULE_MODE_SETGID, path, NULL, "mode %04o, runs as group %u", node->mode & 07777, node->gid);
	if ((setuid || setgid) && others)
		ash_audit_report_add(audit->report, ASH_RULE_MODE_SETID_WRITABLE, path, NULL, "mode %04o", node->mode & 07777);
}

static bool
is_program_place(const char *path)
{
	static const char *const places[] = { "usr/bin/", "usr/sbin/", "usr/lib/", "usr/lib64/", "usr/libexec/", "bin/", "sbin/", "lib/", "lib64/" };

	for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
		if (g_str_has_prefix(path, places[i]))
			return true;
	}
	return false;
}

static void
check_owner(const Walk *walk, const AshFsNode *node, const char *path)
{
	const AshAudit *audit = walk->audit;

	if (!g_hash_table_contains(walk->users, GUINT_TO_POINTER(node->uid)))
		ash_audit_report_add(audit->report, ASH_RULE_MODE_UNKNOWN_OWNER, path, "user", "there is no user %u", node->uid);
	if (!g_hash_table_contains(walk->groups, GUINT_TO_POINTER(node->gid)))
		ash_audit_report_add(audit->report, ASH_RULE_MODE_UNKNOWN_OWNER, path, "group", "there is no group %u", node->gid);
	if (node->uid != 0 && is_program_place(path) && (S_ISDIR(node->mode) || (node->mode & 0111) != 0) && (node->mode & S_IWUSR) != 0)
		ash_audit_report_add(audit->report, ASH_RULE_MODE_PROGRAM_OWNER, path, NULL, "belongs to user %u", node->uid);
}

static gboolean
check_node(AshFsNode *node, gpointer user_data, GError **error)
{
	const Walk *walk = user_data;
	const AshAudit *audit = walk->audit;
	g_autofree char *path = ash_fs_node_dup_path(node);

	if (S_ISLNK(node->mode))
		return TRUE;
	check_owner(walk, node, path);
	if (S_ISDIR(node->mode)) {
		if ((node->mode & (S_IWOTH | S_ISVTX)) == S_IWOTH)
			ash_audit_report_add(audit->report, ASH_RULE_MODE_WORLD_WRITABLE_DIR, path, NULL, "mode %04o", node->mode & 07777);
		return TRUE;
	}
	if (!S_ISREG(node->mode))
		return TRUE;
	if ((node->mode & S_IWOTH) != 0)
		ash_audit_report_add(audit->report, ASH_RULE_MODE_WORLD_WRITABLE_FILE, path, NULL, "mode %04o", node->mode & 07777);
	check_setid(audit, node, path);
	check_capability(audit, node, path);
	return TRUE;
}

/* The numbers in the third field of each line of passwd(5) or group(5). */
static GHashTable *
read_numbers(const AshAudit *audit, const char *path)
{
	GHashTable *numbers = g_hash_table_new(NULL, NULL);
	g_autofree char *text = ash_audit_load_text(audit, path);
	g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);

	g_hash_table_add(numbers, GUINT_TO_POINTER(0));
	for (char **line = lines; *line != NULL; line++) {
		g_auto(GStrv) fields = g_strsplit(*line, ":", -1);

		if (g_strv_length(fields) >= 3 && g_ascii_isdigit(fields[2][0]))
			g_hash_table_add(numbers, GUINT_TO_POINTER((guint) strtoul(fields[2], NULL, 10)));
	}
	return numbers;
}

static void
check_shadow(const AshAudit *audit)
{
	static const char *const names[] = { "etc/shadow", "etc/gshadow", "etc/shadow-", "etc/gshadow-", "usr/etc/shadow", "usr/etc/gshadow" };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		const AshFsNode *node = ash_fs_tree_lookup(audit->tree, names[i]);

		if (node != NULL && S_ISREG(node->mode) && (node->mode & S_IROTH) != 0)
			ash_audit_report_add(audit->report, ASH_RULE_MODE_SHADOW_READABLE, names[i], NULL, "mode %04o", node->mode & 07777);
	}
}

void
ash_modes_check(const AshAudit *audit)
{
	g_autoptr(GHashTable) users = read_numbers(audit, "etc/passwd");
	g_autoptr(GHashTable) groups = read_numbers(audit, "etc/group");
	Walk walk = { audit, users, groups };

	/* The walk changes nothing; its type is for those that do. */
	ash_fs_tree_walk((AshFsTree *) audit->tree, check_node, &walk, NULL);
	check_shadow(audit);
}
