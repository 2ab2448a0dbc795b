/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/runner.h"

/**
 * Gives a QEMU a TPM 2.0 that swtpm(8) emulates: it is started, and ends with QEMU. What the TPM remembers is in the directory @dir, which is made
 * when needed. ASH_ERROR_CONFIG, naming the package, if there is no swtpm.
 */
gboolean ash_swtpm_add(AshContext *ctx, AshRun *qemu, const char *dir, GError **error);
