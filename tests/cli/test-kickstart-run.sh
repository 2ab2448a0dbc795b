#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What of a kickstart runs or is carried out beside the tree's own steps: %pre, %post --nochroot, %certificate, part.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need jq
store=$cache/test-store
ashlar() { "$ASHLAR" "$@" --store "$store" --progress=none; }
build() { ashlar build "$1" -t container --repos "$distro/release" -o "$work/out"; }
temporary() { ls -d /tmp/ashlar-pre-* /tmp/ashlar-host-* /tmp/ashlar-script-* 2>/dev/null; }
# What a test that kills builds may have left is none of ours.
before=$(temporary)
file() { ashlar cat "ran/x86_64/container" "$1"; }

cat >"$work/head" <<'E2'
repo --name=demo
rootpw --lock
%packages --nocore
bash
coreutils
%end
E2

{
	cat "$work/head"
	cat <<'E2'
%include /tmp/lang.part
%pre
printf 'lang de_AT.UTF-8\n' >/tmp/lang.part
[ ! -e /home ] && [ ! -e /etc/shadow ] && ! touch /usr/mark 2>/dev/null && echo 'timezone Etc/GMT-1 --utc' >>/tmp/lang.part
ln -s /etc/passwd /tmp/link.part
mkdir /tmp/closed && chmod 0 /tmp/closed
%end
%pre-install
echo '%include /tmp/second.part' >>/tmp/lang.part
echo 'keyboard --vckeymap=de' >/tmp/second.part
%end
%certificate --filename=dns.pem --dir=/etc/pki/demo
-----BEGIN CERTIFICATE-----
AAAA
-----END CERTIFICATE-----
%end
%post --nochroot --erroronfail --log=/mnt/sysimage/usr/share/outside.log
set -e
test "$ANA_INSTALL_PATH" = /mnt/sysimage
test ! -e /home
echo more >>/mnt/sysimage/usr/bin/yes
cut -d: -f1 /mnt/sysimage/etc/passwd | grep -x root
if touch /usr/mark; then exit 3; fi
%end
E2
} >"$work/ran.ks"
check "a system with %pre and %post --nochroot is built" build "$work/ran.ks"
check_equal "what %pre wrote is read in place of the line" "LANG=de_AT.UTF-8" "$(file /etc/locale.conf)"
check_equal "%certificate is a file" "AAAA" "$(file /etc/pki/demo/dns.pem | sed -n 2p)"
check_equal "%post --nochroot saw the system" root "$(file /usr/share/outside.log | head -n 1)"
check_equal "and changed it" more "$(file /usr/bin/yes | tail -c 5)"
check "but no other system" ashlar fsck
cp "$work/head" "$work/plain.ks"
check "the same packages without that script" build "$work/plain.ks"
refute "are as they were" sh -c "'$ASHLAR' cat plain/x86_64/container /usr/bin/yes --store '$store' | tail -c 5 | grep -q more"
first=$(ashlar log ran/x86_64/container --json | jq -r .commits[0].commit)
check "building it again" build "$work/ran.ks"
check_equal "gives the same commit" "$first" "$(ashlar log ran/x86_64/container --json | jq -r .commits[0].commit)"
check_equal "nothing is left in the folder for temporary files" "$before" "$(temporary)"

# failing TEXT STATUS EXPECTED: a kickstart with TEXT, the exit status, and a part of what is said
failing() {
	local found status
	{ cat "$work/head"; printf '%s\n' "$1"; } >"$work/bad.ks"
	found=$(ashlar plan "$work/bad.ks" -t "${4:-container}" --repos "$distro/release" 2>&1)
	status=$?
	[ "$status" = "$2" ] && case $found in *"$3"*) return 0 ;; esac
	printf 'status %s: %s\n' "$status" "$found"
	return 1
}
check "a %pre that fails stops the build if it says so" failing $'%pre --erroronfail\necho no disk; exit 3\n%end' 7 "bad.ks:7: %pre failed (exit status 3)"
check "a link that %pre made does not lead out" failing $'%pre\nln -s /etc/passwd /tmp/x\n%end\n%include /tmp/x' 3 "bad.ks:10: %include"
check "a file that %pre did not write is missed" failing $'%pre\ntrue\n%end\n%include /tmp/x' 3 "bad.ks:10: %include"
check "an error in what it wrote has a line" failing $'%pre\nprintf "lang C\\nlnag C\\n" >/tmp/x\n%end\n%include /tmp/x' 3 ":2: lnag: unknown command"
check "a root in LVM is for package-managed types" failing $'part pv.1 --size=10\nvolgroup v pv.1\nlogvol / --name=r --vgname=v --size=9' 3 'bad.ks:9: logvol: "/": image type "qemu-vm" has its root in a partition' qemu-vm
check "one volume group is on one partition" failing $'part pv.1 --size=10\npart pv.2 --size=10\nvolgroup v pv.1 pv.2' 3 'bad.ks:9: volgroup: "v": image type "qemu-vm" is one disk' qemu-vm
check "nor is another file system for /" failing 'part / --fstype=xfs --size=100' 3 'has it in erofs: remove --fstype=xfs' qemu-vm
check "swap needs a size, and is given one" failing 'part swap --recommended' 0 'swap         2.0 GiB' qemu-vm
check "nor a disk that exists" failing 'part /var --onpart=sda1' 3 'makes a new disk' qemu-vm
check "ostreesetup goes with no packages" failing 'ostreesetup --osname=a --url=http://o.example/ --ref=r' 3 'the system is the commit that "ostreesetup" at'
check "a container has no disk that could be wrong" failing 'part / --fstype=xfs --size=100' 0 ''
finish
