#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# SELinux labels in images: each name's is what matchpathcon(8) makes of the policy in the image. This machine needs no SELinux.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need jq sfdisk debugfs matchpathcon python3
store=$cache/test-store
cd "$work" || exit 1
ashlar() { "$ASHLAR" "$@" --store "$store" --progress=none; }
labels() { python3 "$top_srcdir/tests/cli/labels.py" "$@"; }
# build MODE [TYPE]: the demo system with that of "selinux"
build() {
	printf '%%include %s\nselinux --%s\nbootloader --timeout=2\npart /srv/files --fstype=ext4 --size=32\n' "$top_srcdir/kickstarts/demo-vm.ks" "$1" >"$1.ks"
	ashlar build "$1.ks" -t "${2:-qemu-vm}" -f raw --repos "$distro/release" -o .
}
# slice IMAGE TYPE-GUID FILE: the first partition with content of a type
slice() {
	local start size
	read -r start size < <(sfdisk --json "$1" 2>/dev/null |
		jq -r --arg type "$2" '[.partitiontable.partitions[] | select(.type == $type and .name != "_empty")][0] | "\(.start) \(.size)"')
	dd if="$1" of="$3" bs=512 skip="$start" count="$size" conv=sparse status=none
}
root_type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 var_type=4D21B016-B534-45C2-A9FB-5C16E091FD2D data_type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
told() { grep -aoE -m 1 'roothash=[0-9a-f]{64} [^[:cntrl:]]*' "$1" | head -n 1 | tr ' ' '\n' | grep -E '^(security|selinux|lsm)='; }
ext4_label() { debugfs -R "ea_get -V $2 security.selinux" "$1" 2>/dev/null | tr -d '\0'; }
expected() { matchpathcon -n -f contexts/file_contexts -m "$1" "$2"; }

check "a system that enforces" build enforcing
raw=enforcing-qemu-vm.raw
[ -f "$raw" ] || { finish; exit; }
check_equal "its kernel is told to have SELinux" "security=selinux" "$(told "$raw")"
check_equal "and its configuration says so" "enforcing" "$(ashlar cat enforcing/x86_64/qemu-vm /etc/selinux/config | sed -n 's/^SELINUX=//p')"

# The policy's own text, not what was compiled of it.
mkdir contexts
for name in file_contexts file_contexts.homedirs file_contexts.subs file_contexts.subs_dist; do
	ashlar cat enforcing/x86_64/qemu-vm "/etc/selinux/default/contexts/files/$name" >"contexts/$name"
done
slice "$raw" "$root_type" root
labels erofs root >root.labels
labels expect root.labels contexts/file_contexts >root.expected
check "the root has names" test "$(wc -l <root.labels)" -gt 10000
check "and labels of many kinds" test "$(cut -d ' ' -f 3- root.labels | sort -u | wc -l)" -gt 50
check "each is the policy's" diff root.expected root.labels
check_equal "without one there is only what the policy leaves out" 0 "$(grep '<<none>>$' root.labels | grep -cvxFf root.expected)"
slice "$raw" "$var_type" var
for name in / /lost+found /lib /lib/ashlar /lib/systemd; do
	check_equal "in /var: $name" "$(expected dir "/var${name%/}")" "$(ext4_label var "$name")"
done
check_equal "homes are homes" "$(expected file /home/demo/.ssh/authorized_keys)" "$(expected file /var/home/demo/.ssh/authorized_keys)"
check_equal "changes to /etc have the labels of /etc" "$(expected file /etc/shadow)" "$(expected file /var/lib/ashlar/etc/upper/shadow)"
slice "$raw" "$data_type" data
for name in / /lost+found; do
	check_equal "in /srv/files: $name" "$(expected dir "/srv/files${name%/}")" "$(ext4_label data "$name")"
done
check "e2fsck -fn" sh -c "e2fsck -fn var && e2fsck -fn data"

# The same commit in other shapes
printf 'kind = "tar"\n[archive]\ncompression = "none"\n' >tree.toml
printf 'kind = "oci"\n' >box.toml
printf 'kind = "wsl"\n' >subsystem.toml
for name in tree box subsystem; do
	check "the commit as \"$name\"" ashlar image enforcing/x86_64/qemu-vm -t "$work/$name.toml" -o .
done
labels tar enforcing-tree.tar >tree.labels
check_equal "a tar has all labels of the root" "" "$(comm -23 root.labels tree.labels)"
mkdir box
tar -xf enforcing-box.oci.tar -C box
for blob in box/blobs/sha256/*; do labels tar "$blob" 2>/dev/null; done >box.labels
labels tar enforcing-subsystem.wsl >subsystem.labels
for name in box subsystem; do
	check_equal "none is in \"$name\"" "<<none>>" "$(awk '{ print $NF }' $name.labels | sort -u)"
done
rm -rf ./*.raw ./*.tar ./*.wsl box root var data

check "a package-managed system that enforces" build enforcing qemu-traditional
raw=enforcing-qemu-traditional.raw
slice "$raw" "$root_type" root
# KIND NAME: of each part of the tree, of what the composer writes into it, and of what the file system itself has
while read -r kind name; do
	check_equal "in its root: $name" "$(expected "$kind" "$name")" "$(ext4_label root "$name")"
done <<'END'
dir /
dir /lost+found
dir /boot
dir /etc
file /etc/fstab
file /etc/shadow
file /etc/kernel/cmdline
dir /home
dir /root
dir /usr
file /usr/bin/bash
dir /var
dir /var/lib
dir /var/log
dir /var/tmp
END
slice "$raw" "$data_type" data
for name in / /lost+found; do
	check_equal "in its /srv/files: $name" "$(expected dir "/srv/files${name%/}")" "$(ext4_label data "$name")"
done
rm -f root data "$raw"

# A deployment of OSTree: names are those that the booted system has
printf '%%include %s\nselinux --enforcing\n%%packages\n@selinux\n%%end\n' "$top_srcdir/kickstarts/demo-ostree.ks" >deployed.ks
check "a system for OSTree that enforces" ashlar build deployed.ks -t ostree-vm -f raw --repos "$distro/release" -o .
check "the modules of the policy are where upgrades find them" ashlar cat deployed/x86_64/ostree /usr/etc/selinux/default/active/commit_num
raw=deployed-ostree-vm.raw
for name in file_contexts file_contexts.homedirs file_contexts.subs file_contexts.subs_dist; do
	ashlar cat deployed/x86_64/ostree "/usr/etc/selinux/default/contexts/files/$name" >"contexts/$name"
done
slice "$raw" "$root_type" root
labels ext4 root >root.labels
of_system=/ostree/deploy/deployed
deployment=$of_system/deploy/$(awk '{ print $2 }' root.labels | sed -n "s|^$of_system/deploy/\([0-9a-f]*[.]0\)\$|\1|p")
# File objects and the kernels in /boot are other names of the deployment's files.
sed -E "/ [/]ostree[/]repo[/]objects[/].*[.]file /d; /^file [/]boot[/]ostree[/]/d; s| $deployment/usr/etc([/ ])| /etc\1|; s| $deployment/| /|
	s| $deployment | / |; s| $of_system/var([/ ])| /var\1|" root.labels | sort >mapped.labels
# Of the rest in /ostree only libostree knows.
grep -vE "^dir /ostree | /ostree/" mapped.labels >booted.labels
labels expect booted.labels contexts/file_contexts >booted.expected
check "its root has names" test "$(wc -l <booted.labels)" -gt 10000
check "each has the label of its name in the booted system" diff booted.expected booted.labels
for name in "file /etc/shadow" "dir /var" "dir /var/log" "lnk_file /var/run" "file /boot/loader.1/entries/ostree-1-deployed.conf" "dir /lost+found"; do
	check "among them: ${name#* }" grep -q "^$name system_u" booted.labels
done
check_equal "what says where it is from has that of configuration" "$(expected file /etc/ostree/remotes.d/origin.conf)" \
	"$(grep " $deployment.origin " root.labels | awk '{ print $3 }')"
check_equal "the rest has that of the root" "$(expected dir /)" "$(grep -E "^dir /ostree | /ostree/" mapped.labels | grep -v '[.]origin ' | awk '{ print $NF }' | sort -u)"
check "a file of the repository has that of the deployment's" sh -c "debugfs -R 'stat $deployment/usr/bin/bash' root 2>/dev/null | grep -q 'Links: [2-9]'"
check_equal "kernels are those of the deployment" 0 "$(grep -c '<<none>>' <(grep ' /boot/ostree/' root.labels))"
check "e2fsck -fn" e2fsck -fn root
rm -f root "$raw"

check "a system without SELinux" build disabled
raw=disabled-qemu-vm.raw
check_equal "its kernel is told so" "selinux=0" "$(told "$raw")"
check_equal "and its configuration says so" "disabled" "$(ashlar cat disabled/x86_64/qemu-vm /etc/selinux/config | sed -n 's/^SELINUX=//p')"
slice "$raw" "$root_type" root
check_equal "nothing has a label" "<<none>>" "$(labels erofs root | awk '{ print $NF }' | sort -u)"
slice "$raw" "$var_type" var
check_equal "nor has /var" "" "$(ext4_label var /)"
finish
