#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The reckoned roll-out (tests/bench/rollout) has the real wave function, adds up, and comes out the same each time.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need python3 jq
cd "$work" || exit 1
rollout() { python3 "$top_srcdir/tests/bench/rollout" "$@"; }
places=$top_builddir/tests/tools/wave-place
[ -x "$places" ] || skip_all "tests/tools/wave-place is not built (make check builds it)"

rollout --places 3000 >places.txt
check "3000 places are those of ash_wave_place()" "$places" <places.txt
sed '1s/$/0/' places.txt >wrong.txt
refute "which would say if they were not" "$places" <wrong.txt
check_equal "all places occur" 100 "$(cut -d' ' -f 3 places.txt | sort -u | wc -l)"
check "a roll-out" rollout --nodes 4000 --json one.json
rollout --nodes 4000 --json two.json >/dev/null
check "is the same each time" cmp one.json two.json
check_equal "everybody updates, once" "[4000,4000]" "$(jq -c '[.results[0].updates, .results[0].updated]' one.json)"
check "waves take longer" jq -e '.results[0].last_seconds > 2 * .results[1].last_seconds' one.json
check "and ask for less at a time" jq -e '.results[0].busiest_hour_bytes < .results[1].busiest_hour_bytes' one.json
check "a bad version is stopped sooner in waves" jq -e '.results[3].failed * 4 < .results[4].failed' one.json
check "as many fail as should" jq -e '.results[4] | (.failed / (.failed + .updated)) > 0.03 and (.failed / (.failed + .updated)) < 0.07' one.json
finish
