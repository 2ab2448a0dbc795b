/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/kscommand.h"

/*
 * Every other command that pykickstart knows (its F44 handler, and what older versions had): what
 * an image build makes moot is noted, what would change the result is refused with a way out.
 */

#define MOOT(command_name, why, options)                                                           \
	{                                                                                          \
		.name = command_name, .status = ASH_KS_MOOT, .text = why, .known = options         \
	}
#define REFUSED(command_name, remedy)                                                              \
	{                                                                                          \
		.name = command_name, .status = ASH_KS_REFUSED, .text = remedy                     \
	}

#define NO_OPTIONS   "--"
#define NEW_DISK     "the disk of an image is new and empty"
#define NO_INSTALLER "no installer runs"
#define PARTITIONS                                                                                 \
	"the image type decides the partitions for now (\"partition\" in ashlar.imgtype(5)); "     \
	"remove the line"
#define FROM_REPOSITORY "packages come from repositories; use \"url\" or \"repo\" instead"
#define FROM_PACKAGES   "the system is composed of packages; use \"repo\" and %packages instead"
#define FIRST_BOOT      "it belongs to one machine; set it up at first boot"
#define HARDWARE        "name kernel modules in \"initramfs.drivers\" of the image type instead"
#define OBSOLETE        "kickstart has dropped it; remove the line"

/* clang-format off */
const AshKsCommand ash_ks_other_commands[] = {
	/* the machine's end of an installation */
	MOOT("reboot", NO_INSTALLER, "--eject --kexec"),
	MOOT("poweroff", NO_INSTALLER, "--eject --kexec"),
	MOOT("halt", NO_INSTALLER, "--eject --kexec"),
	MOOT("shutdown", NO_INSTALLER, "--eject --kexec"),
	/* how an installer looks and is watched */
	MOOT("text", NO_INSTALLER, "--non-interactive"),
	MOOT("cmdline", NO_INSTALLER, "--non-interactive"),
	MOOT("graphical", NO_INSTALLER, "--non-interactive"),
	MOOT("logging", NO_INSTALLER, "--host= --port= --level="),
	MOOT("mediacheck", NO_INSTALLER, NO_OPTIONS),
	MOOT("rdp", NO_INSTALLER, "--username= --password="),
	MOOT("vnc", NO_INSTALLER, "--host= --password= --port="),
	{ .name = "sshpw", .status = ASH_KS_MOOT, .text = "it is for the installer's own accounts; use \"user\" for the system's",
	  .known = "--username= --iscrypted --plaintext --lock --sshkey", .max_args = G_MAXUINT },
	{ .name = "updates", .status = ASH_KS_MOOT, .text = NO_INSTALLER, .known = NO_OPTIONS, .max_args = 1 },
	MOOT("eula", "nobody is asked", "--agreed --agree --accepted --accept"),
	MOOT("install", "composing is all that is done", NO_OPTIONS),
	MOOT("autostep", NO_INSTALLER, "--autoscreenshot"),
	MOOT("interactive", NO_INSTALLER, NO_OPTIONS),
	/* what was on the disk before */
	MOOT("clearpart", NEW_DISK, "--all --linux --none --initlabel --cdl --drives= --list= --disklabel="),
	MOOT("zerombr", NEW_DISK, NO_OPTIONS),
	MOOT("ignoredisk", NEW_DISK, "--drives= --only-use= --interactive"),
	/* partitions */
	REFUSED("part", PARTITIONS),
	REFUSED("partition", PARTITIONS),
	REFUSED("autopart", PARTITIONS),
	REFUSED("reqpart", PARTITIONS),
	REFUSED("raid", PARTITIONS),
	REFUSED("volgroup", PARTITIONS),
	REFUSED("logvol", PARTITIONS),
	REFUSED("btrfs", PARTITIONS),
	REFUSED("mount", PARTITIONS),
	REFUSED("snapshot", PARTITIONS),
	REFUSED("stratispool", PARTITIONS),
	REFUSED("stratisfs", PARTITIONS),
	/* where the system comes from */
	REFUSED("cdrom", FROM_REPOSITORY),
	REFUSED("harddrive", FROM_REPOSITORY),
	REFUSED("hmc", FROM_REPOSITORY),
	REFUSED("nfs", FROM_REPOSITORY),
	REFUSED("method", FROM_REPOSITORY),
	REFUSED("bootc", FROM_PACKAGES),
	REFUSED("liveimg", FROM_PACKAGES),
	REFUSED("ostreecontainer", FROM_PACKAGES),
	REFUSED("ostreesetup", FROM_PACKAGES),
	REFUSED("module", "module streams are not supported; name the packages, or a repository without modules"),
	REFUSED("upgrade", "an image is always composed anew; remove the line"),
	REFUSED("rescue", "an image is composed, none is rescued; remove the line"),
	/* one machine's hardware and surroundings */
	REFUSED("fcoe", FIRST_BOOT),
	REFUSED("iscsi", FIRST_BOOT),
	REFUSED("iscsiname", FIRST_BOOT),
	REFUSED("nvdimm", FIRST_BOOT),
	REFUSED("zfcp", FIRST_BOOT),
	REFUSED("zipl", "images boot by UEFI; remove the line"),
	REFUSED("realm", FIRST_BOOT),
	REFUSED("rhsm", FIRST_BOOT),
	REFUSED("syspurpose", FIRST_BOOT),
	REFUSED("driverdisk", "add a repository with the driver's package instead"),
	REFUSED("device", HARDWARE),
	REFUSED("deviceprobe", HARDWARE),
	REFUSED("dmraid", HARDWARE),
	REFUSED("multipath", HARDWARE),
	/* what else would change the system */
	REFUSED("auth", "passwords are SHA-512 and shadowed anyway; for the rest run authselect in a %post script"),
	REFUSED("authconfig", "passwords are SHA-512 and shadowed anyway; for the rest run authselect in a %post script"),
	REFUSED("authselect", "run \"authselect select\" in a %post script"),
	REFUSED("xconfig", "name graphical.target in a %post script: \"systemctl set-default graphical.target\""),
	/* gone from kickstart long ago */
	REFUSED("key", OBSOLETE),
	REFUSED("langsupport", "use \"lang --addsupport=\""),
	REFUSED("lilocheck", OBSOLETE),
	REFUSED("monitor", OBSOLETE),
	REFUSED("mouse", OBSOLETE),
	REFUSED("installclass", OBSOLETE),
	REFUSED("unsupported_hardware", OBSOLETE),
	{ NULL },
};
/* clang-format on */
