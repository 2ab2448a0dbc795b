/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/package.h"

/**
 * The software bill of materials of a package set: SPDX 2.3 in JSON (ISO/IEC 5962 and its JSON schema), one package
 * element per RPM with digest, source RPM and package URL (purl type "rpm"). RPM licence tags are not always SPDX
 * expressions: they are passed on as licenseComments. Deterministic. @name is the document's, @key (any text) makes its
 * namespace unique, @epoch (seconds) is its creation time. Owned.
 */
char *ash_sbom_format(const AshPackageSet *set, const char *name, const char *key, guint64 epoch);
