/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/imagetype.h"

/** One thing that a kickstart says about disks, while it is carried out in the layout of an image type; all borrowed. Private to config/ks*.c. */
typedef struct {
	AshImageType *type;
	const AshStorageSpec *storage; /* all of it */
	const AshVolumeSpec *volume;
	GPtrArray *notices;
	GString *changes;       /* what was carried out, for the digest */
	const char *passphrase; /* the one that the kickstart says first; may be NULL */
} AshKsApply;

/** ASH_ERROR_CONFIG: "file:line: part: "/var": image type "x" ...". */
gboolean ash_ks_apply_refuse(const AshKsApply *apply, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);
/** The same, as a notice. */
void ash_ks_apply_note(const AshKsApply *apply, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** Whether @partition can be encrypted: nobody reads it before the initramfs does. Of roots that is one with kernels elsewhere and no hash tree. */
bool ash_ks_apply_can_encrypt(const AshKsApply *apply, const AshPartition *partition);

/**
 * Encrypts @partition as @said by the @command at @origin: what is said goes before what the type says. ASH_ERROR_CONFIG for what a machine that
 * composes must not decide, and what LUKS2 has better.
 */
gboolean ash_ks_apply_encryption(const AshKsApply *apply, AshPartition *partition, const AshEncryptionSpec *said, const char *origin,
				 const char *command, GError **error);

/** Whether the type's root is one that nobody writes to. */
bool ash_ks_apply_has_read_only_root(const AshKsApply *apply);
/** ASH_ERROR_CONFIG for a place where no file system can be mounted. */
gboolean ash_ks_apply_check_mount_point(const AshKsApply *apply, GError **error);
/** One for the volume's mount point, with what such a one has unless something is said. Owned. */
AshPartition *ash_ks_apply_new_partition(const AshKsApply *apply, AshPartitionRole role);
/** Puts @partition (taken) behind what is there, but before what grows, unless it is to grow itself. */
void ash_ks_apply_insert(const AshKsApply *apply, AshPartition *partition);
/** Does what the volume's options say of @partition. */
gboolean ash_ks_apply_options(const AshKsApply *apply, AshPartition *partition, GError **error);

/** Carries out "part": in a partition that the layout has (every slot of the root is the same), or in a new one. */
gboolean ash_ks_apply_partition(const AshKsApply *apply, GError **error);

/** Carries out all of "volgroup" and "logvol", with the "part" of their physical volumes (apply->volume is of no account). */
gboolean ash_ks_apply_groups(const AshKsApply *apply, GError **error);
/** autopart --type=lvm: the root in a group, with the place and growth that its partition had. */
gboolean ash_ks_apply_root_group(const AshKsApply *apply, const AshAutopartSpec *autopart, GError **error);
