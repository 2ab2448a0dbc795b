#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Disks for Azure on machines like Azure's. azure-cvm by UEFI, on an NVMe disk that is larger than the image, with a TPM: cloud-init makes the user, out of a
# seed beside the disk, the TPM opens /var, and after a reboot nobody is needed. azure-gen1 by BIOS, on an IDE disk, as the VHD that it is, with
# nothing to tell cloud-init what to do. Three boots; what only Hyper-V has is read out of the systems.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need qemu-system-x86_64 swtpm ssh ssh-keygen openssl jq mformat mcopy
cd "$work" || exit 1
# shellcheck source=tests/vm/machine.sh
. "$top_srcdir/tests/vm/machine.sh"
on_exit() { machine_off; }
build() { "$ASHLAR" build "$@" --repos "$distro/release" --store "$cache/vm-store" -o out --progress=plain; }
took() { note "$(remote "systemd-analyze time" | head -n 1)"; }
enabled() { remote "systemctl is-enabled walinuxagent cloud-init-local cloud-init cloud-config cloud-final" | xargs; }
# Why a unit did not run: "no" if a condition of it does not hold, as it does on Hyper-V.
condition() { remote "systemctl show -P ConditionResult $1"; }
# DMI: what cloud-init would take this machine for, if its chassis were the one that Azure's machines have.
azure_asset=7783-7084-3265-9085-8269-3286-77
identify() {
	as_root "mkdir -p /run/azure/dmi && cp /sys/class/dmi/id/[b-s]* /run/azure/dmi/ 2>/dev/null; echo $azure_asset > /run/azure/dmi/chassis_asset_tag;
		PATH_SYS_CLASS_DMI_ID=/run/azure/dmi PATH_RUN_CI=/run/azure PATH_RUN_CI_CFG=/run/azure/cloud.cfg /usr/lib/cloud-init/ds-identify --force; cat /run/azure/cloud.cfg"
}

ssh-keygen -q -t ed25519 -N '' -f key
openssl genrsa -out pcr.pem 2048 2>/dev/null
chmod 600 pcr.pem

# azure-cvm
# The demo system has Debian's list of modules for cloud-init, among them those for dpkg, which it has not.
{
	printf '%%include %s\n' "$top_srcdir/kickstarts/demo-vm.ks" "$top_srcdir/kickstarts/azure.ks"
	printf '%%post\nsed -i "/^ - \(grub-dpkg\|apt-.*\)$/d" /etc/cloud/cloud.cfg\n%%end\n'
} >demo-azure.ks
check "the demo system builds as azure-cvm" build demo-azure.ks -t azure-cvm --pcr-key pcr.pem
vhd=out/demo-azure-azure-cvm.vhd
[ -f "$vhd" ] || { finish; exit; }
# A fixed VHD is a raw disk with one sector behind it.
mv "$vhd" disk.raw
truncate -s -512 disk.raw
truncate -s +1G disk.raw
# NoCloud: a file system with this label.
machine_user='admin'
printf 'instance-id: azure-test\nlocal-hostname: seeded\n' >meta-data
{
	printf '#cloud-config\nusers:\n- name: %s\n  shell: /bin/bash\n' $machine_user
	printf '  sudo: ALL=(ALL) NOPASSWD:ALL\n  ssh_authorized_keys: [ "%s" ]\n' "$(cat key.pub)"
} >user-data
truncate -s 2M seed.img
mformat -i seed.img -v CIDATA ::
mcopy -i seed.img meta-data user-data ::
# Whoever runs the machine tries to give it a credential, too.
machine_qemu=(-drive "if=virtio,format=raw,readonly=on,file=seed.img" -smbios "type=11,value=io.systemd.credential:ashlar.test=untrusted")
machine_on disk.raw --disk nvme --tpm tpm
comes_up "azure-cvm comes up, and cloud-init has made its user" up
took
check_equal "the disk is NVMe" nvme "$(remote "lsblk -dno TRAN \$(readlink -f /dev/disk/by-partlabel/var | sed 's/p[0-9]*\$//')")"
check_equal "which waits as long as Azure's storage may need" 240 "$(remote "cat /sys/module/nvme_core/parameters/io_timeout")"
check_equal "cloud-init found the seed by itself" "done DataSourceNoCloud" \
	"$(remote "cloud-init status --long" | sed -n 's/^status: //p; s/.*\(DataSource[A-Za-z]*\).*/\1/p' | xargs)"
check_equal "the machine has its name from there" seeded "$(remote "hostname")"
check_equal "the agents are enabled" "enabled enabled enabled enabled enabled" "$(enabled)"
check_equal "Azure's own waits for Hyper-V" no "$(condition walinuxagent)"
check_equal "chrony has the host's clock only where it is" "inactive active" "$(remote "systemctl is-active azure-clock chrony" | xargs)"
check_equal "/var is the opened volume" "/dev/mapper/var ext4" "$(remote "findmnt -n -o SOURCE,FSTYPE /var")"
check "as large as the disk has room" remote "test \$(df --output=size -k /var | tail -n 1) -gt 1200000"
check_equal "the TPM has the key, for what is signed to be in PCR 11" '[[7],[11]]' \
	"$(as_root "cryptsetup luksDump --dump-json-metadata /dev/disk/by-partlabel/var" |
		jq -c '[.tokens[] | select(.type == "systemd-tpm2")][0] | [."tpm2-pcrs", ."tpm2_pubkey_pcrs"]')"
check "which the kernel image was measured into" remote "grep -qv '^0*\$' /sys/class/tpm/tpm0/pcr-sha256/11"
check_equal "a credential from outside was not taken" "" "$(as_root "find /run/credentials -name ashlar.test")"
check_equal "nothing is swapped to the disk" "" "$(remote "cat /proc/swaps | tail -n +2")"

as_root "echo kept > /var/lib/ashlar-test; sync" >/dev/null 2>&1
reboot
comes_up "it reboots, and needs nobody" up
took
check_equal "a file put into /var is there" kept "$(remote "cat /var/lib/ashlar-test")"
check_equal "so is the user, and the name" "$machine_user seeded" "$(remote "id -un; hostname" | xargs)"
machine_off
rm -f disk.raw

# azure-gen1
{
	printf '%%include %s\n' "$top_srcdir/kickstarts/demo-grub.ks" "$top_srcdir/kickstarts/azure.ks"
	echo "sshkey --username=demo \"$(cat key.pub)\""
} >demo-gen1.ks
check "the demo system with GRUB builds as azure-gen1" build demo-gen1.ks -t azure-gen1
machine_user=demo machine_qemu=(-machine pc)
machine_on out/demo-gen1-azure-gen1.vhd --bios --disk ide
comes_up "azure-gen1 comes up by BIOS" up
took
check "GRUB says on the serial line which entry it boots" says "Booting .Mortar Linux"
check_equal "the root is on the IDE disk" "ata_piix sda" \
	"$(remote "basename \$(readlink -f /sys/block/sda/device/../../../../driver); lsblk -no PKNAME \$(findmnt -n -o SOURCE /)" | xargs)"
check_equal "there is no UEFI" "" "$(remote "ls -d /sys/firmware/efi 2>/dev/null")"
check_equal "cloud-init is enabled, has found no cloud, and stood aside" "enabled enabled enabled enabled enabled status: disabled" \
	"$(enabled) $(remote "cloud-init status" | xargs)"
check_equal "with Azure's chassis it would be Azure" "datasource_list: [ Azure, None ]" "$(identify)"
check_equal "nothing is swapped to the disk" "" "$(remote "cat /proc/swaps | tail -n +2")"
machine_off
finish
