#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Disks for Azure: a reader of other origin goes through the footer, the partition tables and what each generation of machines boots. azure-gen1 is
# for a BIOS, and for UEFI too with the packages for that; azure-cvm is for confidential machines. What Azure asks of a system is read out of both: the
# drivers of Hyper-V, the configuration of kickstarts/azure.ks. (azure-vm and azure-traditional: test-build.sh, test-traditional.sh.)
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need python3 mdir mtype openssl qemu-img objcopy jq sfdisk zstd
cd "$work" || exit 1
store=$cache/test-store
build() { "$ASHLAR" build "$@" --repos "$distro/release" --store "$store" --progress=plain; }
azure() { python3 "$top_srcdir/tests/cli/azure.py" "$@"; }
# on_esp VHD PATH: that file; the reader has checked where the partition is.
esp_offset() { sfdisk --json "$1" 2>/dev/null | jq '.partitiontable.partitions[] | select(.type == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B") | .start * 512'; }
on_esp() { mtype -i "$1@@$(esp_offset "$1")" "::/$2"; }
cat_tree() { "$ASHLAR" cat "$1" "$2" --store "$store" --progress=none; }
has_path() { "$ASHLAR" ls "$1" "$2" --store "$store" --progress=none; }
for name in demo-grub demo-vm; do
	printf '%%include %s\n' "$top_srcdir/kickstarts/$name.ks" "$top_srcdir/kickstarts/azure.ks" >$name.ks
done
# What a disk and a network of Azure need before and after the root is there: modules, or parts of the kernel.
kernel=$(basename "$(rpm -qpl "$distro"/release/linux-image-[0-9]*.rpm 2>/dev/null | grep '/vmlinuz$' | xargs dirname)")
drivers="hv_vmbus hv_storvsc hv_netvsc hv_utils hv_balloon pci-hyperv nvme"
lacks_drivers() { # REF INITRAMFS DRIVER...
	local ref=$1 initramfs=$2 modules=/usr/lib/modules/$kernel driver
	shift 2
	{ cat_tree "$ref" "$modules/modules.builtin" >builtin && cat_tree "$ref" "$modules/modules.dep" >modules; } || echo "the lists of modules"
	for driver in "$@"; do
		grep -aq "/$driver\.ko" "$initramfs" builtin || echo "$driver"
	done
	for driver in udf isofs vfat mlx5_core mlx4_core mana; do
		grep -q "/$driver\.ko" builtin modules || echo "$driver in the system"
	done
}
# Azure's documents, "Prepare Linux for imaging" and "Time sync for Linux VMs".
configured() { # REF
	check_equal "the agent leaves the machine to cloud-init" "Provisioning.Agent=cloud-init ResourceDisk.EnableSwap=n ResourceDisk.Format=n" \
		"$(cat_tree "$1" /etc/waagent.conf | grep -E '^(Provisioning\.Agent|ResourceDisk\.(Format|EnableSwap))=' | sort | xargs)"
	check "the network is not cloud-init's" grep -q "apply_network_config: false" <(cat_tree "$1" /etc/cloud/cloud.cfg.d/91-azure.cfg)
	check "the clock of the host has its name" grep -q 'hyperv.*SYMLINK.*ptp_hyperv' <(cat_tree "$1" /usr/lib/udev/rules.d/50-udev-default.rules)
	check_equal "chrony may step, and is told of that clock where it is" "makestep 1.0 -1 confdir /run/chrony-azure" \
		"$(cat_tree "$1" /etc/chrony/chrony.conf | grep -E '^(makestep|confdir /run)' | xargs)"
	check "by a unit that the clock itself starts" grep -q '"hyperv".*SYSTEMD_WANTS.*"azure-clock.service"' <(cat_tree "$1" /etc/udev/rules.d/51-azure-clock.rules)
	check "interfaces behind others are left alone" grep -q "^Unmanaged=yes" <(cat_tree "$1" /etc/systemd/network/01-azure-vf.network)
	check_equal "the agents and SSH are enabled" "cloud-init.service ssh.service walinuxagent.service" \
		"$({ has_path "$1" /etc/systemd/system/cloud-init.target.wants; has_path "$1" /etc/systemd/system/multi-user.target.wants; } |
			grep -oE '(cloud-init|ssh|walinuxagent)\.service' | sort -u | xargs)"
}

# Generation 1
check "azure-gen1 builds" build demo-grub.ks -t azure-gen1 -o out
gen1=out/demo-grub-azure-gen1.vhd
[ -f "$gen1" ] || { finish; exit; }
check "its disk is as Azure wants it, and boots by BIOS and UEFI" azure "$gen1" gen1 gen2
check_equal "GRUB has its menu on the serial console that the kernel has" "serial --unit=0 --speed=115200" "$(on_esp "$gen1" loader/grub.cfg | grep ^serial)"
check_equal "and both menus are the same one" "source /loader/grub-menu.cfg source /loader/grub-menu.cfg" \
	"$({ on_esp "$gen1" loader/grub.cfg; on_esp "$gen1" EFI/debian/grub.cfg; } | grep ^source | xargs)"
check "whose kernel speaks to that console" grep -q "console=ttyS0,115200n8" <(on_esp "$gen1" loader/grub-menu.cfg)
check "and may wait for Azure's storage" grep -q "nvme_core.io_timeout=240" <(on_esp "$gen1" loader/grub-menu.cfg)
on_esp "$gen1" "demo-grub/$kernel/initrd" | zstd -qdc >initrd 2>/dev/null
# shellcheck disable=SC2086
check_equal "nothing is missing of Hyper-V's drivers, nor of those for the emulated disk" "" "$(lacks_drivers demo-grub/x86_64/azure-gen1 initrd $drivers ata_piix sd_mod)"
configured demo-grub/x86_64/azure-gen1
check_equal "the boot partition is root's" "umask=0077,shortname=winnt" "$(cat_tree demo-grub/x86_64/azure-gen1 /etc/fstab | awk '$2 == "/boot" { print $4 }')"
check "QEMU sees a VHD" qemu-img info -f vpc "$gen1"
check "ashlar inspect looks into it" "$ASHLAR" inspect "$gen1" --progress=none
cp --sparse=always "$gen1" damaged
damage damaged $((0x5c))
refute "the reader sees a damaged boot sector" azure damaged gen1
cp --sparse=always "$gen1" damaged
damage damaged $((1048576 + 500))
refute "and a damaged list of blocks" azure damaged gen1
cp --sparse=always "$gen1" damaged
damage damaged $(($(stat -c %s damaged) - 512 + 70))
refute "and a damaged footer" azure damaged gen1
rm -f damaged

# Confidential machines
openssl genrsa -out pcr.pem 3072 2>/dev/null && chmod 600 pcr.pem
check "azure-cvm builds" build demo-vm.ks -t azure-cvm --pcr-key pcr.pem -o out
cvm=out/demo-vm-azure-cvm.vhd
[ -f "$cvm" ] || { finish; exit; }
check "its disk is as Azure wants it, and boots one kernel image and nothing else" azure "$cvm" gen2 cvm
uki=$(mdir -b -i "$cvm@@$(esp_offset "$cvm")" ::/EFI/Linux | tr -d '\r' | sed 's,^::/,,')
on_esp "$cvm" "$uki" >uki.efi
for section in cmdline osrel pcrpkey pcrsig initrd; do
	objcopy -O binary --only-section=.$section --set-section-flags .$section=alloc uki.efi $section 2>/dev/null
done
check "the kernel image holds the root hash" grep -q "roothash=[0-9a-f]\{64\}" cmdline
check "and that storage may be slow, and that nobody gives it credentials" grep -q "nvme_core.io_timeout=240 .*systemd.import_credentials=no" cmdline
# shellcheck disable=SC2086
check_equal "nothing is missing of Hyper-V's drivers" "" "$(lacks_drivers demo-vm/x86_64/azure-cvm initrd $drivers)"
configured demo-vm/x86_64/azure-cvm
check_equal "and what the TPM will ask for: a key" "$(openssl rsa -in pcr.pem -pubout 2>/dev/null)" "$(tr -d '\0' <pcrpkey)"
check_equal "which signed the PCR that the stub measures into" 11 "$(tr -d '\0' <pcrsig | jq '.sha256[0].pcrs[0]')"
check "/var is opened by the TPM" grep -q "ashlar.var=tpm2" cmdline
check_equal "and is in no image: no key of it can be" "" "$(sfdisk --json "$cvm" 2>/dev/null | jq -r '.partitiontable.partitions[] | select(.type == "4D21B016-B534-45C2-A9FB-5C16E091FD2D").name')"
"$ASHLAR" image demo-vm/x86_64/azure-cvm -t azure-cvm --store "$store" -o nothing --progress=none >said 2>&1
check_equal "without a key that signs, nothing is made" 2 $?

# A kickstart's swap is for the temporary disk of the machine.
printf '%%include %s\npart swap --size=512\n' "$top_srcdir/kickstarts/demo-vm.ks" >swap.ks
for type in azure-vm azure-cvm azure-traditional; do
	build swap.ks -t $type --dry-run >said 2>&1
	check "$type leaves a partition for swap away, and says so" grep -q "has no swap: machines have a disk of their own for it" said
done
finish
