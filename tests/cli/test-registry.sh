#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# ashlar push and ashlar-node against a registry of container images, and one that does it wrong (tests/faults/registry.py).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cli/node.sh
. "$(dirname "$0")/node.sh"
need docker-registry jq curl
cd "$work" || exit 1
export HOME=$work DOCKER_CONFIG=$work/none XDG_RUNTIME_DIR=$work/none
unset REGISTRY_AUTH_FILE
m=$work/m
on_exit() { kill "${registry:-0}" "${front:-0}" 2>/dev/null; exec 7>&-; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
	"$work" "$port" >registry.yml
docker-registry serve registry.yml >registry.log 2>&1 &
registry=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" >/dev/null && break; sleep 0.1; done
script() { printf '%s\n' "$1" >script.json; : >script.json.log; }
script '{}'
mkfifo hold
python3 "$top_srcdir/tests/faults/registry.py" "$port" script.json <hold >front.port &
front=$!
exec 7>hold
for _ in $(seq 100); do [ -s front.port ] && break; sleep 0.1; done
front_port=$(cat front.port)
to=oci://127.0.0.1:$port/lab/nodes
by=oci://127.0.0.1:$front_port/lab/nodes

# pushes STATUS "TEXT" DIR ADDRESS OPTION...
pushes() {
	local want=$1 text=$2 status=0
	shift 2
	"$ASHLAR" push "$@" --progress=none >out.txt 2>err.txt || status=$?
	if [ $status = "$want" ] && cat out.txt err.txt | grep -qF -- "$text"; then
		ok "push $* exits $want${text:+: $text}"
	else
		{ echo "status $status"; cat out.txt err.txt; } >.output
		not_ok "push $* exits $want${text:+: $text}" .output
	fi
}
sent() { jq .sent_objects out.txt; }
manifest() { curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://127.0.0.1:$port/v2/lab/nodes/manifests/$1"; }
node_of() { # DIR ADDRESS: a machine that takes its updates from there
	make_machine "$1"
	sed -i "s|^Url=.*|Url=$2|" "$1/root/etc/ashlar/node.conf"
	m=$work/$1
}
network() { printf '[Network]\n%s\n' "$1" >>"$m/root/etc/ashlar/node.conf"; }
blob_of() { jq -r "$1.sha256" rel/targets/lab/x86_64/vm/*."$2".json; }

lab images .
publish 1 v1.img
publish 2 v2.img

# --- push ---
pushes 3 "no repository of a registry" rel oci://127.0.0.1:$port
pushes 3 "no repository of a registry" rel https://127.0.0.1:$port/lab/nodes
pushes 3 "no repository of a registry" rel oci://127.0.0.1:$port/Lab/nodes:tag
pushes 2 "there is no release directory" missing $to
pushes 0 "" rel $to --json
objects=$(find rel/objects rel/targets -type f | wc -l)
check "everything is sent" test "$(sent)" -ge "$((objects - 1))"
pushes 0 "has all of" rel $to
publish 3 v3.img
pushes 0 "" rel $to --json
check "of the next version only what is new" test "$(sent)" -lt 12
check_equal "one tag for each release" "lab-x86_64-vm-1 lab-x86_64-vm-2 lab-x86_64-vm-3 metadata" \
	"$(curl -s "http://127.0.0.1:$port/v2/lab/nodes/tags/list" | jq -r '.tags | sort | join(" ")')"
check_equal "which is an artifact" application/vnd.ashlar.release.v1 "$(manifest lab-x86_64-vm-3 | jq -r .artifactType)"
mkdir again
for tag in metadata lab-x86_64-vm-1 lab-x86_64-vm-2 lab-x86_64-vm-3; do
	manifest $tag | jq -r '.layers[] | .digest + " " + .annotations["org.opencontainers.image.title"]'
done | sort -u | while read -r digest path; do
	mkdir -p "again/$(dirname "$path")"
	curl -s "http://127.0.0.1:$port/v2/lab/nodes/blobs/$digest" >"again/$path"
done
check "titles and layers are the release directory again" sh -c 'cd again && find . -type f -exec cmp {} ../rel/{} \;'
check "all of it that clients ask for" sh -c "test \$(find again/objects -type f | wc -l) = \$(find rel/objects -type f | wc -l) && test -f again/metadata/timestamp.json"
if command -v skopeo >/dev/null; then
	check "skopeo inspect --raw gives the manifest" sh -c "skopeo inspect --raw --tls-verify=false docker://127.0.0.1:$port/lab/nodes:metadata | jq -e '.layers | length > 4'"
	check "skopeo copy takes a release" skopeo --insecure-policy copy -q --src-tls-verify=false docker://127.0.0.1:$port/lab/nodes:lab-x86_64-vm-3 dir:copied
	check "with its objects as they are" cmp "copied/$(blob_of .uki 3)" "rel/objects/$(blob_of .uki 3 | cut -c 1-2)/$(blob_of .uki 3)"
	check "and to another registry, where nodes find it" sh -c "
		for tag in metadata lab-x86_64-vm-3; do
			skopeo --insecure-policy copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false docker://127.0.0.1:$port/lab/nodes:\$tag docker://127.0.0.1:$port/mirror:\$tag || exit
		done"
	node_of m9 oci://127.0.0.1:$port/mirror
	exits 0 "Next boot:  3" update
else
	skip "skopeo" "it is not installed"
fi

# --- a node updates from it ---
node_of m $to/
exits 0 "Available:  3" check
exits 0 "Next boot:  3" update
check_equal "the new version boots first" "3 1" "$(lab check m)"
check_equal "boots" 3 "$(lab boot m)"
lab bless m
exits 77 "" update
cp -a rel old
publish 4 v4.img
exits 77 "" update
pushes 0 "" rel $to
exits 0 "Next boot:  4" update
pushes 10 "newer than" old $to
node_of m1 oci://127.0.0.1:$port/lab/other
exits 5 "timestamp" update
node_of m2 oci://127.0.0.1:$port/Lab
exits 3 "no repository of a registry" update

# --- who asks? ---
script '{"auth": "bearer"}'
node_of m3 $by
exits 0 "Next boot:  4" update
check "by a token that anybody gets" grep -q '^GET /v2/.* Bearer$' script.json.log
check_equal "one" 1 "$(grep -c '^GET /token' script.json.log)"
script '{"auth": "bearer", "uses": 3}'
node_of m4 $by
exits 0 "Next boot:  4" update
check "tokens that expire are replaced" test "$(grep -c '^GET /token' script.json.log)" -gt 2
script '{"auth": "basic"}'
node_of m5 $by
exits 5 "no file with credentials is given" update
network CredentialsFile=$work/credentials.json
exits 3 "credentials.json" update
echo '{"auths": {"other:5000": {"auth": "eDp5"}}}' >credentials.json
exits 5 "has no credentials for it" update
printf '{"auths": {"http://127.0.0.1:%s/v2/": {"username": "tester", "password": "wrong"}}}' "$front_port" >credentials.json
exits 5 "does not accept the credentials" update
printf '{"auths": {"127.0.0.1:%s": {"auth": "%s"}}, "credsStore": ""}' "$front_port" "$(printf tester:secret | base64)" >credentials.json
exits 0 "Next boot:  4" update
script '{"auth": "bearer"}'
pushes 0 "" rel $by/pushed --credentials credentials.json
check "push asks for a token with its password" grep -q '^GET /token?scope=repository:lab/nodes/pushed:pull,push,delete&service=test%2C%20with%20a%20comma - Basic$' script.json.log
pushes 0 "has all of" rel $by/pushed --credentials credentials.json
script '{"auth": "basic"}'
pushes 5 "no file with credentials" rel $by/basic
REGISTRY_AUTH_FILE=credentials.json pushes 0 "" rel $by/basic

# --- elsewhere, where nobody is told who asks ---
script '{"auth": "bearer", "rules": [{"path": "^/v2/.*/blobs/sha256:", "method": "GET", "do": "elsewhere"}]}'
node_of m6 $by
network CredentialsFile=$work/credentials.json
exits 0 "Next boot:  4" update
check "from there" grep -q '^GET /elsewhere/' script.json.log
refute "without our credentials" grep -q '^GET /elsewhere/.* \(Basic\|Bearer\)$' script.json.log

# --- what registries do wrong ---
fails() { # NAME RULES STATUS TEXT: an update through these rules
	script "{\"rules\": [$2]}"
	rm -rf f
	node_of f $by
	network Timeout=2s
	exits "$3" "$4" update
}
segment=$(blob_of '.segments[0].object' 4) tree=$(blob_of .tree 4)
fails "no ranges" '{"path": "/blobs/", "method": "GET", "do": "whole"}' 0 "Next boot:  4"
fails "a missing blob" "{\"path\": \"sha256:$segment\", \"do\": \"status\", \"status\": 404}" 5 "HTTP 404"
fails "a missing tree" "{\"path\": \"sha256:$tree\", \"do\": \"status\", \"status\": 404}" 5 "HTTP 404"
fails "a wrong byte" "{\"path\": \"sha256:$segment\", \"do\": \"flip\", \"at\": 1000}" 6 ""
fails "a wrong byte once" "{\"path\": \"sha256:$segment\", \"do\": \"flip\", \"at\": 1000, \"times\": 1}" 0 "Next boot:  4"
fails "a wrong byte in the metadata" '{"path": "sha256:'"$(sha256sum <rel/metadata/timestamp.json | cut -d' ' -f 1)"'", "do": "flip", "at": 200}' 6 ""
fails "a manifest that is none" '{"path": "/manifests/", "do": "flip", "at": 0}' 6 "manifest"
fails "busy for a while" '{"path": "/v2/", "do": "status", "status": 503, "skip": 2, "times": 2}' 0 "Next boot:  4"
fails "too many requests" '{"path": "/blobs/", "do": "status", "status": 429, "headers": {"Retry_After": "1"}, "times": 1}' 0 "Next boot:  4"
check_equal "nothing of it is left" "4 1" "$(lab check f)"
# A second copy helps.
script '{"rules": [{"path": "/manifests/", "do": "status", "status": 500}]}'
node_of m7 "$by $to"
exits 0 "Next boot:  4" update

# --- and while it is written to ---
script '{"rules": [{"path": "/blobs/uploads/", "method": "PUT", "do": "reset", "times": 2}, {"path": "/blobs/", "method": "HEAD", "do": "status", "status": 503, "times": 1}]}'
pushes 0 "" rel $by/uneven
script '{"rules": [{"path": "/blobs/uploads/", "method": "PUT", "skip": 5, "do": "status", "status": 403}]}'
pushes 5 "FAULT: as the script says" rel $by/begun
refute "nothing is offered yet" sh -c "curl -s http://127.0.0.1:$port/v2/lab/nodes/begun/tags/list | grep -q metadata"
script '{}'
pushes 0 "" rel $by/begun --json
check "what was sent is not sent again" test "$(sent)" -lt "$(jq .asked_objects out.txt)"
mkdir -p damaged
cp -a rel/. damaged/
truncate -s 100 "damaged/objects/${segment:0:2}/$segment"
pushes 6 "is damaged" damaged $by/damaged
cp "rel/objects/${segment:0:2}/$segment" damaged/objects/"${segment:0:2}"/
damage "damaged/objects/${segment:0:2}/$segment" 10
pushes 5 "DIGEST_INVALID" damaged $by/damaged
# What the registry has lost.
find registry -path "*_layers*$segment*" -name link -path '*/lab/nodes/_layers/*' -delete
fails "a blob that is lost" '' 5 "HTTP 404"
pushes 0 "has all of" rel $to
pushes 0 "1 objects were missing" rel $to --verify
exits 0 "Next boot:  4" update

# --- releases that are no more ---
for version in 2 3 4 5 6; do "$LAB" publish "$work/rel2" 1700000000 $version v1.img; done
tags() { curl -s "http://127.0.0.1:$front_port/v2/lab/nodes/pruned/tags/list" | jq -r '.tags | sort | map(sub("lab-x86_64-vm-"; "")) | join(" ")'; }
script '{}'
pushes 0 "" rel $by/pruned
manifest metadata | curl -s -o /dev/null -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @- \
	"http://127.0.0.1:$port/v2/lab/nodes/pruned/manifests/of-somebody"
old=$(echo rel/targets/lab/x86_64/vm/*.1.json)
cp "$old" "rel2/${old#rel/}"
pushes 0 "" rel2 $by/pruned
check_equal "a release whose file waits keeps its tag" "1 2 3 4 5 6 metadata of-somebody" "$(tags)"
rm "rel2/${old#rel/}"
pushes 0 "has all of" rel2 $by/pruned
notes() { check "a note: $1" sh -c "'$ASHLAR' push rel2 $by/pruned --progress=plain 2>&1 | grep -q 'tags of releases that were pruned stay: .*$1'"; }
notes "HTTP 40[05]" # Docker's own
script '{"rules": [{"path": "/manifests/", "method": "DELETE", "do": "status", "status": 405}]}'
notes "HTTP 405"
script '{"rules": [{"path": "/tags/list", "do": "status", "status": 403}]}'
notes "tags cannot be listed: HTTP 403"
script '{"auth": "bearer", "rules": [{"path": "/manifests/", "method": "DELETE", "do": "untag"}, {"path": "/tags/list", "do": "pages", "n": 2}]}'
pushes 0 "1 tags of releases that were pruned are gone" rel2 $by/pruned --credentials credentials.json
check_equal "in pages" 4 "$(grep -c '/tags/list' script.json.log)"
script '{"rules": [{"path": "/tags/list", "do": "pages", "n": 100}]}'
check_equal "that of the old release went, nobody else's" "2 3 4 5 6 metadata of-somebody" "$(tags)"
pushes 0 "" rel2 $by/pruned --json
check_equal "once" 0 "$(jq .removed_tags out.txt)"
finish
