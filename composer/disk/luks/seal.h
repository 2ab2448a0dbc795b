/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/secret.h"
#include "disk/io/usedmap.h"
#include "model/layout.h"
#include "model/manifest.h"

/** What opens the encrypted partitions of a disk; all borrowed, NULL for what is not there. The same for each of them. */
typedef struct {
	const AshSecret *passphrase, *key_file;
	const AshUuid *test_seed; /* volume keys and recovery keys are derived from it, for tests: whoever knows it can read the disk */
} AshDiskSecrets;

/** A partition whose content is written and shall be encrypted. */
typedef struct {
	const AshPartition *partition; /* with offset, size and encryption */
	AshUuid seed;                  /* of the disk's identifiers: the volume's UUID follows from it and the label */
	guint64 content_bytes;         /* of an erofs, which uses all of it */
	const AshDiskSecrets *secrets;
	const char *output_dir;        /* a recovery key goes to STEM.LABEL.recovery-key there, mode 0600 */
	const char *stem;
} AshSealRequest;

/** Whether the machine makes the partition at its first boot: it has room on the disk, and neither content nor an entry in the table. */
bool ash_seal_is_deferred(const AshPartition *partition);

/** The part of @partition that its content is in: all of it, or what is behind the LUKS header. Borrows the label. */
AshPartition ash_seal_inner(const AshPartition *partition);

/** Bytes that encryption takes of @partition; 0 if it is not encrypted. */
guint64 ash_seal_overhead(const AshPartition *partition);

/**
 * Encrypts it in the raw disk @fd, where its content is at the place of ash_seal_inner(). *@ret_recovery_path is the file of the recovery
 * key, owned, NULL if there is none. ASH_ERROR_USAGE if a key is missing.
 */
gboolean ash_seal_partition(AshContext *ctx, const AshSealRequest *request, int fd, AshUsedMap *used, char **ret_recovery_path, GError **error);

/**
 * What the kernel command line says of the encrypted partitions of @layout, so that the initramfs opens /var, and takes no other for it
 * ("ashlar.var=luks"). Static; NULL if there is nothing to say.
 */
const char *ash_seal_cmdline(const AshLayout *layout);

/**
 * What it says of an encrypted root, so that the initramfs opens it under the name of its label ("rd.luks.name=UUID=LABEL",
 * systemd-cryptsetup-generator(8)); @seed as for ash_seal_partition(). Owned; NULL if @root is NULL or not encrypted.
 */
char *ash_seal_root_cmdline(const AshUuid *seed, const AshPartition *root);
