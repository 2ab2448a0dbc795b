#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A machine with an encrypted /var: it asks on the console, takes passphrase and recovery key, grows, keeps what it is given; and does not take a
# plain partition for its own. Its verified root is squashfs. Then one whose root is encrypted, with packages of its own. Four boots.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need qemu-system-x86_64 ssh ssh-keygen jq sfdisk mkfs.ext4 cryptsetup
cd "$work" || exit 1
# shellcheck source=tests/vm/machine.sh
. "$top_srcdir/tests/vm/machine.sh"
on_exit() { machine_off; }

ssh-keygen -q -t ed25519 -N '' -f key
{
	echo "%include $top_srcdir/kickstarts/demo-vm.ks"
	echo "sshkey --username=demo \"$(cat key.pub)\""
} >demo-vm.ks
umask 077
echo "correct horse battery" >passphrase
umask 022
sed 's/^fs = "erofs"/fs = "squashfs"/' "$top_srcdir/imgtypes/qemu-vm-encrypted.toml" >squashed.toml
check "the demo system builds with an encrypted /var" "$ASHLAR" build demo-vm.ks -t ./squashed.toml -f raw --repos "$distro/release" \
	--store "$cache/vm-store" -o out --progress=plain --luks-passphrase-file passphrase
image=out/demo-vm-squashed.raw
[ -f "$image" ] || { finish; exit; }
truncate -s +1G "$image"

mkfifo typed
exec 9<>typed
# shellcheck disable=SC2034
machine_input=typed
type_line() { printf '%s\n' "$1" >&9; }
prompts() { says 'Please enter passphrase( or recovery key)? for disk' "$1"; }

machine_on "$image"
check "the passphrase is asked for on the console" wait_for 600 prompts 1
type_line "wrong"
check "a wrong one is asked for again" wait_for 300 prompts 2
type_line "correct horse battery"
comes_up "the right one boots the system" up
check_equal "/var is the opened volume" "/dev/mapper/var ext4" "$(remote "findmnt -n -o SOURCE,FSTYPE /var")"
check_equal "the root is squashfs, read-only" "squashfs ro" "$(remote "findmnt -n -o FSTYPE,OPTIONS / | awk '{ split(\$2, o, \",\"); print \$1, o[1] }'")"
check "and verified" as_root "veritysetup status root | grep -q \"status:  *verified\""
check "dm-crypt has it" as_root "dmsetup table var | grep -q \"crypt aes-xts-plain64\""
check "it has grown over the room that the disk has" remote "test \$(df --output=size -k /var | tail -n 1) -gt 1200000"
check "systemd-cryptenroll lists the recovery key" as_root "systemd-cryptenroll /dev/disk/by-partlabel/var | grep -q recovery"
as_root "echo kept > /etc/ashlar-test; echo kept > /var/lib/ashlar-test"
switches_off

machine_on "$image"
check "the next boot asks as well" wait_for 600 prompts 1
type_line "$(cat out/demo-vm-squashed.var.recovery-key)"
comes_up "the recovery key boots the system" up
check_equal "a file put into /var is there" kept "$(remote "cat /var/lib/ashlar-test")"
check_equal "a file put into /etc is there" kept "$(remote "cat /etc/ashlar-test")"
switches_off

# Somebody who has the disk puts a /var of his own in the place of ours.
read -r start size < <(sfdisk --json "$image" 2>/dev/null | jq -r '[.partitiontable.partitions[] | select(.name == "var")][0] | "\(.start) \(.size)"')
truncate -s $((size * 512)) plain
mkfs.ext4 -q -F -L var plain
dd if=plain of="$image" bs=512 seek="$start" conv=notrunc,sparse status=none
dd if=plain of="$image" bs=1M seek=$((start / 2048)) count=64 conv=notrunc status=none
# systemd shortens names in their middle.
refused() { says 'Failed to start systemd-cr.*ypted variable data'; }
machine_on "$image"
check "a plain /var in its place is refused" wait_for 600 refused
refused || show_console
refute "and the system does not come up" says ' login: '
machine_off

# A package-managed system is encrypted as a whole, but for the kernels.
{
	cat demo-vm.ks
	echo "part / --encrypted"
} >whole.ks
check "the demo system builds with an encrypted root" "$ASHLAR" build whole.ks -t qemu-traditional -f raw --repos "$distro/release" \
	--store "$cache/vm-store" -o out --progress=plain --luks-passphrase-file passphrase
image=out/whole-qemu-traditional.raw
[ -f "$image" ] || { finish; exit; }
read -r start size < <(sfdisk --json "$image" 2>/dev/null | jq -r '[.partitiontable.partitions[] | select(.name == "root")][0] | "\(.start) \(.size)"')
dd if="$image" of=root.luks bs=1M skip=$((start / 2048)) count=$((size / 2048)) conv=sparse status=none
check "cryptsetup opens it" sh -c "tr -d '\n' <passphrase | cryptsetup luksOpen --test-passphrase root.luks"
refute "and with no other passphrase" sh -c "printf wrong | cryptsetup luksOpen --test-passphrase root.luks"
uuid=$(cryptsetup luksUUID root.luks)
rm -f root.luks
machine_on "$image"
check "the passphrase is asked for" wait_for 600 prompts 1
type_line "correct horse battery"
comes_up "and boots the system" up
check_equal "the root is the opened volume" "/dev/mapper/root ext4" "$(remote "findmnt -n -o SOURCE,FSTYPE /")"
check "of our partition" as_root "cryptsetup luksUUID /dev/disk/by-partlabel/root | grep -qx $uuid"
check_equal "which this kernel and later ones are told" 2 "$(remote "grep -l 'rd.luks.name=$uuid=root ' /proc/cmdline /etc/kernel/cmdline | wc -l")"
check "and dracut to bring what opens it" remote "grep -q '^dracutmodules.* crypt ' /usr/lib/dracut/dracut.conf.d/50-ashlar.conf"
machine_off
finish
