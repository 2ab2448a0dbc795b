#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Boots the demo system's VM disk, with partitions of its own: what the kickstart says holds, the root is verified, changes survive a reboot.
# Two boots.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need qemu-system-x86_64 ssh ssh-keygen jq mkfs.xfs
cd "$work" || exit 1
# shellcheck source=tests/vm/machine.sh
. "$top_srcdir/tests/vm/machine.sh"
on_exit() { machine_off; }

# The demo system with a key of ours, and file systems of its own, whose content the composer has put there.
ssh-keygen -q -t ed25519 -N '' -f "key"
{
	echo "%include $top_srcdir/kickstarts/demo-vm.ks"
	echo "sshkey --username=demo \"$(cat "key.pub")\""
	cat <<'END'
part swap --size=64 --fsoptions=pri=5
part /home --fstype=xfs --size=320 --fsoptions=nodev
part /srv --fstype=ext4 --size=40 --fsoptions=nodev,noatime
END
} >"demo-vm.ks"
check "the demo system builds as qemu-vm" "$ASHLAR" build "demo-vm.ks" -t qemu-vm -f raw --repos "$distro/release" \
	--store "$cache/vm-store" -o "out" --progress=plain
image=out/demo-vm-qemu-vm.raw
[ -f "$image" ] || { finish; exit; }

# A machine's disk is larger than the image: /var takes the rest.
truncate -s +1G "$image"
machine_on "$image"
prompts() { says ' login: '; }
check "a login prompt appears on the serial console" wait_for 900 prompts
comes_up "SSH answers" up

check "the root is a verified device" as_root "veritysetup status root | grep -q \"status:  *verified\""
check_equal "the root is erofs, read-only" "erofs ro" "$(remote "findmnt -n -o FSTYPE,OPTIONS / | awk '{ split(\$2, o, \",\"); print \$1, o[1] }'")"
refute "the root cannot be written" as_root "touch /usr/here"
check_equal "/etc is an overlay" overlay "$(remote "findmnt -n -o FSTYPE /etc")"
check_equal "/var is ext4" ext4 "$(remote "findmnt -n -o FSTYPE /var")"
check "/var has grown over the room that the disk has" remote "test \$(df --output=size -k /var | tail -n 1) -gt 1200000"
check_equal "/home is xfs" "xfs yes" "$(remote "findmnt -n -o FSTYPE,OPTIONS /home | awk '{ print \$1, (\$2 ~ /nodev/ ? \"yes\" : \"no\") }'")"
check_equal "/home has the user's directory, and whose it is" "demo demo 700" "$(remote "stat -c '%U %G %a' /home/demo")"
check "the user can write there" remote "echo kept >/home/demo/ashlar-test"
check_equal "/srv is ext4" "ext4 yes" "$(remote "findmnt -n -o FSTYPE,OPTIONS /srv | awk '{ print \$1, (\$2 ~ /noatime/ ? \"yes\" : \"no\") }'")"
check_equal "swap is active" "partition 64M 5" "$(remote "/usr/sbin/swapon --show=TYPE,SIZE,PRIO --noheadings | tr -s ' ' | sed 's/ *$//'")"
check_equal "time zone" Europe/Vienna "$(remote "timedatectl show -p Timezone --value")"
check_equal "host name" "$(awk '$1 == "network" { for (i = 2; i <= NF; i++) if (sub("--hostname=", "", $i)) print $i }' "$top_srcdir/kickstarts/demo-vm.ks")" \
	"$(remote "hostname")"
check "the user is in the group sudo" remote "id -nG | grep -qw sudo"
for service in ssh systemd-networkd chrony; do
	check "service $service is active" remote "systemctl is-active $service"
done
check "os-release names the image" remote "grep -q ^IMAGE_VERSION= /usr/lib/os-release"
check "rpm knows the packages" remote "rpm -q bash systemd"
check "the boot was counted as good" as_root "ls /boot/EFI/Linux /efi/EFI/Linux 2>/dev/null | grep -E \"[.]efi\" | grep -vq \"[+]\""

as_root "echo kept > /etc/ashlar-test; echo kept > /var/lib/ashlar-test; sync"
reboot
comes_up "the system comes back after a reboot" up
check_equal "a file put into /etc survives" kept "$(remote "cat /etc/ashlar-test")"
check_equal "a file put into /var survives" kept "$(remote "cat /var/lib/ashlar-test")"
check_equal "a file put into /home survives" kept "$(remote "cat /home/demo/ashlar-test")"

# A byte of root A is flipped behind the kernel's back: the file's block no longer matches its hash.
victim=/usr/share/common-licenses/GPL-3
remote "test -s $victim" || victim=/usr/share/doc/bash/copyright
check "the victim can be read" remote "cat $victim"
# Other files begin alike: it is the whole content that must be there.
remote "cat $victim" >"victim"
offset=$(python3 - "victim" "$image" <<'END'
import mmap, sys
content = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "rb") as image, mmap.mmap(image.fileno(), 0, access=mmap.ACCESS_READ) as data:
    offset = data.find(content)
    print(offset if content and offset >= 0 else "")
END
)
check "the victim's data is found in the image" test -n "$offset"
as_root "printf \"\\\\377\" | dd of=/dev/vda bs=1 seek=${offset:-0} conv=notrunc,fsync; sync; echo 3 > /proc/sys/vm/drop_caches" >/dev/null 2>&1
refute "a flipped byte in root A makes reads fail" remote "cat $victim"
check "the kernel says so" as_root "dmesg | grep -q \"data block .* is corrupted\""
finish
