/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/metadata.h"

/**
 * The client's side: TUF 1.0.34 5.1 to 5.7, without any network of its own.
 *
 * Errors: ASH_ERROR_TRUST (signature, digest, length, format, mix-and-match), ASH_ERROR_ROLLBACK (older than what is trusted),
 * ASH_ERROR_EXPIRED (freeze, or a wrong clock), ASH_ERROR_FETCH (not there), or the fetcher's own.
 *
 * Trusted state: the files root.json, timestamp.json, snapshot.json, targets.json and one of each delegated role that was used (its
 * name escaped as in a URL), exactly as they came, each replaced by a new file, fsync and rename. They are verified again whenever they are
 * loaded. What does not verify (any more) counts as absent; without a root the client must be bootstrapped again.
 *
 * Time. Nothing of the node's own clock is ever kept, so a clock that was ten years ahead leaves no trace once it is right: all it
 * did was to make metadata look expired. A clock that is behind is raised to the newest time that is known without it: @floor (the
 * running image was made then), and the times of signing that trusted metadata carry ("x-ashlar-issued", written by
 * AshTufRepository; a time after its own expiry is refused). These fall with the metadata that told them: after a rotation of the keys
 * that signed a wrong one, it is gone. Root metadata is only compared with times that root metadata told, so that no
 * other role's key can keep a node from the next root.
 */
typedef enum {
	ASH_TUF_AT_METADATA, /* below the address of metadata */
	ASH_TUF_AT_TARGETS,  /* below the address of targets */
} AshTufPlace;

typedef struct {
	/**
	 * Reads the file at @path, a relative URL reference (already escaped), never more than @max bytes (ASH_ERROR_TRUST if it is longer).
	 * *@ret_bytes is NULL (and TRUE returned) if the server says that there is no such file.
	 */
	gboolean (*fetch)(gpointer data, AshTufPlace place, const char *path, guint64 max, GBytes **ret_bytes, GError **error);
	gpointer data;
} AshTufFetcher;

/** Bounds where metadata does not tell the length, and of the work for one refresh or search. Zero: the default. */
typedef struct {
	guint64 root_bytes;      /* 512 KiB */
	guint64 timestamp_bytes; /* 16 KiB */
	guint64 snapshot_bytes;  /* 1 MiB */
	guint64 targets_bytes;   /* 2 MiB; a longer length in snapshot metadata is refused */
	guint root_versions;     /* 1024 new ones in one refresh */
	guint delegations;       /* 32 roles visited for one target */
} AshTufLimits;

typedef struct AshTufClient AshTufClient;

/**
 * A client with its state in @state_dir_fd (which it duplicates). @fetcher must outlive it. @now is the fixed update start time (5.1),
 * seconds since 1970; @floor: it is not earlier than this (0: nothing known). @limits may be NULL.
 */
AshTufClient *ash_tuf_client_new(int state_dir_fd, const AshTufFetcher *fetcher, gint64 now, gint64 floor,
				 const AshTufLimits *limits, GError **error);
void ash_tuf_client_free(AshTufClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTufClient, ash_tuf_client_free)

/**
 * Trusts @root (the bytes of a root metadata file that came with the image: 5.2) if no root is trusted yet or only an older one;
 * otherwise it is only checked. ASH_ERROR_TRUST if it is not signed by itself.
 */
gboolean ash_tuf_client_bootstrap(AshTufClient *client, GBytes *root, GError **error);

/**
 * Updates root, timestamp, snapshot and targets (5.3 to 5.6). What was trusted before a failing step stays trusted, what came before
 * it is kept. *@ret_changed (may be NULL): a new snapshot or targets is trusted.
 */
gboolean ash_tuf_client_refresh(AshTufClient *client, bool *ret_changed, GError **error);

/**
 * Uses what the last refresh left, without any request: for "status" and between fetches. ASH_ERROR_EXPIRED, ASH_ERROR_TRUST or
 * ASH_ERROR_FETCH (incomplete) if a refresh is due.
 */
gboolean ash_tuf_client_load(AshTufClient *client, GError **error);

/** Finds @path (5.6.7), fetching delegated roles as needed. *@ret_target is NULL if there is no such target; owned. */
gboolean ash_tuf_client_find_target(AshTufClient *client, const char *path, AshTufTarget **ret_target, GError **error);

/** Fetches a target that was found (5.7), of at most @max bytes, and checks it. Owned; ASH_ERROR_TRUST, ASH_ERROR_FETCH. */
GBytes *ash_tuf_client_fetch_target(AshTufClient *client, const AshTufTarget *target, guint64 max, GError **error);

/** Where its file is below the address of targets, escaped for a URL: for who fetches in pieces. Owned. */
char *ash_tuf_client_dup_location(AshTufClient *client, const AshTufTarget *target);

/** Paths of all targets of the top-level role that begin with @prefix, sorted. Owned strings. */
GPtrArray *ash_tuf_client_list_targets(AshTufClient *client, const char *prefix);

/** The time that metadata is compared with: the latest of @now, @floor and what is known from trusted metadata. */
gint64 ash_tuf_client_get_time(AshTufClient *client);
/** Version of the trusted metadata of a role; 0: none. */
gint64 ash_tuf_client_get_version(AshTufClient *client, AshTufRole role);
/** When the first of the trusted metadata expires; 0: incomplete. */
gint64 ash_tuf_client_get_expiry(AshTufClient *client);
