/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/finding.h"
#include "base/context.h"
#include "model/fstree.h"

/**
 * Looks at every file of @tree by all rules, on ctx->jobs threads; each content is read once, one file a thread at a time.
 * What cannot be read is a notice in the report. Owned; NULL only if it was cancelled.
 */
AshAuditReport *ash_audit_run(AshContext *ctx, const AshFsTree *tree, GError **error);
