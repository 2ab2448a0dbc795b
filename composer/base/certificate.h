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
/** From when until when it is valid, in seconds since 1970 (RFC 5280 4.1.2.5). */
void ash_certificate_get_validity(const AshCertificate *certificate, gint64 *ret_from, gint64 *ret_until);
/** What makes it weak, without full stop: less than 112 bits of security (SP 800-57 part 1, 5.6.1), or signed by another key with MD5 or SHA-1. Owned; NULL if nothing does. */
char *ash_certificate_dup_weakness(const AshCertificate *certificate);
/** True if @key is the private (or public) part of what it certifies. */
bool ash_certificate_is_of(const AshCertificate *certificate, const AshKey *key);
