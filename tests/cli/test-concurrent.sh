#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Four builds at once on one fresh store: each gives what it gives alone, and nothing is left behind.
#
#   CONCURRENT_ROUNDS (3) can be set.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need rpmbuild rpmsign createrepo_c gpg python3 ostree openssl
cd "$work" || exit 1
here=$top_srcdir/tests/cli
export ASHLAR_CACHE=$work/cache
rounds=${CONCURRENT_ROUNDS:-3}

"$top_srcdir/tests/distro/make-repo" repo "$here/specs/base.spec" "$here/specs/cases.spec" >make-repo.log 2>&1 || {
	not_ok "the repository can be made" make-repo.log
	finish
	exit
}
for number in 1 2 3 4; do
	printf 'kind = "tar"\nvariant = "v%s"\n[archive]\ncompression = "none"\n' $number >type$number.toml
	printf 'repo --name=demo\n%%packages\ngood\nten-megabytes\n%%end\n%%post\necho %s > /etc/built\n%%end\n' $number >system$number.ks
done

# build STORE OUT KICKSTART TYPE
build() { "$ASHLAR" build "$3" -t "./$4" --repos repo --store "$1" -o "$2" --progress=none >"$2.log" 2>&1; }
# What was made: digests of the files in OUT..., and the refs.
outcome() { # STORE OUT...
	local store=$1 out
	shift
	for out; do (cd "$out" && find . -name '.*' ! -name . && sha256sum -- * | sed "s|$| in $out|"); done
	ostree refs --repo="$store/repo" --list | sort | while read -r ref; do echo "$ref $(ostree rev-parse --repo="$store/repo" "$ref")"; done
}
# What no build may leave. Empty lock files of libostree's are removed a day later.
leftovers() { # STORE
	find "$1/tmp" "$1/repo/tmp" -mindepth 1 -maxdepth 1 ! -name cache ! -name '*.lock' ! -name 'staging-*-lock'
	find "$1" -name '*.tmp'
}
# four "what" "KICKSTART TYPE" of each...: alone, each on a store of its own place in the row; then at once
four() {
	local what=$1 round number pids statuses pair
	shift
	rm -rf alone out[1-4]
	number=0
	for pair; do
		number=$((number + 1))
		# shellcheck disable=SC2086
		build alone out$number $pair || not_ok "$what: alone" out$number.log
	done
	outcome alone out[1-4] >expected
	check "$what: alone" test "$(wc -l <expected)" -ge 9
	for round in $(seq "$rounds"); do
		rm -rf store out[1-4] pids
		number=0 pids=() statuses=
		# Every other round with nothing downloaded.
		[ $((round % 2)) = 0 ] || rm -rf cache
		for pair; do
			number=$((number + 1))
			# shellcheck disable=SC2086
			build store out$number $pair &
			pids+=($!)
		done
		for number in 0 1 2 3; do
			wait "${pids[number]}" || statuses+="build $((number + 1)): status $? $(tail -n 3 "out$((number + 1)).log")"$'\n'
		done
		{
			printf '%s' "$statuses"
			outcome store out[1-4] 2>&1 | diff expected -
			leftovers store
			ostree fsck --quiet --repo=store/repo >log 2>&1 || cat log
			"$ASHLAR" fsck --store store --progress=none 2>&1 | grep -v ' checked$'
			# One line of history per commit, whoever was first.
			find store/history -type f -exec sort {} + | uniq -d
		} >.problems
		if [ -s .problems ]; then not_ok "$what: round $round" .problems; else ok "$what: round $round"; fi
	done
}
four "the same system and type" "system1.ks type1.toml" "system1.ks type1.toml" "system1.ks type1.toml" "system1.ks type1.toml"
four "four types" "system1.ks type1.toml" "system1.ks type2.toml" "system1.ks type3.toml" "system1.ks type4.toml"
four "four systems" "system1.ks type1.toml" "system2.ks type1.toml" "system3.ks type1.toml" "system4.ks type1.toml"

# Those that look while others write.
rm -rf store out[1-4]
build store out1 system1.ks type1.toml
build store out2 system2.ks type2.toml &
pid=$!
bad=
while kill -0 $pid 2>/dev/null; do
	"$ASHLAR" ls system1/x86_64/v1 /etc --store store --progress=none >log 2>&1 || bad+=$(cat log)
	"$ASHLAR" fsck --store store --progress=none >log 2>&1 || bad+=$(cat log)
	status=0
	"$ASHLAR" prune --store store --keep 1 --progress=none >log 2>&1 || status=$?
	case $status in 0 | 3) ;; *) bad+=$(cat log) ;; esac
done
wait $pid || bad+=$(cat out2.log)
check_equal "ls, fsck and prune while a build runs" "" "$bad"
check "ostree fsck" ostree fsck --quiet --repo=store/repo
check_equal "nothing is left" "" "$(leftovers store)"
finish
