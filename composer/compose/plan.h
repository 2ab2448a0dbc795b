/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "compose/imageoptions.h"
#include "compose/source.h"
#include "compose/stagekey.h"
#include "model/imagetype.h"
#include "model/lock.h"
#include "model/spec.h"
#include "store/store.h"

/** What a person asked for on the command line. Strings are borrowed. */
typedef struct {
	const char *kickstart;
	const char *const *types;      /* image types, at least one */
	const char *out_dir;
	const char *version;           /* NULL: the day of the newest package, YYYYMMDD */
	const char *lock_path;         /* NULL: OUT_DIR/NAME.lock, written but not read unless @locked */
	const char *const *repo_dirs;  /* directories with .repo files, NULL-terminated; may be NULL */
	const char *releasever;        /* for $releasever in URLs; may be NULL */
	const char *const *repo_urls;  /* NAME=URL overrides, NULL-terminated; may be NULL */
	AshImageOptions images;
	bool locked;                   /* fail if the resolution differs from the lock */
	bool update_lock;              /* resolve anew and rewrite the lock */
	bool no_images;                /* resolve and plan only: no space check */
	bool no_import_cache;          /* librpm unpacks every package itself, and no installed root is reused */
} AshBuildRequest;

/** The stages of a variant, in their order (compose/stages.h). */
typedef enum { ASH_STAGE_LOCK, ASH_STAGE_ROOT, ASH_STAGE_TREE, ASH_STAGE_COMMIT, _ASH_STAGE_COUNT } AshStage;

/** One stage: what it is made from, and whether the store has its result. */
typedef struct {
	AshStageKey *key;
	char *digest; /* of the key, hex */
	bool reuse;
	char *why;    /* a few words for people */
} AshPlanStage;

/** One package set and tree: what all image types of the same variant share. */
typedef struct {
	char *name;
	GPtrArray *types;      /* of AshImageType, owned */
	AshPackageRequest *packages; /* owned */
	AshPackageSet *set;    /* owned */
	AshLock *lock;         /* owned */
	char *ref;             /* NAME/ARCH/VARIANT */
	char *version;
	guint64 epoch;         /* SOURCE_DATE_EPOCH of everything made of it */
	AshPlanStage stages[_ASH_STAGE_COUNT];
	char *source;          /* checksum of the commit that it is, from elsewhere (plan->source); NULL: it is composed */
	char *commit;          /* checksum if the store has it already, else NULL until built */
	char *tree_commit;     /* checksum of a commit with the same tree, or NULL */
} AshPlanVariant;

/** The whole plan: built before anything is written. */
typedef struct {
	AshSpec *spec;
	AshSource *source;     /* of a system that is not composed; NULL of all others */
	GPtrArray *metadata;   /* of AshRepoMetadata */
	GPtrArray *variants;   /* of AshPlanVariant, in the order of the command line */
	char *lock_path;
	char *lock_text;       /* of all variants */
	bool lock_changed;     /* lock_path is absent or has another text */
	guint64 download_bytes;
	guint64 store_bytes;   /* estimate of what staging and store take at most */
	guint64 out_bytes;     /* estimate of what the artifacts take */
} AshPlan;

void ash_plan_free(AshPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPlan, ash_plan_free)

/**
 * Reads the configuration, loads and checks repository metadata, resolves every variant and estimates the space.
 * Writes nothing but caches. @store (may be NULL) is asked for commits that exist already. Owned.
 */
AshPlan *ash_plan_new(AshContext *ctx, AshStore *store, const AshBuildRequest *request, GError **error);

/** True if the store has the commit of every variant. */
bool ash_plan_is_unchanged(const AshPlan *plan);

/** What a commit says of the images made from it (compose/artifact.h). Owned JSON text. */
char *ash_plan_dup_notes(const AshPlan *plan);

/** ASH_ERROR_NO_SPACE, naming what is needed and what is there, if the plan does not fit. */
gboolean ash_plan_check_space(const AshPlan *plan, const char *store_dir, const char *out_dir, GError **error);
