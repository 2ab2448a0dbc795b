#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds that are killed at random moments and run again: nothing is left behind, the store is whole, the result the same.
#
#   KILL_ROUNDS (20) and KILL_SEED (drawn, and printed) can be set.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need rpmbuild rpmsign createrepo_c gpg python3 ostree openssl
cd "$work" || exit 1
here=$top_srcdir/tests/cli
export ASHLAR_CACHE=$work/cache
rounds=${KILL_ROUNDS:-20}
RANDOM=${KILL_SEED:=$RANDOM}
note "KILL_SEED=$KILL_SEED"

"$top_srcdir/tests/distro/make-repo" repo "$here/specs/base.spec" "$here/specs/cases.spec" >make-repo.log 2>&1 || {
	not_ok "the repository can be made" make-repo.log
	finish
	exit
}
printf 'repo --name=demo\n%%packages\ngood\nten-megabytes\n%%end\n%%post\necho built > /etc/built\n%%end\n' >test.ks
printf 'kind = "oci"\n' >first.toml
printf 'kind = "tar"\nvariant = "second"\n[archive]\ncompression = "none"\n' >second.toml
command=("$ASHLAR" build test.ks -t ./first.toml -t ./second.toml --repos repo --store store -o out --progress=none)
mounts() { cut -d' ' -f 5 /proc/self/mountinfo | sort; }
# What a build made: its files' digests, its refs, and what it left in the store's tmp and beside its files.
outcome() {
	(cd out && sha256sum -- * && find . -name '.*' ! -name .)
	ostree refs --repo=store/repo --list | sort | while read -r ref; do echo "$ref $(ostree rev-parse --repo=store/repo "$ref")"; done
	find store/tmp store/repo/tmp -mindepth 1 -maxdepth 1 ! -name cache ! -name '*.lock'
}
"${command[@]}" >log 2>&1 # fills the caches
rm -rf store out
began=$(date +%s%N)
check "a build that nobody disturbs" "${command[@]}"
milliseconds=$((($(date +%s%N) - began) / 1000000))
outcome >expected
check "makes all" test "$(grep -cE 'test-first.oci.tar|test-second.tar|test/x86_64/(first|second)|test.lock' expected)" = 5
check_equal "and nothing else" 5 "$(wc -l <expected)"
note "it takes $milliseconds ms"
mounts_before=$(mounts)

# round NUMBER SIGNAL: one build that is killed, and one that is not
round() {
	local number=$1 name=$2 delay=$((RANDOM % milliseconds)) status=0
	# Every fourth begins with nothing; the others with what was left before, but nothing that is done.
	[ $((number % 4)) != 1 ] || rm -rf store
	[ ! -d store/repo ] || ostree refs --repo=store/repo --delete test >/dev/null
	rm -rf store/history out left
	"$here/alone" --signal "$name" --after "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))" --left left "${command[@]}" >log 2>&1 || status=$?
	what="round $number: SIG$name after $delay ms (status $status)"
	{
		case $status in
		0) ;; # it was quicker
		130) [ "$name" != KILL ] || echo "status 130" ;;
		137) [ "$name" = KILL ] || echo "status 137" ;;
		# Before it could set up how to end in order, and before it had begun anything.
		129 | 143) [ "$delay" -lt 200 ] && [ "$name" != KILL ] || echo "status $status" ;;
		*) echo "status $status" && cat log ;;
		esac
		[ ! -s left ] || { echo "processes are left:" && cat left; }
		[ "$(mounts)" = "$mounts_before" ] || { echo "mounts are left:" && mounts; }
		if [ "$name" != KILL ] && [ $status = 130 ]; then
			find store/tmp out -mindepth 1 2>/dev/null | sed 's/^/left: /'
		fi
		[ ! -f store/repo/config ] || ostree fsck --quiet --repo=store/repo >log 2>&1 || { echo "ostree fsck failed" && cat log; }
		"${command[@]}" >log 2>&1 || { echo "run again: status $?" && cat log; }
		outcome 2>&1 | diff expected -
	} >.problems 2>&1
	if [ -s .problems ]; then not_ok "$what" .problems; else ok "$what"; fi
}
for number in $(seq "$rounds"); do round "$number" KILL; done
for name in INT TERM HUP; do round $((++number)) $name; done
check "ostree fsck" ostree fsck --quiet --repo=store/repo
finish
