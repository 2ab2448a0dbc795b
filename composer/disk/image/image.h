/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/key.h"
#include "disk/boot/initrdahead.h"
#include "disk/erofs/layout.h"
#include "disk/filesystem/rootfile.h"
#include "disk/luks/seal.h"
#include "disk/secureboot/bootsigner.h"
#include "model/fstree.h"
#include "model/imagetype.h"
#include "model/manifest.h"

#define ASH_DISK_LAYOUT_SUFFIX ".layout"

/** Makes the root of a disk whose kernel has this command line. Owned; NULL on failure. */
typedef AshFsTree *(*AshRootTreeMaker)(const char *cmdline, gpointer user_data, GError **error);

/** What a disk image is made of; all borrowed. */
typedef struct {
	AshFsTree *tree;           /* the root file system, complete; its nodes' "number" is used */
	const AshFsTree *var_tree; /* what /var begins with; NULL: empty */
	const AshImageType *type;  /* kind ASH_IMAGE_DISK, with a layout */
	const char *name;          /* of the system: labels, UKI name, verity salt */
	const char *version;
	const char *stem;          /* of the output files: STEM.raw, STEM.qcow2, STEM.vhd */
	AshUuid seed;              /* every identifier is derived from it */
	guint64 epoch;             /* SOURCE_DATE_EPOCH, seconds */
	const char *kernel_append; /* of the kickstart; may be NULL */
	int boot_timeout;          /* of the kickstart, seconds; -1: as the type says */
	const char *output_dir;    /* must exist */
	const char *commit;        /* for the artifacts; may be NULL */
	bool checksums;            /* as in AshFormatsRequest */
	const AshDiskSecrets *secrets; /* for encrypted partitions; NULL if there are none */
	bool layout;               /* also writes STEM.layout, if the root is erofs of our own */
	const AshKey *pcr_key;         /* signs PCR 11 in the kernel image; needed by a /var that the TPM opens; NULL: none */
	const AshBootSigner *signer;   /* signs what the type says (model/secureboot.h); needed by a partition "root-verity-sig"; NULL: nobody does */
	const AshErofsLayout *previous_layout; /* of an earlier version; NULL: none */
	const char *leaf_cache;    /* directory (disk/verity/leafcache.h); NULL: nothing is kept */
	AshInitrdAhead *initrd_ahead; /* may have the tree's initramfs unpacked; NULL: nobody has */
	AshRootFileMaker make_root; /* of an erofs root; NULL: disk/erofs/erofs.h, and only that has a layout */
	gpointer make_root_data;
	AshRootTreeMaker make_root_tree; /* of a system for OSTree: the root has the tree in it, beside others to come; else NULL */
	gpointer make_root_tree_data;
} AshDiskRequest;

/**
 * Writes the disk in every format of its type into output_dir, and appends an AshArtifact for each
 * to @ret_artifacts.
 *
 * Discoverable Partitions Specification; every partition with role root that is not "empty" gets
 * the tree, as erofs or ext4; a hash partition of its slot makes it dm-verity protected: PARTUUIDs
 * are then halves of the root hash and the command line begins with "roothash=". Encrypted partitions are LUKS2 volumes: their bytes are not
 * the same twice; a recovery key is an artifact of its own. The verity salt
 * depends on the name only, so that versions share block hashes. Files appear under their names
 * only when they are complete; they are not synced. Same request, same bytes.
 */
gboolean ash_disk_build(AshContext *ctx, const AshDiskRequest *request, GPtrArray *ret_artifacts,
			GError **error);
