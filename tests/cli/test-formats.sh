#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# One disk in each of its formats: other people's programs find the same disk in all of them, and the same bytes come out whatever else is made.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need jq qemu-img zstd python3 mdir
cd "$work" || exit 1
store=$cache/test-store
formats=(cosi vmdk gce qcow2-zlib qcow2-zstd vhdx)
ref=demo-vm/x86_64/qemu-vm
image() { "$ASHLAR" image "$ref" -t qemu-vm --store "$store" --progress=none "$@"; }

check "the demo system builds in all formats" "$ASHLAR" build "$top_srcdir/kickstarts/demo-vm.ks" -t qemu-vm -f raw "${formats[@]/#/--format=}" \
	--repos "$distro/release" --store "$store" -o out --progress=plain
raw=out/demo-vm-qemu-vm.raw
[ -f "$raw" ] || { finish; exit; }

# A raw disk beside others has the files of the root in it; without, they come from the store.
check "and without a raw disk" image -f cosi -f qcow2-zstd -f vhdx -o alone
for file in alone/*; do
	check "$(basename "$file") has the same bytes" cmp "$file" "out/$(basename "$file")"
done

# COSI 1.2
cosi=out/demo-vm-qemu-vm.cosi
check "COSI: a reader finds what the specification says, and the disk byte by byte" python3 "$top_srcdir/tests/cli/cosi.py" "$cosi" "$raw"
check "COSI: tar reads it" tar tf "$cosi"
cp "$cosi" damaged
size=$(stat -c %s damaged)
damage damaged $((size / 2))
refute "COSI: that reader sees a damaged image" python3 "$top_srcdir/tests/cli/cosi.py" damaged "$raw"
rm -f damaged

# The type for Trident: nothing that it cannot install. /etc/os-release may be another file than that of the distribution.
mkdir ks
printf '%%include %s\n%%post\nrm -f /etc/os-release\nprintf "ID=mortar\\nVARIANT_ID=trident\\n" >/etc/os-release\n%%end\n' "$top_srcdir/kickstarts/demo-vm.ks" >ks/demo-vm.ks
check "trident builds" "$ASHLAR" build ks/demo-vm.ks -t trident -f cosi -f raw --repos "$distro/release" --store "$store" -o trident --progress=plain
check "COSI: Trident can install each of its file systems" python3 "$top_srcdir/tests/cli/cosi.py" trident/demo-vm-trident.cosi trident/demo-vm-trident.raw trident
check_equal "COSI: what it says of the release is /etc/os-release" "ID=mortar VARIANT_ID=trident" \
	"$(tar xOf trident/demo-vm-trident.cosi metadata.json | jq -r .osRelease | xargs)"
refute "COSI: and not the erofs of the other" python3 "$top_srcdir/tests/cli/cosi.py" "$cosi" "$raw" trident
rm -rf trident

# qcow2 with compressed clusters, and VHDX
for format in qcow2:zlib.qcow2 qcow2:zstd.qcow2 vhdx:vhdx; do
	file=out/demo-vm-qemu-vm.${format#*:} driver=${format%:*}
	check "${format#*:}: QEMU checks it" qemu-img check -q -f "$driver" "$file"
	check "${format#*:}: it holds the same disk" qemu-img compare -q -f raw -F "$driver" "$raw" "$file"
done
check_equal "qemu-img says how clusters are compressed" "zlib zstd" "$(for how in zlib zstd; do
	qemu-img info -f qcow2 --output=json "out/demo-vm-qemu-vm.$how.qcow2" | jq -r '."format-specific".data."compression-type"'; done | paste -sd ' ')"
check "ashlar inspect looks into a compressed one" "$ASHLAR" inspect out/demo-vm-qemu-vm.zstd.qcow2

# VMDK, stream-optimized
vmdk=out/demo-vm-qemu-vm.vmdk
check_equal "VMDK: QEMU sees what it is" "streamOptimized $(stat -c %s "$raw")" \
	"$(qemu-img info -f vmdk --output=json "$vmdk" | jq -r '"\(."format-specific".data."create-type") \(."virtual-size")"')"
check "VMDK: QEMU checks it" qemu-img check -q -f vmdk "$vmdk"
check "VMDK: it holds the same disk" qemu-img compare -q -f raw -F vmdk "$raw" "$vmdk"

# Google Compute Engine
gce=out/demo-vm-qemu-vm.tar.gz
# What ashlar inspect says of them.
layout() { "$ASHLAR" inspect "$1" --json --progress=none | jq -c .partitions; }
for file in "$vmdk" out/demo-vm-qemu-vm.vhdx; do
	check_equal "ashlar inspect sees the same disk in a ${file##*.}" "$(layout "$raw")" "$(layout "$file")"
done
refuses() { # WHAT TEXT FILE [COMMAND]
	"$ASHLAR" "${4:-inspect}" "$3" --progress=none >said 2>&1
	check_equal "$1" "3 $2" "$? $(grep -o -- "$2" said)"
}
refuses "ashlar inspect says why not of COSI" "it is a COSI file" "$cosi"
refuses "and of what is compressed" "take the disk out first" "$gce"
refuses "ashlar audit does not take COSI for a system in an archive" "there is no system in it" "$cosi" audit
refuses "nor the archive for Compute Engine" "there is no system in it" "$gce" audit
cp "$vmdk" child
printf 'parentFileNameHint="/etc/passwd"' | dd of=child bs=1 seek="$(LC_ALL=C grep -abo -m1 parentCID child | head -n 1 | cut -d: -f1)" conv=notrunc status=none
refuses "a VMDK with a parent is refused" "refers to another file" child
rm -f child

check_equal "GCE: the archive has one file" disk.raw "$(tar tzf "$gce")"
check "GCE: tar unpacks it" tar xzf "$gce"
check "GCE: it holds the same disk" cmp "$raw" disk.raw
check_equal "GCE: tar itself calls the format that of old GNU tar" "ustar  " "$(gzip -dc "$gce" | dd bs=1 skip=257 count=7 status=none)"
rm -f disk.raw
finish
