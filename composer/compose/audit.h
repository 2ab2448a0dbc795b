/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/audit.h"

/**
 * Audits @target: an image, if there is a file of that name, else a commit of the store in @store_dir (a ref, a checksum or the
 * begin of one). Owned; NULL on failure.
 */
AshAuditReport *ash_compose_audit(AshContext *ctx, const char *store_dir, const char *target, GError **error);
