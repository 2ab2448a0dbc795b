/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/kscommand.h"

/*
 * Every other command that pykickstart knows (its newest Fedora handler and RHEL 9's, and what older versions had): what
 * an image build makes moot is noted, what would change the result is refused with a way out.
 */

#define MOOT(command_name, why, most, options)                                                     \
	{                                                                                          \
		.name = command_name, .status = ASH_KS_MOOT, .text = why, .max_args = most,        \
		.known = options                                                                   \
	}
#define DROPPED(command_name, why, most, options)                                                  \
	{                                                                                          \
		.name = command_name, .status = ASH_KS_MOOT, .text = why, .max_args = most,        \
		.known = options, .deprecated = true                                               \
	}
#define REFUSED(command_name, remedy, least, most, options)                                        \
	{                                                                                          \
		.name = command_name, .status = ASH_KS_REFUSED, .text = remedy, .min_args = least, \
		.max_args = most, .known = options                                                 \
	}

#define MANY            G_MAXUINT
#define NO_OPTIONS      "--"
#define NO_INSTALLER    "no installer runs"
#define FROM_REPOSITORY "packages come from the repositories of \"url\" and \"repo\""
#define FROM_PACKAGES   "the system is composed of packages; use \"repo\" and %packages instead"
#define FIRST_BOOT      "it belongs to one machine; set it up at first boot"
#define MODULES         "udev loads the modules of the hardware at boot"
#define STORAGE         "an image has partitions and file systems only; use \"part\""

/* clang-format off */
const AshKsCommand ash_ks_other_commands[] = {
	/* the machine's end of an installation */
	MOOT("reboot", NO_INSTALLER, 0, "--eject --kexec"),
	MOOT("poweroff", NO_INSTALLER, 0, "--eject --kexec"),
	MOOT("halt", NO_INSTALLER, 0, "--eject --kexec"),
	MOOT("shutdown", NO_INSTALLER, 0, "--eject --kexec"),
	/* how an installer looks and is watched */
	MOOT("text", NO_INSTALLER, 0, "--non-interactive"),
	MOOT("cmdline", NO_INSTALLER, 0, "--non-interactive"),
	MOOT("graphical", NO_INSTALLER, 0, "--non-interactive"),
	MOOT("logging", NO_INSTALLER, 0, "--host= --port= --level="),
	MOOT("mediacheck", NO_INSTALLER, 0, NO_OPTIONS),
	MOOT("rdp", NO_INSTALLER, 0, "--username= --password="),
	MOOT("sshpw", "it is for the installer's own accounts; use \"user\" for the system's", MANY,
	     "--username= --iscrypted --plaintext --lock --sshkey"),
	MOOT("updates", NO_INSTALLER, 1, NO_OPTIONS),
	MOOT("eula", "nobody is asked", 0, "--agreed --agree --accepted --accept"),
	DROPPED("vnc", NO_INSTALLER, 0, "--host= --password= --port= --connect="),
	DROPPED("install", "composing is all that is done", 0, "--root-device="),
	DROPPED("autostep", NO_INSTALLER, 0, "--autoscreenshot"),
	DROPPED("interactive", NO_INSTALLER, 0, NO_OPTIONS),
	DROPPED("installclass", NO_INSTALLER, MANY, NULL),
	/* where packages come from: a build without a repository is an error of its own */
	MOOT("cdrom", FROM_REPOSITORY, 0, NO_OPTIONS),
	MOOT("hmc", FROM_REPOSITORY, 0, NO_OPTIONS),
	MOOT("harddrive", FROM_REPOSITORY, 0, "--dir= --partition= --biospart="),
	MOOT("nfs", FROM_REPOSITORY, 0, "--server= --dir= --opts="),
	DROPPED("method", FROM_REPOSITORY, MANY, NULL),
	/* what an installer has to be told about its hardware */
	MOOT("zipl", "it is about the boot loader of s390", 0, "--secure-boot --no-secure-boot --force-secure-boot"),
	MOOT("fcoe", "the disk of an image is a file", 0, "--nic= --dcb --autovlan"),
	MOOT("zfcp", "the disk of an image is a file", 0, "--devnum= --wwpn= --fcplun= --scsiid= --scsilun="),
	DROPPED("device", MODULES, MANY, "--opts="),
	DROPPED("deviceprobe", MODULES, MANY, NO_OPTIONS),
	DROPPED("dmraid", MODULES, MANY, "--name= --dev="),
	DROPPED("multipath", MODULES, MANY, "--name= --device= --rule="),
	DROPPED("nvdimm", "the disk of an image is a file", 1, "--namespace= --blockdevs= --mode= --sectorsize="),
	REFUSED("iscsi", FIRST_BOOT, 0, 0, "--target= --ipaddr= --port= --user= --password= --reverse-user= --reverse-password= --iface="),
	REFUSED("iscsiname", FIRST_BOOT, 1, 1, NO_OPTIONS),
	REFUSED("driverdisk", "add a repository with the driver's package instead", 0, 1, "--source= --biospart= --type="),
	/* disks */
	REFUSED("snapshot", STORAGE, 1, 1, "--name= --when="),
	REFUSED("stratispool", STORAGE, 0, MANY, NULL),
	REFUSED("stratisfs", STORAGE, 0, MANY, NULL),
	/* other ways to have a system */
	REFUSED("bootc", FROM_PACKAGES, 0, 0, "--stateroot= --source-imgref= --target-imgref= --bootloader= --composefs"),
	REFUSED("liveimg", FROM_PACKAGES, 0, 0, "--url= --proxy= --noverifyssl --checksum="),
	REFUSED("module", "module streams are not supported; name the packages, or a repository without modules", 0, 0,
		"--name= --stream= --disable"),
	REFUSED("upgrade", "an image is always composed anew; remove the line", 0, MANY, NULL),
	REFUSED("rescue", "an image is composed, none is rescued; remove the line", 0, 0, "--nomount --romount"),
	/* one machine's surroundings */
	REFUSED("realm", FIRST_BOOT, 0, MANY, NULL),
	REFUSED("rhsm", FIRST_BOOT, 0, 0,
		"--organization= --activation-key= --connect-to-insights --proxy= --server-hostname= --rhsm-baseurl= --flatpak-registry-url="),
	REFUSED("syspurpose", FIRST_BOOT, 0, 0, "--role= --sla= --usage= --addon="),
	/* gone from kickstart long ago */
	DROPPED("key", NO_INSTALLER, 1, "--skip"),
	DROPPED("lilocheck", NO_INSTALLER, 0, NO_OPTIONS),
	DROPPED("monitor", MODULES, 0, "--hsync= --vsync= --monitor= --noprobe"),
	DROPPED("mouse", MODULES, 1, "--device= --emulthree"),
	DROPPED("unsupported_hardware", NO_INSTALLER, 0, NO_OPTIONS),
	{ NULL },
};
/* clang-format on */
