/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** How much a finding matters; the names are those of SARIF 2.1.0, 3.27.10. */
typedef enum {
	ASH_AUDIT_NONE, /* of no finding: "--fail-on=none" */
	ASH_AUDIT_NOTE,
	ASH_AUDIT_WARNING,
	ASH_AUDIT_ERROR,
} AshAuditLevel;

/** "none", "note", "warning", "error". Borrowed, static. */
const char *ash_audit_level_to_string(AshAuditLevel level);
bool ash_audit_level_parse(const char *text, AshAuditLevel *ret_level);

/** Every rule, in the order of the lists; rules.c says what each is about. */
typedef enum {
	ASH_RULE_ELF_DAMAGED,
	ASH_RULE_ELF_EXEC_STACK,
	ASH_RULE_ELF_NO_BIND_NOW,
	ASH_RULE_ELF_NO_CET,
	ASH_RULE_ELF_NO_FORTIFY,
	ASH_RULE_ELF_NO_PIE,
	ASH_RULE_ELF_NO_RELRO,
	ASH_RULE_ELF_NO_STACK_PROTECTOR,
	ASH_RULE_ELF_RUNPATH,
	ASH_RULE_ELF_STATIC,
	ASH_RULE_ELF_TEXTREL,
	ASH_RULE_ELF_WRITABLE_CODE,
	ASH_RULE_MODE_CAPABILITY,
	ASH_RULE_MODE_PROGRAM_OWNER,
	ASH_RULE_MODE_SETGID,
	ASH_RULE_MODE_SETID_WRITABLE,
	ASH_RULE_MODE_SETUID,
	ASH_RULE_MODE_SHADOW_READABLE,
	ASH_RULE_MODE_UNKNOWN_OWNER,
	ASH_RULE_MODE_WORLD_WRITABLE_DIR,
	ASH_RULE_MODE_WORLD_WRITABLE_FILE,
	ASH_RULE_UNIT_DEBUG_SHELL,
	ASH_RULE_UNIT_EXPOSED,
	ASH_RULE_UNIT_NO_SYSCALL_FILTER,
	ASH_RULE_PORT_CLEARTEXT,
	ASH_RULE_PORT_OPEN,
	ASH_RULE_SYSCTL_ACCEPT_REDIRECTS,
	ASH_RULE_SYSCTL_ASLR,
	ASH_RULE_SYSCTL_BPF,
	ASH_RULE_SYSCTL_DMESG_RESTRICT,
	ASH_RULE_SYSCTL_KPTR_RESTRICT,
	ASH_RULE_SYSCTL_MMAP_MIN_ADDR,
	ASH_RULE_SYSCTL_PERF_EVENTS,
	ASH_RULE_SYSCTL_PROTECTED_FIFOS,
	ASH_RULE_SYSCTL_PROTECTED_HARDLINKS,
	ASH_RULE_SYSCTL_PROTECTED_REGULAR,
	ASH_RULE_SYSCTL_PROTECTED_SYMLINKS,
	ASH_RULE_SYSCTL_PTRACE_SCOPE,
	ASH_RULE_SYSCTL_RP_FILTER,
	ASH_RULE_SYSCTL_SOURCE_ROUTE,
	ASH_RULE_SYSCTL_SUID_DUMPABLE,
	ASH_RULE_SYSCTL_SYNCOOKIES,
	ASH_RULE_SYSCTL_SYSRQ,
	ASH_RULE_ACCOUNT_EMPTY_PASSWORD,
	ASH_RULE_ACCOUNT_PASSWD_HASH,
	ASH_RULE_ACCOUNT_PASSWORD,
	ASH_RULE_ACCOUNT_ROOT_PASSWORD,
	ASH_RULE_ACCOUNT_SAME_UID,
	ASH_RULE_ACCOUNT_SUDO_NOPASSWD,
	ASH_RULE_ACCOUNT_UID_ZERO,
	ASH_RULE_ACCOUNT_WEAK_HASH,
	ASH_RULE_IDENTITY_DEVICE,
	ASH_RULE_IDENTITY_LOGS,
	ASH_RULE_IDENTITY_MACHINE_ID,
	ASH_RULE_IDENTITY_RANDOM_SEED,
	ASH_RULE_IDENTITY_SSH_HOST_KEY,
	ASH_RULE_IDENTITY_SYSTEMD_SECRET,
	ASH_RULE_SECRET_AUTHORIZED_KEYS,
	ASH_RULE_SECRET_CREDENTIALS,
	ASH_RULE_SECRET_EXAMPLE_KEY,
	ASH_RULE_SECRET_HISTORY,
	ASH_RULE_SECRET_KEYTAB,
	ASH_RULE_SECRET_PRIVATE_KEY,
	ASH_RULE_SECRET_TOKEN,
	ASH_RULE_SECRET_WIFI,
	ASH_RULE_FILE_UNOWNED,
	_ASH_RULE_COUNT,
} AshAuditRuleId;

/** One rule. All text is static, of whole sentences but the title. */
typedef struct {
	const char *id; /* for command lines, files and SARIF; never changes its meaning */
	AshAuditLevel level;
	const char *title;
	const char *why;
	const char *remedy;
} AshAuditRule;

/** The rule of that number. Borrowed, static. */
const AshAuditRule *ash_audit_rule_get(AshAuditRuleId id);
/** True if @pattern, a rule's name or a shell pattern of names (glob(7)), names a rule at all. */
bool ash_audit_rule_exists(const char *pattern);
/** True if @pattern names rule @id. */
bool ash_audit_rule_matches(AshAuditRuleId id, const char *pattern);
