/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/key.h"

/** An X.509 certificate (RFC 5280). Immutable. */
typedef struct AshCertificate AshCertificate;

/** Loads the first one of a file, PEM or DER. ASH_ERROR_CONFIG if it holds none. Owned. */
AshCertificate *ash_certificate_load(const char *path, GError **error);
AshCertificate *ash_certificate_ref(AshCertificate *certificate);
void ash_certificate_unref(AshCertificate *certificate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshCertificate, ash_certificate_unref)

/** Its DER. Owned. */
GBytes *ash_certificate_dup_der(const AshCertificate *certificate);
/** The SHA-256 of its DER in hex. Owned. */
char *ash_certificate_dup_fingerprint(const AshCertificate *certificate);
/** Who it is of, in one line ("CN=Example,O=Example Inc."; RFC 4514). Owned. */
char *ash_certificate_dup_subject(const AshCertificate *certificate);
/** True if @key is the private (or public) part of what it certifies. */
bool ash_certificate_is_of(const AshCertificate *certificate, const AshKey *key);
