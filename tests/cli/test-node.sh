#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# ashlar-node on a disk image and a directory as its EFI system partition: updates, tries, health, rollback, and what is in the way of them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cli/node.sh
. "$(dirname "$0")/node.sh"
cd "$work" || exit 1
lab images .
publish 2 v2.img
m=$work/m

check "--help lists every command" sh -c "'$NODE' --help | grep -q '^  rollback '"
for command in status check fetch apply update rollback mark-good history health; do
	check "$command --help" sh -c "'$NODE' $command --help | grep -q -- --json"
done
status=0; "$NODE" frobnicate 2>/dev/null || status=$?
check_equal "an unknown command exits 2" 2 $status

# --- the way of an update ---
make_machine m
exits 0 "Next boot:  1" status
exits 0 "Available:  2" check
exits 0 "are here already" check --exact
check_equal "check changes nothing" "1" "$(lab check m)"
exits 77 "nothing was fetched" apply
exits 0 "Fetched:" fetch
check_equal "fetch stops before the commit point" "1" "$(lab check m)"
check_equal "the kernel image waits under another name" "lab_1.efi lab_2.efi.part" "$(entries)"
exits 77 "it was there already" fetch
exits 0 "Next boot:  2" apply
check_equal "then the new version boots first" "2 1" "$(lab check m)"
check_equal "with three tries" "lab_1.efi lab_2+3.efi" "$(entries)"
exits 77 "applied already" apply
exits 77 "" update
check_equal "boots" 2 "$(lab boot m)"
exits 0 "not found good yet" status
publish 3 v3.img
exits 3 "was not found good yet" update
lab bless m
exits 0 "2 is good" mark-good
exits 0 "2 was good" mark-good
check "the high-water mark is raised" sh -c "'$NODE' status --root m/root --disk m/disk.raw --esp m/esp --json | grep -q '\"high_water\" : \"2\"'"
exits 0 "Next boot:  3" update
check_equal "the old one of two versions goes" "lab_2.efi lab_3+3.efi" "$(entries)"
check_equal "3 or 2" "3 2" "$(lab check m)"

# --- tries used up ---
for try in 1 2 3; do check_equal "try $try" 3 "$(lab boot m)"; done
check_equal "the entry has none left" "lab_2.efi lab_3+0-3.efi" "$(entries)"
check_equal "then the old one boots" 2 "$(lab boot m)"
exits 77 "was bad here" check
exits 77 "was bad here" update
exits 0 "no try is left" status
exits 0 "Available:  3" check --retry-bad
rm -r m/root/var/lib/ashlar/node
exits 77 "was bad here" update
exits 0 "Next boot:  3" update --retry-bad
check_equal "tried again because asked for" 3 "$(lab boot m)"
exits 0 "3 is good" mark-good
check_equal "mark-good takes the counter off too" "lab_2.efi lab_3.efi" "$(entries)"

# --- back, and forth ---
exits 0 "The next boot takes 2 in place of 3" rollback
check_equal "goes back" 2 "$(lab boot m)"
exits 0 "was good" mark-good
exits 77 "was bad here" update
exits 0 "The next boot takes 3 in place of 2" rollback
check_equal "and forward again" 3 "$(lab boot m)"
exits 0 "3 is good" mark-good
publish 4 v4.img
exits 0 "Next boot:  4" update
exits 0 "The next boot takes 3 in place of 4" rollback
check_equal "an update that was not booted is taken back" "3" "$(lab check m)"
exits 0 "Next boot:  4" update
exits 0 "" history --json
python3 - m/disk.raw <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as disk:
    disk.seek(0x300000 + 12345)
    disk.write(b"rotten")
    disk.seek(0x600000 + 12345)
    disk.write(b"rotten")
PYTHON
lab boot m >/dev/null 2>&1 || true
exits 0 "" status

# --- an empty or a rotten slot is nothing to go back to ---
m=$work/m2
make_machine m2
exits 3 "there is nothing to go back to" rollback
exits 0 "" update
lab boot m2 >/dev/null
exits 0 "" mark-good
python3 - m2/disk.raw <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as disk:
    disk.seek((1 + 1 + 1) * 1048576 + 12345)
    disk.write(b"rotten")
PYTHON
exits 6 "slot a" rollback
check_equal "nothing was changed" 4 "$(node status --json | sed -n 's/.*"next" : "\(.*\)".*/\1/p')"

# --- what is in the way ---
m=$work/m3
make_machine m3
( flock 9; exits 3 "another ashlar-node is at work" update ) 9>"$(mkdir -p m3/root/var/lib/ashlar/node && echo m3/root/var/lib/ashlar/node/lock)"
tests_run=$((tests_run + 1))
now=1 exits 0 "Available:  4" check
now=2015000000 exits 9 "" update
exits 0 "Available:  4" check
check_equal "a clock ten years ahead leaves nothing behind" 1 "$(lab check m3)"
mv m3/esp/EFI/Linux m3/esp/EFI/Elsewhere
exits 3 "EFI/Linux" update
exits 0 "EFI/Linux" status
mv m3/esp/EFI/Elsewhere m3/esp/EFI/Linux
printf 'roothash=%064d\n' 0 >m3/root/proc/cmdline
exits 3 "is in no slot" update
echo quiet >m3/root/proc/cmdline
exits 3 "which slot" update
lab boot m3 >/dev/null
echo garbage >m3/root/var/lib/ashlar/node/marks.json
echo '{"format": 7, "state": "staged", "version": "9", "root_hash": "x", "uki_sha256": "y", "surprise": []}' >m3/root/var/lib/ashlar/node/journal.json
exits 0 "is damaged" status
exits 0 "newer program" status
exits 0 "Next boot:  4" update
check "what was damaged is kept" test -e m3/root/var/lib/ashlar/node/marks.json.damaged
check_equal "4 or 1" "4 1" "$(lab check m3)"

# --- an ESP that is full or cannot be written, in a mount namespace of our own ---
m=$work/m6
make_machine m6
mounted() { # OPTIONS COMMAND...: with a file system of its own as the ESP
	local options=$1
	shift
	unshare -rm sh -c "cp -a m6/esp m6/esp.files && mount -t tmpfs -o $options none m6/esp && cp -a m6/esp.files/. m6/esp/ && $*"
	local status=$?
	rm -rf m6/esp.files
	return $status
}
declared="$NODE update --root m6/root --disk m6/disk.raw --esp m6/esp --now $now --progress=none"
if unshare -rm true 2>/dev/null; then
	check "a full ESP is said before anything is changed" sh -c "$(declare -f mounted); ! mounted size=300k $declared 2>err; grep -q 'has room for' err"
	check_equal "nothing was changed" "_empty" "$(node status --json | sed -n 's/.*"label" : "\(_.*\)".*/\1/p')"
	check "a read-only ESP is named" sh -c "$(declare -f mounted); ! mounted size=9M mount -o remount,ro none m6/esp '&&' $declared 2>err; grep -q 'is read-only' err"
	exits 0 "Next boot:  4" update
	check_equal "4 or 1" "4 1" "$(lab check m6)"
else
	skip "ESP full or read-only" "no user namespaces here"
fi

# --- limits ---
m=$work/m4
make_machine m4
echo "[Limits]
BytesPerDay=60K" >>m4/root/etc/ashlar/node.conf
exits 3 "more than BytesPerDay=" update
sed -i s/60K/1K/ m4/root/etc/ashlar/node.conf
exits 3 "used up" update
sed -i 's/BytesPerDay=.*/Window=Mon 01:00-02:00 UTC/' m4/root/etc/ashlar/node.conf
exits 77 "Automatic updates are off" update --automatic
printf '[Update]\nAutomatic=apply\n' >>m4/root/etc/ashlar/node.conf
exits 77 "Not in one of the times" update --automatic
now=1700442600 exits 0 "Next boot:  4" update --automatic
channel 4 withdrawn
exits 0 "withdrawn" update
check_equal "a withdrawn version is not booted" "3 1" "$(lab check m4)"

# --- a version that nearly all is new of: to be asked for ---
m=$work/m7
make_machine m7
head -c 1400000 /dev/urandom | head -c $((340 * 4096)) >all.img
sed -i 's/^Ref=/Tries=3\n&/' m7/root/etc/ashlar/node.conf
printf '[Limits]\nAllowFull=ask\n' >>m7/root/etc/ashlar/node.conf
cp -a rel rel.kept && cp rel.channel kept.channel
at=1700000050 publish 7 all.img
exits 3 "asks first: --allow-full is yes" update
if command -v script >/dev/null; then
	asked() { # ANSWER: on a terminal
		printf '%s\n' "$1" | script -qec "'$NODE' update --root m7/root --disk m7/disk.raw --esp m7/esp --now $now --progress=none" /dev/null >asked.txt 2>&1
	}
	refute "no is no" asked n
	check "it was asked" grep -q 'Nearly all of version "7" has to be downloaded' asked.txt
	check "yes is yes" asked y
	check_equal "then it is fetched" "7 1" "$(lab check m7)"
else
	skip "AllowFull=ask on a terminal" "script(1) is not installed"
fi
rm -rf rel && mv rel.kept rel && mv kept.channel rel.channel

# --- wrong and odd releases ---
m=$work/m5
make_machine m5
at=1700000200 publish 5 v4.img uki-for="$(printf '%064d' 0)"
exits 6 "does not have the root hash" update
check_equal "a kernel of another root is not taken" 1 "$(lab check m5)"
at=1700000300 channel 5 withdrawn
at=1700000300 publish 6 v3.img minimum=4
exits 3 "can be reached from" update
at=1700000400 channel 3 barrier
exits 0 "Available:  3" check
at=1700000500 channel 3 barrier wave=1800000000:100
exits 0 "Available:  2" check
exits 0 "Available:  3" check --ignore-waves
head -c 4M /dev/urandom >big.img
at=1700000600 channel 3 withdrawn
at=1700000600 channel 6 withdrawn
at=1700000600 publish 7 big.img
exits 8 "partitions have to be made larger" update

# --- configuration ---
echo "[Update
Url=x" >bad.conf
exits 3 "bad.conf:1:" check --config bad.conf
printf '[Update]\n\nUrl=gopher://x\n' >bad.conf
exits 3 "bad.conf:3: Url:" check --config bad.conf
printf '[Update]\nCanal=x\n' >bad.conf
exits 3 "bad.conf:2: Canal: there is no such key" check --config bad.conf
mkdir -p m5/root/etc/ashlar/node.conf.d m5/root/usr/lib/ashlar/node.conf.d
printf '[Update]\nChannel=nightly\n' >m5/root/usr/lib/ashlar/node.conf.d/50-x.conf
exits 5 "channels/nightly" check
ln -s /dev/null m5/root/etc/ashlar/node.conf.d/50-x.conf
exits 8 "" update

# --- health ---
mkdir -p m5/root/usr/lib/ashlar/health.d m5/root/etc/ashlar/health.d
printf '#!/bin/sh\nexit 0\n' >m5/root/usr/lib/ashlar/health.d/10-good
printf '#!/bin/sh\necho it broke >&2; exit 4\n' >m5/root/etc/ashlar/health.d/20-bad
printf '#!/bin/sh\nsleep 100\n' >m5/root/etc/ashlar/health.d/30-slow
chmod +x m5/root/*/ashlar/health.d/* m5/root/usr/lib/ashlar/health.d/*
printf '[Health]\nTimeout=1s\n' >m5/root/etc/ashlar/node.conf.d/60-health.conf
exits 7 "it broke" health
exits 7 "did not end within 1 seconds" health
rm m5/root/etc/ashlar/health.d/*
ln -s /dev/null m5/root/etc/ashlar/health.d/10-good
exits 0 "no health checks" health

# --- the kernel image by its recipe ---
at=1700000700 channel 7 withdrawn
at=1700000700 publish 8 v4.img recipe
m=$work/m7
make_machine m7
check "the recipe is what a kernel image costs" test "$(node check --json | sed -n 's/.*"kernel_bytes" : \([0-9]*\).*/\1/p')" -lt 1000
exits 0 "Next boot:  8" update
check_equal "8 or 1" "8 1" "$(lab check m7)"
head -c 500 /dev/urandom >recipe
at=1700000800 publish 9 v4.img recipe=recipe
m=$work/m8
make_machine m8
exits 0 "Next boot:  9" update
check_equal "with a recipe of no use it is fetched whole" "9 1" "$(lab check m8)"
finish
