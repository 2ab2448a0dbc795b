/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/gpt/gpttable.h"
#include "node/places.h"
#include "node/plan.h"

#include <stdbool.h>

/** Label of partitions without a system, as systemd-sysupdate and systemd-repart have it. */
#define ASH_NODE_EMPTY_LABEL "_empty"

/**
 * One of the two places for a system: a root partition and the one with its hash tree. What is in it is said by the partition table:
 * both labels are NAME_VERSION, and the PARTUUIDs are the two halves of the root hash (Discoverable Partitions Specification).
 */
typedef struct {
	char letter;           /* 'a': the first on the disk */
	const AshGptEntry *data, *hash;
	const AshGptEntry *sig; /* of the signature of its root hash; NULL: there is none */
	bool active;           /* the running system's: never written */
	char *label;           /* of the root partition */
	char *version;         /* NULL: empty, not complete, or of another system */
	char root_hash[ASH_SHA256_HEX_SIZE]; /* what the PARTUUIDs say */
} AshNodeSlot;

/** The disk with the running system. */
typedef struct {
	char *path;           /* of the disk, or the file */
	char *name;           /* of the system: "demo-vm" */
	int fd;
	bool is_block;
	bool root_is_known;   /* false: nothing says which slot runs (no roothash= in the kernel's command line) */
	AshGptTable *table;
	AshNodeSlot slots[2];
	AshNodeSlot *active, *target; /* NULL unless root_is_known */
	guint64 esp_offset;   /* of the EFI system partition; 0: there is none */
	guint esp_index;
} AshNodeDisk;

/**
 * Finds the disk (places->disk, or by the root hash in the kernel's command line), reads its table and pairs the partitions. @name: of the system, from
 * os-release's IMAGE_ID; NULL: taken from the labels. @writable: for changes. ASH_ERROR_CONFIG for a disk that has not two
 * slots, saying what it has.
 */
AshNodeDisk *ash_node_disk_open(const AshNodePlaces *places, const char *name, bool writable, GError **error);
void ash_node_disk_free(AshNodeDisk *disk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshNodeDisk, ash_node_disk_free)

/** "a" or "b". Borrowed, static. */
const char *ash_node_slot_name(const AshNodeSlot *slot);
/** The slot whose content has @root_hash according to its labels and PARTUUIDs, or NULL. */
AshNodeSlot *ash_node_disk_find(AshNodeDisk *disk, const char *root_hash);

/**
 * An open slot: its partitions by their own device nodes where the disk is one, taken for ourselves if @writable (ASH_ERROR_CONFIG if they are mounted
 * or otherwise in use), else as parts of the file.
 */
typedef struct {
	int data_fd, hash_fd;
	AshSlotView view;
} AshNodeSlotFiles;

/** Opens @slot. The active one @writable: ASH_ERROR_INTERNAL. */
gboolean ash_node_slot_open(const AshNodeDisk *disk, const AshNodeSlot *slot, bool writable, AshNodeSlotFiles *ret_files, GError **error);
void ash_node_slot_files_clear(AshNodeSlotFiles *files);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshNodeSlotFiles, ash_node_slot_files_clear)

/** Makes @content what the partition with the signature of the root hash begins with, and the rest of ASH_RELEASE_SIG_MAX_BYTES zeros; synced. NULL: all zeros. Nothing if @slot has none. */
gboolean ash_node_slot_write_sig(const AshNodeDisk *disk, const AshNodeSlot *slot, GBytes *content, GError **error);

/** Labels @slot as empty, so that nobody takes it for a system; its PARTUUIDs still tell what it had. The active one: ASH_ERROR_INTERNAL. */
gboolean ash_node_slot_mark_empty(AshNodeDisk *disk, AshNodeSlot *slot, GError **error);
/** Gives @slot the labels, PARTUUIDs and flags of @version with @root_hash. The active one: ASH_ERROR_INTERNAL. */
gboolean ash_node_slot_mark_filled(AshNodeDisk *disk, AshNodeSlot *slot, const char *version, const char *root_hash, GError **error);

/** Checks all of @slot against the root hash of its PARTUUIDs. ASH_ERROR_TRUST. */
gboolean ash_node_slot_verify(AshContext *ctx, const AshNodeDisk *disk, const AshNodeSlot *slot, GError **error);
