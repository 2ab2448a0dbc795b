/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/metadata.h"

/**
 * The publisher's side: metadata in DIR/metadata, consistent snapshots always (TUF 1.0.34 6). Files that readers see are whole and in an
 * order that is consistent at each moment: N.targets.json, N.snapshot.json, then timestamp.json by rename; all else is immutable.
 *
 * The next root is a draft, next.root.json, until enough keys have signed it (ash_tuf_repository_sign_root(), here or on an
 * offline machine); ash_tuf_repository_commit() gives a complete one its name, when what it needs is signed for old and new keys alike.
 */
typedef struct AshTufRepository AshTufRepository;

/** How long metadata is valid, days. */
typedef struct {
	guint days[ASH_TUF_N_ROLES]; /* by AshTufRole; 0: the default of 365, 7, 14, 90 */
} AshTufValidity;

/** What a commit did. */
typedef struct {
	gint64 version[ASH_TUF_N_ROLES]; /* now in force */
	bool written[ASH_TUF_N_ROLES];   /* by this call */
} AshTufCommitted;

/**
 * Makes a new repository below @dir_fd (made by the caller): a root draft with @keys of the roles (GPtrArray of AshKey by AshTufRole) and
 * @thresholds (0: 1), signed by those of @root_keys that are private. Its first commit completes it. ASH_ERROR_USAGE if there is one.
 */
gboolean ash_tuf_repository_create(int dir_fd, GPtrArray *const keys[ASH_TUF_N_ROLES],
				   const guint64 thresholds[ASH_TUF_N_ROLES], const AshTufValidity *validity, gint64 now,
				   GError **error);

/** Opens the repository below @dir_fd (duplicated) and verifies it: what is wrong there is never signed on. ASH_ERROR_CONFIG, _TRUST. */
AshTufRepository *ash_tuf_repository_open(int dir_fd, GError **error);
void ash_tuf_repository_free(AshTufRepository *repository);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTufRepository, ash_tuf_repository_free)

/** The metadata in force, of the draft's content if there is a change not yet committed. Borrowed; NULL if none yet. */
const AshTufMetadata *ash_tuf_repository_get(AshTufRepository *repository, AshTufRole role);
/** A target, or NULL. Borrowed until the next change. */
const AshTufTarget *ash_tuf_repository_get_target(AshTufRepository *repository, const char *path);

/** Adds or replaces a target of @length bytes, with @custom (an object; may be NULL). ASH_ERROR_USAGE for a bad path. */
gboolean ash_tuf_repository_set_target(AshTufRepository *repository, const char *path, guint64 length, const char *sha256_hex,
				       JsonNode *custom, GError **error);
/** True if it was there. */
bool ash_tuf_repository_remove_target(AshTufRepository *repository, const char *path);

/**
 * Signs and writes what changed: targets if they did, or with @renew if a third of their time is over; snapshot and timestamp always. A complete
 * draft of a root is put in force. @keys (of AshKey): those at hand, each signs what its role is; @now, seconds since 1970, is also the time of
 * signing that metadata tells. ASH_ERROR_USAGE if keys are missing (which ones is said); then nothing is written. @ret may be NULL.
 */
gboolean ash_tuf_repository_commit(AshTufRepository *repository, GPtrArray *keys, const AshTufValidity *validity, gint64 now,
				   bool renew, AshTufCommitted *ret, GError **error);
