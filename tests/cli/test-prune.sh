#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# ashlar channel prune: old versions and what is of no use any more; nodes in the midst of it, and killing.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cli/node.sh
. "$(dirname "$0")/node.sh"
need jq
rounds=${ASHLAR_TEST_ROUNDS:-8}
cd "$work" || exit 1
day=86400
now=$(date +%s)
lab images .
# Versions 1 to 8, five days between them.
for version in 1 2 3 4 5 6 7 8; do
	at=$((now - (8 - version) * 5 * day - 60)) publish $version v$((version % 3 + 2)).img
done
cp -a rel pristine
cp rel.channel pristine.channel
# prune STATUS "TEXT" OPTION...
prune() {
	local want=$1 text=$2 status=0
	shift 2
	"$ASHLAR" channel prune rel --progress=none --key rel.key "$@" >out.txt 2>err.txt || status=$?
	if [ $status = "$want" ] && cat out.txt err.txt | grep -qF -- "$text"; then
		ok "prune $* exits $want${text:+: $text}"
	else
		{ echo "status $status"; cat out.txt err.txt; } >.output
		not_ok "prune $* exits $want${text:+: $text}" .output
	fi
}
again() { rm -rf rel; cp -a pristine rel; cp pristine.channel rel.channel; }
files() { (cd rel && find . -type f ! -name unused.json | sort); }
versions() { "$ASHLAR" channel show rel --json | jq -r '[.channels[0].entries[].version] | join(" ")'; }
# What a reader of the metadata finds: every target, and every object of each release.
is_complete() {
	local snapshot targets path digest file
	snapshot=$(jq -r '.signed.meta["snapshot.json"].version' rel/metadata/timestamp.json) || return
	targets=$(jq -r '.signed.meta["targets.json"].version' "rel/metadata/$snapshot.snapshot.json") || return
	jq -r '.signed.targets | to_entries[] | .key + " " + .value.hashes.sha256' "rel/metadata/$targets.targets.json" | while read -r path digest; do
		file=rel/targets/$(dirname "$path")/$digest.$(basename "$path")
		[ -f "$file" ] || { echo "$file is missing"; return 1; }
		jq -r '.. | objects | .sha256? // empty' "$file" | while read -r digest; do
			[ -f "rel/objects/${digest:0:2}/$digest" ] || { echo "object $digest of $path is missing"; return 1; }
		done || return
	done
}

files >before.txt
"$ASHLAR" channel prune rel --dry-run --keep 2 --keep-age 0 --grace 0 >out.txt 2>err.txt
check "--dry-run needs no key" grep -q "lab/x86_64/vm 6: would no longer be published" out.txt
files >after.txt
check "and changes nothing" cmp before.txt after.txt
prune 2 "--keep needs" --keep 0
prune 2 "nothing is published as" nobody/x86_64/vm
status=0; "$ASHLAR" channel prune rel --progress=none >out.txt 2>err.txt || status=$?
check_equal "without a key nothing is done" 2 $status
check_equal "nothing" "1 2 3 4 5 6 7 8" "$(versions)"

prune 0 "0 files removed" --keep 99 --keep-age 0
check_equal "as many as there are stay" "1 2 3 4 5 6 7 8" "$(versions)"
prune 0 "" --keep 3
check_equal "the last thirty days stay" "3 4 5 6 7 8" "$(versions)"
prune 0 "lab/x86_64/vm 5: is no longer published" --keep 3 --keep-age 0
check_equal "three stay" "6 7 8" "$(versions)"
check "complete" is_complete
refute "a release that is no longer published is no target" grep -q 'vm/5.json' "$(find rel/metadata -name '*.targets.json' | sort -V | tail -1)"
check "its files wait" sh -c "find rel/targets -name '*.5.json' | grep -q ."
check "noted down" test -f rel/unused.json
prune 0 "0 files removed" --keep 3 --keep-age 0

# A node that has begun with an old version goes on.
cp -a rel later
check "after some time they go" sh -c "jq 'map_values(. - 3 * $day)' rel/unused.json >new.json && mv new.json rel/unused.json"
prune 0 "files removed" --keep 3 --keep-age 0
refute "release, objects" sh -c "find rel/targets -name '*.5.json' | grep ."
check "complete" is_complete
check "roots stay" test -f rel/metadata/1.root.json
check_equal "of old metadata, nothing" 2 "$(find rel/metadata -name '*.snapshot.json' -o -name '*.targets.json' | wc -l)"
m=$work/m
make_machine m
exits 0 "Next boot:  8" update
check_equal "8 or 1" "8 1" "$(lab check m)"
rm -f rel/unused.json
prune 0 "0 files removed" --keep 3 --keep-age 0 --grace 0
refute "nothing waits: nothing is noted down" test -e rel/unused.json

# --- what stays ---
again
at=$((now - 50)) channel 3 barrier
at=$((now - 40)) channel 8 wave=$((now + day)):50
at=$((now - 30)) channel 2 withdrawn
prune 0 "" --keep 2 --keep-age 0 --grace 0
check_equal "barriers, and what not all nodes may take yet does not count" "3 6 7 8" "$(versions)"
check "complete" is_complete
again
at=$((now - 30)) channel 8 withdrawn
prune 0 "" --keep 1 --keep-age 0 --grace 0
check_equal "nor does what was withdrawn" "7 8" "$(versions)"
echo stray >rel/objects/stray
echo note >rel/README
prune 0 "1 files removed (6 B)" --keep 1 --keep-age 0 --grace 0
check "what is beside it is nobody's business" test -f rel/README
echo '{"objects/../README": 1, "README": 1, "x": {}, "y": "z"}' >rel/unused.json
prune 0 "0 files removed" --keep 1 --keep-age 0
check "whatever the list says" test -f rel/README

# --- killed ---
failed=0
for ((i = 1; i <= rounds; i++)); do
	again
	"$ASHLAR" channel prune rel --progress=none --key rel.key --keep 2 --keep-age 0 --grace 0 >killed.log 2>&1 &
	pid=$!
	sleep "0.0$((RANDOM % 60 + 10))"
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null
	is_complete >>problems.txt || { failed=$((failed + 1)); echo "round $i" >>problems.txt; }
	"$ASHLAR" channel prune rel --progress=none --key rel.key --keep 2 --keep-age 0 --grace 0 >again.log 2>&1 || { failed=$((failed + 1)); cat again.log >>problems.txt; }
	is_complete >>problems.txt || failed=$((failed + 1))
	[ "$(versions)" = "7 8" ] || failed=$((failed + 1))
	[ "$(find rel/targets -name '*.json' | wc -l)" = 3 ] || { failed=$((failed + 1)); find rel/targets >>problems.txt; }
done
if [ $failed = 0 ]; then ok "killed $rounds times: whole before and after, and the same in the end"; else not_ok "killed" problems.txt; fi
finish
