/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/finding.h"

/** AshAuditPolicy: which rules are wanted, what was accepted with a reason, and what was known before. */
typedef struct AshAuditPolicy AshAuditPolicy;

/** All rules, nothing accepted. Owned. */
AshAuditPolicy *ash_audit_policy_new(void);
void ash_audit_policy_free(AshAuditPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshAuditPolicy, ash_audit_policy_free)

/** Only rules that are added are wanted, once there is one: a name or a pattern of names (glob(7)). ASH_ERROR_CONFIG if it is none. */
gboolean ash_audit_policy_add_rule(AshAuditPolicy *policy, const char *rule, GError **error);
/**
 * Accepts findings of @rule (a name or pattern) at @path (a pattern with or without "/" in front, in which "*" goes across "/"; NULL:
 * anywhere) of @subject (a pattern; NULL: any). ASH_ERROR_CONFIG if there is no such rule.
 */
gboolean ash_audit_policy_accept(AshAuditPolicy *policy, const char *rule, const char *path, const char *subject, const char *reason,
				 GError **error);
/** Takes the findings of an earlier report (the text of "ashlar audit --json") for known. @what names it in errors. */
gboolean ash_audit_policy_add_baseline(AshAuditPolicy *policy, const char *text, gsize length, const char *what, GError **error);
/** True after ash_audit_policy_add_baseline(). */
bool ash_audit_policy_has_baseline(const AshAuditPolicy *policy);

/** Drops findings of rules that are not wanted, marks those accepted and known. What accepts nothing is a notice. */
void ash_audit_policy_apply(const AshAuditPolicy *policy, AshAuditReport *report);
