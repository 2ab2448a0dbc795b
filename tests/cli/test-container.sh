#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Containers in many layers: the same tree as in one, what the next version has in common, and what other people's programs say.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need jq python3
registry=
on_exit() { [ -z "$registry" ] || kill "$registry" 2>/dev/null; }
store=$cache/test-store
cd "$work" || exit 1
cp "$top_srcdir/kickstarts/demo-vm.ks" boxed.ks
layers() { python3 "$top_srcdir/tests/cli/layers.py" "$@"; }
# write TYPE OUT: of the newest commit
write() { "$ASHLAR" image boxed/x86_64/container -t "$work/$1.toml" --store "$store" -o "$2" --progress=none; }
# type NAME LINES...: an image type of the container's tree
type_file() {
	local name=$1
	shift
	printf '%s\n' 'base = "container"' 'variant = "container"' "$@" >"$name.toml"
}
type_file split '[oci]' 'layers = 64' 'ports = ["53/udp", "80"]' 'volumes = ["/srv/data"]' 'stop_signal = "SIGQUIT"' 'user = "1000:1000"' \
	'cmd = ["/bin/echo", "-n", "-n", ""]' 'labels = ["a.b=c=d"]' 'annotations = ["org.opencontainers.image.licenses=MIT", "org.opencontainers.image.title=Boxed"]'
type_file one '[oci]' 'layers = 1'
type_file squeezed '[archive]' 'compression = "zstd"' '[oci]' 'layers = 8'
printf 'kind = "tar"\nvariant = "container"\n[archive]\ncompression = "none"\n' >plain.toml

check "the first snapshot" "$ASHLAR" build boxed.ks -t "$work/split.toml" --repos "$distro/release" --store "$store" -o a --progress=none
check "the second snapshot" "$ASHLAR" build boxed.ks -t "$work/split.toml" --repos "$distro/updates" --store "$store" -o b --progress=none
old=a/boxed-split.oci.tar new=b/boxed-split.oci.tar
[ -f "$new" ] || { finish; exit; }
check "one layer, and eight of zstd" sh -c "'$ASHLAR' image boxed/x86_64/container -t '$work/one.toml' --store '$store' -o b --progress=none &&
	'$ASHLAR' image boxed/x86_64/container -t '$work/squeezed.toml' --store '$store' -o b --progress=none"
check "the commit as a tar" write plain b
check "the layers again" write split c
check "have the same bytes" cmp "$new" c/boxed-split.oci.tar

# The tree
check "each file is in one layer, below its directories" layers check "$new"
check "and in eight" layers check b/boxed-squeezed.oci.tar
for image in boxed-split.oci.tar boxed-one.oci.tar boxed-squeezed.oci.tar boxed-plain.tar; do
	layers tree "b/$image" >"$image.list" 2>"$image.err" || not_ok "$image can be read" "$image.err"
done
check "the commit has files" test "$(wc -l <boxed-plain.tar.list)" -gt 1000
for image in split one squeezed; do
	check "the tree of \"$image\" is the commit's" diff boxed-plain.tar.list "boxed-$image.oci.tar.list"
done
check_equal "more than 40 layers" true "$([ "$(layers blobs "$new" | wc -l)" -gt 40 ] && echo true)"
check_equal "at most eight" true "$([ "$(layers blobs b/boxed-squeezed.oci.tar | wc -l)" -le 8 ] && echo true)"
read -r total reused < <(layers reuse "$old" "$new")
note "of $total bytes of layers, $((reused * 100 / total)) % are in the version before"
check "whoever has the first snapshot has most of the second" test "$((reused * 2))" -gt "$total"
check_equal "of one layer nothing" 0 "$(layers reuse "$old" b/boxed-one.oci.tar | cut -d ' ' -f 2)"

# Other people's programs
if command -v skopeo >/dev/null; then
	config() { skopeo inspect --config "oci-archive:$new" | jq -c "$1"; }
	check_equal "ports" '["53/udp","80"]' "$(config '.config.ExposedPorts | keys')"
	check_equal "volumes" '["/srv/data"]' "$(config '.config.Volumes | keys')"
	check_equal "stop signal and user" '["SIGQUIT","1000:1000"]' "$(config '[.config.StopSignal, .config.User]')"
	check_equal "words of the command" '["/bin/echo","-n","-n",""]' "$(config .config.Cmd)"
	check_equal "labels" '{"a.b":"c=d"}' "$(config .config.Labels)"
	check_equal "annotations" '["MIT","Boxed"]' "$(skopeo inspect --raw "oci-archive:$new" | jq -c '.annotations | [."org.opencontainers.image.licenses", ."org.opencontainers.image.title"]')"
	check_equal "zstd layers say so" '["application/vnd.oci.image.layer.v1.tar+zstd"]' \
		"$(skopeo inspect --raw "oci-archive:b/boxed-squeezed.oci.tar" | jq -c '[.layers[].mediaType] | unique')"
	for image in boxed-split boxed-squeezed; do
		check "skopeo copies $image" skopeo copy --insecure-policy "oci-archive:b/$image.oci.tar" "dir:$work/$image.dir"
	done
else
	skip "skopeo" "it is not installed"
fi
if command -v umoci >/dev/null && [ "$(id -u)" = 0 ]; then
	mkdir layout tree && tar -xf "$new" -C layout && tar --xattrs --xattrs-include='*' --numeric-owner -xpf b/boxed-plain.tar -C tree
	check "umoci unpack" umoci unpack --image "$work/layout:latest" bundle
	list() { (cd "$1" && find . -mindepth 1 -printf '%P|%y|%m|%U|%G|%l|%n|%Ts\n' | sort && find . -type f -exec sha256sum {} + | sort -k 2 && getfattr -hRd -m - . 2>/dev/null); }
	list bundle/rootfs | grep -v '^security.selinux' >unpacked.list
	list tree | grep -v '^security.selinux' >tree.list
	check "what it makes of all layers is the commit" diff tree.list unpacked.list
	rm -rf bundle tree layout
else
	skip "umoci unpack" "it is not installed, or not to be run by root"
fi

# One program
check "the distroless system builds" "$ASHLAR" build "$top_srcdir/kickstarts/demo-distroless.ks" -t distroless --repos "$distro/release" --store "$store" -o d --progress=none
image=d/demo-distroless-distroless.oci.tar
[ -f "$image" ] || { finish; exit; }
layers tree "$image" >distroless.list 2>distroless.err || not_ok "it can be read" distroless.err
cut -d ' ' -f 1 distroless.list >paths
refute "no shell, no package manager, no tools in it" grep -E '^usr/s?bin/(sh|bash|dash|rpm|dnf5?|env|ls|cat|busybox)$' paths
refute "no package database" grep -E 'rpmdb|Packages(\.db)?$|^usr/lib/sysimage/rpm|^var/lib/(rpm|dnf)/' paths
check "certificates" grep -x etc/ssl/certs/ca-certificates.crt paths
mkdir layout && tar -xf "$image" -C layout && mkdir small
tar -xf "layout/blobs/sha256/$(layers blobs "$image" | sed 's/^sha256:\([0-9a-f]*\) .*/\1/')" -C small --no-same-owner
manifest=small/var/lib/rpmmanifest/container-manifest
check "the bundle has all authorities" test "$(grep -c 'BEGIN CERTIFICATE' small/etc/ssl/certs/ca-certificates.crt)" -gt 100
check_equal "ten fields for scanners" 10 "$(awk -F '\t' '{ print NF }' $manifest-2 | sort -u)"
check_equal "both manifests have the same packages" "$(cat $manifest-1)" "$(awk -F '\t' '{ print $1 "-" $2 "." $8 }' $manifest-2)"
check "it has what was asked for, and what that needs" sh -c "grep -q '^curl-[0-9]' $manifest-1 && grep -q '^libcurl4-' $manifest-1 && grep -q '^libc6-' $manifest-1"
refute "and not what went" grep -E '^(bash|dash|coreutils|ca-certificates|librpm.*|libselinux1)-[0-9]' $manifest-1
if command -v rpm >/dev/null; then
	sed "s|.*|$distro/release/&.rpm|" $manifest-1 | xargs rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' 2>/dev/null | sed -n 's|^-[^ ]* /||p' | sort -u >owned
	grep -E '^usr/(s?bin|lib.*\.so)' paths | while read -r path; do [ -h "small/$path" ] || [ -d "small/$path" ] || echo "$path"; done | sort >programs
	check "there are programs and libraries" test "$(wc -l <programs)" -gt 20
	check_equal "each is a file of a package in the manifest" "" "$(comm -23 programs owned)"
	check_equal "and none of these is missing" "" "$(grep -E '^usr/(s?bin/|lib.*\.so)' owned | sort | comm -13 programs -)"
	check_equal "fields are what rpm says" "$(rpm -qp --qf '%{NAME}\t%{VERSION}-%{RELEASE}\t%{BUILDTIME}\t%{VENDOR}\t%{EPOCH}\t%{SIZE}\t%{ARCH}\t%{EPOCHNUM}\n' "$distro/release/$(grep '^zlib1g-' $manifest-1).rpm" 2>/dev/null)" \
		"$(grep '^zlib1g' $manifest-2 | cut -f 1,2,4-9)"
else
	skip "the manifest" "rpm is not installed"
fi
if command -v docker-registry >/dev/null && command -v skopeo >/dev/null && command -v umoci >/dev/null; then
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
		"$work" "$port" >registry.yml
	docker-registry serve registry.yml >registry.log 2>&1 &
	registry=$!
	for _ in $(seq 100); do skopeo list-tags --tls-verify=false "docker://127.0.0.1:$port/none" 2>&1 | grep -q refused || break; sleep 0.1; done
	check "skopeo pushes it to a registry" skopeo copy --insecure-policy --dest-tls-verify=false "oci-archive:$image" "docker://127.0.0.1:$port/one/program:1"
	check "and pulls it back" skopeo copy --insecure-policy --src-tls-verify=false "docker://127.0.0.1:$port/one/program:1" oci:pulled:1
	check "the manifest is the same" cmp "layout/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' layout/index.json)" "pulled/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' pulled/index.json)"
	check "umoci unpacks it" umoci unpack --rootless --image pulled:1 bundle
	if command -v bwrap >/dev/null && bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev true 2>/dev/null; then
		check "the program runs in it" bwrap --unshare-all --ro-bind bundle/rootfs / --proc /proc --dev /dev --clearenv /usr/bin/curl --version
		refute "nothing else does" bwrap --unshare-all --ro-bind bundle/rootfs / --proc /proc --dev /dev --clearenv /bin/sh -c true
	fi
	kill "$registry"
else
	skip "a registry" "docker-registry, skopeo or umoci is not installed"
fi
check "the program runs" unshare -r chroot "$work/small" /usr/bin/curl --version
finish
