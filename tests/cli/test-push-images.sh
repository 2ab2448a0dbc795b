#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# ashlar push with archives of container images: one, several architectures under one tag, and one more later. umoci makes the archives, a
# registry and skopeo are who reads them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need docker-registry jq curl skopeo umoci
cd "$work" || exit 1
export HOME=$work DOCKER_CONFIG=$work/none XDG_RUNTIME_DIR=$work/none
unset REGISTRY_AUTH_FILE
on_exit() { kill "${registry:-0}" 2>/dev/null; }

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
	"$work" "$port" >registry.yml
docker-registry serve registry.yml >registry.log 2>&1 &
registry=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" >/dev/null && break; sleep 0.1; done
to=oci://127.0.0.1:$port/lab/base

# archive NAME ARCHITECTURE: an image with one layer of its own
archive() {
	mkdir -p "root-$1"
	echo "$1" >"root-$1/name"
	umoci init --layout layout >/dev/null 2>&1
	{ umoci new --image "layout:$1" && umoci config --architecture "$2" --image "layout:$1" &&
		umoci insert --rootless --image "layout:$1" "root-$1" /data; } >umoci.log 2>&1 || { note "$(cat umoci.log)"; exit 1; }
	skopeo --insecure-policy copy -q "oci:layout:$1" "oci-archive:$1.tar:1.0" || exit 1
}
# pushes STATUS "TEXT" ARGUMENT...
pushes() {
	local want=$1 text=$2 status=0
	shift 2
	"$ASHLAR" push "$@" --progress=none >out.txt 2>err.txt || status=$?
	if [ $status = "$want" ] && cat out.txt err.txt | grep -qF -- "$text"; then
		ok "push ${*//$work\//} exits $want${text:+: $text}"
	else
		{ echo "status $status"; cat out.txt err.txt; } >.output
		not_ok "push ${*//$work\//} exits $want${text:+: $text}" .output
	fi
}
raw() { skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$port/lab/base:$1"; }
platforms() { raw "$1" | jq -r '[.manifests[].platform | .architecture + (if .variant then "/" + .variant else "" end)] | join(" ")'; }

archive intel amd64
archive arm arm64
archive risc riscv64
archive intel2 amd64

pushes 0 "is sha256:" intel.tar $to
check_equal "one image: the tag is its own, and its manifest" "application/vnd.oci.image.manifest.v1+json" "$(raw 1.0 | jq -r '.mediaType // "application/vnd.oci.image.manifest.v1+json"')"
check_equal "as it is in the archive" "$(tar -xOf intel.tar index.json | jq -r '.manifests[0].digest')" "sha256:$(raw 1.0 | sha256sum | cut -d ' ' -f 1)"
pushes 0 "0 of 2 blobs were missing" intel.tar $to:again
pushes 0 "linux/amd64, linux/arm64" intel.tar arm.tar $to:both
check_equal "two: an index" "amd64 arm64" "$(platforms both)"
check_equal "with its type" application/vnd.oci.image.index.v1+json "$(raw both | jq -r .mediaType)"
for arch in amd64 arm64; do
	check_equal "of which an $arch machine takes its own" $arch \
		"$(skopeo --override-arch $arch inspect --tls-verify=false "docker://127.0.0.1:$port/lab/base:both" | jq -r .Architecture)"
done
check "skopeo copies all of it" skopeo --insecure-policy copy -q --all --src-tls-verify=false "docker://127.0.0.1:$port/lab/base:both" oci:copied:both
digest=$(raw both | sha256sum)
pushes 0 "" arm.tar intel.tar $to:both --json
check_equal "the order does not matter" "$digest" "$(raw both | sha256sum)"
check_equal "and nothing is sent twice" 0 "$(jq .sent_blobs out.txt)"
check_equal "JSON has the digest" "sha256:${digest%% *}" "$(jq -r .digest out.txt)"
pushes 0 "riscv64" risc.tar $to:both --add
check_equal "one more later" "amd64 arm64 riscv64" "$(platforms both | tr ' ' '\n' | sort | xargs)"
pushes 0 "" intel2.tar $to:both --add
check_equal "another one of an architecture takes its place" "amd64 arm64 riscv64" "$(platforms both | tr ' ' '\n' | sort | xargs)"
check_equal "which is the new one" "$(tar -xOf intel2.tar index.json | jq -r '.manifests[0].digest')" \
	"$(raw both | jq -r '.manifests[] | select(.platform.architecture == "amd64") | .digest')"
pushes 0 "linux/riscv64" risc.tar $to:fresh --add
check_equal "--add begins an index, too" riscv64 "$(platforms fresh)"
skopeo --insecure-policy copy -q --all oci:copied:both oci-archive:whole.tar:2.0
pushes 0 "linux/amd64, linux/arm64" whole.tar $to
check_equal "an archive with an index in it" "amd64 arm64" "$(platforms 2.0)"

# --- refused ---
pushes 2 "two of the images are for linux/amd64" intel.tar intel2.tar $to:both
pushes 2 "is one image, not an index" risc.tar $to:1.0 --add
pushes 2 "--verify and --connections go with a release directory" risc.tar $to --verify
pushes 2 "no archive of an image" nowhere.tar $to
tar -cf plain.tar root-arm
pushes 3 "no archive of an OCI image" plain.tar $to
head -c 3000 intel.tar >cut.tar
pushes 3 "" cut.tar $to
mkdir broken
tar -xf risc.tar -C broken
layer=$(jq -r '.layers[0].digest' "broken/blobs/sha256/$(jq -r '.manifests[0].digest' broken/index.json | cut -d : -f 2)" | cut -d : -f 2)
damage "broken/blobs/sha256/$layer" 20
tar -cf broken.tar -C broken .
pushes 6 "is damaged in its archive" broken.tar "${to/base/broken}"
check_equal "and there is no tag" 404 "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/v2/lab/broken/tags/list")"
finish
