/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/kscommand.h"

/** Options of the commands about disks (ksstorage.c); sizes in MiB. */
typedef struct {
	char *fstype, *fsoptions, *mkfsoptions, *label, *disk, *name, *group, *pool, *profile, *level, *metadata_level;
	int size, maxsize, percent, chunksize, metadatasize, spares, reserved_space, reserved_percent;
	bool grow, recommended, resize, noformat, existing, thin, thinpool, subvolume;
	bool nolvm, nohome, noboot, noswap;
	bool encrypted;
	char *passphrase, *cipher, *luks_version, *pbkdf;
	int pbkdf_memory, pbkdf_time, pbkdf_iterations;
} AshKsVolumeValues;

/**
 * Checks what volumes have in common and adds one to the spec; strings of @values are stolen, members and mount point come from
 * call->args. One with the same mount point is replaced, with a notice.
 */
gboolean ash_ksvolume_add(AshKsCall *call, AshVolumeKind kind, AshKsVolumeValues *values, GError **error);

/** The options of LUKS; strings of @values are stolen. */
gboolean ash_ksvolume_set_encryption(AshKsCall *call, AshKsVolumeValues *values, AshEncryptionSpec *encryption, GError **error);
