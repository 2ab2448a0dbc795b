/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mount.h"
#include "model/names.h"
#include "model/secureboot.h"
#include "model/spec.h"

typedef enum { ASH_IMAGE_DISK, ASH_IMAGE_OCI, ASH_IMAGE_WSL, ASH_IMAGE_TAR } AshImageKind;
typedef enum {
	ASH_DISK_RAW,
	ASH_DISK_QCOW2,
	ASH_DISK_VHD,
	ASH_DISK_COSI,
	ASH_DISK_VMDK,
	ASH_DISK_GCE,
	ASH_DISK_QCOW2_ZLIB,
	ASH_DISK_QCOW2_ZSTD,
	ASH_DISK_VHDX,
	_ASH_DISK_FORMAT_COUNT,
} AshDiskFormat;
typedef enum { ASH_COMPRESS_NONE, ASH_COMPRESS_GZIP, ASH_COMPRESS_ZSTD } AshCompression;

/** How the files of an erofs or squashfs root are kept; the last two are for squashfs only. */
typedef enum {
	ASH_ROOT_COMPRESSION_NONE,
	ASH_ROOT_COMPRESSION_LZ4HC,
	ASH_ROOT_COMPRESSION_ZSTD,
	ASH_ROOT_COMPRESSION_GZIP,
	ASH_ROOT_COMPRESSION_XZ,
} AshRootCompression;

/** How the system of a disk is kept and changed. */
typedef enum {
	ASH_SYSTEM_ATOMIC,      /* as a whole: the root is read-only, /etc an overlay kept in /var */
	ASH_SYSTEM_TRADITIONAL, /* package by package: one writable root, whose kernels have entries of their own in the boot loader's menu */
	ASH_SYSTEM_OSTREE,      /* as a whole, by ostree(1): deployments of commits side by side in one root, each with an /etc of its own */
} AshSystemKind;

/** What the firmware starts. */
typedef enum {
	ASH_BOOT_LOADER_SYSTEMD_BOOT,
	ASH_BOOT_LOADER_GRUB, /* traditional systems behind shim; systems for OSTree by itself */
} AshBootLoader;

/**
 * In trees of package-managed systems that boot by BIOS: GRUB's core image, of which a disk gets a copy. The number is that of the partition with its
 * configuration, in ASH_GRUB_BIOS_PREFIX.
 */
#define ASH_GRUB_BIOS_FORMAT "usr/lib/ashlar/grub-i386-pc-gpt%d.img"
/** GRUB's own files for BIOS, as packages have them. */
#define ASH_GRUB_BIOS_DIR    "usr/lib/grub/i386-pc"
/** Directory of its configuration, grub.cfg, on that partition. */
#define ASH_GRUB_BIOS_PREFIX "loader"

/** Who makes an erofs root. */
typedef enum { ASH_ROOT_WRITER_ASHLAR, ASH_ROOT_WRITER_MKFS_EROFS } AshRootWriter;

/** How the initramfs is in a kernel image. */
typedef enum {
	ASH_INITRAMFS_COMPRESSION_NONE, /* unpacked, its files aligned: updates need nearly nothing of it, as the root has them too */
	ASH_INITRAMFS_COMPRESSION_ZSTD, /* as dracut has made it */
} AshInitramfsCompression;

/** Which part of the kickstart's %packages a type takes over. */
typedef enum {
	ASH_FROM_KICKSTART_ALL,   /* everything */
	ASH_FROM_KICKSTART_NAMES, /* packages named one by one; no groups, no environment, no implied core group */
	ASH_FROM_KICKSTART_NONE,  /* nothing: the type alone says what is in it */
} AshFromKickstart;

/** What configuration calls them. */
extern const AshNames ash_image_kind_names, ash_disk_format_names, ash_system_kind_names, ash_boot_loader_names, ash_root_compression_names,
	ash_root_writer_names, ash_initramfs_compression_names, ash_compression_names, ash_from_kickstart_names;

/** One of these names; borrowed, static. Parsing is FALSE (no error) for any other text. */
const char *ash_image_kind_to_string(AshImageKind kind);
const char *ash_disk_format_to_string(AshDiskFormat format);
const char *ash_compression_to_string(AshCompression compression);
gboolean ash_disk_format_parse(const char *text, AshDiskFormat *ret_format);
/** The names of all disk formats, with a blank between them. */
#define ASH_DISK_FORMAT_NAMES "raw qcow2 vhd cosi vmdk gce qcow2-zlib qcow2-zstd vhdx"
/** The end of the file names of a format: "raw", "tar.gz". */
const char *ash_disk_format_to_extension(AshDiskFormat format);

/** An image type: the shape that a system ships in (ashlar.imgtype(5)). Vectors are never NULL. */
typedef struct {
	char *name;         /* file name without .toml */
	char *description;
	char *digest;       /* hex, of the text it was read from, bases included; NULL if it was not read from a file */
	AshImageKind kind;
	AshImageKind tree_kind; /* that its tree is made for: that of a disk, if it has a kernel */
	char *variant;      /* package set and tree that it shares with other types; default: its own name */
	AshFromKickstart from_kickstart;
	char **packages_add, **packages_drop; /* drop: globs removed from the request and forbidden */
	char **groups_add;  /* comps ids */
	char **packages_strip; /* globs; not empty: a system without package manager and without these (compose/distroless.h) */
	int weak_deps;      /* -1: as the kickstart says */
	int docs;           /* -1: as the kickstart says */
	char **services_enable, **services_disable, **services_mask;
	AshSystemKind system; /* disks only */
	char *kernel_cmdline; /* "" if none */
	AshBootLoader loader;
	bool bootable;      /* has kernel, initramfs, fstab, overlay /etc; disks only */
	char **initramfs_modules;  /* dracut modules; empty for kinds without initramfs */
	char **initramfs_drivers;  /* kernel modules to include */
	AshInitramfsCompression initramfs_compression; /* default: none if updates gain by it, else zstd */
	/* disk */
	GArray *formats;    /* of AshDiskFormat: files written */
	AshLayout *layout;  /* NULL unless disk */
	bool var_encrypted; /* the initramfs opens /var before it mounts it */
	bool var_tpm2;      /* the TPM opens it, and the first boot makes it */
	int bios_esp;       /* number of the partition that GRUB for BIOS has its configuration on; 0: the disk does not boot by BIOS */
	bool swap;          /* may have a partition for it; default: true */
	GPtrArray *mounts;  /* of AshMount: what the layout says is mounted, never NULL */
	AshRootCompression root_compression; /* zstd needs Linux 6.10 with erofs */
	AshRootWriter root_writer;
	guint boot_tries;   /* tries in the UKI's name (BLS boot counting); 0: none */
	guint boot_timeout; /* systemd-boot menu, seconds, if the kickstart does not say */
	bool second_stage;  /* systemd-boot is at the name, too, by which a shim starts what comes after it */
	AshSecureBoot secure_boot;
	/* system "ostree" on a disk; NULL: see ashlar.imgtype(5) */
	char *ostree_osname; /* of the deployment and its /var */
	char *ostree_remote, *ostree_url, *ostree_ref; /* where upgrades come from */
	bool ostree_verify;  /* they must be signed with a key that OSTree of the machine trusts */
	/* archives */
	AshCompression compression; /* default: gzip for OCI and WSL, zstd for tar */
	int compression_level; /* -1: the default */
	char **oci_entrypoint, **oci_cmd, **oci_env; /* env: NAME=VALUE */
	char *oci_user, *oci_workdir;                /* may be NULL */
	char **oci_labels, **oci_annotations;        /* NAME=VALUE */
	char **oci_ports, **oci_volumes;             /* "80/tcp"; absolute paths */
	int oci_layers;                              /* at most so many, by packages */
	char *oci_stop_signal;                       /* "SIGTERM", "SIGRTMIN+3" or a number; may be NULL */
	/* wsl: /etc/wsl.conf and /etc/wsl-distribution.conf */
	int wsl_default_uid;
	bool wsl_systemd;
	char *wsl_oobe_command; /* may be NULL */
	char *wsl_icon;         /* absolute path in the tree, may be NULL */
	char *wsl_default_name; /* may be NULL: name of the system */
	bool wsl_shortcut;           /* in the start menu; default: true */
	bool wsl_terminal;           /* a profile of Windows Terminal; default: true */
	char *wsl_terminal_profile;  /* absolute path in the tree of its template, may be NULL */
	/* wsl: the entry in DistributionInfo.json */
	char *wsl_url;           /* where the file is to be found, or the folder if it ends in "/"; NULL: no entry is made */
	char *wsl_flavor;        /* may be NULL: the name */
	char *wsl_friendly_name; /* may be NULL: name and version */
} AshImageType;

AshImageType *ash_image_type_new(const char *name);
void ash_image_type_free(AshImageType *type);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshImageType, ash_image_type_free)

/** What WSL takes for the name of a distribution, as half a sentence. */
#define ASH_WSL_NAME_RULE "a name in WSL is 1 to 256 letters, digits, \".\", \"_\" or \"-\", and not \"Legacy\""
bool ash_wsl_name_is_valid(const char *name);

/** Whether any partition is encrypted. */
bool ash_image_type_is_encrypted(const AshImageType *type);

/**
 * What follows from the layout as it is now: mounts; numbers of encryption that are not said, the dracut module "crypt" for what the initramfs
 * has to open, var_encrypted; for logical volumes the package "lvm2", and the dracut module "lvm" if the root is one; the kernel's driver for the root; bios_esp.
 */
void ash_image_type_finish_layout(AshImageType *type);

/**
 * What @type asks the solver for: @request filtered by from_kickstart, then the type's packages and groups
 * added, its drops taken out of the names and put among the excludes, weak_deps and docs overridden. Owned.
 */
AshPackageRequest *ash_image_type_dup_request(const AshImageType *type, const AshPackageRequest *request);
