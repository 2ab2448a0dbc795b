#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A machine whose firmware takes nothing but what our key has signed: it boots the image, and refuses it with another command line or another
# loader. Its kernel takes the root hash by our signature, and none without. Three boots, two of them end in the firmware.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/vm/kernels.sh
. "$(dirname "$0")/kernels.sh"
need_distro
need qemu-system-x86_64 ssh ssh-keygen openssl jq sfdisk mcopy
cd "$work" || exit 1
# shellcheck source=tests/vm/machine.sh
. "$top_srcdir/tests/vm/machine.sh"
on_exit() { machine_off; }

ssh-keygen -q -t ed25519 -N '' -f key
{
	echo "%include $top_srcdir/kickstarts/demo-vm.ks"
	echo "sshkey --username=demo \"$(cat key.pub)\""
} >demo-vm.ks
openssl req -x509 -newkey rsa:2048 -nodes -keyout db.key -out db.crt -days 3650 -subj "/CN=Test db" 2>/dev/null
chmod 600 db.key
# The demo repository's Linux 6.1 takes signatures of root hashes by certificates in its secondary keyring only, not by those of the firmware.
name=demo-vm type=qemu-vm-signed repos=(--repos "$distro/release")
if get_kernel 6.12 >get.log 2>&1; then
	check "there is a repository with Linux 6.12" make_kernel_repo kernel
	repos+=(--repos kernel) name=signed-vm type=./kernel-signed.toml
	{ cat demo-vm.ks && printf 'repo --name=kernel\n%%packages\n-linux-image-cloud-amd64\nlinux-image-6.12\n%%end\n'; } >signed-vm.ks
	cat >kernel-signed.toml <<-END
		base = "qemu-vm-signed"
		[secure_boot]
		verity_by_kernel = true
		[boot]
		kernel_cmdline = "$(sed -n 's/^kernel_cmdline = "\(.*\)"/\1/p' "$top_srcdir/imgtypes/common/vm.toml") dm_verity.require_signatures=1"
	END
fi
check "the demo system builds for Secure Boot" "$ASHLAR" build $name.ks -t $type -f raw "${repos[@]}" \
	--store "$cache/vm-store" -o out --progress=plain --secure-boot-key db.key --secure-boot-certificate db.crt
image=$(echo out/*.raw)
[ -f "$image" ] || { finish; exit; }

cp --sparse=always "$image" booted.raw
machine_on booted.raw --secure-boot db.crt
comes_up "the signed image boots" up
check "the kernel sees Secure Boot on" as_root "dmesg | grep -qi \"secure boot enabled\|secureboot: Secure boot enabled\""
check_equal "so does the firmware's variable" 1 \
	"$(as_root "od -An -t u1 -j 4 -N 1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c" | tr -d ' ')"
check_equal "our key is in the kernel's keyring" 1 "$(as_root "cat /proc/keys" | grep -c "Test db")"
check "systemd-boot runs" remote "test -e /sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
check "the root is protected by its hash" as_root "dmsetup table root | grep -q verity"
# open_second HASH [SIGNATURE]: the root is in use, so another device with a hash tree
open_second() { as_root "cd /var/tmp && veritysetup open data second tree $1 ${2:+--root-hash-signature=/home/demo/$2} && veritysetup close second"; }
if [ $type = qemu-vm-signed ]; then
	skip "the kernel checks the signature of the root hash" "Linux 6.12 cannot be had: $(tail -n 1 get.log)"
else
	check "and that by its signature" as_root "dmsetup table root | grep -q root_hash_sig_key_desc"
	hash=$(as_root "cd /var/tmp && head -c 1048576 /dev/urandom >data && veritysetup format data tree" | awk '/^Root hash:/ { print $3 }')
	openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -days 3650 -subj "/CN=Test other" 2>/dev/null
	signature() { # KEY TEXT
		printf %s "$2" >text
		openssl smime -sign -nocerts -noattr -binary -in text -inkey "$1.key" -signer "$1.crt" -outform der -out "$1.p7s"
		remote "cat >$1.p7s" <"$1.p7s"
	}
	signature db "$hash"
	check "the kernel takes it by ours" open_second "$hash" db.p7s
	refute "not without one" open_second "$hash"
	signature other "$hash"
	refute "nor by another key's" open_second "$hash" other.p7s
	signature db "${hash//0/1}"
	refute "nor by ours of another hash" open_second "$hash" db.p7s
	check_equal "which the kernel's log says" 3 "$(as_root dmesg | grep -c 'verity: Root hash verification failed')"
fi
machine_off

esp=$(($(sfdisk --json "$image" 2>/dev/null | jq '[.partitiontable.partitions[] | select(.name == "esp")][0].start') * 512))
tamper() { # FILE OLD NEW: the text in a file of the ESP of a copy
	cp --sparse=always "$image" bad.raw
	mcopy -n -i "bad.raw@@$esp" "::$1" file
	cp file before
	sed -i "s/$2/$3/" file
	! cmp -s file before && mcopy -o -i "bad.raw@@$esp" file "::$1"
}
uki=EFI/Linux/$(mdir -b -i "$image@@$esp" ::EFI/Linux | tr -d '\r' | sed 's|.*/||' | grep -i '\.efi$')
check "another command line is put in" tamper "$uki" "console=tty0" "console=tty1"
machine_on bad.raw --secure-boot db.crt
# The loader runs, and gives up.
refusal='failed to start Boot[0-9]+.*Access Denied'
check "the firmware refuses it" wait_for 300 says "$refusal"
says "$refusal" || show_console
refute "and no kernel runs" says 'Linux version'
machine_off

check "another loader is put in" tamper EFI/BOOT/BOOTX64.EFI "LoaderInfo: systemd-boot" "LoaderInfo: systemd-b00t"
machine_on bad.raw --secure-boot db.crt
refusal='failed to load Boot[0-9]+.*Access Denied'
check "the firmware refuses that too" wait_for 300 says "$refusal"
says "$refusal" || show_console
refute "and no menu is shown" says 'Mortar Linux'
machine_off
finish
