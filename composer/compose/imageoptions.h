/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/secrets.h"
#include "disk/boot/initrdahead.h"
#include "disk/secureboot/bootsigner.h"

#include <stdbool.h>

/** What a person asked for of the files of an image type, whatever the type; all borrowed. Part of each artifact's key. */
typedef struct {
	const AshUuid *seed; /* NULL: identifiers are derived from the commit */
	const char *const *formats; /* of disks, instead of their types'; NULL: those */
	bool checksums;      /* also where another digest tells the same (AshDiskRequest) */
	GBytes *anchor;      /* layout of an earlier version (ash_erofs_layout_parse()), for types with an erofs root; NULL: none */
	const AshKey *pcr_key; /* signs what PCR 11 will be, in kernel images; NULL: nobody does */
	const AshBootSigner *signer; /* signs what disks boot with; NULL: nobody does */
	const char *notes;   /* what the kickstart says of the images of a commit that was not composed (ash_image_notes_format()); NULL: the commit says it */
	const AshSecretSource *secrets; /* of encrypted partitions; NULL: none are given */
	const AshSecrets *keys; /* loaded from there by ash_build_run() and its like; NULL before */
	AshInitrdAhead *initrd_ahead; /* begun by ash_build_run(); NULL: nobody guesses. No part of any key */
} AshImageOptions;

/** Whether there is somebody who signs root hashes. */
static inline bool
ash_image_options_can_sign_root(const AshImageOptions *options)
{
	return options->signer != NULL && options->signer->certificate != NULL;
}
