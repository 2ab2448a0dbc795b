/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/secureboot/bootsigner.h"
#include "model/secureboot.h"

/** All that such a partition holds, and the unit that it is padded to with zeros. */
#define ASH_VERITY_SIG_BYTES 4096

/**
 * A signed root hash, as a partition of its own has it (UAPI "Discoverable Disk Image", "Verity signature partitions"): JSON with the hash, the SHA-256 of the signer's
 * certificate, and a detached PKCS #7 signature of the hash's hex text.
 */
typedef struct {
	char *root_hash;   /* hex */
	char *fingerprint; /* hex */
	GBytes *signature; /* DER */
} AshVeritySig;

void ash_verity_sig_free(AshVeritySig *sig);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshVeritySig, ash_verity_sig_free)

/** Has @signer sign @root_hash. Owned, ASH_VERITY_SIG_BYTES. */
GBytes *ash_verity_sig_make(const char *root_hash, const AshBootSigner *signer, GError **error);

/** What the kernel command line says to have the kernel check it (data/dracut/90ashlar/ashlar-roothash); NULL if it need not. Borrowed, static. */
const char *ash_verity_sig_cmdline(const AshSecureBoot *how);

/** Reads what ash_verity_sig_make() or another program has written: @length bytes, of which the rest is NUL. ASH_ERROR_CONFIG. Owned. */
AshVeritySig *ash_verity_sig_parse(const char *data, gsize length, GError **error);
