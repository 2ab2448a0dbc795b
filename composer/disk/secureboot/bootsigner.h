/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/pkcs7.h"
#include "disk/io/content.h"

/** Names of what is signed, as files beside the image have them (disk/secureboot/detached.h). */
#define ASH_SIGNED_UKI         "uki.efi"
#define ASH_SIGNED_KERNEL      "linux.efi" /* of a package-managed system */
#define ASH_SIGNED_LOADER      "systemd-bootx64.efi"
#define ASH_SIGNED_SHIM        "shimx64.efi"
#define ASH_SIGNED_GRUB        "grubx64.efi"
#define ASH_SIGNED_MOK_MANAGER "mmx64.efi"
#define ASH_SIGNED_ROOT_HASH   "roothash"

/** Who signs what a disk boots with. Threads may use it at the same time. */
typedef struct AshBootSigner AshBootSigner;
struct AshBootSigner {
	/** What is to be in the place of @image, a PE image called @name: with a signature. Owned; NULL on failure. */
	AshContent *(*sign_image)(const AshBootSigner *signer, const char *name, AshContent *image, GError **error);
	/** A detached signature of @root_hash (hex) in DER, by the key of @certificate. Owned; NULL on failure. */
	GBytes *(*sign_root_hash)(const AshBootSigner *signer, const char *root_hash, GError **error);
	const AshCertificate *certificate; /* borrowed; NULL: root hashes cannot be signed */
	gconstpointer data;                /* for the functions */
	char *identity;                    /* owned by who made it: changes with what it signs by; part of the key of artifacts */
};

/** One that signs with a key at once. @key is borrowed; @identity of @ret is owned by the caller. ASH_ERROR_USAGE if key and certificate do not go together. */
gboolean ash_boot_signer_init_key(AshBootSigner *ret, const AshSigner *key, GError **error);
