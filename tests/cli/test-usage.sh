#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The command line by itself: help, versions, wrong use and wrong configuration, each with its exit status.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$work" || exit 1
export ASHLAR_STORE=$work/store ASHLAR_CACHE=$work/cache

# fails STATUS "TEXT IN ITS ONE LINE" ARGUMENT...
fails() {
	local want=$1 text=$2 status
	shift 2
	"$ASHLAR" "$@" --progress=none >out 2>err
	status=$?
	if [ $status = "$want" ] && grep -qF -- "$text" err && [ ! -s out ] && [ ! -e store ] && [ ! -e images ]; then
		ok "\"$*\" exits $want: $text"
	else
		{ echo "status $status"; cat out err; } >.output
		not_ok "\"$*\" exits $want: $text" .output
	fi
}

check "--version" sh -c "'$ASHLAR' --version | grep -q '^ashlar [0-9]'"
check "--help lists every command" sh -c "'$ASHLAR' --help | grep -q '^  inspect '"
for command in build plan resolve image publish push channel log ls diff cat inspect audit boot prune fsck key types serve delta; do
	check "$command --help" sh -c "'$ASHLAR' $command --help | grep -q -- --progress"
done
check "the image types are listed" sh -c "'$ASHLAR' types --progress=none | grep -q '^qemu-vm '"

printf 'repo --name=x --baseurl=file:///nowhere\n%%packages\nbash\n%%end\n' >ok.ks
printf 'repo --name=x --baseurl=file:///nowhere\npartition / --size=1G\n' >partition.ks
printf 'timezon UTC\n' >typo.ks
printf 'kind = "tar"\n[archive]\ncompresion = "gzip"\n' >typo.toml

fails 2 "no image type is given" build ok.ks
fails 2 "an argument is missing" build -t wsl
fails 2 "Unknown option --no-such-option" build ok.ks -t wsl --no-such-option
fails 2 "exclude each other" build ok.ks -t wsl --locked --update-lock
fails 2 "is not a UUID" build ok.ks -t wsl --seed 123
fails 2 "may only have" build ok.ks -t wsl --version 'a/b'
fails 2 "NAME=URL" build ok.ks -t wsl --repo foo
fails 2 "none of none, note" audit x --fail-on=all
fails 2 "exclude one another" audit x --json --sarif
fails 2 "needs --json" audit x --inventory
fails 2 "an argument is missing" audit
fails 2 "takes no argument" audit x --list-rules
fails 3 "there is no rule \"no-such\"" audit x --rule no-such
fails 3 "there is no rule \"no-such\"" audit x --ignore no-such:/etc
fails 3 "typo.ks:1: timezon:" build typo.ks -t wsl -o images
fails 3 "timezone" build typo.ks -t wsl -o images
fails 3 "partition.ks:2: partition" build partition.ks -t wsl -o images
fails 3 "no-such-type" build ok.ks -t no-such-type -o images
fails 3 "did you mean" build ok.ks -t ./typo.toml -o images
fails 3 "missing.ks" build missing.ks -t wsl -o images
fails 3 "ok.ks:1: repository \"x\" has no gpgkey" build ok.ks -t wsl -o images
fails 3 "store" log some/ref

status=0
"$ASHLAR" frobnicate 2>err || status=$?
check_equal "an unknown command exits 2" 2 $status
status=0
"$ASHLAR" 2>err || status=$?
check_equal "no command exits 2" 2 $status
finish
