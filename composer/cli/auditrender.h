/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/finding.h"

/** Prints a report for people. @most: lines a rule, 0: all. */
void ash_audit_render_text(const AshAuditReport *report, guint most);
/** Prints all rules for people. */
void ash_audit_render_rules(void);
