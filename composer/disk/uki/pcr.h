/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/key.h"
#include "disk/uki/uki.h"

/**
 * PCR 11 of a TPM 2.0, which systemd-stub(7) extends by the sections of a unified kernel image before it starts the kernel, and
 * systemd-pcrphase(8) by the name of each phase of the boot (UAPI "Linux TPM PCR Registry"). What it will be is known when the image is
 * made, and a signature lets a machine's secrets be bound to "whatever this key has signed" and not to one version.
 */

/** What PCR 11 (SHA-256 bank) is when a UKI of @parts has been booted and is in its initrd. */
gboolean ash_pcr_predict(const AshUkiParts *parts, guint8 ret_value[ASH_SHA256_SIZE], GError **error);

/** The digest of a policy that wants PCR 11 to be @value (TPM 2.0 part 3, TPM2_PolicyPCR, SHA-256). */
void ash_pcr_make_policy(const guint8 value[ASH_SHA256_SIZE], guint8 ret_policy[ASH_SHA256_SIZE]);

/**
 * Gives @parts the sections .pcrpkey (the public part of @key, PEM) and .pcrsig (JSON as of systemd-measure(1) "sign", for the phase "enter-initrd"),
 * both owned by the caller. ASH_ERROR_CONFIG unless @key is RSA and private, which is what systemd takes.
 */
gboolean ash_pcr_sign(AshUkiParts *parts, const AshKey *key, GBytes **ret_public, GBytes **ret_signature, GError **error);
