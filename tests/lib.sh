# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the shell tests share: TAP (testanything.org, version 12) and places. Source it first.
#
#   check "what holds" command...     one test: the command must succeed; its output is shown if it does not
#   refute "what holds" command...    one test: the command must fail
#   skip_all "why"                    ends the program: nothing can be tested here
#   damage FILE OFFSET                one bit there becomes another
#   finish                            prints the plan; the last line of every test program
set -u
export LC_ALL=C.UTF-8 TZ=UTC
tests_run=0 tests_failed=0
# Variables below are for the test programs.
# shellcheck disable=SC2034
{
top_srcdir=${top_srcdir:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
top_builddir=${top_builddir:-$top_srcdir/build}
ASHLAR=${ASHLAR:-$top_builddir/ashlar}
cache=${ASHLAR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ashlar}
distro=$cache/distro
}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/ashlar-test-XXXXXX")
chmod 755 "$work"

cleanup() {
	local status=$?
	if declare -F on_exit >/dev/null; then on_exit; fi
	chmod -R u+rwX "$work" 2>/dev/null
	rm -rf "$work" 2>/dev/null || "$ASHLAR" --version >/dev/null
	exit $status
}
trap cleanup EXIT

note() { printf '# %s\n' "$*"; }

ok() { tests_run=$((tests_run + 1)); echo "ok $tests_run - $1"; }

not_ok() { # NAME [FILE WITH OUTPUT]
	tests_run=$((tests_run + 1)) tests_failed=$((tests_failed + 1))
	echo "not ok $tests_run - $1"
	[ $# -lt 2 ] || tail -n 40 "$2" | sed 's/^/#   /'
}

check() {
	local name=$1
	shift
	if "$@" >"$work/.output" 2>&1; then ok "$name"; else not_ok "$name (status $?)" "$work/.output"; fi
}

refute() {
	local name=$1
	shift
	if "$@" >"$work/.output" 2>&1; then not_ok "$name" "$work/.output"; else ok "$name"; fi
}

# check_equal "what" EXPECTED FOUND
check_equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		printf 'expected: %s\nfound:    %s\n' "$2" "$3" >"$work/.output"
		not_ok "$1" "$work/.output"
	fi
}

# A byte written over another is the same one once in 256 runs.
damage() { # FILE OFFSET
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059
	printf "\\$(printf %03o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

skip() { tests_run=$((tests_run + 1)); echo "ok $tests_run - $1 # SKIP $2"; }

skip_all() { echo "1..0 # SKIP $*"; exit 0; }

need_distro() {
	[ -f "$distro/release/repodata/repomd.xml" ] ||
		skip_all "the demo repository is not there: tests/distro/make-distro makes it"
}

need() { # PROGRAM...
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
}

finish() {
	echo "1..$tests_run"
	[ $tests_failed = 0 ]
}
