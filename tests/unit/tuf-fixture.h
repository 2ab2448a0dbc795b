/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"
#include "tuf/client.h"

/** A repository in memory, which can be as wrong as a test wants it, and a client of it with its state in a directory. */
#define TUF_KEYS       8
#define TUF_ROLE_KEYS  5
#define TUF_NOW        ((gint64) 1790000000) /* 2026-09-21 */
#define TUF_DAY        ((gint64) 86400)

/** A role delegated to by another. */
typedef struct {
	const char *name, *from; /* from: "targets" or a name */
	const char *paths;       /* patterns, "," between */
	bool terminating;
	int key, signer;         /* the key that is named, and the one that signs */
	const char *target;      /* a target with its path as content; may be NULL */
	gint64 expires;          /* 0: TUF_NOW + 30 days */
	bool unlisted;           /* not in snapshot metadata */
} TufDelegation;

typedef struct {
	GHashTable *files;   /* "metadata/1.root.json" to GBytes */
	GPtrArray *requests; /* paths, in order */
	AshKey *keys[TUF_KEYS];

	/* What the next tuf_publish() writes. Keys are indices, ended by -1. */
	gint64 version[ASH_TUF_N_ROLES];
	gint64 told[ASH_TUF_N_ROLES]; /* version of snapshot, targets as timestamp and snapshot tell it; 0: as it is */
	gint64 expires[ASH_TUF_N_ROLES], issued[ASH_TUF_N_ROLES];
	int named[ASH_TUF_N_ROLES][TUF_ROLE_KEYS + 1]; /* by the root */
	int signers[ASH_TUF_N_ROLES][TUF_ROLE_KEYS + 1];
	int threshold[ASH_TUF_N_ROLES];
	bool consistent, with_hashes, wrong_hash;
	const char *type[ASH_TUF_N_ROLES]; /* instead of its own; may be NULL */
	const TufDelegation *delegations;  /* ended by a NULL name */
	GHashTable *targets;               /* path to content (strings) */

	char *state;
	int state_fd;
	AshTufFetcher fetcher;
	gint64 now, floor;
	AshTufLimits limits;
	const char *failing; /* a path whose request fails */
} TufFixture;

void tuf_fixture_set_up(TufFixture *fixture, gconstpointer data);
void tuf_fixture_tear_down(TufFixture *fixture, gconstpointer data);

/** Keys of a role, as named and as signing: up to TUF_ROLE_KEYS indices, ended by -1. */
void tuf_set_keys(int list[TUF_ROLE_KEYS + 1], ...);
/** Signs and stores metadata of one role, or of all but root. */
void tuf_publish_role(TufFixture *fixture, AshTufRole role);
void tuf_publish(TufFixture *fixture);
/** Raises the versions of all but root, and publishes them. */
void tuf_publish_next(TufFixture *fixture);
/** Raises the version of the root and publishes it. */
void tuf_publish_next_root(TufFixture *fixture);

/** A new client of the state directory, as another process would be. Owned. */
AshTufClient *tuf_client(TufFixture *fixture);
/** Bootstraps from 1.root.json. */
void tuf_bootstrap(TufFixture *fixture);
/** A refresh by a new client. It must succeed, or fail with that code. */
void tuf_refresh(TufFixture *fixture);
void tuf_refresh_fails(TufFixture *fixture, AshErrorCode code);
/** The version in the state's file; 0 if there is none. */
gint64 tuf_state_version(TufFixture *fixture, const char *name);
/** All requests since the last call, " " between; owned. */
char *tuf_take_requests(TufFixture *fixture);
/** Replaces @from by @to in a stored file, which must have it. The signature is not made anew. */
void tuf_edit(TufFixture *fixture, const char *path, const char *from, const char *to);
