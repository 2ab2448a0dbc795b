#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The kinds of progress, as far as a build gets that finds no repository.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$work" || exit 1
export ASHLAR_STORE=$work/store ASHLAR_CACHE=$work/cache
printf 'repo --name=x\n%%packages\nbash\n%%end\n' >ok.ks
mkdir repos
printf '[x]\nbaseurl=file:///nowhere\ngpgcheck=0\nrepo_gpgcheck=0\n' >repos/x.repo

build() { # [OPTION...]
	"$ASHLAR" build ok.ks -t wsl -o out --repos repos "$@" >output 2>errors
	check_equal "build $* cannot fetch" 5 $?
	check_equal "build $* prints nothing on standard output" "" "$(cat output)"
	check "build $* ends with the error" sh -c 'tail -n 1 errors | grep -q "^ashlar: repository \"x\": "'
	sed '$d' errors >events
}

build --progress=none
check_equal "\"none\" shows the error alone" "" "$(cat events)"

build --progress=plain
check_equal "\"plain\" has a line for a step" 1 "$(grep -cE '^Load repositories +[0-9]+\.[0-9]+ s$' events)"
refute "\"plain\" has nothing for terminals only" grep -q "$(printf '[\r\033]')" events

build
check "without a terminal \"plain\" is the default" grep -qE '^Load repositories +[0-9.]+ s$' events

build --progress=bar
check "\"bar\" draws" grep -q "$(printf '\033')" errors

if command -v jq >/dev/null; then
	build --progress=json
	check "\"json\" is an object a line" jq -e -s 'length > 1 and all(type == "object")' events
	check "each line has event, step, depth and fraction" jq -e -s \
		'all((.event | IN("begin", "update", "end", "message")) and (.step | type == "string") and .depth >= 0)' events
	check "fractions are from 0 to 1 and never go back" jq -e -s \
		'map(.fraction) | . == sort and all(. >= 0 and . <= 1)' events
	check "what began has ended" jq -e -s \
		'[.[] | select(.event == "begin")] as $b | [.[] | select(.event == "end" and .seconds >= 0)] | length == ($b | length)' events
else
	skip "\"json\" is an object a line" "jq is not installed"
fi
finish
