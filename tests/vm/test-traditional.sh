#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A package-managed disk (qemu-traditional): its root is writable, a logical volume and grown with its group; dnf installs, removes and updates packages over HTTP. A new kernel
# gets an entry of its own, boots, and goes on when the old one is removed. Two boots, from power off each. Then the disk of qemu-grub, signed by our key:
# by BIOS to the login prompt, and by UEFI with Secure Boot, through shim and GRUB. Three more end within seconds: another kernel, and two refusals.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need qemu-system-x86_64 qemu-img ssh ssh-keygen python3 openssl jq sfdisk mcopy sbattach sbverify
cd "$work" || exit 1
# shellcheck source=tests/vm/machine.sh
. "$top_srcdir/tests/vm/machine.sh"

web=''
on_exit() {
	machine_off
	[ -z "$web" ] || kill "$web" 2>/dev/null
}
# kernel SNAPSHOT: the version of its kernel.
kernel() { basename "$(rpm -qpl "$distro/$1"/linux-image-[0-9]*.rpm 2>/dev/null | grep '/vmlinuz$' | xargs dirname)"; }
old=$(kernel release) new=$(kernel updates)
[ "$old" != "$new" ] || skip_all "both snapshots have the same kernel"

ssh-keygen -q -t ed25519 -N '' -f key
{
	echo "%include $top_srcdir/kickstarts/demo-lvm.ks"
	printf '%s\n' "selinux --enforcing" "bootloader --timeout=2"
	echo "sshkey --username=demo \"$(cat key.pub)\""
	echo "%post --erroronfail"
	echo "mkdir -p /etc/yum.repos.d"
	echo "cat > /etc/yum.repos.d/updates.repo <<'END'"
	printf '[updates]\nname=Updates\nbaseurl=http://10.0.2.2:%s/updates\ngpgcheck=1\ngpgkey=http://10.0.2.2:%s/RPM-GPG-KEY-mortar\nEND\n' $web_port $web_port
	echo "%end"
} >traditional.ks
check "the demo system builds as qemu-traditional" "$ASHLAR" build traditional.ks -t qemu-traditional --repos "$distro/release" --store "$cache/vm-store" \
	-o out --progress=plain
image=out/traditional-qemu-traditional.qcow2
[ -f "$image" ] || { finish; exit; }
# A machine's disk is larger than the image.
qemu-img resize -q "$image" +1G

mkdir web
ln -s "$distro/updates" web/updates
ln -s "$distro/RPM-GPG-KEY-mortar" web/
python3 "$top_srcdir/tests/vm/serve.py" web $web_port &
web=$!
machine_on "$image"
comes_up "SSH answers" up
enforces "/etc /home /root /run /usr /var"
check_equal "its kernel" "$old" "$(remote "uname -r")"
check_equal "the root is ext4, read-write" "ext4 rw" "$(remote "findmnt -n -o FSTYPE,OPTIONS / | awk '{ split(\$2, o, \",\"); print \$1, o[1] }'")"
check "and has grown over the room that the disk has" remote "test \$(df --output=size -k / | tail -n 1) -gt 1700000"
check_equal "root and /home are logical volumes" "/dev/mapper/system-root /dev/mapper/system-home" \
	"$(remote "findmnt -n -o SOURCE /; findmnt -n -o SOURCE /home" | xargs)"
check_equal "swap, too" "33550336" "$(remote "tail -n 1 /proc/swaps" | awk '{ print $3 * 1024 }')"
check "lvm2 finds no fault in the group" as_root "vgck system"
check_equal "and nothing is free in it" "1 3 0" "$(as_root "vgs --noheadings -o pv_count,lv_count,vg_free_count system" | xargs)"
check_equal "/var and /etc are parts of it" "/ /" "$(remote "stat -c %m /var /etc | xargs")"
check_equal "the boot partition is at /boot" vfat "$(remote "findmnt -n -o FSTYPE /boot")"
check_equal "rpm has nothing to say of its files" "" "$(as_root "rpm -V systemd bash dnf" 2>&1)"
check "the machine has an ID of its own" remote "test -s /etc/machine-id"

check "dnf installs a package" as_root "dnf -y install bc"
check_equal "which runs" 42 "$(remote "echo 6*7 | bc")"
check "and removes it" as_root "dnf -y remove bc"
refute "it is gone" remote "rpm -q bc"
check "dnf updates the kernel" as_root "dnf -y upgrade linux-image-cloud-amd64"
check_equal "it has an entry beside the old one's" "traditional-$old.conf traditional-$new.conf" "$(as_root "ls /boot/loader/entries" | xargs)"
check "with an initramfs" as_root "test -s /boot/traditional/$new/initrd && grep -q ^initrd /boot/loader/entries/traditional-$new.conf"
check_equal "and the same command line" 1 "$(as_root "grep -h ^options /boot/loader/entries/*.conf" | sort -u | wc -l)"
reboot
runs_new() { [ "$(remote "uname -r")" = "$new" ]; }
comes_up "the new kernel boots" runs_new
check "dnf removes the old kernel" as_root "dnf -y remove linux-image-$old"
check_equal "and its entry" "traditional-$new.conf" "$(as_root "ls /boot/loader/entries" | xargs)"
check_equal "and its files" "$new" "$(as_root "ls /boot/traditional" | xargs)"
machine_off
rm -f "$image"

# GRUB, out of the first sector or behind shim: the kernel says what has booted it. By UEFI the firmware takes nothing but what our key has signed.
openssl req -x509 -newkey rsa:2048 -nodes -keyout db.key -out db.crt -days 3650 -subj "/CN=Test db" 2>/dev/null
chmod 600 db.key
{
	echo "%include $top_srcdir/kickstarts/demo-grub.ks"
	echo "sshkey --username=demo \"$(cat key.pub)\""
} >demo-grub.ks
check "the demo system with GRUB builds as qemu-grub, signed" "$ASHLAR" build demo-grub.ks -t qemu-grub -f raw --repos "$distro/release" --store "$cache/vm-store" \
	-o out --progress=plain --secure-boot-key db.key --secure-boot-certificate db.crt
image=out/demo-grub-qemu-grub.raw
[ -f "$image" ] || { finish; exit; }
boot() { # WHAT OPTION...
	local what=$1
	shift
	ASHLAR_ACCEL=${ASHLAR_ACCEL:-tcg} "$ASHLAR" boot "$image" "$@" </dev/null >"console.$what" 2>&1
}
booted_by() { # FIRMWARE CONSOLE
	grep -aq "Booting .Mortar Linux" "$2" && ok "GRUB says which entry it boots" || not_ok "GRUB says which entry it boots" "$2"
	check_equal "with its kernel" "/demo-grub/$old/linux" "$(grep -ao "Command line: BOOT_IMAGE=[^ ]*" "$2" | sed 's/.*=//; s/^([^)]*)//' | head -n 1)"
	check_equal "the firmware is $1" "$1" "$(grep -aq "efi: EFI v" "$2" && echo UEFI || echo BIOS)"
}
check "by BIOS it comes up to the login prompt" boot BIOS --bios --until-login --timeout 900
booted_by BIOS console.BIOS

cp --sparse=always "$image" booted.raw
machine_on booted.raw --secure-boot db.crt
comes_up "by UEFI with Secure Boot it comes up" up
booted_by UEFI "console.$((consoles_before + 1))"
efivar() { as_root "od -An -t u1 -j 4 -N 1 /sys/firmware/efi/efivars/$1" | tr -d ' '; }
check_equal "the firmware's variable says that Secure Boot is on" 1 "$(efivar SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c)"
check "the kernel says so, too" as_root "dmesg | grep -q \"secureboot: Secure boot enabled\""
check "and is locked down" remote "grep -qF '[integrity]' /sys/kernel/security/lockdown"
check "shim was there before it" remote "test -e /sys/firmware/efi/mok-variables/SbatLevelRT"
remote "cat /usr/lib/modules/$old/vmlinuz" >packaged.efi
machine_off
rm -f booted.raw

# What dnf brings is as its package has it. Each of these ends as soon as it is clear whether that is taken.
esp=$(($(sfdisk --json "$image" 2>/dev/null | jq '[.partitiontable.partitions[] | select(.name == "esp")][0].start') * 512))
put() { mcopy -o -i "$image@@$esp" "$1" "::$2"; }
starts() { boot "$1" --secure-boot db.crt --until "$2"; }
check "the kernel as its package has it is signed, and not by our key" sh -c "sbverify --list packaged.efi | grep -q issuer && ! sbverify --cert db.crt packaged.efi"
check "it is put in" put packaged.efi "demo-grub/$old/linux"
check "shim knows its key: it runs" starts packaged "secureboot: Secure boot enabled"
cp packaged.efi unsigned.efi
sbattach --remove unsigned.efi 2>/dev/null
check "one without a signature is put in" put unsigned.efi "demo-grub/$old/linux"
check "GRUB has no kernel to start" starts unsigned "error: you need to load the kernel first"
check "because shim knows none who signed it" grep -aq "error: bad shim signature" console.unsigned
mcopy -n -i "$image@@$esp" ::EFI/BOOT/grubx64.efi grub.efi
sed 's/Welcome to GRUB/Welcome to GROB/' grub.efi >changed.efi
refute "GRUB has another text" cmp -s grub.efi changed.efi
check "the changed one is put in" put changed.efi EFI/BOOT/grubx64.efi
check "shim refuses it" starts changed "Security Violation"
refute "and it does not run" grep -aq "Welcome to GR" console.changed
finish
