/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/metadata.h"

/**
 * The publisher's side: metadata in DIR/metadata, consistent snapshots always (TUF 1.0 6). What readers see is whole, and consistent at
 * each moment: N.targets.json, N.snapshot.json, then timestamp.json by rename; everything else is immutable, and a version that was begun once
 * and not finished is not used again.
 *
 * The next root is a draft (tuf/rootdraft.h) until enough keys have signed it, here or on an offline machine;
 * ash_tuf_repository_commit() then gives it its name: after the rest, if that is signed for the old root as well as for the new
 * one, so that no client sees a moment at which it does not fit; before it otherwise (the old keys are lost).
 */
#define ASH_TUF_METADATA_DIR "metadata"

typedef struct AshTufRepository AshTufRepository;

/** How long metadata is valid, days. */
typedef struct {
	guint days[ASH_TUF_N_ROLES]; /* by AshTufRole; 0: 365 (root), 7 (timestamp), 14 (snapshot), 90 (targets) */
} AshTufValidity;

/** What a commit did. */
typedef struct {
	gint64 version[ASH_TUF_N_ROLES]; /* now in force */
	bool written[ASH_TUF_N_ROLES];   /* by this call */
} AshTufCommitted;

/**
 * Makes a new repository below @dir_fd: the draft of a root with @keys of the roles (of AshKey, public ones will do) and @thresholds (0: 1). Its first
 * commit puts it in force. ASH_ERROR_USAGE if there is one already or a threshold cannot be met.
 */
gboolean ash_tuf_repository_create(int dir_fd, GPtrArray *const keys[ASH_TUF_N_ROLES],
				   const guint64 thresholds[ASH_TUF_N_ROLES], const AshTufValidity *validity, gint64 now,
				   GError **error);

/** Opens the repository below @dir_fd (duplicated) and verifies it: on what is wrong, nothing is built. ASH_ERROR_USAGE if there is none, _TRUST. */
AshTufRepository *ash_tuf_repository_open(int dir_fd, GError **error);
void ash_tuf_repository_free(AshTufRepository *repository);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTufRepository, ash_tuf_repository_free)

/** The metadata in force. Borrowed until the next commit; NULL if there is none yet. */
const AshTufMetadata *ash_tuf_repository_get(AshTufRepository *repository, AshTufRole role);
/** The draft of the next root. Borrowed until the next commit; NULL if there is none. */
const AshTufMetadata *ash_tuf_repository_get_draft(AshTufRepository *repository);
/** A target, uncommitted changes included. Owned; NULL if there is none. */
AshTufTarget *ash_tuf_repository_dup_target(AshTufRepository *repository, const char *path);
/** Paths of all targets, uncommitted changes included, sorted. Owned strings. */
GPtrArray *ash_tuf_repository_list_targets(AshTufRepository *repository);

/** Adds or replaces a target of @length bytes, with @custom (an object; may be NULL). ASH_ERROR_USAGE for a bad path. */
gboolean ash_tuf_repository_set_target(AshTufRepository *repository, const char *path, guint64 length, const char *sha256_hex,
				       JsonNode *custom, GError **error);
/** True if it was there. */
bool ash_tuf_repository_remove_target(AshTufRepository *repository, const char *path);

/**
 * Signs and writes: timestamp always; snapshot and targets when they changed, have expired or are signed by keys that count no more; and
 * if their keys are at hand, also when they would expire before the new timestamp, or with @renew when a third of their time is over. A draft of
 * a root that is complete, or that @keys complete, is put in force. @keys (of AshKey): each signs what its role is; @now, seconds since 1970, is
 * also the time of signing that metadata tells (tuf/client.h). @validity and @ret may be NULL. ASH_ERROR_USAGE if keys are
 * missing: it is said which, and nothing has been written then; ASH_ERROR_EXPIRED if the root has.
 */
gboolean ash_tuf_repository_commit(AshTufRepository *repository, GPtrArray *keys, const AshTufValidity *validity, gint64 now,
				   bool renew, AshTufCommitted *ret, GError **error);
