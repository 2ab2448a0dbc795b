/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/tufkey.h"

/** A role that the targets in some paths are left to. */
typedef struct {
	char *name;
	AshTufSigners signers;
	bool terminating;
	char **paths;         /* glob patterns; NULL if hash prefixes */
	char **hash_prefixes; /* hex; NULL if patterns */
} AshTufDelegation;

/** True if the delegation covers @path: "*" and "?" never match "/" (TUF 1.0 4.5). */
bool ash_tuf_delegation_has_path(const AshTufDelegation *delegation, const char *path);

/** ASH_ERROR_TRUST. Owned. */
AshTufDelegation *ash_tuf_delegation_parse(JsonObject *object, GError **error);
void ash_tuf_delegation_free(AshTufDelegation *delegation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTufDelegation, ash_tuf_delegation_free)
