/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/policy.h"

/**
 * Adds the accepted findings of the TOML file @path: tables [[accept]] with the keys rule and reason, and path and subject if it is not
 * all of the rule. ASH_ERROR_CONFIG "file:line: ..." for anything else.
 */
gboolean ash_auditpolicy_load(AshAuditPolicy *policy, const char *path, GError **error);
