/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/rules.h"

/** What one rule says of one thing in the image. Strings owned. */
typedef struct {
	AshAuditRuleId rule;
	AshAuditLevel level; /* the rule's own, or more for what runs with rights of others */
	char *path;          /* in the image, without "/" in front; "" if it is of no one file */
	char *subject;       /* what of the file: an account, a setting, an address; "" if the path says all */
	char *message;       /* one sentence without full stop */
	char *accepted;      /* why it was accepted (it does not count then); NULL: it was not */
	bool known;          /* it was in the baseline, too: it does not count either */
} AshAuditFinding;

/** A service of the image. */
typedef struct {
	char *unit;
	char *path;       /* of the unit file, without "/" in front */
	char *user;       /* User=; "" for root */
	char *filter;     /* SystemCallFilter=, lines joined by spaces; "" if there is none */
	bool enabled;     /* something that is started pulls it in by a link */
	gint exposure;    /* tenths, 0 to 100, as systemd-analyze has it; -1: not known */
} AshAuditService;

/** An address at which systemd listens. */
typedef struct {
	char *unit;
	char *path;
	char *kind;    /* "stream", "datagram", "sequential packets", ... */
	char *address; /* as written: "22", "[::]:80", "/run/x" */
	guint port;    /* 0: not of IP */
	bool local;    /* a loopback address, vsock, or no port at all */
	bool enabled;
} AshAuditSocket;

/** The protections of an ELF file, for the inventory. */
typedef struct {
	char *path;
	const char *kind;  /* static: "program", "pie", "library", "static", "static-pie" */
	const char *relro; /* static: "no", "partial", "full" */
	bool stack_protector, bind_now, ibt, shstk, exec_stack, textrel;
	guint fortified, fortifiable; /* imported functions that check sizes; that could */
	char *runpath;                /* NULL: none */
} AshAuditProgram;

/** AshAuditReport: everything that was found. */
typedef struct {
	GPtrArray *findings; /* of AshAuditFinding */
	GPtrArray *services; /* of AshAuditService */
	GPtrArray *sockets;  /* of AshAuditSocket */
	GPtrArray *programs; /* of AshAuditProgram */
	GPtrArray *notices;  /* of char *: what could not be checked, and why */
	guint files;         /* looked at */
	GMutex lock;         /* of findings and programs while families run side by side */
} AshAuditReport;

AshAuditReport *ash_audit_report_new(void);
void ash_audit_report_free(AshAuditReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshAuditReport, ash_audit_report_free)

/** Adds a finding of the rule's own level, from any thread. @subject may be NULL. */
void ash_audit_report_add(AshAuditReport *report, AshAuditRuleId rule, const char *path, const char *subject,
			  const char *format, ...) G_GNUC_PRINTF(5, 6);
/** The same at another level. */
void ash_audit_report_add_at(AshAuditReport *report, AshAuditRuleId rule, AshAuditLevel level, const char *path,
			     const char *subject, const char *format, ...) G_GNUC_PRINTF(6, 7);
/** What could not be checked, and why: one line without full stop. */
void ash_audit_report_notice(AshAuditReport *report, const char *format, ...) G_GNUC_PRINTF(2, 3);
/** Puts everything in an order that does not depend on threads: findings by level, rule, path, subject. Call at the end, and again after more was added. */
void ash_audit_report_finish(AshAuditReport *report);

/** True if it is neither accepted nor known. */
bool ash_audit_finding_counts(const AshAuditFinding *finding);
/** How many findings of @level count. */
guint ash_audit_report_count(const AshAuditReport *report, AshAuditLevel level);
/** "RULE PATH SUBJECT", which stays the same as long as the finding does: for baselines. Owned. */
char *ash_audit_finding_dup_key(const AshAuditFinding *finding);
