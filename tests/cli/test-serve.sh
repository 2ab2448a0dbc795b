#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# "ashlar serve": files as HTTP wants them, and only those; reports; a node that updates from it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cli/node.sh
. "$(dirname "$0")/node.sh"
need curl openssl
cd "$work" || exit 1
if "$ASHLAR" serve nowhere 2>&1 | grep -q "built without"; then
	skip_all "this ashlar was built without serve"
fi
now=$(date +%s)
at=$((now - 100))
lab images .
publish 2 v2.img wave=$at:100

servers=()
on_exit() { [ ${#servers[@]} = 0 ] || kill "${servers[@]}" 2>/dev/null; }
# serve LOG OPTION...: at a free port; sets $url and $pid
serve() {
	local log=$1
	shift
	"$ASHLAR" serve rel --listen 127.0.0.1:0 --progress=none "$@" >"$log" 2>&1 &
	pid=$!
	servers+=("$pid")
	for _ in $(seq 100); do
		url=$(sed -n 's/^serving .* at \(.*\)\/$/\1/p' "$log")
		[ -z "$url" ] || return 0
		sleep 0.1
	done
	cat "$log"
	return 1
}
ask() { curl -s --max-time 20 --path-as-is "$@"; }
status() { ask -o /dev/null -w '%{http_code}' "$@"; }
header() { # NAME CURL-ARGUMENT...
	local name=$1
	shift
	ask -D - -o /dev/null "$@" | tr -d '\r' | sed -n "s/^$name: //Ip"
}
count() { ask "$url/metrics" | sed -n "s/^ashlar_serve_$1 //p"; }
answers() { check_equal "$1" "$2" "$(status "${@:3}")"; }

# --- how it starts, and does not ---
fails() { # STATUS TEXT ARGUMENT...
	local status=0
	"$ASHLAR" serve "${@:3}" >out.txt 2>&1 </dev/null || status=$?
	if [ $status = "$1" ] && grep -qF -- "$2" out.txt; then ok "$2"; else not_ok "$2 ($status)" out.txt; fi
}
fails 2 "is not ADDRESS:PORT" rel --listen localhost
fails 2 "--listen \"[::1:80\" is not ADDRESS:PORT" rel --listen "[::1:80"
fails 2 "go together" rel --tls-key x
fails 2 "is not a number from 1 to" rel --keep-days 0
fails 1 "nowhere" nowhere
check "the server starts" serve log.txt --access-log access.txt --database state/reports.sqlite --timeout 5
fails 1 "cannot listen" rel --listen "${url#http://}"

# --- files ---
object=$(cd rel && find objects -type f -size +90k | head -n 1)
digest=${object##*/} bytes=$(stat -c %s "rel/$object")
check "an object is the same" sh -c "curl -s '$url/$object' | cmp - 'rel/$object'"
check_equal "its ETag is its digest" "\"$digest\"" "$(header ETag "$url/$object")"
check "it is immutable" sh -c "echo '$(header Cache-Control "$url/$object")' | grep -q immutable"
check_equal "the timestamp is not" "no-cache" "$(header Cache-Control "$url/metadata/timestamp.json")"
check_equal "nor what is missing" "no-store" "$(header Cache-Control "$url/metadata/9.root.json")"
check_equal "JSON is JSON" "application/json" "$(header Content-Type "$url/metadata/timestamp.json")"
check_equal "objects are bytes" "application/octet-stream" "$(header Content-Type "$url/$object")"
check_equal "HEAD has the length" "$bytes" "$(header Content-Length -I "$url/$object")"
check_equal "and no body" 0 "$(ask -I -o /dev/null -w '%{size_download}' "$url/$object")"

# --- connections ---
cat >keep.py <<'PYTHON'
"""keep.py PORT TEST: requests on one connection."""
import socket, sys, time

def connect():
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.settimeout(15)
    return s

def request(path=b"/metadata/timestamp.json", extra=b"", version=b"1.1", method=b"GET"):
    return method + b" " + path + b" HTTP/" + version + b"\r\nHost: x\r\n" + extra + b"\r\n"

class Reader:
    def __init__(self, s):
        self.s, self.data = s, b""
    def more(self):
        got = self.s.recv(65536)
        self.data += got
        return len(got)
    def reply(self, head=False):
        while b"\r\n\r\n" not in self.data:
            assert self.more(), "closed"
        header, self.data = self.data.split(b"\r\n\r\n", 1)
        fields = dict(line.lower().split(b": ", 1) for line in header.split(b"\r\n")[1:])
        length = 0 if head else int(fields[b"content-length"])
        while len(self.data) < length:
            assert self.more(), "closed"
        self.data = self.data[length:]
        return int(header.split()[1]), fields
    def is_closed(self):
        try:
            return self.more() == 0
        except ConnectionResetError:
            return True

def reuse():
    s = connect(); r = Reader(s)
    for i in range(50):
        s.sendall(request(b"/nowhere") if i % 3 == 0 else request(method=b"HEAD") if i % 3 == 1 else request())
        status, fields = r.reply(head=i % 3 == 1)
        assert status == (404 if i % 3 == 0 else 200) and b"connection" not in fields, (i, status, fields)

def pieces():
    s = connect(); r = Reader(s)
    for _ in range(2):
        for byte in b"\r\n" + request():
            s.sendall(bytes([byte]))
        assert r.reply()[0] == 200

def ahead():
    s = connect(); r = Reader(s)
    s.sendall(request() * 20 + request(b"/nowhere")[:10])
    for _ in range(20):
        assert r.reply()[0] == 200
    s.sendall(request(b"/nowhere")[10:])
    assert r.reply()[0] == 404

def ends():
    for data, wanted in ((request(extra=b"Connection: close\r\n"), 200), (request(version=b"1.0"), 200),
                         (request(extra=b"Content-Length: 0\r\n"), 200), (request(extra=b"Content-Length: 1\r\n") + b"x", 413),
                         (request(extra=b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n" + request(), 413), (b"nonsense\r\n\r\n", 400)):
        s = connect(); r = Reader(s)
        s.sendall(request() + data)
        assert r.reply()[0] == 200
        status, fields = r.reply()
        assert status == wanted, (data, status)
        assert r.is_closed(), data

def idle():
    s = connect(); r = Reader(s)
    s.sendall(request()); r.reply()
    began = time.monotonic()
    assert r.is_closed()
    assert 3 < time.monotonic() - began < 10

def leave():
    for kind in range(200):
        s = connect(); r = Reader(s)
        s.sendall(request()); r.reply()
        if kind % 2:
            s.sendall(request()[:20])
        s.close()

def crowd():
    """Those that wait for another request make room for new ones; one that is in the middle of a request does not."""
    waiting = [connect(), connect()]
    for s in waiting:
        s.sendall(request()); Reader(s).reply()
    third = connect()
    third.sendall(request()); Reader(third).reply()
    assert Reader(waiting[0]).is_closed()
    waiting[1].sendall(request()[:30]); third.sendall(request()[:30])
    fourth = connect()
    assert Reader(fourth).is_closed()
    waiting[1].sendall(request()[30:])
    assert Reader(waiting[1]).reply()[0] == 200

globals()[sys.argv[2]]()
PYTHON
keeps() { check "$1" python3 keep.py "${url##*:}" "$2"; }
fds() { ls "/proc/$pid/fd" | wc -l; }
fds=$(fds)
keeps "a connection is kept for the next request" reuse
keeps "whose bytes come one by one" pieces
keeps "or too early" ahead
keeps "but not if it may not be" ends
keeps "nor for ever" idle
keeps "nor for who has gone" leave
sleep 0.3
check_equal "whom nobody remembers" 1 "$(count connections)"
check_equal "nor has the files of" "$fds" "$(fds)"

# --- ranges ---
answers "a range is a part" 206 -r 0-9 "$url/$object"
check_equal "which one" "bytes 5-9/$bytes" "$(header Content-Range -r 5-9 "$url/$object")"
part() { ask -r "$1" "$url/$object" | sha256sum; }
check_equal "across pieces" "$(tail -c +1001 "rel/$object" | head -c 69000 | sha256sum)" "$(part 1000-69999)"
check_equal "to the end" "$(tail -c 500 "rel/$object" | sha256sum)" "$(part -500)"
check_equal "one byte" "$(tail -c 1 "rel/$object" | sha256sum)" "$(part $((bytes - 1))-)"
answers "behind the end" 416 -r "$bytes-" "$url/$object"
check_equal "which says how long it is" "bytes */$bytes" "$(header Content-Range -r "$bytes-" "$url/$object")"
answers "what is no range is not there" 200 -H "Range: bytes=9-1" "$url/$object"
answers "other units too" 200 -H "Range: lines=1-2" "$url/$object"
answers "HEAD has no ranges" 200 -I -H "Range: bytes=0-9" "$url/$object"
answers "If-Range with its tag" 206 -r 0-9 -H "If-Range: \"$digest\"" "$url/$object"
answers "If-Range with another" 200 -r 0-9 -H 'If-Range: "x"' "$url/$object"
ask -D headers.txt -o parts.txt -r 0-9,100-109,-5 "$url/$object"
cat >parts.py <<'PYTHON'
import email, sys
raw = open("headers.txt", "rb").read().split(b"\r\n", 1)[1] + open("parts.txt", "rb").read()
length = len(open("parts.txt", "rb").read())
whole = open(sys.argv[1], "rb").read()
message = email.message_from_bytes(raw)
assert message.get_content_type() == "multipart/byteranges", message.get_content_type()
assert int(message["Content-Length"]) == length
found = [(part["Content-Range"], part.get_payload(decode=True)) for part in message.get_payload()]
wanted = [(0, 10), (100, 110), (len(whole) - 5, len(whole))]
assert len(found) == 3, found
body = open("parts.txt", "rb").read()
for (head, _), (first, end) in zip(found, wanted):
    assert head == f"bytes {first}-{end - 1}/{len(whole)}", head
    assert head.encode() + b"\r\n\r\n" + whole[first:end] + b"\r\n--" in body, head
PYTHON
check "several ranges are parts of a message" python3 parts.py "rel/$object"

# --- conditions ---
answers "what one has is not sent" 304 -H "If-None-Match: \"x\", W/\"$digest\"" "$url/$object"
check_equal "and has no length" "" "$(header Content-Length -H "If-None-Match: \"$digest\"" "$url/$object")"
answers "what one has not is" 200 -H 'If-None-Match: "x"' "$url/$object"
answers "by date" 304 -H "If-Modified-Since: $(header Last-Modified "$url/$object")" "$url/$object"
answers "If-Match fails" 412 -H 'If-Match: "x"' "$url/$object"
tag=$(header ETag "$url/metadata/timestamp.json")
answers "a timestamp that is the same" 304 -H "If-None-Match: $tag" "$url/metadata/timestamp.json"
at=$((now - 90)) publish 3 v3.img
answers "and a new one" 200 -H "If-None-Match: $tag" "$url/metadata/timestamp.json"

# --- nothing else ---
echo secret >secret.txt
mkdir -p rel/tmp rel/.hidden
echo secret | tee rel/tmp/x rel/.hidden/x rel/.dot >/dev/null
ln -s "$work/secret.txt" rel/link
ln -s "$work" rel/folder
mkfifo rel/fifo
for path in /../secret.txt /..%2fsecret.txt /%2e%2e/secret.txt /metadata/../../secret.txt /link /folder/secret.txt /.dot /.hidden/x /%2ehidden/x \
	/tmp/x /t%6dp/x /fifo /objects /metadata/ //metadata/timestamp.json /metadata%00 /metadata/%0a /ui/ /ui/../secret.txt /api /api/v1/x; do
	answers "nothing is at $path" 404 "$url$path"
done
refute "the secret did not come out" sh -c "for p in /link /folder/secret.txt /../secret.txt /tmp/x; do curl -s --path-as-is '$url'\$p; done | grep secret"
answers "there is no PUT" 405 -X PUT --data x "$url/objects/x"
answers "nor DELETE" 405 -X DELETE "$url/$object"
answers "nor a body for GET" 413 -X GET --data x "$url/$object"
exec 5<>"/dev/tcp/127.0.0.1/${url##*:}"
printf 'GET\r\n\r\n' >&5
check "nonsense is turned away" grep -q "^HTTP/1\.[01] 400" <(timeout 5 cat <&5)
exec 5>&-
for name in Content-Security-Policy X-Content-Type-Options; do
	check "$name is set" test -n "$(header $name "$url/")"
done
refute "scripts in the page are not allowed" sh -c "echo \"$(header Content-Security-Policy "$url/")\" | grep unsafe"

# --- the page and its figures ---
answers "the page" 200 "$url/"
check_equal "is HTML" "text/html; charset=utf-8" "$(header Content-Type "$url/")"
for file in serve.css serve.js icon.svg; do answers "with $file" 200 "$url/ui/$file"; done
cat >releases.py <<'PYTHON'
import json, sys
ref, = json.load(sys.stdin)["refs"]
assert ref["ref"] == "lab/x86_64/vm"
assert [one["version"] for one in ref["releases"]] == ["3", "2"]
entries = ref["channels"][0]["entries"]
assert [one["version"] for one in entries] == ["3", "2"] and entries[1]["waves"][0]["percent"] == 100
PYTHON
check "releases and channels, the new one too" sh -c "curl -s '$url/api/v1/releases' | python3 releases.py"

# --- reports ---
id=0123456789abcdef0123456789abcdef
good="{\"format\":1,\"ref\":\"lab/x86_64/vm\",\"channel\":\"stable\",\"node\":\"$id\",\"version\":\"2\",\"wanted\":\"3\",\"state\":\"failed\",\"place\":7,\"reason\":\"<b>it broke</b>\"}"
answers "a report" 204 --data "$good" "$url/report"
answers "the same again" 204 --data "$good" "$url/report"
answers "a member twice" 400 --data "${good%\}},\"place\":7}" "$url/report"
answers "no JSON" 400 --data "x" "$url/report"
answers "nothing" 400 --data "" "$url/report"
answers "of a system that is not published" 404 --data "${good/vm/other}" "$url/report"
head -c 5000 /dev/zero | tr '\0' ' ' >large.txt
answers "a large one" 413 --data @large.txt "$url/report"
answers "a large one in chunks" 413 -H "Transfer-Encoding: chunked" --data @large.txt "$url/report"
answers "GET of it" 405 "$url/report"
cat >nodes.py <<'PYTHON'
import json, sys
system, = json.load(sys.stdin)["systems"]
assert system["nodes"] == 1, system
assert system["versions"] == [{"version": "2", "ok": 0, "updating": 0, "failed": 1}], system
assert system["failures"][0]["reason"] == "<b>it broke</b>", system
assert system["rollout"]["version"] == "3" and system["rollout"]["failed"] == 1, system
PYTHON
check "it is in the figures" sh -c "curl -s '$url/api/v1/nodes' | python3 nodes.py"
check_equal "metrics: kept" 2 "$(count 'reports_total{result="kept"}')"
check_equal "metrics: refused" 4 "$(count 'reports_total{result="refused"}')"
check_equal "metrics: nodes" 1 "$(count nodes)"
check "metrics: parts" test "$(count 'requests_total{class="objects",status="206"}')" -ge 7
check "the access log has requests" grep -qE "^127\.0\.0\.1 - - \[[^]]+\] \"GET /$object HTTP/1\.1\" 206 10\$" access.txt

# --- who holds on to a connection ---
exec 5<>"/dev/tcp/127.0.0.1/${url##*:}"
printf 'GET /metadata/timestamp.json HTTP/1.1\r\nHost: x\r\n' >&5
began=$SECONDS
timeout 20 cat <&5 >/dev/null
check "a request that does not end is given up" test $((SECONDS - began)) -lt 15
exec 5>&-
kill -TERM "$pid"
status=0; wait "$pid" || status=$?
check_equal "it ends when told to" 0 $status
check_equal "and quietly" 1 "$(wc -l <log.txt)"

# --- limits ---
serve limited.txt --database state/reports.sqlite --report-rate 1 --max-connections 2
answers "what was reported is kept" 200 "$url/api/v1/nodes"
check_equal "with its node" 1 "$(count nodes)"
answers "first" 204 --data "$good" "$url/report"
answers "second" 204 --data "$good" "$url/report"
answers "one too many" 429 --data "$good" "$url/report"
check "which says when to come again" test "$(header Retry-After --data "$good" "$url/report")" -gt 30
exec 5<>"/dev/tcp/127.0.0.1/${url##*:}" 6<>"/dev/tcp/127.0.0.1/${url##*:}"
sleep 0.2
answers "one connection too many" 000 "$url/metrics"
exec 5>&- 6>&-
sleep 0.2
check_equal "is counted" 1 "$(count connections_refused_total)"
keeps "who waits makes room" crowd
kill "$pid"
serve closed.txt
answers "no reports without a database" 405 --data "$good" "$url/report"
answers "nor figures" 404 "$url/api/v1/nodes"
kill "$pid"

# --- TLS ---
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null
fails 1 "cannot use \"secret.txt\"" rel --tls-certificate secret.txt --tls-key key.pem
if serve tls.txt --tls-certificate cert.pem --tls-key key.pem --database state/reports.sqlite; then
	check_equal "its address is https" https "${url%%:*}"
	check "an object over TLS" sh -c "curl -s --cacert cert.pem '$url/$object' | cmp - 'rel/$object'"
	answers "a range" 206 --cacert cert.pem -r 70000-80000 "$url/$object"
	check_equal "one handshake for two" "1 0 " "$(ask --cacert cert.pem -o /dev/null -o /dev/null -w '%{num_connects} ' "$url/$object" "$url/metrics")"
	answers "nobody else's certificate" 000 "$url/$object"
	answers "nor plain text" 000 "http${url#https}/$object"
	answers "it goes on" 200 --cacert cert.pem "$url/metrics"
else
	skip "TLS" "GLib has no TLS here"
fi

# --- a node updates from it, and reports ---
m=$work/m
make_machine m
cp cert.pem m/root/cert.pem
printf '[Update]\nUrl=%s\nRef=lab/x86_64/vm\n[Network]\nCAFile=%s\n' "$url" "$m/root/cert.pem" >m/root/etc/ashlar/node.conf
exits 0 "Available:  3" check
check_equal "a node reports nothing unless told to" 1 "$(ask --cacert cert.pem "$url/metrics" | sed -n 's/^ashlar_serve_nodes //p')"
printf '[Report]\nUrl=%s/report\n' "$url" >>m/root/etc/ashlar/node.conf
system() { # what the figures have of version $1
	sleep 2.1
	ask --cacert cert.pem "$url/api/v1/nodes" | python3 -c "
import json, sys
system, = json.load(sys.stdin)['systems']
print([(one['ok'], one['updating'], one['failed']) for one in system['versions'] if one['version'] == '$1'], [one['reason'] for one in system['failures']])"
}
exits 0 "Next boot:  3" update
check_equal "it is updating" "[(0, 1, 0)] ['<b>it broke</b>']" "$(system 1)"
for _ in 1 2 3; do lab boot m >/dev/null; done
check_equal "its tries are used up" 1 "$(lab boot m)"
exits 0 "Available:  2" check
check_equal "it has failed" "[(0, 0, 1)]" "$(system 1 | sed 's/ .*)\]/&/; s/\] \[.*/]/')"
exits 0 "Next boot:  3" update --retry-bad
lab boot m >/dev/null
exits 0 "3 is good" mark-good
check_equal "and is good in the end" "[(1, 0, 0)] ['<b>it broke</b>']" "$(system 3)"
kill "$pid"
sed -i "s|^Url=.*/report|Url=https://127.0.0.1:1/report|; s|^Url=https://127.0.0.1:[0-9]*\$|Url=file://$work/rel|" m/root/etc/ashlar/node.conf
exits 77 "the newest version runs" check
finish
