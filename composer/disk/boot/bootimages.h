/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** What firmware or a boot loader starts: a file of an EFI system partition. */
typedef struct {
	char *path;            /* "EFI/BOOT/BOOTX64.EFI" */
	GPtrArray *signatures; /* of AshAuthenticode (disk/secureboot/authenticode.h) */
	char *problem;         /* why it could not be looked at; NULL: it could */
} AshBootImage;

/**
 * The boot loaders (*.efi in EFI/BOOT and EFI/systemd), kernel images (in EFI/Linux) and kernels of Type #1 entries on the EFI system partition at
 * @offset bytes of @fd, by path (GPtrArray of AshBootImage, owned); none if it cannot be read.
 */
GPtrArray *ash_boot_images_list(int fd, guint64 offset);
