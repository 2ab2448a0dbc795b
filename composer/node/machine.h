/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/nodeconfig.h"
#include "node/esp.h"
#include "node/nodedisk.h"
#include "node/state.h"

/** This machine as far as updates go: what all commands begin with. */
typedef struct {
	const AshNodePlaces *places; /* borrowed */
	AshNodeConfig *config;
	AshNodeState *state;
	AshNodeDisk *disk;
	AshNodeEsp *esp;      /* NULL: see esp_error */
	GError *esp_error;
	char *name;           /* of the system; NULL: unknown */
	char *running;        /* version; NULL: unknown */
	char *boot_id;        /* NULL: unknown */
	guint64 built;        /* when the running system was made, seconds since 1970; 0: unknown */
	guint64 now;
} AshNodeMachine;

/** Opens everything; with ASH_NODE_STATE_WRITE, locked, disk and state for changes. */
AshNodeMachine *ash_node_machine_open(const AshNodePlaces *places, AshNodeStateMode mode, GError **error);
void ash_node_machine_free(AshNodeMachine *machine);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshNodeMachine, ash_node_machine_free)

/** ASH_ERROR_CONFIG unless it is known which slot runs and which version, and the EFI system partition is at hand: what changes need. */
gboolean ash_node_machine_check(AshNodeMachine *machine, GError **error);

/**
 * Learns from what happened since: a version whose boot entry has no tries left and that does not run was bad here; a staged
 * update that runs is one that waits to be found good; one whose boot entry is gone is forgotten. For machines opened for writing.
 */
gboolean ash_node_machine_reconcile(AshNodeMachine *machine, GError **error);

/** The boot entry of the running version, NULL if there is none or no EFI system partition. Borrowed. */
const AshBootEntry *ash_node_machine_get_running_entry(const AshNodeMachine *machine);
/** True if this boot is one of the tries of its version: it was not found good yet. */
bool ash_node_machine_is_on_trial(const AshNodeMachine *machine);
/** True if something else than the running version can boot: a reboot need not come back to it. */
bool ash_node_machine_has_other_choice(const AshNodeMachine *machine);
/** The version that the next boot takes, NULL if unknown. Borrowed. */
const char *ash_node_machine_get_next(const AshNodeMachine *machine);

/** The running version is good: no counter, high-water mark raised, update ended. *@ret_changed: it was not all so before. */
gboolean ash_node_machine_mark_good(AshNodeMachine *machine, bool *ret_changed, GError **error);

/** What ash_node_machine_rollback() did. */
typedef struct {
	const char *from, *to; /* versions, borrowed from the machine */
} AshNodeRollback;

/**
 * Has the next boot take the other slot, by the names of boot entries alone, so that it works without EFI variables: to an older version
 * by using up the tries of the running one, which is remembered as bad; to a newer one by giving that new tries. The other slot is checked whole first.
 * @force: although that version was bad here. A staged update that was not booted yet is taken back instead. ASH_ERROR_CONFIG if there is nothing to go to, ASH_ERROR_TRUST if it is damaged.
 */
gboolean ash_node_machine_rollback(AshContext *ctx, AshNodeMachine *machine, bool force, AshNodeRollback *ret_rollback, GError **error);
