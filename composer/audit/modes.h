/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/family.h"

/** The rules "mode-*": owners, permission bits and capabilities of all files. */
void ash_modes_check(const AshAudit *audit);
/** "cap_net_raw, cap_sys_admin (0x...)" of the value of security.capability (VFS_CAP_REVISION_*, linux/capability.h). Owned; NULL if it is damaged. */
char *ash_modes_describe_capability(const guint8 *value, gsize length, guint64 *ret_mask);
