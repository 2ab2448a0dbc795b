/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/family.h"

/**
 * The rule "file-unowned": files of @tree that none of the absolute @paths (of char *, all files of all packages) names. What is made on
 * each machine or by the composer is passed over.
 */
void ash_unowned_check(const AshFsTree *tree, const GPtrArray *paths, AshAuditReport *report);
