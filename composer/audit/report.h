/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/finding.h"

#include <json-glib/json-glib.h>

/**
 * The report as one object, whose form data/audit.schema.json describes. @target: what was looked at, as the user named it.
 * @inventory: with the protections of every ELF file. Owned (json_object_unref).
 */
JsonObject *ash_audit_report_to_json(const AshAuditReport *report, const char *target, bool inventory);

/**
 * The report as a SARIF log (OASIS Static Analysis Results Interchange Format 2.1.0): one run; locations are paths relative to the
 * root of the image (3.4.3), accepted findings are suppressed (3.35). @version: of the program. @baseline: there was one, so that
 * each result says whether it is new (3.27.24). Owned.
 */
JsonObject *ash_audit_report_to_sarif(const AshAuditReport *report, const char *target, const char *version, bool baseline);

/** All rules as an array of objects, as they are in reports. Owned (json_array_unref). */
JsonArray *ash_audit_rules_to_json(void);
