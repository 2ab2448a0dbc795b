#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# prune and fsck: what stays, what goes, what is found and repaired; prunes that are killed.
#
#   KILL_ROUNDS (20) and KILL_SEED (drawn, and printed) can be set.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need rpmbuild rpmsign createrepo_c gpg python3 ostree openssl jq flock
cd "$work" || exit 1
here=$top_srcdir/tests/cli
export ASHLAR_CACHE=$work/cache ASHLAR_STORE=$work/store
rounds=${KILL_ROUNDS:-20}
RANDOM=${KILL_SEED:=$RANDOM}
note "KILL_SEED=$KILL_SEED"

"$top_srcdir/tests/distro/make-repo" repo "$here/specs/base.spec" "$here/specs/cases.spec" >make-repo.log 2>&1 || {
	not_ok "the repository can be made" make-repo.log
	finish
	exit
}
printf 'kind = "tar"\n[archive]\ncompression = "none"\n' >small.toml
printf 'kind = "tar"\nvariant = "other"\n[archive]\ncompression = "none"\n' >other.toml
ref=test/x86_64/small

ashlar() {
	local command=$1
	shift
	"$ASHLAR" "$command" "$@" --progress=none
}
# build NUMBER [TYPE] [PACKAGE]: a version of the system; its commit
build() {
	printf 'repo --name=demo\n%%packages\n%s\nten-megabytes\n%%end\n%%post\necho %s > /etc/built\necho %s > /usr/built\n%%end\n' \
		"${3:-good}" "$1" "$1" >test.ks
	ashlar build test.ks -t "./${2:-small}.toml" --repos repo -o "out$1" --json >build.json 2>build.log || cat build.log
	jq -r '.commits[0].commit' build.json
}
# exits "what" STATUS COMMAND...: the output is kept in out and err
exits() {
	local name=$1 want=$2 status=0
	shift 2
	"$@" >out 2>err || status=$?
	if [ $status = "$want" ]; then
		ok "$name"
	else
		{ echo "status $status, wanted $want"; cat out err; } >.output
		not_ok "$name" .output
	fi
}
fsck() { ostree fsck --quiet --repo=store/repo; }
commits() { find store/repo/objects -name '*.commit' | sed -E 's|.*/(..)/(.*)\.commit|\1\2|' | sort; }
sorted() { printf '%s\n' "$@" | sort; }
size() { du -sB1 store | cut -f 1; }
object() { find store/repo/objects -name '*.file' -size "$1" "${@:2}" | head -n 1; }

# --- prune

for number in 1 2 3 4 5; do made[number]=$(build $number); done
other=$(build other other)
check_equal "six commits are made" 6 "$(commits | wc -l)"
exits "prune --dry-run" 0 ashlar prune --dry-run --json
cp out dry.json
check_equal "removes nothing" 6 "$(commits | wc -l)"
before=$(size)
exits "prune" 0 ashlar prune --json
after=$(size)
check_equal "keeps three of a ref, and the other ref" "$(sorted "${made[@]:3:3}" "$other")" "$(commits)"
check_equal "frees what it says" $((before - after)) "$(jq .freed_bytes out)"
check_equal "and what --dry-run said" "$(jq .freed_bytes dry.json)" "$(jq .freed_bytes out)"
check_equal "the same things" "$(jq -S '[.items[] | {kind, name}] | sort' dry.json)" "$(jq -S '[.items[] | {kind, name}] | sort' out)"
check_equal "the history names what is left" "$(printf '%s\n' "${made[@]:3:3}")" "$(cat store/history/$ref)"
check "ostree fsck" fsck
exits "ashlar fsck" 0 ashlar fsck
exits "an image of a commit that stays" 0 ashlar image "${made[3]}" -t ./small.toml -o again
check "is the one that was built" cmp again/test-small.tar out3/test-small.tar
exits "prune again" 0 ashlar prune --json
check "removes nothing" jq -e '.freed_bytes == 0 and (.items | length) == 0' out
check_equal "a build that nothing changed finds its commit" "${made[5]}" "$(build 5)"

touch -d '10 days ago' store/repo/objects/"${made[3]:0:2}/${made[3]:2}".commit
exits "prune --keep-age" 0 ashlar prune --keep-age 5
check_equal "removes the commit that is older" "$(sorted "${made[@]:4:2}" "$other")" "$(commits)"
exits "prune --keep 1 --ref of the other" 0 ashlar prune --keep 1 --ref test/x86_64/other
check_equal "leaves this one alone" "$(sorted "${made[@]:4:2}" "$other")" "$(commits)"
exits "prune --max-size" 0 ashlar prune --max-size 1M
check_equal "keeps what refs point to" "$(sorted "${made[5]}" "$other")" "$(commits)"
check "ostree fsck" fsck
cp out4/test-small.tar four.tar
exits "and a build makes the removed again" 0 build 4
check_equal "as it was" "${made[4]}" "$(cat out)"
check "to its last byte" cmp out4/test-small.tar four.tar

mkdir -p store/import/0/ab/abcd store/import/1/zz store/logs/gone/x86_64 store/tmp/left-over store/history/gone/x86_64
echo old >store/import/0/ab/abcd/header
echo old >store/logs/gone/x86_64/vm.scriptlets
echo "${made[5]}" >store/history/gone/x86_64/vm
: >store/repo/tmp/staging-gone-lock
exits "prune of what others left" 0 ashlar prune
check_equal "leaves nothing of it" "" "$(find store/import/0 store/import/1/zz store/logs/gone/x86_64/vm.scriptlets store/tmp/left-over store/history/gone/x86_64/vm store/repo/tmp/staging-gone-lock 2>/dev/null)"
ostree refs --repo=store/repo --delete test/x86_64/other >/dev/null
exits "prune once a ref is gone" 0 ashlar prune
check_equal "removes its commit" "$(sorted "${made[4]}" "${made[5]}")" "$(commits)"
check "and its history" test ! -e store/history/test/x86_64/other

exec 9>store/use
flock -s 9
exits "prune while a build runs" 3 ashlar prune
check "says so in one line" test "$(wc -l <err)" = 1
exits "and fsck --repair" 3 ashlar fsck --repair
exits "but fsck can look" 0 ashlar fsck
exec 9>&-
exits "prune --keep 0" 2 ashlar prune --keep 0
exits "prune --max-size nonsense" 2 ashlar prune --max-size much
exits "prune --ref of none" 3 ashlar prune --ref test/x86_64/none
exits "prune without a store" 3 ashlar prune --store nowhere
exits "fsck without a store" 3 ashlar fsck --store nowhere

# --- packages, if this program keeps them unpacked

if [ -n "$(find store/import/1 -mindepth 2 -maxdepth 2 2>/dev/null)" ]; then
	entries() { find store/import/1 -mindepth 2 -maxdepth 2 -type d | wc -l; }
	build 6 small bad-posttrans >/dev/null # fails, but its packages are imported
	count=$(entries)
	exits "prune" 0 ashlar prune
	check "removes packages that no commit has" test "$(entries)" -lt "$count" -a "$(entries)" -gt 0
	find store/import/1 -mindepth 3 -maxdepth 3 -name manifest -exec touch -d '10 days ago' {} +
	exits "prune --keep-age" 0 ashlar prune --keep-age 5
	check_equal "removes packages that were not used" 0 "$(entries)"
	check_equal "the next build unpacks them again" "$(build 7)" "$(jq -r '.commits[0].commit' build.json)"
	ashlar prune --keep 2 >/dev/null
else
	skip "packages" "there is no import cache"
fi

# --- prunes that are killed

rm -rf store out[0-9]*
for number in 1 2 3 4 5 6; do made[number]=$(build $number); done
rm -rf full
cp -a store full
began=$(date +%s%N)
ashlar prune --keep 2 >/dev/null
milliseconds=$((($(date +%s%N) - began) / 1000000))
note "a prune takes $milliseconds ms"
find store/repo/objects -type f | sort >expected
for number in $(seq "$rounds"); do
	rm -rf store
	cp -a full store
	delay=$((RANDOM % milliseconds))
	"$here/alone" --signal KILL --after "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))" --left left \
		"$ASHLAR" prune --keep 2 --progress=none >log 2>&1
	{
		fsck >log 2>&1 || cat log
		ashlar fsck 2>&1 | grep -v ' checked$'
		ostree rev-parse --repo=store/repo $ref | grep -vx "${made[6]}"
		{ ashlar prune --keep 2 >/dev/null; } 2>&1
		find store/repo/objects -type f | sort | diff expected -
		find store/tmp -mindepth 1
	} >.problems 2>&1
	if [ -s .problems ]; then not_ok "killed after $delay ms" .problems; else ok "killed after $delay ms"; fi
done

# --- fsck

rm -rf store
cp -a full store
current=${made[6]}
# flip FILE: one bit in its middle, its times as before
flip() {
	python3 - "$1" <<-'END'
		import os, sys
		path = sys.argv[1]
		info = os.stat(path)
		os.chmod(path, 0o600)
		with open(path, "r+b") as file:
		    file.seek(info.st_size // 2)
		    byte = file.read(1)
		    file.seek(info.st_size // 2)
		    file.write(bytes([byte[0] ^ 1]))
		os.chmod(path, info.st_mode & 0o7777)
		os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
	END
}
# damaged "what" PATTERN: the damage is found, repaired, and the same build gives the same commit
damaged() {
	exits "fsck finds $1" 1 ashlar fsck
	check "names it" grep -qE -- "$2" out
	check "ends with one line" test "$(wc -l <err)" = 1
	exits "fsck --repair of $1" 1 ashlar fsck --repair --json
	check "says what was done with each" jq -e '(.damages | length) > 0 and all(.damages[]; .remedy != null)' out
	exits "then fsck is content" 0 ashlar fsck
	check "and ostree's" fsck
	check_equal "the same build gives the same commit" "$current" "$(build 6)"
	check "the same image" cmp out6/test-small.tar good.tar
	check "and a whole store" sh -c "ostree fsck --quiet --repo=store/repo && '$ASHLAR' fsck --progress=none"
}
cp out6/test-small.tar good.tar
exits "fsck" 0 ashlar fsck --json
check "counts what it looks at" jq -e '.objects > 50 and .commits == 6 and .damages == []' out

small=$(ostree ls -C --repo=store/repo $ref /etc/built | awk '{ print $5 }')
flip "store/repo/objects/${small:0:2}/${small:2}.file"
exits "fsck --repair of a file of one commit" 1 ashlar fsck --repair
check "names the commit that is lost" grep -q "^commit $current.*build again" out
check_equal "the ref goes back to the one before" "${made[5]}" "$(ostree rev-parse --repo=store/repo $ref)"
check "which is whole" fsck
check_equal "the same build gives the same commit" "$current" "$(build 6)"
flip "$(object 20480)"
damaged "a flipped bit in a large object" '^object .*its content is not'
rm -f "store/repo/objects/${small:0:2}/${small:2}.file"
damaged "a missing object" '^object .*it is missing'
tree=$(find store/repo/objects -name '*.dirtree' -size +0 | sort | head -n 1)
truncate -s 10 "$tree"
damaged "a truncated directory" '^(commit|object) '
: >store/repo/refs/heads/$ref
damaged "an empty ref" "^ref $ref"
printf 'nonsense\n%064d\n' 7 >>store/history/$ref
damaged "a history with wrong lines" "^history $ref"
mkdir -p store/stages/test/x86_64
echo '{' >store/stages/test/x86_64/small.json
damaged "a record that is cut off" '^record stages/test/x86_64/small.json'
mkdir -p store/import/0/ab
echo old >store/import/0/ab/header
damaged "a cache of another version" '^import import/0: not made by this version'
mkdir -p store/import/1/ab
echo what >store/import/1/ab/unknown
damaged "an unknown file in the cache" '^import import/1/ab/unknown: '
mkdir -p store/initramfs
echo what >"store/initramfs/ab-$(printf '%064d' 1).img"
damaged "an initramfs that is another" '^initramfs initramfs/ab-'

entry=$(dirname "$(find store/import/1 -mindepth 3 -maxdepth 3 -name manifest 2>/dev/null | sort | head -n 1)" 2>/dev/null)
if [ -n "$entry" ] && [ "$entry" != . ]; then
	flip "$(find store/import/1 -type f -size 20480 | head -n 1)"
	damaged "a flipped bit in an unpacked package" '^import import/1/'
	truncate -s 100 "$(find store/import/1 -mindepth 3 -maxdepth 3 -name manifest | sort | head -n 1)"
	damaged "a truncated manifest" '^import import/1/'
	flip "$(find store/import/1 -mindepth 3 -maxdepth 3 -name header | sort | head -n 1)"
	damaged "a flipped bit in a package's header" '^import import/1/'
	rm "$(find store/import/1 -type f -name '[0-9]*' | sort | head -n 1)"
	damaged "an unpacked file that is missing" '^import import/1/'
	object=$(object 20480 -links 1)
	if [ -n "$object" ] && [ -n "$(find store/import/1 -type f -size 20480)" ]; then
		flip "$object"
		exits "fsck --repair of an object that is in a package too" 1 ashlar fsck --repair
		check "restores it" grep -q '^object .*restored' out
		check "ostree fsck" fsck
	else
		skip "an object is restored" "no package has its content in a file of its own"
	fi
else
	skip "unpacked packages" "there is no import cache"
fi
file=$(find store/roots -name ten-megabytes -links +1 2>/dev/null | head -n 1)
if [ -n "$file" ]; then
	flip "$file"
	damaged "a flipped bit in a file that a kept root shares" '^root roots/'
else
	skip "kept roots" "there is none that shares files"
fi
finish
