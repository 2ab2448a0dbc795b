#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Release directories: what is in them, checked by other programs; publishing twice, killed, at the same time; channels.
#
#   KILL_ROUNDS (12) and KILL_SEED (drawn, and printed) can be set.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need gzip ostree rpmbuild rpmsign createrepo_c gpg python3 jq zstd sha256sum veritysetup mcopy sfdisk
[ -f /usr/lib/systemd/boot/efi/linuxx64.efi.stub ] || skip_all "systemd-boot-efi is not installed"
cd "$work" || exit 1
here=$top_srcdir/tests/cli
export ASHLAR_CACHE=$work/cache ASHLAR_STORE=$work/store
rounds=${KILL_ROUNDS:-12}
RANDOM=${KILL_SEED:=$RANDOM}
note "KILL_SEED=$KILL_SEED"

"$top_srcdir/tests/distro/make-repo" repo "$here/specs/base.spec" "$here/specs/machine.spec" >make-repo.log 2>&1 || {
	not_ok "the repository can be made" make-repo.log
	finish
	exit
}
printf 'kind = "tar"\nvariant = "machine"\n[archive]\ncompression = "none"\n' >tree.toml
sed '/^\[boot\]/a tries = 3' "$here/machine.toml" >machine.toml
sed '/root-verity/,/label/ { s/root-verity/linux/; /slot/d; }' machine.toml >plain.toml
ref=test/x86_64/machine

# build VERSION: a commit
build() {
	printf 'repo --name=demo\n%%packages\nmachine\n%%end\n%%post\necho %s > /etc/built; seq %s000 %s900 > /usr/share/machine/new\n%%end\n' \
		"$1" "${1//[!0-9]/}" "${1//[!0-9]/}" >test.ks
	"$ASHLAR" build test.ks -t ./tree.toml --repos repo -o out --version "$1" --progress=none >build.log 2>&1 || {
		not_ok "version $1 can be built" build.log
		finish
		exit
	}
}
publish() { "$ASHLAR" publish "$@" --key-dir keys --progress=none; }
# exits "what" STATUS COMMAND...: the output is kept in out.txt and err.txt
exits() {
	local name=$1 want=$2 status=0
	shift 2
	"$@" >out.txt 2>err.txt || status=$?
	if [ $status = "$want" ]; then
		ok "$name"
	else
		{ echo "status $status, wanted $want"; cat out.txt err.txt; } >.output
		not_ok "$name" .output
	fi
}
says() { check "and says why" grep -qF -- "$1" err.txt; }
# Everything but the versions of metadata that a killed publisher left unused: what readers see.
listing() { (cd "$1" && find . -type f ! -path './tmp/*' | sort); }
# The file of a release that the metadata names: a release that got a delta has several.
target() {
	local n
	n=$(jq -r '.signed.meta["snapshot.json"].version' rel/metadata/timestamp.json)
	n=$(jq -r '.signed.meta["targets.json"].version' "rel/metadata/$n.snapshot.json")
	echo "rel/targets/$ref/$(jq -r ".signed.targets[\"$ref/$1.json\"].hashes.sha256" "rel/metadata/$n.targets.json").$1.json"
}
newest() { jq -r "$2" "$(target "$1")"; }
object() { jq -r "$2.sha256" "$(target "$1")" | sed -E 's|^(..)(.*)|rel/objects/\1/\1\2|'; }
# Every object is named by its digest, every target by its digest and named by the metadata.
is_sound() {
	local file dir=$1
	for file in "$dir"/objects/*/*; do
		[ "$(sha256sum "$file" | cut -d' ' -f 1)" = "$(basename "$file")" ] || { echo "$file"; return 1; }
	done
	find "$dir/targets" -name '*.json' | while read -r file; do
		[ "$(sha256sum "$file" | cut -d' ' -f 1)" = "$(basename "$file" | cut -d. -f 1)" ] || { echo "$file"; return 1; }
	done
}
# What a reader of the metadata in $1 finds: every target, and every object of each release.
is_complete() {
	local dir=$1 snapshot targets path digest file
	snapshot=$(jq -r '.signed.meta["snapshot.json"].version' "$dir/metadata/timestamp.json") || return
	targets=$(jq -r '.signed.meta["targets.json"].version' "$dir/metadata/$snapshot.snapshot.json") || return
	jq -r '.signed.targets | to_entries[] | .key + " " + .value.hashes.sha256' "$dir/metadata/$targets.targets.json" >list.txt || return
	while read -r path digest; do
		file=$dir/targets/$(dirname "$path")/$digest.$(basename "$path")
		[ -f "$file" ] || { echo "$file is missing"; return 1; }
		jq -r '.. | objects | .sha256? // empty' "$file" | while read -r digest; do
			[ -f "$dir/objects/${digest:0:2}/$digest" ] || { echo "object $digest of $path is missing"; return 1; }
		done || return
	done <list.txt
}

build 1.0
exits "there must be keys" 2 publish $ref -t ./machine.toml --to rel
mkdir keys
exits "of which one signs" 2 publish $ref -t ./machine.toml --to rel
rmdir keys
mkdir keys
"$ASHLAR" key generate keys/root.pem >key.log && "$ASHLAR" key generate keys/online.pem >>key.log || not_ok "keys can be made" key.log
exits "a release directory is begun" 0 "$ASHLAR" key init rel --key root=keys/root.pem --key targets,snapshot,timestamp=keys/online.pem
mv keys/root.pem* .
exits "there must be a release directory" 2 publish $ref -t ./machine.toml --to other
says "ashlar key init"
exits "an image type is needed" 2 publish $ref --to rel
says "-t TYPE"
exits "one with a hash tree" 3 publish $ref -t ./plain.toml --to rel
says "dm-verity"
exits "needs keys" 2 "$ASHLAR" publish $ref -t ./machine.toml --to rel --progress=none
says "--key-dir"
exits "refuses waves that make no sense before it begins" 2 publish $ref -t ./machine.toml --to rel --waves 50@now,20@+1h
check_equal "nothing of all this is in it" 4 "$(listing rel | wc -l)"

exits "a release is published" 0 publish $ref -t ./machine.toml --to rel --json
check_equal "in the channel stable" stable "$(jq -r .channel out.txt)"
check "every object has its digest" is_sound rel
check "everything that metadata names is there" is_complete rel
check_equal "it has a cost only from nothing" 0 "$(jq '.costs | length' out.txt)"

# --- against other programs, and the disk image of the same commit
"$ASHLAR" image $ref -t ./machine.toml -o disk --progress=none >image.log 2>&1 || not_ok "the image can be written" image.log
sfdisk -J disk/*.raw >table.json
part() { # NUMBER FILE
	local start size
	start=$(jq ".partitiontable.partitions[$1].start" table.json) size=$(jq ".partitiontable.partitions[$1].size" table.json)
	dd if="$(echo disk/*.raw)" of="$2" bs=512 skip="$start" count="$size" status=none
}
part 1 hash.img
part 2 root.img
part 0 esp.img
bytes=$(jq .root_bytes "$(target 1.0)")
jq -r '.segments[].object.sha256' "$(target 1.0)" | while read -r digest; do zstd -dcq "rel/objects/${digest:0:2}/$digest"; done >unpacked.img
check "the frames are the root file system of the disk image" cmp -n "$bytes" unpacked.img root.img
check_equal "and nothing else" "$bytes" "$(stat -c %s unpacked.img)"
check "the tree is its hash area" cmp -n "$(stat -c %s "$(object 1.0 .tree)")" "$(object 1.0 .tree)" hash.img
check "veritysetup finds the root hash right" veritysetup verify unpacked.img "$(object 1.0 .tree)" "$(jq -r .root_hash "$(target 1.0)")"
mcopy -i esp.img '::EFI/Linux/test_1.0+3.efi' image.efi 2>mcopy.log || not_ok "the image has a UKI" mcopy.log
check "the UKI is that of the disk image" cmp image.efi "$(object 1.0 .uki)"
check "the table of frames has four bytes for each" \
	test "$(zstd -dcq "$(object 1.0 .frames)" | wc -c)" = $(((bytes + 65535) / 65536 * 4))
check_equal "the defaults of /etc have files" "$(echo 1.0 | sha256sum | cut -d' ' -f 1)  100644  built" "$(grep '  built$' "$(object 1.0 .etc)")"
check_equal "and links" "$(printf ../usr/lib/os-release | sha256sum | cut -d' ' -f 1)  120777  os-release" \
	"$(grep '  os-release$' "$(object 1.0 .etc)")"
check "sorted" sh -c "cut -c 1- '$(object 1.0 .etc)' | sed 's/^[^ ]*  [^ ]*  //' | LC_ALL=C sort -c"
check_equal "there is an SBOM" SPDX-2.3 "$(jq -r .spdxVersion "$(object 1.0 .sbom)")"

# --- again
listing rel >before.txt
stat -c '%n %i %Y' rel/metadata/* >times.txt
exits "a second time" 0 publish $ref -t ./machine.toml --to rel --json
check_equal "it says so" false "$(jq .changed out.txt)"
listing rel >after.txt
check "nothing is written" cmp before.txt after.txt
stat -c '%n %i %Y' rel/metadata/* >after.txt
check "no metadata is signed" cmp times.txt after.txt
victim=$(object 1.0 '.segments[0].object')
cp "$victim" good
damage "$victim" 100
rm "$(object 1.0 .uki)"
exits "damaged and missing objects" 0 publish $ref -t ./machine.toml --to rel
check "are written again" test -f "$(object 1.0 .uki)"
rm "$victim"
exits "missing segments" 0 publish $ref -t ./machine.toml --to rel
check "too" cmp "$victim" good

# --- the next version
build 1.1
exits "another version" 0 publish $ref -t ./machine.toml --to rel --json --waves 10@now,100@+1d --barrier --minimum 1.0
check_equal "it costs something from the last one" 1.0 "$(jq -r '.costs[0].from' out.txt)"
check "much less than from nothing" jq -e '.costs[0].data_bytes * 3 < .full.data_bytes' out.txt
check_equal "which the release tells, too" "$(jq '.costs[0].data_bytes' out.txt)" "$(jq '.costs[0].data_bytes' "$(target 1.1)")"
check "the kernel image has a recipe" test "$(stat -c %s "$(object 1.1 .uki_recipe)")" -lt $(($(stat -c %s "$(object 1.1 .uki)") / 2))
check_equal "which is what it costs" "$(jq .uki_recipe.size "$(target 1.1)")" "$(jq '.costs[0].kernel_bytes' out.txt)"
check_equal "as who may take it" 1.0 "$(jq -r .minimum "$(target 1.1)")"
check "sound" is_sound rel
check "complete" is_complete rel
sed -i 's/1.1 > /changed > /' test.ks
"$ASHLAR" build test.ks -t ./tree.toml --repos repo -o out --version 1.1 --progress=none >build.log 2>&1 || not_ok "it can be changed" build.log
exits "a version is never published with other content" 2 publish $ref -t ./machine.toml --to rel
says "another version"
check "everything is as it was" is_complete rel

# --- channels
channel() { "$ASHLAR" channel "$@" --progress=none; }
state() { channel show rel $ref "$1" --json | jq -c ".channels[0].entries[] | select(.version == \"$2\") | [.withdrawn, .barrier, (.waves | length)]"; }
check_equal "the channel has waves and barrier" "[false,true,2]" "$(state stable 1.1)"
exits "waves are set" 0 channel waves rel $ref stable 1.1 20@now,60@+2h,100@2026-12-24T00:00Z --key-dir keys
check_equal "anew" "[false,true,3]" "$(state stable 1.1)"
exits "a version is withdrawn" 0 channel withdraw rel $ref stable 1.1 --key-dir keys
check_equal "but stays" "[true,true,3]" "$(state stable 1.1)"
exits "the newest of a channel is promoted" 0 channel promote rel $ref beta --from stable --key-dir keys
check_equal "that is not withdrawn" "[false,false,0]" "$(state beta 1.0)"
exits "a version is offered again" 0 channel promote rel $ref stable 1.1 --no-barrier --waves all --key-dir keys
check_equal "to all" "[false,false,0]" "$(state stable 1.1)"
exits "show shows all" 0 channel show rel
check_equal "of them" 3 "$(grep -c $ref out.txt)"
exits "what is not published is not promoted" 2 channel promote rel $ref stable 9.9 --key-dir keys
exits "what is not offered is not withdrawn" 2 channel withdraw rel $ref beta 1.1 --key-dir keys
exits "there is no such channel" 2 channel show rel $ref gamma
exits "nor such a verb" 2 channel demote rel
exits "nor so few arguments" 2 channel withdraw rel
says "usage: ashlar channel withdraw DIR REF CHANNEL VERSION"
check "complete still" is_complete rel

# --- deltas
exits "a delta is made" 0 "$ASHLAR" delta rel $ref 1.0 1.1 --key-dir keys --progress=none --json
check_equal "which the release names" "$(jq '.deltas[0].delta_bytes' out.txt)" "$(newest 1.1 '.deltas[0].object.size')"
check_equal "with what it saves" "$(newest 1.1 '.deltas[0].object.size')" "$(newest 1.1 '.costs[0].delta_bytes')"
check_equal "from the root of 1.0" "$(newest 1.0 .root_hash)" "$(newest 1.1 '.deltas[0].from_root_hash')"
check "less than without" jq -e '.deltas[0] | .delta_bytes + .tree_bytes < .without_bytes' out.txt
digest=$(newest 1.1 '.deltas[0].object.sha256')
check "sound" is_sound rel
check "complete" is_complete rel
listing rel >before.txt
exits "a second time" 0 "$ASHLAR" delta rel $ref --last 3 1.1 --key-dir keys --progress=none --json
check_equal "nothing is to do" false "$(jq .changed out.txt)"
listing rel >after.txt
check "nor done" cmp before.txt after.txt
cp "rel/objects/${digest:0:2}/$digest" good
rm "rel/objects/${digest:0:2}/$digest"
exits "a missing one" 0 "$ASHLAR" delta rel $ref 1.0 1.1 --key-dir keys -j 1
check "is made again, the same by one thread" cmp "rel/objects/${digest:0:2}/$digest" good
exits "nobody goes back" 2 "$ASHLAR" delta rel $ref 1.1 1.0 --key-dir keys
says "not older"
exits "versions must be published" 2 "$ASHLAR" delta rel $ref 0.9 1.1 --key-dir keys
says "not published"
exits "the last one, too" 2 "$ASHLAR" delta rel $ref 1.0 1.3 --key-dir keys
exits "one version is not enough" 2 "$ASHLAR" delta rel $ref 1.1 --key-dir keys
says "--last"
exits "there is none before the first" 2 "$ASHLAR" delta rel $ref 1.0 --last 1 --key-dir keys
victim=$(object 1.0 '.segments[0].object')
cp "$victim" good
damage "$victim" 5000
rm "rel/objects/${digest:0:2}/$digest"
exits "no delta comes from damaged frames" 6 "$ASHLAR" delta rel $ref 1.0 1.1 --key-dir keys
says "publish its release again"
cp good "$victim"
exits "as publish makes them" 0 publish "$(newest 1.1 .commit)" -t ./machine.toml --to rel --deltas 2 --json
check_equal "of those before" '["1.0"]' "$(jq -c '[.deltas[].from]' out.txt)"
check "complete again" is_complete rel

# --- for other updaters
export GNUPGHOME=$work/gnupg
mkdir -m 700 gnupg
gpg --batch --quiet --passphrase '' --quick-gen-key 'Test <test@example.com>' ed25519 default never 2>gpg.log || not_ok "there is an OpenPGP key" gpg.log
exits "views of 1.0" 0 publish "$(jq -r .commit "$(target 1.0)")" -t ./machine.toml --to rel --with sysupdate,ostree --gpg-key test@example.com
exits "of 1.1, too" 0 publish "$(jq -r .commit "$(target 1.1)")" -t ./machine.toml --to rel --with ostree,sysupdate --gpg-key test@example.com
view=rel/sysupdate/$ref
check_equal "three files of each version" 6 "$(wc -l <"$view/SHA256SUMS")"
check "with these sums" sh -c "cd '$view' && sha256sum --check --strict SHA256SUMS"
check "signed" gpg --quiet --verify "$view/SHA256SUMS.gpg" "$view/SHA256SUMS"
root=$(echo "$view"/test_1.0_*.root.raw.gz) verity=$(echo "$view"/test_1.0_*.verity.raw)
check "the root file system" sh -c "gzip -dc '$root' | cmp - unpacked.img"
check "its hash area is a second name of the object" test "$verity" -ef "$(object 1.0 .tree)"
hash=$(jq -r .root_hash "$(target 1.0)")
uuid() { echo "${1:0:8}-${1:8:4}-${1:12:4}-${1:16:4}-${1:20:12}"; }
check_equal "the UUID of the root partition is in the name" "$view/test_1.0_$(uuid "${hash:0:32}").root.raw.gz" "$root"
check_equal "that of the other one, too" "$view/test_1.0_$(uuid "${hash:32}").verity.raw" "$verity"
listing rel >before.txt
exits "a second time" 0 publish "$(jq -r .commit "$(target 1.0)")" -t ./machine.toml --to rel --with sysupdate,ostree
listing rel >after.txt
check "nothing is written" cmp before.txt after.txt
exits "there is no third view" 2 publish $ref -t ./machine.toml --to rel --with casync
python3 -m http.server --bind 127.0.0.1 --directory rel 0 >server.log 2>&1 &
server=$!
on_exit() { kill $server 2>/dev/null; gpgconf --kill all; }
until port=$(sed -nE 's/^Serving HTTP on .* port ([0-9]+).*/\1/p' server.log) && [ -n "$port" ]; do sleep 0.1; done
if [ -x /lib/systemd/systemd-pull ]; then
	# What systemd-sysupdate calls for a file of a version: the sum from SHA256SUMS, the name by MatchPattern=.
	sum=$(sed -n "s/  $(basename "$root")\$//p" "$view/SHA256SUMS")
	truncate -s $((bytes + 1048576)) slot.img
	check "systemd-pull takes the root" /lib/systemd/systemd-pull --direct --offset=1048576 --size-max="$bytes" --verify="$sum" raw \
		"http://127.0.0.1:$port/${root#rel/}" "$PWD/slot.img"
	check "into its place" cmp -i 1048576:0 slot.img unpacked.img
	check "and the UKI" /lib/systemd/systemd-pull --direct --verify="$(sha256sum <"$(object 1.0 .uki)" | cut -d' ' -f 1)" raw \
		"http://127.0.0.1:$port/sysupdate/$ref/test_1.0.efi" "$PWD/pulled.efi"
	check "as it is" cmp pulled.efi "$(object 1.0 .uki)"
else
	skip "systemd-pull takes the files" "it is not installed"
fi
check "the OSTree repository is whole" ostree fsck --quiet --repo=rel/ostree
check_equal "of mode archive" archive-z2 "$(ostree config --repo=rel/ostree get core.mode)"
check_equal "with a delta" 1 "$(ostree static-delta list --repo=rel/ostree | wc -l)"
ostree init --repo=client --mode=bare-user
ostree remote add --repo=client --no-gpg-verify test "http://127.0.0.1:$port/ostree"
check "ostree pull takes the older commit" ostree pull --repo=client test "$ref@$(jq -r .commit "$(target 1.0)")"
check "and the newer one by the delta" ostree pull --require-static-deltas --repo=client test $ref
check_equal "the commit that was published" "$(jq -r .commit "$(target 1.1)")" "$(ostree rev-parse --repo=client test:$ref)"
check "whole" ostree fsck --quiet --repo=client
kill $server

# --- metadata
before=$(jq '.signed.version' rel/metadata/timestamp.json)
exits "--refresh renews the timestamp" 0 publish --refresh --to rel --days timestamp=3
check "with the next version" test "$(jq '.signed.version' rel/metadata/timestamp.json)" = $((before + 1))
check "for three days" test $((($(date -d "$(jq -r .signed.expires rel/metadata/timestamp.json)" +%s) - $(date +%s) + 3600) / 86400)) = 3
exits "--days takes roles" 2 publish --refresh --to rel --days nobody=3

# --- killed
cp -a rel pristine
build 1.2
began=$(date +%s%N)
exits "a third version, undisturbed" 0 publish $ref -t ./machine.toml --to rel
milliseconds=$((($(date +%s%N) - began) / 1000000))
listing rel | grep -v '\./metadata/' >expected.txt
note "it takes $milliseconds ms"
failed=0
for ((i = 1; i <= rounds; i++)); do
	rm -rf rel
	cp -a pristine rel
	delay=$((RANDOM % milliseconds))
	"$ASHLAR" publish $ref -t ./machine.toml --to rel --key-dir keys --progress=none >killed.log 2>&1 &
	pid=$!
	sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null
	is_complete rel >>problems.txt || { failed=$((failed + 1)); echo "round $i, after $delay ms" >>problems.txt; }
	is_sound rel >>problems.txt || { failed=$((failed + 1)); echo "round $i, after $delay ms: unsound" >>problems.txt; }
	publish $ref -t ./machine.toml --to rel >again.log 2>&1 || { failed=$((failed + 1)); cat again.log >>problems.txt; }
	is_complete rel >>problems.txt || failed=$((failed + 1))
	# The channel's file has the time in it.
	listing rel | grep -v '\./metadata/' | grep -v /channels/ | cmp -s - <(grep -v /channels/ expected.txt) ||
		{ failed=$((failed + 1)); echo "round $i: other files" >>problems.txt; }
	[ -z "$(ls rel/tmp)" ] || { failed=$((failed + 1)); echo "round $i: files are left" >>problems.txt; }
done
if [ $failed = 0 ]; then ok "killed $rounds times: whole before and after, and the same in the end"; else not_ok "killed" problems.txt; fi

# --- two at the same time
rm -rf rel
cp -a pristine rel
publish $ref -t ./machine.toml --to rel >one.log 2>&1 &
one=$!
publish $ref -t ./machine.toml --to rel --channel beta >two.log 2>&1 &
two=$!
check "two at the same time: one" wait $one
check "the other" wait $two
check "complete" is_complete rel
check_equal "both channels offer it" "2" "$(channel show rel --json | jq '[.channels[].entries[] | select(.version == "1.2")] | length')"

# --- pruned: what other updaters read, too (tests/cli/test-prune.sh has the rest)
exits "what is signed has to be signed again" 2 channel prune rel --keep 1 --keep-age 0 --grace 0 --key-dir keys
says "--gpg-key"
check "nothing has changed" is_complete rel
exits "old versions go" 0 channel prune rel --keep 1 --keep-age 0 --grace 0 --key-dir keys --gpg-key test@example.com --json
check_equal "two of them" 2 "$(jq '.releases | length' out.txt)"
check_equal "one commit goes, one is the ref's" 1 "$(jq .removed_commits out.txt)"
check "complete" is_complete rel
check "sound" is_sound rel
check_equal "no file for sysupdate is left" "SHA256SUMS SHA256SUMS.gpg" "$(cd "$view" && echo *)"
check "the list is signed" gpg --quiet --verify "$view/SHA256SUMS.gpg" "$view/SHA256SUMS"
check "the OSTree repository is whole" ostree fsck --quiet --repo=rel/ostree
check_equal "the delta stays: it is for those who run the old one" 1 "$(ostree static-delta list --repo=rel/ostree | wc -l)"
finish
