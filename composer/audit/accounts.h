/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/family.h"

/** The rules "account-*": passwd(5), shadow(5), sudoers(5). */
void ash_audit_accounts_check(const AshAudit *audit);
