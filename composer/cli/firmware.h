/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/certificate.h"
#include "base/runner.h"

/**
 * Gives a QEMU of "-machine q35" the UEFI firmware that the distribution has for it. @trusted: with Secure Boot on, for what this certificate's key has signed
 * and nothing else; NULL: off. *@ret_vars_fd is to be closed when QEMU has ended; -1 if it needs none. ASH_ERROR_CONFIG, naming the package, if there is no such firmware.
 */
gboolean ash_firmware_add(AshRun *run, const AshCertificate *trusted, int *ret_vars_fd, GError **error);
