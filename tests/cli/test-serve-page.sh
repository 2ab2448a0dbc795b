#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The page of "ashlar serve" in Chromium. ASHLAR_SCREENSHOTS=DIR keeps pictures of it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cli/node.sh
. "$(dirname "$0")/node.sh"
need curl
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || skip_all "chromium is not installed"
cd "$work" || exit 1
now=$(date +%s)
lab images .
at=$((now - 7200)) publish 1 v1.img
at=$((now - 5400)) publish 2 v2.img cost=1:8192:70000:0
at=$((now - 3600)) publish 3 v3.img cost=2:50000:200000:100000 cost=1:10000:50000:0 wave=$((now - 3600)):25
at=$((now - 3500)) channel 3 wave=$((now + 3600)):100

"$ASHLAR" serve rel --listen 127.0.0.1:0 --database reports.sqlite --report-rate 1000 --progress=none >log.txt 2>&1 &
server=$!
on_exit() { kill $server 2>/dev/null; }
url=
for _ in $(seq 100); do
	url=$(sed -n 's/^serving .* at //p' log.txt)
	[ -z "$url" ] || break
	sleep 0.1
done
grep -q "built without" log.txt && skip_all "this ashlar was built without serve"
[ -n "$url" ] || { not_ok "the server starts" log.txt; finish; exit 1; }

number=0
# said COUNT VERSION STATE PLACE [MEMBERS]
said() {
	for _ in $(seq "$1"); do
		number=$((number + 1))
		curl -s --data "$(printf '{"format":1,"ref":"lab/x86_64/vm","channel":"stable","node":"%032x","version":"%s","state":"%s","place":%d%s}' \
			$number "$2" "$3" "$4" "${5:-}")" "${url}report"
	done
}
hostile="<img src=x onerror=alert(1)><script>document.title='owned'</script>"
said 6 3 ok 10
said 12 2 ok 60 ',"wanted":"3"'
said 3 2 failed 20 ",\"wanted\":\"3\",\"reason\":\"$hostile\""
said 3 1 updating 70 ',"wanted":"3"'

python3 "$top_srcdir/tests/cli/browser.py" "$chromium" "$url" "$work" ${ASHLAR_SCREENSHOTS:+"$ASHLAR_SCREENSHOTS"} >checks.txt 2>browser.txt ||
	not_ok "the browser does what it is told" browser.txt
while read -r verdict name; do
	if [ "$verdict" = pass ]; then ok "$name"; else not_ok "$name"; fi
done <checks.txt
check "there were checks" test "$(wc -l <checks.txt)" -gt 25
finish
