/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/nodedisk.h"

/**
 * Finds the EFI system partition of @disk as ash_node_esp_open() says. *@ret_path: owned; *@ret_mount_fd: of a mount of our own, which has
 * no path, or -1.
 */
gboolean ash_node_esp_find_directory(const AshNodePlaces *places, const AshNodeDisk *disk, char **ret_path, int *ret_mount_fd,
				     GError **error);
