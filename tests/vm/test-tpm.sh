#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A machine whose TPM 2.0 opens /var (qemu-vm-tpm2): the first boot makes it, later ones open it with nobody there, until the kernel image
# is another one. Three boots, from power off each.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need qemu-system-x86_64 swtpm ssh ssh-keygen openssl jq sfdisk mcopy
cd "$work" || exit 1
# shellcheck source=tests/vm/machine.sh
. "$top_srcdir/tests/vm/machine.sh"
on_exit() { machine_off; }

ssh-keygen -q -t ed25519 -N '' -f key
{
	echo "%include $top_srcdir/kickstarts/demo-vm.ks"
	echo "sshkey --username=demo \"$(cat key.pub)\""
} >demo-vm.ks
openssl genrsa -out pcr.pem 2048 2>/dev/null
chmod 600 pcr.pem
check "the demo system builds with a /var for the TPM" "$ASHLAR" build demo-vm.ks -t qemu-vm-tpm2 -f raw --repos "$distro/release" \
	--store "$cache/vm-store" -o out --progress=plain --pcr-key pcr.pem
image=out/demo-vm-qemu-vm-tpm2.raw
[ -f "$image" ] || { finish; exit; }
truncate -s +1G "$image"

token() { as_root "cryptsetup luksDump --dump-json-metadata /dev/disk/by-partlabel/var" | jq -c "[.tokens[] | select(.type == \"systemd-tpm2\")][0] | $1"; }

machine_on "$image" --tpm tpm
comes_up "the first boot makes /var" up
check_equal "/var is the opened volume" "/dev/mapper/var ext4" "$(remote "findmnt -n -o SOURCE,FSTYPE /var")"
check "as large as the disk has room" remote "test \$(df --output=size -k /var | tail -n 1) -gt 1200000"
check_equal "it has the TPM's key" tpm2 "$(as_root "systemd-cryptenroll /dev/disk/by-partlabel/var" | awk 'NR > 1 { print $2 }' | xargs)"
check_equal "bound to PCR 7, and to PCR 11 as somebody has signed it" '[[7],[11]]' "$(token '[."tpm2-pcrs", ."tpm2_pubkey_pcrs"]')"
check_equal "who has our key" "$(openssl rsa -in pcr.pem -pubout 2>/dev/null)" "$(token '."tpm2_pubkey"' | tr -d '"' | base64 -d)"
as_root "echo kept > /etc/ashlar-test; echo kept > /var/lib/ashlar-test"
switches_off

machine_on "$image" --tpm tpm
comes_up "the second boot needs nobody" up
check_equal "a file put into /var is there" kept "$(remote "cat /var/lib/ashlar-test")"
check_equal "a file put into /etc is there" kept "$(remote "cat /etc/ashlar-test")"
# The signature is there, but it is for the initramfs.
attach=/usr/lib/systemd/systemd-cryptsetup
check "later not even root has the key from the TPM" as_root "test -s /run/systemd/tpm2-pcr-signature.json &&
	! $attach attach again /dev/disk/by-partlabel/var - tpm2-device=auto,headless 2>/tmp/said && grep -q \"falling back to traditional\" /tmp/said"
as_root "sync" >/dev/null 2>&1
machine_off

# Somebody who has the disk gives the system another command line; nothing else of it changes.
esp=$(($(sfdisk --json "$image" 2>/dev/null | jq '[.partitiontable.partitions[] | select(.name == "esp")][0].start') * 512))
tamper() { # OLD NEW
	local uki
	uki=$(mdir -b -i "$image@@$esp" ::EFI/Linux | tr -d '\r' | grep -i '\.efi$')
	mcopy -n -i "$image@@$esp" "$uki" file && cp file before || return
	sed -i "s/$1/$2/" file
	! cmp -s file before && mcopy -o -i "$image@@$esp" file "$uki"
}
check "another command line is put into the kernel image" tamper "console=tty0" "console=tty1"
machine_on "$image" --tpm tpm
check "which runs" wait_for 300 says 'Command line: .*console=tty1'
closed() { says 'Please enter (passphrase|recovery key|.*) for disk|Failed to start systemd-cr.*ypted variable data'; }
check "the TPM keeps its key" wait_for 600 closed
closed || show_console
refute "and the system does not come up" says ' login: '
machine_off
finish
