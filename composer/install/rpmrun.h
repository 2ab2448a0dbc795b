/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "install/transaction.h"

/** AshRpmRun: one librpm transaction; the part of install/transaction.h that runs inside the sandbox. */
typedef struct AshRpmRun AshRpmRun;

/** Before the sandbox: reads librpm's own files and opens every package. @plan is borrowed. */
AshRpmRun *ash_rpm_run_new(const AshTransactionPlan *plan, GError **error);
void ash_rpm_run_free(AshRpmRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshRpmRun, ash_rpm_run_free)

/** Inside: installs below @root. Owned result; errors as ash_transaction_install(). */
AshTransactionResult *ash_rpm_run_install(AshRpmRun *run, AshContext *ctx, const char *root, GError **error);
