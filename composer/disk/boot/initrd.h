/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/io/content.h"

/**
 * The initramfs @packed, its archives unpacked (those compressed with Zstandard; others are as they are) and their files aligned (disk/boot/cpio.h), in
 * a temporary file. What is in it, and the kernel's view of it, stay the same: archives behind one another are unpacked one over the other. One of
 * a kind that is not known comes back as it is. Owned; NULL on failure.
 */
AshContent *ash_initrd_unpack(AshContent *packed, GError **error);
