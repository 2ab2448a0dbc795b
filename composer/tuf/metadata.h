/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/tufkey.h"

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

/** Who must sign: at least @threshold different keys of @keyids. */
typedef struct {
	char **keyids;
	guint64 threshold;
} AshTufSigners;

typedef struct {
	char *keyid;
	GBytes *bytes; /* empty: somebody has not signed yet */
} AshTufSignature;

/** Length and digests of a file, as far as they are known. */
typedef struct {
	gint64 version; /* of metadata */
	gint64 length;  /* bytes; -1: not told */
	char *sha256;   /* hex, may be NULL */
	char *sha512;   /* hex, may be NULL */
} AshTufFile;

/** A target (TUF 1.0 4.5). */
typedef struct {
	char *path;         /* relative, "/" between components, none of them "." or ".." */
	AshTufFile file;    /* the length is always known, and at least one digest */
	JsonObject *custom; /* may be NULL */
} AshTufTarget;

/** A copy, sharing @custom. Owned. */
AshTufTarget *ash_tuf_target_copy(const AshTufTarget *target);
void ash_tuf_target_free(AshTufTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTufTarget, ash_tuf_target_free)

/** Where a target's file is below the address of targets: "DIR/DIGEST.NAME" with consistent snapshots (TUF 1.0 6.2). Owned. */
char *ash_tuf_target_dup_location(const AshTufTarget *target, bool consistent);
/** ASH_ERROR_TRUST unless @data has the length and every digest of @file that is told. @what names it. */
gboolean ash_tuf_file_check(const AshTufFile *file, GBytes *data, const char *what, GError **error);
/** True for a path that a target may have. */
bool ash_tuf_target_is_path(const char *path);

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

/** Date and time of metadata, "1985-10-21T01:21:00Z" and nothing else (TUF 1.0 4.2.3). FALSE (no error) if it is not one. */
gboolean ash_tuf_time_parse(const char *text, gint64 *ret_seconds);
/** Owned. */
char *ash_tuf_time_format(gint64 seconds);
