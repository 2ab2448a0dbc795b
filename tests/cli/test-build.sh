#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds the demo system for every image type and lets other people's programs judge what came out.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need jq ostree
out=$work/out
store=$cache/test-store
ashlar() { "$ASHLAR" "$@" --progress=none; }

check "the demo system builds for all image types" "$ASHLAR" build "$top_srcdir/kickstarts/demo-vm.ks" \
	-t azure-vm -t qemu-vm -t container -t wsl --repos "$distro/release" --store "$store" -o "$out" --progress=plain
raw=$out/demo-vm-qemu-vm.raw vhd=$out/demo-vm-azure-vm.vhd oci=$out/demo-vm-container.oci.tar wsl=$out/demo-vm-wsl.wsl
qcow2=$(sha256sum <"$out/demo-vm-qemu-vm.qcow2")
check "ashlar image -f writes another format" ashlar image demo-vm/x86_64/qemu-vm -t qemu-vm -f raw -f qcow2 --store "$store" -o "$out"
[ -f "$raw" ] || { finish; exit; }
check_equal "the qcow2 beside a raw disk has the same bytes as alone" "$qcow2" "$(sha256sum <"$out/demo-vm-qemu-vm.qcow2")"
refute "-f refuses a format that there is not" ashlar image demo-vm/x86_64/qemu-vm -t qemu-vm -f floppy --store "$store" -o "$out"

check "ostree fsck" ostree fsck --quiet --repo="$store/repo"

# Disks
sfdisk --json "$raw" >"$work/table.json" 2>/dev/null
# The first partition with content of a type (DPS), as a file.
slice() { # TYPE-GUID FILE
	local start size
	read -r start size < <(jq -r --arg type "$1" '[.partitiontable.partitions[] | select(.type == $type and .name != "_empty")][0] | "\(.start) \(.size)"' "$work/table.json")
	dd if="$raw" of="$2" bs=512 skip="$start" count="$size" conv=sparse status=none
}
check "sfdisk --verify" sfdisk --verify "$raw"
check_equal "six partitions" 6 "$(jq '.partitiontable.partitions | length' "$work/table.json")"
slice 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 "$work/root-a"
slice 2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5 "$work/hash-a"
slice 4D21B016-B534-45C2-A9FB-5C16E091FD2D "$work/var"
slice C12A7328-F81F-11D2-BA4B-00A0C93EC93B "$work/esp"
check "fsck.erofs" fsck.erofs "$work/root-a"
check "e2fsck -fn" e2fsck -fn "$work/var"
check "fsck.vfat -n" fsck.vfat -n "$work/esp"
roothash=$("$ASHLAR" inspect "$raw" --json --progress=none | jq -r '.roots[0].root_hash')
check "veritysetup verify" veritysetup verify "$work/root-a" "$work/hash-a" "$roothash"
refute "veritysetup refuses another root hash" veritysetup verify "$work/root-a" "$work/hash-a" "${roothash%?}0000"
check_equal "PARTUUID of root A is the root hash's first half" "${roothash:0:32}" \
	"$(jq -r '[.partitiontable.partitions[] | select(.type == "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709" and .name != "_empty")][0] | .uuid' "$work/table.json" | tr -d - | tr A-F a-f)"
check_equal "qemu-img calls the VHD vpc" vpc "$(qemu-img info -f vpc --output=json "$vhd" | jq -r .format)"
check_equal "the VHD is whole MiB" 0 "$(($(qemu-img info -f vpc --output=json "$vhd" | jq '."virtual-size"') % 1048576))"
check_equal "the VHD is its virtual size and a footer" "$(($(qemu-img info -f vpc --output=json "$vhd" | jq '."virtual-size"') + 512))" "$(stat -c %s "$vhd")"
check "the qcow2 holds the same disk" qemu-img compare -f raw -F qcow2 "$raw" "$out/demo-vm-qemu-vm.qcow2"
if command -v systemd-dissect >/dev/null && systemd-dissect --json=short "$raw" >"$work/dissect.json" 2>"$work/dissect.err"; then
	check "systemd-dissect sees a bootable disk" jq -e '.useBootableUefi' "$work/dissect.json"
	check "and takes the filled slot for the root" jq -e '.mounts | map(select(.designator == "root" and .partno == 3 and .fstype == "erofs")) | length == 1' "$work/dissect.json"
	check "with its hash tree" jq -e '.mounts | map(select(.designator == "root-verity" and .partno == 2)) | length == 1' "$work/dissect.json"
else
	skip "systemd-dissect sees a bootable disk" "it needs a loop device here: $(head -n 1 "$work/dissect.err" 2>/dev/null)"
fi
ashlar inspect "$raw" --json >"$work/inspect.json"
check "ashlar inspect finds the root verified" jq -e '.roots[0].verified' "$work/inspect.json"
check "ashlar inspect knows the packages" jq -e '.packages | length > 100' "$work/inspect.json"
# Of a commit and of the disk that was made from it, whose root is without the initramfs. (Rules "boot-*" are about what only a disk has.)
for target in demo-vm/x86_64/qemu-vm "$raw"; do
	ashlar audit "$target" --store "$store" --json --inventory --rule '[!b]*' | jq 'del(.target, .summary.files)' >"$work/audit-${target##*/}.json"
done
check "ashlar audit says of the disk what it says of the commit" cmp "$work/audit-qemu-vm.json" "$work/audit-${raw##*/}.json"
check "and finds no error in it" jq -e '.summary.error == 0 and .summary.programs > 500' "$work/audit-qemu-vm.json"
cp --sparse=always "$raw" "$work/flipped"
damage "$work/flipped" $(($(jq '[.partitiontable.partitions[] | select(.type == "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709" and .name != "_empty")][0] | .start' "$work/table.json") * 512 + 5000000))
refute "ashlar inspect refuses a flipped byte" ashlar inspect "$work/flipped"
rm -f "$work/flipped"

# The tree, unpacked from a tar of the same commit: rpm's own check. fsck.erofs cannot unpack set-user-ID bits and capabilities.
printf 'kind = "tar"\ndescription = "for rpm -Va"\n[archive]\ncompression = "none"\n' >"$work/tree.toml"
check "ashlar image writes another type from the commit" ashlar image demo-vm/x86_64/qemu-vm -t "$work/tree.toml" --store "$store" -o "$work"
mkdir "$work/tree"
if [ "$(id -u)" = 0 ]; then
	tar --xattrs --xattrs-include='*' --numeric-owner -xpf "$work"/demo-vm-tree.tar -C "$work/tree"
	rpm -Va --root "$work/tree" --dbpath /usr/lib/sysimage/rpm >"$work/verify" 2>&1
	grep -v '^#' "$top_srcdir/tests/cli/rpm-verify.expected" >"$work/expected"
	check_equal "rpm -Va lists only what is meant to differ" "" "$(grep -vE '^.{9}  [cg] /' "$work/verify" | grep -vEf "$work/expected")"
	check "the expected list is needed" grep -qEf "$work/expected" "$work/verify"
	rm -rf "$work/tree"
else
	skip "rpm -Va lists only what is meant to differ" "unpacking owners needs root"
fi
mkdir "$work/extracted"
check "fsck.erofs unpacks the root" fsck.erofs --extract="$work/extracted" --force "$work/root-a"
check "its files are those of the tar, but for the initramfs, which the kernel image has" sh -c "cd '$work/extracted' && find . -type f -exec sha256sum {} + | sort -k 2 >'$work/sums.erofs' && mkdir '$work/again' && tar -xf '$work/demo-vm-tree.tar' -C '$work/again' && cd '$work/again' && find . -type f ! -path './usr/lib/modules/*/initramfs.img' -exec sha256sum {} + | sort -k 2 | cmp - '$work/sums.erofs'"
rm -rf "$work/extracted" "$work/again"

# Archives
if command -v skopeo >/dev/null; then
	check "skopeo inspect" skopeo inspect "oci-archive:$oci"
	check_equal "the image is for amd64" amd64 "$(skopeo inspect "oci-archive:$oci" | jq -r .Architecture)"
else
	skip "skopeo inspect" "skopeo is not installed"
fi
if command -v umoci >/dev/null; then
	mkdir "$work/layout" && tar -xf "$oci" -C "$work/layout"
	check "umoci unpack" umoci unpack --rootless --image "$work/layout:latest" "$work/bundle"
	rootfs=$work/bundle/rootfs
	check "a command runs in the unpacked root" unshare -r chroot "$rootfs" /bin/sh -c '. /etc/os-release && test "$ID" = mortar'
	refute "no kernel in the container" sh -c "ls '$rootfs'/usr/lib/modules/*/vmlinuz '$rootfs'/boot/vmlinuz*"
	refute "no init in the container" test -e "$rootfs/usr/lib/systemd/systemd"
else
	skip "umoci unpack" "umoci is not installed"
fi
check "the WSL file is a gzip tar" gzip -t "$wsl"
tar -tzf "$wsl" | sed 's|^\./||' >"$work/wsl-list"
for file in etc/wsl.conf etc/wsl-distribution.conf; do
	check "the WSL file has $file" grep -qx "$file" "$work/wsl-list"
done
check "it names an oobe command and an icon" sh -c "tar -xzf '$wsl' -O --wildcards '*usr/lib/wsl-distribution.conf' | grep -Eq '^command *=' && tar -xzf '$wsl' -O --wildcards '*usr/lib/wsl-distribution.conf' | grep -Eq '^icon *='"
refute "no kernel in the WSL file" grep -q '^usr/lib/modules/.*/vmlinuz' "$work/wsl-list"
check "units that WSL cannot have are masked" sh -c "tar -tvzf '$wsl' | grep -q 'systemd-vconsole-setup.service -> /dev/null'"

# Commits
ref=demo-vm/x86_64/qemu-vm
check "the layout of the root is beside the disk" test -s "$out/demo-vm-qemu-vm.layout"
ashlar image "$ref" -t qemu-vm -f qcow2 -f raw --store "$store" -o "$work/anchored" --anchor "$out/demo-vm-qemu-vm.layout" --checksums --json >"$work/anchored.json"
check "ashlar image takes it for the next version: nothing changed, the same bytes" cmp "$raw" "$work/anchored/demo-vm-qemu-vm.raw"
check "and the same layout" cmp "$out/demo-vm-qemu-vm.layout" "$work/anchored/demo-vm-qemu-vm.layout"
check_equal "--checksums hashes the raw disk, too" "$(sha256sum <"$raw" | cut -d ' ' -f 1)" "$(jq -r '.artifacts[] | select(.format == "raw") | .sha256' "$work/anchored.json")"
refute "ashlar image refuses another file as a layout" ashlar image "$ref" -t qemu-vm --store "$store" -o "$work/anchored" --anchor "$top_srcdir/configure.ac"
rm -rf "$work/anchored"
check "ashlar log" sh -c "'$ASHLAR' log $ref --store '$store' --progress=none | grep -q ^commit"
check_equal "ashlar ls lists the tree" 1 "$(ashlar ls "$ref" /usr/lib/os-release --store "$store" | grep -c os-release)"
check "ashlar cat" sh -c "'$ASHLAR' cat $ref /usr/lib/os-release --store '$store' --progress=none | grep -q ^ID=mortar"
check "ashlar ls --packages" sh -c "'$ASHLAR' ls $ref --packages --store '$store' --progress=none | grep -q ^bash-"

# Nothing changed
status=0
ashlar build "$top_srcdir/kickstarts/demo-vm.ks" -t qemu-vm --repos "$distro/release" --store "$store" -o "$out" --unchanged-exit-77 >"$work/.output" 2>&1 || status=$?
check_equal "an unchanged build says so with status 77" 77 $status
finish
