#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Package-managed images: one writable ext4 root, a kernel with its entry in the boot loader's menu under the names that kernel-install(8) will use.
# The types are qemu-traditional and azure-traditional; here with a small system, and without dracut.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need jq python3 zstd sfdisk e2fsck debugfs mcopy mdir rpmbuild createrepo_c objcopy cryptsetup
here=$top_srcdir/tests/cli
cd "$work" || exit 1
[ -r /usr/lib/systemd/boot/efi/systemd-bootx64.efi ] || skip_all "systemd-boot is not installed on this machine"
"$top_srcdir/tests/distro/make-repo" repo "$here/specs/base.spec" "$here/specs/machine.spec" "$here/specs/traditional.spec" >make-repo.log 2>&1 || {
	not_ok "the small repository is made" make-repo.log
	finish
	exit
}
kickstart() { # FILE LINE...
	local file=$1
	shift
	{ printf 'repo --name=demo\nbootloader --timeout=7 --append="quiet"\n'; printf '%s\n' "$@"; printf '%%packages\ntraditional\n%%end\n'; } >"$file"
}
type() { # NAME [BASE [LINE...]]
	local name=$1 base=${2:-qemu-traditional}
	shift $(($# < 2 ? $# : 2))
	{
		printf 'base = "%s"\nvariant = "small"\n' "$base"
		printf '[packages]\nfrom_kickstart = "names"\nadd = []\n[initramfs]\nmodules = []\ndrivers = []\n[disk]\nformats = ["raw"]\n'
		printf '%s\n' "$@"
	} >"$name.toml"
}
build() { # KICKSTART TYPE OPTION...
	local kickstart=$1 type=$2
	shift 2
	"$ASHLAR" build "$kickstart" -t "./$type.toml" --repos repo --store store --version 1 --progress=plain "$@"
}
# slice RAW LABEL FILE
slice() {
	local start size
	read -r start size < <(sfdisk --json "$1" 2>/dev/null | jq -r --arg name "$2" '[.partitiontable.partitions[] | select(.name == $name)][0] | "\(.start) \(.size)"')
	dd if="$1" of="$3" bs=512 skip="$start" count="$size" conv=sparse status=none
	truncate -s $((size * 512)) "$3"
}
in_root() { debugfs -R "$1" root.img 2>/dev/null; }
entry() { mtype -i esp.img ::/loader/entries/test-6.1.0.conf | tr -d '\r'; }

refuse() { # WHAT TEXT COMMAND...
	local what=$1 text=$2
	shift 2
	if "$@" >said 2>&1; then not_ok "$what (it was taken)" said; elif grep -qF -- "$text" said; then ok "$what"; else not_ok "$what" said; fi
}

kickstart test.ks
type small
check "a package-managed disk builds" build test.ks small -o out -f raw -f cosi
check "as COSI it names the entry" python3 "$top_srcdir/tests/cli/cosi.py" out/test-small.cosi out/test-small.raw
raw=out/test-small.raw
[ -f "$raw" ] || { finish; exit; }
check_equal "two partitions, and the last one grows" "esp - root GUID:59" \
	"$(sfdisk --json "$raw" 2>/dev/null | jq -r '.partitiontable.partitions[] | "\(.name) \(.attrs // "-")"' | xargs)"
slice "$raw" esp esp.img
slice "$raw" root root.img
check "e2fsck finds no fault" e2fsck -fn root.img

# What names the disk is filled in when it is made.
uuid=$(blkid -o value -s UUID root.img)
esp_uuid=$(blkid -o value -s UUID esp.img)
check_equal "/etc/fstab has identifiers, and the package's line" \
	"UUID=$uuid / ext4 defaults,x-systemd.growfs 0 1 UUID=$esp_uuid /boot vfat umask=0077,shortname=winnt 0 2 LABEL=data /srv ext4 defaults,noauto 0 0" \
	"$(in_root "cat /etc/fstab" | grep -v '^#' | xargs)"
check_equal "kernel-install has the command line" "root=UUID=$uuid rw console=tty0 console=ttyS0,115200n8 quiet" "$(in_root "cat /etc/kernel/cmdline")"
check_equal "and the name of its entries" test "$(in_root "cat /etc/kernel/entry-token")"
check_equal "and where they are" "layout=bls BOOT_ROOT=/boot initrd_generator=dracut" "$(in_root "cat /etc/kernel/install.conf" | xargs)"
check_equal "the machine has no ID yet" 0 "$(in_root "cat /etc/machine-id" | wc -c)"
check_equal "/var, /root and /home are of the root" "40755 40755 40755" \
	"$(for path in /var /root /home; do in_root "stat $path" | sed -n 's/.*Type: \([a-z]*\) *Mode: *\(0[0-7]*\).*/\1 \2/p' | sed 's/directory 0/40/'; done | xargs)"

# The entry is as kernel-install(8) writes them.
check_equal "the entry" "title Linux 6.1.0 version 6.1.0 sort-key test options $(in_root "cat /etc/kernel/cmdline") linux /test/6.1.0/linux" "$(entry | xargs)"
check_equal "the loader knows what kind of entries there are" type1 "$(mtype -i esp.img ::/loader/entries.srel)"
check_equal "the menu waits as the kickstart says" "timeout 7" "$(mtype -i esp.img ::/loader/loader.conf)"
mcopy -i esp.img ::/test/6.1.0/linux linux && in_root "dump /usr/lib/modules/6.1.0/vmlinuz packaged"
check "the kernel is the package's" cmp linux packaged
mcopy -i esp.img ::/EFI/BOOT/BOOTX64.EFI loader
check "the loader is systemd-boot" cmp loader /usr/lib/systemd/boot/efi/systemd-bootx64.efi
check_equal "no kernel image is there" 0 "$(mdir -b -i esp.img ::/EFI | grep -ci linux)"

# What files have.
check_equal "hard links" "3 3" "$(for name in one two; do in_root "stat /usr/share/traditional/$name" | sed -n 's/^Links: \([0-9]*\).*/\1/p'; done | xargs)"
inode() { in_root "stat \"/usr/share/traditional/$1\"" | sed -n 's/^Inode: \([0-9]*\).*/\1/p'; }
check_equal "of one file" "$(inode one)" "$(inode "three with blanks")"
check "a capability" sh -c "debugfs -R 'ea_list /usr/share/traditional/capable' root.img 2>&1 | grep -q security.capability"
check_equal "owner and mode" "0640 65534 65534" \
	"$(in_root "stat /usr/share/traditional/empty" | sed -n 's/.*Mode: *\(0[0-7]*\).*/\1/p; s/^User: *\([0-9]*\) *Group: *\([0-9]*\).*/\1 \2/p' | xargs)"
in_root "dump /usr/share/traditional/sparse sparse"
check_equal "a file with holes" "67108864 middle" "$(stat -c %s sparse) $(dd if=sparse bs=1M skip=32 count=1 status=none | head -c 6)"
check "takes room for what is not hole" sh -c '[ $(debugfs -R "stat /usr/share/traditional/sparse" root.img 2>/dev/null | sed -n "s/.*Blockcount: \([0-9]*\).*/\1/p") -le 16 ]'
check_equal "all names of a large directory" 1500 "$(in_root "ls -p /usr/share/traditional/large" | grep -c a-name)"

# The same again, with another store.
check "it builds anew" build test.ks small -o again --store other
check "with the same bytes" cmp "$raw" "again/$(basename "$raw")"
check "ashlar inspect looks into it" "$ASHLAR" inspect "$raw" --progress=none
check "ashlar audit too" "$ASHLAR" audit "$raw" --progress=none

# Boot counting, as kernel-install(8) has it.
type counted qemu-traditional '[boot]' 'tries = 3'
sed -i 's/variant = .*/variant = "counted"/' counted.toml
check "a type with tries builds" build test.ks counted -o counted
slice counted/test-counted.raw esp esp.img
slice counted/test-counted.raw root root.img
check_equal "the entry has a counter" "test-6.1.0+3.conf" "$(mdir -b -i esp.img ::/loader/entries | xargs -n1 basename)"
check_equal "and so have later ones" 3 "$(in_root "cat /etc/kernel/tries")"

# GRUB behind shim, as packages have them; one that reads no entries has a menu, which a plugin of kernel-install(8) keeps.
type grub qemu-traditional '[boot]' 'loader = "grub"'
sed -i 's/variant = .*/variant = "grub"/' grub.toml
kickstart grub.ks
grub_build() { build grub.ks grub -o nothing; }
refuse "GRUB that no package has is refused" "is shim-signed or shim-x64 in the package set" grub_build
sed -i 's/^traditional$/&\nsigned-grub/' grub.ks
check "a disk with GRUB builds" build grub.ks grub -o grub
slice grub/grub-grub.raw esp esp.img
slice grub/grub-grub.raw root root.img
mcopy -i esp.img ::/EFI/BOOT/BOOTX64.EFI shim && in_root "dump /usr/lib/shim/shimx64.efi.signed shim.package"
check "the firmware starts shim" cmp shim shim.package
mcopy -i esp.img ::/EFI/BOOT/grubx64.efi grub.efi && in_root "dump /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed grub.package"
check "which starts GRUB" cmp grub.efi grub.package
sed 's/^signed-grub$/boot-grub/' grub.ks >other.ks
check "one whose packages have both in /boot/efi builds, too" build other.ks grub -o other
slice other/other-grub.raw esp other.img
check "with the same programs" cmp <(mtype -i esp.img ::/EFI/BOOT/BOOTX64.EFI ::/EFI/BOOT/grubx64.efi) <(mtype -i other.img ::/EFI/BOOT/BOOTX64.EFI ::/EFI/BOOT/grubx64.efi)
rm -rf other other.img
check_equal "it finds its configuration, and the menu" "set timeout=7 set default=0 source /loader/grub-menu.cfg" \
	"$(mtype -i esp.img ::/EFI/debian/grub.cfg | grep -v '^#' | xargs)"
mkdir -p boot && mcopy -s -i esp.img ::/loader boot/
cp boot/loader/grub-menu.cfg menu
check_equal "the menu has the kernel" "menuentry Linux 6.1.0 (6.1.0) { linux /grub/6.1.0/linux $(in_root "cat /etc/kernel/cmdline") }" "$(xargs <menu)"
in_root "dump /usr/lib/kernel/install.d/95-ashlar-grub.install plugin"
plugin() { KERNEL_INSTALL_BOOT_ROOT=boot KERNEL_INSTALL_LAYOUT=bls sh plugin "$@"; }
check "the plugin makes the same of the entry" plugin add 6.1.0 && check "to the byte" cmp menu boot/loader/grub-menu.cfg
sed 's/6\.1\.0/6.10.0/; $a initrd     /grub/6.10.0/initrd' boot/loader/entries/grub-6.1.0.conf >boot/loader/entries/grub-6.10.0.conf
plugin add 6.10.0
check_equal "a later kernel comes first" "(6.10.0) (6.1.0)" "$(grep -o '(.*)' boot/loader/grub-menu.cfg | xargs -d '\n')"
check_equal "with its initramfs" 1 "$(grep -c 'initrd /grub/6.10.0/initrd' boot/loader/grub-menu.cfg)"
rm boot/loader/entries/grub-6.10.0.conf
plugin remove 6.10.0
check "and goes again" cmp menu boot/loader/grub-menu.cfg

# A partition that the system opens. (An encrypted root wants dracut, and is booted: tests/vm/test-encryption.sh.)
kickstart secret.ks 'part /home --size=64 --encrypted --pbkdf=pbkdf2 --pbkdf-iterations=1000'
(umask 077 && echo "correct horse battery" >passphrase)
check "a disk with an encrypted /home builds" build secret.ks small -o secret --luks-passphrase-file passphrase
slice secret/secret-small.raw root root.img
slice secret/secret-small.raw home home.luks
check "cryptsetup opens it" sh -c "tr -d '\n' <passphrase | cryptsetup luksOpen --test-passphrase home.luks"
refute "and with no other passphrase" sh -c "printf wrong | cryptsetup luksOpen --test-passphrase home.luks"
check_equal "/etc/crypttab opens it" "home PARTLABEL=home none luks" "$(in_root "cat /etc/crypttab" | xargs)"
check_equal "and /etc/fstab has it" "/dev/mapper/home /home ext4" "$(in_root "cat /etc/fstab" | awk '$2 == "/home" { print $1, $2, $3 }')"
encrypt_root() { kickstart root.ks 'part / --encrypted' && build root.ks small -o nothing --luks-passphrase-file passphrase; }
refuse "an encrypted root wants an initramfs" "this system has no dracut: add the package" encrypt_root

# GRUB for BIOS, and nothing for UEFI.
type bios qemu-grub
sed -i 's/variant = .*/variant = "bios"/' bios.toml
kickstart bios.ks
bios_build() { build bios.ks bios -o nothing; }
refuse "GRUB for BIOS that no package has is refused" '"grub-common" and "grub-pc-bin"' bios_build
sed -i 's/^traditional$/&\nbios-grub/' bios.ks
check "a disk for BIOS builds" build bios.ks bios -f raw -f cosi -o bios
check "as COSI it is one that GRUB boots" python3 "$top_srcdir/tests/cli/cosi.py" bios/bios-bios.cosi bios/bios-bios.raw
raw=bios/bios-bios.raw
check_equal "its core image has a partition in front" "2048 21686148-6449-6E6F-744E-656564454649" \
	"$(sfdisk --json $raw 2>/dev/null | jq -r '.partitiontable.partitions[0] | "\(.start) \(.type)"')"
word() { od -An -t"$1" -j "$2" -N 8 $raw | xargs; }
check_equal "the boot sector reads it from there" 2048 "$(word u8 92)"
check "and the partition table is whole beside the code" sfdisk --verify $raw
slice $raw root root.img
in_root "dump /usr/lib/grub/i386-pc/boot.img sector"
check "its code is GRUB's" cmp -n 90 sector $raw
check_equal "its second sector is next to the first" 2049 "$(word u8 $((2048 * 512 + 500)))"
check_equal "GRUB knows its configuration by the number of the partition" "--prefix=(,gpt2)/loader" \
	"$(dd if=$raw bs=512 skip=2049 count=1 status=none | tr -d '\0' | grep -o -e '--prefix=[^ ]*')"
slice $raw esp esp.img
check_equal "which has it, with the serial console of the kernel" "serial --unit=0 --speed=115200 terminal_input console serial terminal_output console serial set timeout=7 set default=0 source /loader/grub-menu.cfg" \
	"$(mtype -i esp.img ::/loader/grub.cfg | grep -v '^#' | xargs)"
check "and the menu" mtype -i esp.img ::/loader/grub-menu.cfg
refute "nothing is there for UEFI" mdir -i esp.img ::/EFI
type moved qemu-grub '[[partition]]' 'role = "esp"' 'fs = "vfat"' 'mount = "/boot"' 'size = "64M"' '[[partition]]' 'role = "bios-boot"' \
	'[[partition]]' 'role = "root"' 'fs = "ext4"' 'headroom = 50'
sed -i 's/variant = .*/variant = "bios"/' moved.toml
refuse "a commit whose GRUB looks for another partition is refused" "with its boot partition as number 1" \
	"$ASHLAR" image bios/x86_64/bios -t ./moved.toml --store store -o nothing --progress=none
# The type for Azure differs in its format and its packages.
type azure azure-traditional
sed -i 's/formats = .*/formats = ["vhd"]/' azure.toml
check "azure-traditional builds" build test.ks azure -o azure
check_equal "a VHD, of whole MiB and its footer" 512 $(($(stat -c %s azure/test-azure.vhd) % 1048576))

# What cannot be.
"$ASHLAR" key generate key.pem --progress=none >/dev/null
"$ASHLAR" key init releases --key root,targets,snapshot,timestamp=key.pem --progress=none >/dev/null
refuse "publishing it is refused" "cannot be updated" "$ASHLAR" publish test/x86_64/small -t ./small.toml --to releases --key key.pem --store store --progress=none
type atomic common/vm 'root_writer = "ashlar"'
sed -i 's/variant = .*/variant = "atomic"/' atomic.toml
check "an atomic commit is there" build test.ks atomic -o atomic
refuse "and is no package-managed system" 'was not composed for an image type with system "traditional"' \
	"$ASHLAR" image test/x86_64/atomic -t ./small.toml --store store -o nothing --progress=none
slots() { { printf 'base = "qemu-vm"\nsystem = "traditional"\n'; } >slots.toml; build test.ks slots -o nothing; }
refuse "two slots are refused" 'partition: system "traditional"' slots
finish
