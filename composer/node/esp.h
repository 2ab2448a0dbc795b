/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "node/nodedisk.h"

#include <stdbool.h>

/**
 * A unified kernel image in EFI/Linux of the EFI system partition: "NAME_VERSION.efi", or with a counter of tries "NAME_VERSION+LEFT.efi",
 * "NAME_VERSION+LEFT-DONE.efi" (UAPI boot loader specification, "Boot counting"; https://systemd.io/AUTOMATIC_BOOT_ASSESSMENT). systemd-boot takes the
 * newest version that has tries left or no counter, and takes one off before it starts it.
 */
typedef struct {
	char *file;     /* its name */
	char *version;
	bool counted;   /* has a counter: was not good yet */
	guint left, done;
	guint64 bytes;
} AshBootEntry;

/** The EFI system partition, by a directory. */
typedef struct {
	char *path;         /* where it is mounted; of one that we mounted ourselves: its device */
	int dir_fd;         /* EFI/Linux */
	int mount_fd;       /* of our own mount, which nobody else sees and which goes with it; -1: it was mounted */
	char *name;         /* of the system: entries of others are left alone */
	GPtrArray *entries; /* of AshBootEntry of this system, by version (strverscmp(3)) */
	GPtrArray *leftovers; /* names of temporary files of ours */
} AshNodeEsp;

/**
 * Opens the EFI system partition: places->esp; else where that of @disk is mounted (/efi, /boot, /boot/efi, elsewhere), automounts included; else mounts it for
 * ourselves. ASH_ERROR_CONFIG if there is none, or it has no EFI/Linux.
 */
AshNodeEsp *ash_node_esp_open(const AshNodePlaces *places, const AshNodeDisk *disk, GError **error);
void ash_node_esp_free(AshNodeEsp *esp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshNodeEsp, ash_node_esp_free)

/** Reads the directory again. */
gboolean ash_node_esp_reload(AshNodeEsp *esp, GError **error);
/** The entry of @version, NULL if there is none; of several the one that boots. Borrowed. */
const AshBootEntry *ash_node_esp_find(const AshNodeEsp *esp, const char *version);
/** True if all its tries are used up. */
bool ash_boot_entry_is_exhausted(const AshBootEntry *entry);
/** False if @file is no entry of system @name. */
bool ash_boot_entry_parse(const char *name, const char *file, AshBootEntry *ret_entry);
void ash_boot_entry_free(AshBootEntry *entry);

/**
 * Checks that the ESP can be written and a UKI of @bytes fits beside what stays there: all but leftovers and the entries of versions other than @kept.
 * ASH_ERROR_NO_SPACE saying how much is missing and what to remove.
 */
gboolean ash_node_esp_check_room(const AshNodeEsp *esp, guint64 bytes, const char *kept, GError **error);

/** Name of the temporary file of @version: systemd-boot does not take it for an entry. Owned. */
char *ash_node_esp_part_name(const AshNodeEsp *esp, const char *version);
/** Opens it for reading and writing, made if it is not there; -1 on failure. */
int ash_node_esp_open_part(const AshNodeEsp *esp, const char *version, GError **error);
/** Removes temporary files but that of @kept (may be NULL). */
gboolean ash_node_esp_clean(AshNodeEsp *esp, const char *kept, GError **error);
/** Removes the entries of @version, synced. */
gboolean ash_node_esp_remove(AshNodeEsp *esp, const char *version, GError **error);
/** Removes the entries of all versions that are not in @versions (NULL-terminated). *@ret_removed: how many. */
gboolean ash_node_esp_remove_others(AshNodeEsp *esp, const char *const *versions, guint *ret_removed, GError **error);
/**
 * Renames the entry of @version so that it has a counter of @left tries (0: it is taken only if there is no other; negative: no counter), and syncs
 * the directory. One rename: before it the old name counts, after it the new one.
 */
gboolean ash_node_esp_count(AshNodeEsp *esp, const char *version, int left, GError **error);
/** The commit point of an update: the temporary file of @version becomes its entry with @tries. */
gboolean ash_node_esp_commit(AshNodeEsp *esp, const char *version, guint tries, GError **error);
