/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/record.h"
#include "node/places.h"

#include <stdbool.h>

/**
 * What a node remembers, in /var/lib/ashlar/node; each file is replaced by a new one, fsync and rename.
 *
 *     lock           held by whoever changes the machine
 *     seed           a secret, made once: the node's place in roll-outs (ash_wave_place())
 *     journal.json   the update under way (AshNodeJournal)
 *     marks.json     high-water mark, versions that failed here, bytes fetched today (AshNodeMarks)
 *     history.json   what happened, oldest first (AshNodeEvent)
 *     tuf/           trusted metadata (tuf/client.h)
 *
 * All of it may be lost: a new seed is another place in roll-outs, the high-water mark is then at least the running version, a version that used up its
 * tries is still known by the name of its boot entry, and an unfinished update is begun anew with what the slot holds. A file
 * that is damaged is kept as NAME.damaged and counts as lost; of one that a newer program wrote, what is known is used, and a copy is kept
 * as NAME.newer before it is written.
 */
typedef enum {
	ASH_NODE_STATE_READ,  /* nothing is made or changed, missing is fine, no lock */
	ASH_NODE_STATE_WRITE, /* with the lock: ASH_ERROR_CONFIG at once if another has it */
} AshNodeStateMode;

/** States of a journal, in their order. */
#define ASH_NODE_JOURNAL_WRITING  "writing"  /* the slot is being written: no boot entry of it exists */
#define ASH_NODE_JOURNAL_PREPARED "prepared" /* slot complete, UKI on the ESP under a temporary name */
#define ASH_NODE_JOURNAL_STAGED   "staged"   /* the next boot takes it */

typedef struct {
	guint64 format;
	char *state;          /* NULL: no update is under way */
	char *version, *root_hash;
	char *slot;           /* "a" or "b" */
	char *uki_sha256;
	guint64 uki_size;
	char *release;        /* path of the target, for messages */
	char *old_root_hash;  /* what the slot had before; NULL: nothing known */
	char *from_version;
	char *boot_id;        /* of the boot in which it was staged */
	guint64 time;         /* of the last change, seconds since 1970 */
} AshNodeJournal;

/** A version that is not to be taken here again. */
typedef struct {
	char *version, *root_hash;
	char *reason;
	guint64 time;
} AshNodeBad;

typedef struct {
	guint64 format;
	char *high_water;     /* newest version that was good here; NULL: none known */
	char *day;            /* "2026-11-23", UTC: of the next */
	guint64 day_bytes;    /* fetched on that day */
	GPtrArray *bad;       /* of AshNodeBad */
} AshNodeMarks;

typedef struct {
	guint64 time;
	char *event;          /* "fetched", "staged", "good", "bad", "rollback", "failed" */
	char *version;
	char *from_version;
	guint64 bytes;        /* fetched */
	char *text;           /* for a person; may be NULL */
} AshNodeEvent;

typedef struct {
	int dir_fd, lock_fd;
	AshNodeStateMode mode;
	char *dir;
	char *seed;           /* NULL: none yet */
	AshNodeJournal journal;
	AshNodeMarks marks;
	GPtrArray *history;   /* of AshNodeEvent */
	GPtrArray *notes;     /* strings: what was lost or damaged */
} AshNodeState;

/** Opens it; what was lost or damaged is in its notes. Owned. */
AshNodeState *ash_node_state_open(const AshNodePlaces *places, AshNodeStateMode mode, GError **error);
void ash_node_state_free(AshNodeState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshNodeState, ash_node_state_free)

/** Tables of fields, for JSON output too. */
extern const AshField ash_node_journal_fields[], ash_node_marks_fields[], ash_node_event_fields[];

/** Write what was changed in memory, synced, the directory too. */
gboolean ash_node_state_save_journal(AshNodeState *state, GError **error);
gboolean ash_node_state_save_marks(AshNodeState *state, GError **error);
/** Forgets the update under way. */
gboolean ash_node_state_end_journal(AshNodeState *state, GError **error);
/** Appends to the history, of which the last 200 events are kept. @from_version and @text may be NULL. */
gboolean ash_node_state_log(AshNodeState *state, guint64 now, const char *event, const char *version, const char *from_version,
			    guint64 bytes, const char *text, GError **error);

/** True if the journal is in @journal_state. */
bool ash_node_state_is_at(const AshNodeState *state, const char *journal_state);
/** The entry for @version, or NULL. Borrowed. */
const AshNodeBad *ash_node_state_find_bad(const AshNodeState *state, const char *version);
/** Remembers @version as bad and saves the marks; nothing if it is already. @root_hash may be NULL. */
gboolean ash_node_state_add_bad(AshNodeState *state, const char *version, const char *root_hash, const char *reason, guint64 now,
				GError **error);
/** Forgets that @version was bad. */
gboolean ash_node_state_forget_bad(AshNodeState *state, const char *version, GError **error);
/** Bytes fetched on the UTC day of @now. */
guint64 ash_node_state_get_day_bytes(const AshNodeState *state, guint64 now);
/** Adds to them and saves. */
gboolean ash_node_state_add_day_bytes(AshNodeState *state, guint64 now, guint64 bytes, GError **error);
/** Sets a member of the journal or the marks. */
void ash_node_state_set(char **member, const char *value);
