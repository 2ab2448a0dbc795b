/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/** What an image type has signed when there is a key (ashlar.imgtype(5), [secure_boot]). */
typedef struct {
	bool sign_uki, sign_loader, sign_verity; /* default: all. verity: root hashes, in partitions with role "root-verity-sig" */
	bool keep_signatures; /* files that came signed are left as they are */
	bool verity_by_kernel; /* the kernel checks the signature of the root hash, too */
} AshSecureBoot;
