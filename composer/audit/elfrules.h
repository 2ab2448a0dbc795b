/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/family.h"

/** The rules "elf-*" for one file, whose content is @data. @path: without "/" in front. From any thread. */
void ash_elfrules_check(const AshAudit *audit, const AshFsNode *node, const char *path, const guint8 *data, gsize length);
