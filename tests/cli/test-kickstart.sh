#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# "ashlar kickstart": every problem of a file, one file of several, and the table that the manual has.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need jq
ashlar() { "$ASHLAR" "$@" --progress=none; }
cd "$work" || exit 1

# status EXPECTED COMMAND...
status() {
	local expected=$1 found
	shift
	"$@" >out 2>err
	found=$?
	[ "$found" = "$expected" ] || { echo "status $found"; cat out err; return 1; }
}

cat >good.ks <<'E2'
lang C.UTF-8
%include parts/packages.ks
install
rootpw --lock
E2
mkdir -p parts/deep
cat >parts/packages.ks <<'E2'
# what there is
%packages
@core
%include deep/more.ks
%end
E2
printf 'bash # a shell\n-vim\n' >parts/deep/more.ks
cat >bad.ks <<'E2'
lnag C
network --device=ens1 --bootproto=static
%packags
part is skipped here
%end
liveimg --url=http://live.example/
user --name=a --uid=x
%post --interpretr=/bin/sh
%end
keyboard us \
  --vckeymap=de --xlayout=us
%packages
bash
E2

check "a good file is good" status 0 ashlar kickstart check good.ks
check_equal "what has no effect is said" 1 "$(grep -c '^deprecated: good.ks:3: install: ' out)"
check "a bad one is not" status 3 ashlar kickstart check bad.ks
check_equal "all its errors have their lines" "1 2 3 7 8 12" "$(sed -n 's/^error: bad.ks:\([0-9]*\):.*/\1/p' out | xargs)"
check_equal "what is refused is no error" "refused: bad.ks:6: liveimg: is not carried out" "$(grep -o '^refused: .*carried out' out)"
check "a cut option is found by its beginning" grep -q '^notice: bad.ks:10: keyboard: --xlayout is taken as --xlayouts' out
check "several files, one of them missing" status 3 ashlar kickstart check good.ks missing.ks bad.ks
check "it says how many" grep -q 'of 3 files, 2 have errors and 0 more ask' err
ashlar kickstart check --json good.ks bad.ks >json 2>/dev/null
check_equal "JSON: which can be read" "good.ks true true bad.ks false false" "$(jq -r '.files[] | "\(.file) \(.readable) \(.ok)"' json | xargs)"
check_equal "JSON: how many findings of each kind" "error 6 notice 1 refused 1" \
	"$(jq -r '[.files[1].findings[].kind] | group_by(.)[] | "\(.[0]) \(length)"' json | xargs)"
printf 'cdrom\nliveimg --url=http://live.example/\n' >refused.ks
check "what is only refused fails, too" status 3 ashlar kickstart check refused.ks
printf 'part / --size=100\n%%include /tmp/no-such-file-%s.ks\n%%pre\ntrue\n%%end\n' $$ >pre.ks
check "a file for %pre to write is not missed" status 0 ashlar kickstart check pre.ks
check "but told of" grep -q '^notice: pre.ks:2: %include: .* is for %pre to write' out
printf 'lang C\n\xff\n' >latin.ks
check "a byte that is no UTF-8 has a line" status 3 ashlar kickstart check latin.ks
check_equal "namely" "error: latin.ks:2: not UTF-8 text: byte 0xff" "$(head -n 1 out)"
printf '%%include loop.ks\n' >loop.ks
check "a circle ends" status 3 ashlar kickstart check loop.ks
printf 'repo --name=x --baseurl=http://mirror.example/$releasever/\n' >release.ks
check "\$releasever has to be said" status 3 ashlar kickstart check release.ks
check "and can be" status 0 ashlar kickstart check --releasever=42 release.ks

printf 'part / --fstype=xfs --size=100\n' >xfs.ks
check "a disk may be as it is said" status 0 ashlar kickstart check xfs.ks
check "but not for a type that has another" status 3 ashlar kickstart check -t container -t qemu-vm xfs.ks
check "whose name is told" grep -q '^error: xfs.ks:1: part: "/": image type "qemu-vm" has it in erofs' out

check "flatten" status 0 ashlar kickstart flatten good.ks
cp out flat.ks
check_equal "has everything in its place" "$(printf 'lang C.UTF-8\n# what there is\n%%packages\n@core\nbash # a shell\n-vim\n%%end\ninstall\nrootpw --lock\n')" "$(cat flat.ks)"
check "into a file" status 0 ashlar kickstart flatten -o flat2.ks flat.ks
check "a flat file stays as it is" cmp flat.ks flat2.ks
check "a wrong file is not flattened" status 3 ashlar kickstart flatten bad.ks
check_equal "nothing comes out then" "" "$(cat out)"

check "no action" status 2 ashlar kickstart
check "another action" status 2 ashlar kickstart chekc good.ks
check "no file" status 2 ashlar kickstart check

ashlar kickstart commands --json >table.json
check_equal "the table has pykickstart's 73 commands and older ones" true "$(jq '.commands | length > 73' table.json)"
check_equal "every command that is not carried out says why" 0 \
	"$(jq '[.commands[], .sections[] | select(.status != "carried out" and .text == null)] | length' table.json)"
sed -n '/^\.\\" commands: begin/,/^\.\\" commands: end/p' "$top_srcdir/data/man/ashlar.kickstart.5" | sed '1d;$d' >page
ashlar kickstart commands --manual >table
check "ashlar.kickstart(5) has the table of the program (data/man/update-kickstart writes it)" diff page table
finish
