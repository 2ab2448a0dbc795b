/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** A signature that was found on a disk, for people. */
typedef struct {
	char *signer;      /* subject of the certificate; NULL: it cannot be read */
	char *fingerprint; /* SHA-256 of the certificate, hex; NULL likewise */
	char *problem;     /* why it is not right; NULL: it is, by that certificate's key */
} AshImageSignature;

/** Those that a PE image carries (of AshImageSignature, owned); none if it is no image that can be signed. */
GPtrArray *ash_image_signatures_list(GBytes *image);

/** The SHA-256 of the certificate of whoever is said to have signed @root_hash (hex), by the @bytes of the partition at @offset of @fd. Owned; NULL: nobody. */
char *ash_image_signature_find_root(int fd, guint64 offset, guint64 bytes, const char *root_hash);
