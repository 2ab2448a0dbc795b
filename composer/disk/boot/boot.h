/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/key.h"
#include "disk/boot/grub.h"
#include "disk/boot/initrdahead.h"
#include "disk/io/content.h"
#include "disk/secureboot/bootsigner.h"
#include "model/fstree.h"
#include "model/imagetype.h"
#include "model/secureboot.h"

/** What boots a tree; from its own files. */
typedef struct {
	char *kernel_release; /* directory in usr/lib/modules */
	AshContent *kernel;   /* vmlinuz */
	AshContent *initrd;   /* initramfs.img or initrd; NULL if there is none */
	GBytes *os_release;   /* usr/lib/os-release */
	GBytes *stub;         /* usr/lib/systemd/boot/efi/linuxx64.efi.stub */
	GBytes *loader;       /* usr/lib/systemd/boot/efi/systemd-bootx64.efi */
	GBytes *signed_loader; /* the same, signed by who made it; NULL: the tree has none */
	AshGrubFiles *grub;   /* in place of stub and loader; NULL: it is systemd-boot */
} AshBootFiles;

/**
 * Loads the small ones and opens the others; @bios_esp as for ash_grub_files_load(). Of several kernels the newest counts (strverscmp(3)). Owned; NULL and
 * ASH_ERROR_CONFIG naming what the tree lacks and the package that has it.
 */
AshBootFiles *ash_boot_files_load(const AshFsTree *tree, AshBootLoader loader, int bios_esp, GError **error);
void ash_boot_files_free(AshBootFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshBootFiles, ash_boot_files_free)

/**
 * Has the initramfs unpacked and its files aligned, as disk/boot/initrd.h says. Nothing if there is none. @node: what ash_boot_find_initrd() has found; @ahead may
 * have it already. Both may be NULL.
 */
gboolean ash_boot_files_unpack_initrd(AshBootFiles *files, const AshFsNode *node, AshInitrdAhead *ahead, GError **error);

/** A regular file of the tree. Owned; NULL on failure. */
AshContent *ash_boot_open_file(const AshFsTree *tree, const AshFsNode *node, GError **error);

/** The file that is the initramfs of ash_boot_files_load() and nothing else; NULL if there is none. Borrowed. */
AshFsNode *ash_boot_find_initrd(const AshFsTree *tree);

/** Name of a UKI below EFI/Linux (UAPI boot loader specification, "Boot counting"):
 * "NAME_VERSION+3.efi"; @tries 0: no counter. Owned. */
char *ash_boot_uki_name(const char *name, const char *version, guint tries);

/** Non-empty parts joined by single spaces; NULL parts are skipped, NULL-terminated by count.
 * Owned. */
char *ash_boot_join_cmdline(const char *const *parts, guint n_parts);

typedef struct {
	const char *name, *version;
	const char *cmdline;
	guint tries;
	guint timeout; /* of the menu, seconds */
	bool second_stage; /* systemd-boot is at EFI/BOOT/grubx64.efi, too */
	AshSystemKind system;
	const AshFsTree *tree;  /* of a system for OSTree: it has GRUB */
	const AshUuid *root_fs; /* of the same: UUID of the file system with its menu */
	const AshKey *pcr_key; /* signs what PCR 11 will be (disk/uki/pcr.h); NULL: nobody does */
	const AshBootSigner *signer; /* signs the kernel image and the loader; NULL: nobody does */
	const AshSecureBoot *secure_boot; /* what it signs */
} AshBootOptions;

/**
 * The files of an EFI system partition (GPtrArray of AshVfatFile, owned). First what the firmware starts, with its configuration: systemd-boot under
 * both of its names, or shim and GRUB. Then what that starts: one UKI; or kernel and initramfs as files, with an entry in the menu
 * (disk/boot/bootentry.h), of a traditional system; or nothing, as with OSTree it is in the root (disk/boot/ostree.h). @files: NULL for OSTree.
 */
GPtrArray *ash_boot_list_esp(const AshBootFiles *files, const AshBootOptions *options, GError **error);
