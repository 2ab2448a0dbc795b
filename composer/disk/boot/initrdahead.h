/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/io/content.h"
#include "model/fstree.h"

/**
 * AshInitrdAhead: the initramfs of the last version is unpacked (disk/boot/initrd.h) by a thread while the next one is still being installed, which
 * most often has the same. A guess: whoever wants another unpacks that himself.
 */
typedef struct AshInitrdAhead AshInitrdAhead;

/** The last version's tree. By the thread; owned by it, NULL if there is none. */
typedef AshFsTree *(*AshInitrdTreeFunc)(gpointer user_data);

/** Begins; @user_data is freed with @free_user_data once it is no longer needed. Owned. */
AshInitrdAhead *ash_initrd_ahead_new(AshInitrdTreeFunc load, gpointer user_data, GDestroyNotify free_user_data);
/** Waits for the thread. */
void ash_initrd_ahead_free(AshInitrdAhead *ahead);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshInitrdAhead, ash_initrd_ahead_free)

/** The nameless file of what was unpacked, waiting until it was; borrowed. -1: none. */
int ash_initrd_ahead_get_fd(AshInitrdAhead *ahead);

/**
 * What the initramfs @node (ash_boot_find_initrd()) is when unpacked, waiting until it is; NULL if it was another one that was unpacked, or @node or
 * @ahead is NULL. A reference. From any thread.
 */
AshContent *ash_initrd_ahead_get(AshInitrdAhead *ahead, const AshFsNode *node);
