#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# One disk in each of its formats: other people's programs find the same disk in all of them, and the same bytes come out whatever else is made.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need jq qemu-img zstd python3
cd "$work" || exit 1
store=$cache/test-store
formats=(cosi)
ref=demo-vm/x86_64/qemu-vm
image() { "$ASHLAR" image "$ref" -t qemu-vm --store "$store" --progress=none "$@"; }

check "the demo system builds in all formats" "$ASHLAR" build "$top_srcdir/kickstarts/demo-vm.ks" -t qemu-vm -f raw "${formats[@]/#/--format=}" \
	--repos "$distro/release" --store "$store" -o out --progress=plain
raw=out/demo-vm-qemu-vm.raw
[ -f "$raw" ] || { finish; exit; }

# A raw disk beside others has the files of the root in it; without, they come from the store.
check "and without a raw disk" image "${formats[@]/#/--format=}" -o alone
for file in alone/*; do
	check "$(basename "$file") has the same bytes" cmp "$file" "out/$(basename "$file")"
done

# COSI 1.2
cosi=out/demo-vm-qemu-vm.cosi
check "COSI: a reader finds what the specification says, and the disk byte by byte" python3 "$top_srcdir/tests/cli/cosi.py" "$cosi" "$raw"
check "COSI: tar reads it" tar tf "$cosi"
cp "$cosi" damaged
size=$(stat -c %s damaged)
printf 'x' | dd of=damaged bs=1 seek=$((size / 2)) conv=notrunc status=none
refute "COSI: that reader sees a damaged image" python3 "$top_srcdir/tests/cli/cosi.py" damaged "$raw"
rm -f damaged
finish
