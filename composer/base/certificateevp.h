/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/certificate.h"

#include <openssl/x509.h>

/** For base/pkcs7.c: a certificate of an OpenSSL one, which is referenced. Owned. */
AshCertificate *ash_certificate_new_from_x509(X509 *x509);
/** The OpenSSL certificate. Borrowed. */
X509 *ash_certificate_get_x509(const AshCertificate *certificate);
