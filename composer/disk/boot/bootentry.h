/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** Where entries are, from the root of the boot partition. */
#define ASH_BOOT_ENTRY_DIR "loader/entries"

/** A Type #1 entry of the boot loader's menu (UAPI Boot Loader Specification): kernel and initramfs are files of their own. All borrowed. */
typedef struct {
	const char *token;      /* what names of entries begin with, and the directory of their files (kernel-install(8): entry-token) */
	const char *release;    /* of the kernel: "6.1.0-50-cloud-amd64" */
	const char *os_release; /* text of the file: title and sort key */
	const char *cmdline;
	bool has_initrd;
	guint tries;            /* boot counting; 0: none */
} AshBootEntry;

/** "loader/entries/TOKEN-RELEASE.conf", or "...+TRIES.conf": as kernel-install(8) will call those of later kernels. Owned. */
char *ash_boot_entry_path(const AshBootEntry *entry);
/** Where its file @name ("linux", "initrd") is: "TOKEN/RELEASE/NAME". Owned. */
char *ash_boot_entry_file_path(const AshBootEntry *entry, const char *name);
/** The text of the entry, with the same keys as kernel-install(8) writes. Owned. */
char *ash_boot_entry_format(const AshBootEntry *entry);
