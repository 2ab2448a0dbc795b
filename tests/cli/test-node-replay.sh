#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Power cuts: everything that an update writes is recorded, and replayed up to each operation, with and without what was not synced by then. After
# each, the old or the new version boots by its hashes (nodelab.py looks, with code of its own), and a plain repetition ends well.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cli/node.sh
. "$(dirname "$0")/node.sh"
cd "$work" || exit 1
need "${CC:-cc}" jq
"${CC:-cc}" -shared -fPIC -O1 -D_GNU_SOURCE -o record.so "$top_srcdir/tests/tools/node-record.c" || skip_all "no shared library can be made here"
lab images .
publish 2 v2.img

# record COMMAND OPTION...: on a copy of the machine "base"; the operations are in "log"
record() {
	rm -rf recorded log
	cp -a base recorded
	NODE_RECORD_LOG=$work/log NODE_RECORD_BELOW=$work/recorded/ LD_PRELOAD="$work/record.so" "$NODE" "$@" \
		--root recorded/root --disk recorded/disk.raw --esp recorded/esp --now $now --progress=none
}
again="$NODE update --root \$MACHINE/root --disk \$MACHINE/disk.raw --esp \$MACHINE/esp --now $now --progress=none"
replay() { lab replay "$work/base" log work "$1" "$2" "$again" >said; status=$?; sed 's/^/# /' said; return $status; }

m=$work/base
make_machine base
check "an update is recorded" record update
check "the recorded machine boots it" test "$(lab check recorded)" = "2 1"
check "into an empty slot: each prefix boots 1 or 2, and converges" replay 1 2
sed 's/^/# /' said

node update >/dev/null
lab boot base >/dev/null
lab bless base
node mark-good >/dev/null
at=1700000050 publish 3 v3.img
check "the next one is recorded" record update
check "over an old version: each prefix boots 2 or 3, and converges" replay 2 3
sed 's/^/# /' said

# By a delta, over HTTP.
node update >/dev/null
lab boot base >/dev/null
lab bless base
node mark-good >/dev/null
at=1700000070 publish 4 v4.img delta=3:v3.img
echo '[]' >script
mkfifo end
python3 "$top_srcdir/tests/faults/server.py" rel script <end >port &
exec 7>end
for _ in $(seq 100); do [ ! -s port ] || break; sleep 0.1; done
sed -i "s|^Url=.*|Url=http://127.0.0.1:$(cat port)|" base/root/etc/ashlar/node.conf
delta=$(jq -r '.deltas[0].object.sha256' rel/targets/lab/x86_64/vm/*.4.json)
check "the release has a delta" test "${#delta}" = 64
check "the update by it is recorded" record update
check "it was fetched" grep -q "$delta" script.log
refute "frames were not" grep -qE "$(jq -r '[.segments[].object.sha256] | join("|")' rel/targets/lab/x86_64/vm/*.4.json)" script.log
check "by a delta: each prefix boots 3 or 4, and converges" replay 3 4
sed 's/^/# /' said
# One of no use, and nobody to ask: no more is downloaded than was said. Every second block changes, by a byte.
python3 -c '
image = bytearray(open("v3.img", "rb").read())
for at in range(7, len(image), 8192):
    image[at] ^= 1
open("near.img", "wb").write(image)'
at=1700000080 publish 5 near.img delta=3:v3.img
delta=$(jq -r '.deltas[0].object.sha256' rel/targets/lab/x86_64/vm/*.5.json)
frames=$(jq -r '[.segments[].object.sha256] | join("|")' rel/targets/lab/x86_64/vm/*.5.json)
rm -rf refused
cp -a base refused
printf '[Limits]\nAllowFull=no\n' >>refused/root/etc/ashlar/node.conf
echo '[{"path": "'"$delta"'", "do": "flip", "at": 100}]' >script
m=refused exits 3 "AllowFull=" update
check "the delta was tried" grep -q "$delta" script.log
refute "nothing came instead of it" grep -qE "$frames" script.log
check "the old version boots" test "$(lab check refused)" = 3
m=refused exits 0 "" update --allow-full
check "then the new one" test "$(lab check refused)" = "5 3"
exec 7>&-

# The test itself: operations in a wrong order are found.
grep -n "^rename .*part " log | head -n 1 | cut -d: -f1 >where
{ head -n 12 log; sed -n "$(cat where)p" log; tail -n +13 log; } >wrong
sed -n "$(cat where)p" log >>wrong
mv wrong log
refute "a commit before its time is noticed" replay 2 3
finish
