#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Locks, plans, and what is told of a build that changes nothing or must not change anything.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need jq ostree
cd "$work" || exit 1
export ASHLAR_STORE=$work/store
[ -f "$distro/updates/repodata/repomd.xml" ] || skip_all "the demo repository has no updates"
if cmp -s "$distro/release/repodata/primary.xml.gz" "$distro/updates/repodata/primary.xml.gz"; then
	skip_all "release and updates are the same right now"
fi

printf 'kind = "tar"\n[archive]\ncompression = "none"\n' >small.toml
printf 'repo --name=demo\n%%packages --nocore --exclude-weakdeps\nlinux-image-cloud-amd64\n%%end\n' >system.ks
mkdir both
cp "$distro/release/demo.repo" both/
sed 's/^\[demo\]/[updates]/' "$distro/updates/demo.repo" >both/updates.repo
sed 's/^repo --name=demo/&\nrepo --name=updates/' system.ks >both.ks

# ashlar COMMAND KICKSTART [OPTION...]; the repository is "release", unless --repo says otherwise
ashlar() {
	local command=$1 kickstart=$2
	shift 2
	"$ASHLAR" "$command" "$kickstart" -t ./small.toml --repos "$distro/release" --progress=none "$@"
}
updates=(--repo "demo=$distro/updates")
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
files() { find . -mindepth 1 ! -name '.output' ! -name out ! -name err -printf '%p %T@\n' | sort; }

# --- without writing

files >before
exits "resolve prints the lock" 0 ashlar resolve system.ks
cp out first.lock
check "its first line says what it is" grep -qx '# ashlar lock 1' first.lock
check "it names the kernel, its digest, its repository and why" grep -qE '^package linux-image-cloud-amd64-[^ ]+\.x86_64 sha256:[0-9a-f]{64} demo user$' first.lock
check_equal "it is sorted" "$(grep ^package first.lock | LC_ALL=C sort)" "$(grep ^package first.lock)"
ashlar resolve system.ks >out
check "and the same each time" cmp first.lock out
rm first.lock
exits "plan" 0 ashlar plan system.ks
check "it lists the kernel" grep -q '^ *linux-image-cloud-amd64-' out
exits "plan --json" 0 ashlar plan system.ks --json
check "is JSON, with packages" jq -e '.variants[0].packages | length > 5' out
exits "build --dry-run" 0 ashlar build system.ks --dry-run -o images
check "prints the plan" grep -q '^ *linux-image-cloud-amd64-' out
files >after
sed -i '/^\.\/\(before\|after\) /d' before after
check "none of these has written anything" diff before after

# --- builds

exits "build" 0 ashlar build system.ks -o images
lock=images/system.lock
check "writes the lock beside the image" test -s $lock
ashlar resolve system.ks >out
check "which is what resolve prints" cmp $lock out
check "the commit has it" sh -c "'$ASHLAR' cat system/x86_64/small /usr/lib/ashlar/packages.lock --progress=none | cmp - $lock"
cp $lock release.lock
files >before
exits "nothing changed: --unchanged-exit-77" 77 ashlar build system.ks -o images --unchanged-exit-77
check "says so in one line" test "$(wc -l <err)" = 1
files >after
sed -i '/^\.\/\(before\|after\) /d' before after
check "and writes nothing" diff before after
exits "nothing changed: without it, images are written again" 0 ashlar build system.ks -o again --lock release.lock --locked
check "the same ones" cmp images/system-small.tar again/system-small.tar

# --- the lock against newer packages

exits "--locked with newer packages" 4 ashlar build system.ks -o other --lock release.lock --locked "${updates[@]}"
check "names what is different" grep -q linux-image-cloud-amd64 err
refute "and writes nothing" test -e other
exits "--locked without a lock" 3 ashlar build system.ks -o other --lock no.lock --locked
exits "--locked with another variant's lock" 4 sh -c "sed 's/^variant small/variant large/' release.lock >large.lock && '$ASHLAR' build system.ks -t ./small.toml --repos '$distro/release' --progress=none -o other --lock large.lock --locked"
printf 'variant\nnonsense\n' >bad.lock
exits "a lock that is none" 3 ashlar build system.ks -o other --lock bad.lock
check "names its line" grep -q bad.lock:1 err
refute "nothing is written" test -e other

kernel() { grep -o '^package linux-image-[0-9][^ ]*' "$1"; }
exits "both repositories, without a lock" 0 "$ASHLAR" resolve both.ks -t ./small.toml --repos both --progress=none
check "the newer kernel is chosen" test "$(kernel out)" != "$(kernel release.lock)"
exits "both repositories, with the lock" 0 "$ASHLAR" resolve both.ks -t ./small.toml --repos both --lock release.lock --progress=none
check_equal "the locked kernel is kept" "$(kernel release.lock)" "$(kernel out)"
check "and so is everything" sh -c "grep ^package out | diff - /dev/fd/3 3<<END
$(grep ^package release.lock)
END"
exits "both repositories, --locked" 0 "$ASHLAR" resolve both.ks -t ./small.toml --repos both --lock release.lock --locked --progress=none
cp release.lock new.lock
exits "--update-lock" 0 "$ASHLAR" resolve both.ks -t ./small.toml --repos both --lock new.lock --update-lock --progress=none
check "renews the lock" test "$(kernel new.lock)" != "$(kernel release.lock)"
exits "resolve with a missing lock" 0 ashlar resolve system.ks --lock made.lock
check "writes it" cmp made.lock release.lock

# --- the next version

exits "build from the updates" 0 ashlar build system.ks -o images "${updates[@]}"
check "renews the lock beside the image" test "$(kernel $lock)" != "$(kernel release.lock)"
exits "diff of the two commits" 0 "$ASHLAR" diff system/x86_64/small --progress=none
check "names the kernel that went" grep -q '^- package linux-image-6' out
check "and the one that came" grep -q '^+ package linux-image-6' out
check "and the metapackage's versions" grep -qE '^~ package linux-image-cloud-amd64\.x86_64 [^ ]+ -> [^ ]+$' out
check_equal "log has both" 2 "$("$ASHLAR" log system/x86_64/small --progress=none | grep -c ^commit)"
exits "back to the locked state" 0 ashlar build system.ks -o back --lock release.lock --locked
check "gives the first image again" cmp back/system-small.tar again/system-small.tar
check "ostree fsck" ostree fsck --quiet --repo=store/repo
finish
