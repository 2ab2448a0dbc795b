/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/delegation.h"
#include "tuf/target.h"

/** TUF metadata (TUF 1.0.34 4) as plain data: parsed strictly, verified, and written. No I/O. */
typedef enum {
	ASH_TUF_ROOT,
	ASH_TUF_TIMESTAMP,
	ASH_TUF_SNAPSHOT,
	ASH_TUF_TARGETS,
} AshTufRole;
#define ASH_TUF_N_ROLES 4

/** "root", ...: as in "_type" and on the command line. Static. */
const char *ash_tuf_role_to_string(AshTufRole role);
/** FALSE (no error) if @text is no role. */
gboolean ash_tuf_role_parse(const char *text, AshTufRole *ret_role);

/** No metadata is longer, bytes. */
#define ASH_TUF_METADATA_BYTES (8 * 1024 * 1024)
/** Our own member of what is signed: the time of signing. */
#define ASH_TUF_ISSUED "x-ashlar-issued"

typedef struct {
	char *keyid;
	GBytes *bytes; /* empty: somebody has not signed yet */
} AshTufSignature;

typedef struct {
	AshTufRole role;
	gint64 version;
	gint64 expires; /* seconds since 1970 */
	gint64 issued;  /* seconds since 1970, when it was signed by its own account ("x-ashlar-issued"); 0: not told */
	JsonNode *document;    /* all of it, as it came */
	JsonObject *signed_object; /* borrowed from @document */
	GBytes *canonical;     /* what is signed */
	GPtrArray *signatures; /* of AshTufSignature */

	GHashTable *keys; /* root, and targets with delegations: id to AshTufKey */

	/* root */
	bool consistent;
	AshTufSigners signers[ASH_TUF_N_ROLES];
	/* timestamp, snapshot: file name ("targets.json") to AshTufFile */
	GHashTable *meta;
	/* targets: path to AshTufTarget; AshTufDelegation in order */
	GHashTable *targets;
	GPtrArray *delegations;
} AshTufMetadata;

/**
 * Parses and checks everything but signatures and times. @what names it in errors ("3.root.json"). ASH_ERROR_TRUST. Owned. */
AshTufMetadata *ash_tuf_metadata_parse(GBytes *data, AshTufRole role, const char *what, GError **error);
void ash_tuf_metadata_free(AshTufMetadata *metadata);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTufMetadata, ash_tuf_metadata_free)

/** How many different keys of @signers have signed @metadata: a key that has two ids counts once. */
guint ash_tuf_metadata_count_signers(const AshTufMetadata *metadata, GHashTable *keys, const AshTufSigners *signers);
/** ASH_ERROR_TRUST unless these are at least the threshold. */
gboolean ash_tuf_metadata_verify(const AshTufMetadata *metadata, GHashTable *keys, const AshTufSigners *signers,
				 const char *what, GError **error);
/** The same by the signers that @root names for its role. */
gboolean ash_tuf_metadata_verify_by_root(const AshTufMetadata *metadata, const AshTufMetadata *root, const char *what,
					 GError **error);
