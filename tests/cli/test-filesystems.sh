#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A kickstart's partitions: swap, /srv and /var/log in ext4, /home in xfs, a root in squashfs, /opt and one more swap in LVM; other people's programs look into each.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need jq sfdisk blkid debugfs e2fsck mkfs.xfs xfs_repair xfs_db unsquashfs veritysetup pvck
cd "$work" || exit 1
store=$cache/test-store

# The demo system, whose packages the store has.
{
	sed '/^%packages/,$d' "$top_srcdir/kickstarts/demo-vm.ks"
	cat <<'END'
part swap --size=64 --label=paging --fsoptions=pri=5
part /srv --size=40 --fstype=ext4 --label=files --fsoptions=nodev,noatime
part /var/log --size=32 --fsoptions=nodev,nosuid,noexec
part /home --fstype=xfs --size=320 --grow --maxsize=4096
part /boot --size=500
part pv.01 --size=90
volgroup vg-1 pv.01
logvol /opt --vgname=vg-1 --name=opt --percent=50 --fsoptions=nodev --label=added
logvol swap --vgname=vg-1 --name=paging --size=16
logvol /var/spool --vgname=vg-1 --name=spool --size=1 --grow
END
	sed -n '/^%packages/,$p' "$top_srcdir/kickstarts/demo-vm.ks"
} >parts.ks
cat >squash.toml <<'END'
base = "common/vm"
description = "a root in squashfs"
[disk]
formats = ["raw"]
[[partition]]
role = "esp"
fs = "vfat"
size = "256M"
[[partition]]
role = "root-verity"
slot = "a"
min_size = "8M"
[[partition]]
role = "root"
slot = "a"
fs = "squashfs"
label = "@NAME@_@VERSION@"
read_only = true
[[partition]]
role = "var"
fs = "ext4"
size = "64M"
grow = true
END
printf 'base = "squash"\n[disk]\nswap = false\n' >no-swap.toml

build() { # OUT TYPE KICKSTART OPTION...
	local out=$1 type=$2 kickstart=$3
	shift 3
	"$ASHLAR" build "$kickstart" -t "$type" --repos "$distro/release" --store "$store" -o "$out" --progress=plain "$@" </dev/null
}
# refuses LINE TEXT: a kickstart with that line is refused with that text, before anything is made
refuses() {
	local found
	sed "s|^part /srv.*|$1|" parts.ks >wrong.ks
	build nothing ./squash.toml wrong.ks >said 2>&1
	found=$?
	if [ $found = 3 ] && grep -qF -- "$2" said && [ ! -e nothing ]; then
		ok "refused: $1"
	else
		echo "status $found" >>said
		not_ok "refused: $1" said
	fi
}
refuses 'part /srv --size=40 --fstype=btrfs' 'say --fstype=ext4 or --fstype=xfs'
refuses 'part /usr --size=40' 'cannot have it as a partition of its own'
refuses 'logvol /srv --vgname=v --name=n --size=40' 'has no volume group "v": say "volgroup v pv.N"'
refuses 'raid /srv --device=0 --level=1 raid.1 raid.2' 'an array belongs to a machine and its disks'

check "images are written" build one ./squash.toml parts.ks
image=one/parts-squash.raw
json=$(sfdisk --json "$image")
# slice NAME FILE: the partition with that label, or of that type
slice() {
	local start size
	read -r start size < <(echo "$json" | jq -r "[.partitiontable.partitions[] | select(.name == \"$1\" or .type == \"$1\")][0] | \"\(.start) \(.size)\"")
	dd if="$image" of="$2" bs=1M skip=$((start / 2048)) count=$((size / 2048)) conv=sparse status=none
	truncate -s $((size * 512)) "$2"
}
has() { grep -qF -- "$2" "$1" || { cat "$1"; return 1; }; }
tells() { # FILE TEXT...: blkid says so
	local file=$1 text
	shift
	blkid -p "$file" >told
	for text; do has told "$text" || return 1; done
}
type_of() { echo "$json" | jq -r ".partitiontable.partitions[] | select(.name == \"$1\") | .type"; }

check "types of the partitions" test "$(type_of swap) $(type_of srv) $(type_of var-log) $(type_of home)" = \
	"0657FD6D-A4AB-43C4-84E5-0933C84B4F4F 3B8F8425-20E0-4F3B-907F-1A25A76F98E8 0FC63DAF-8483-4772-8E79-3D69D8477DE4 933AC7E1-2EB4-4F13-B844-0E14E2AEF915"
check "the one that grows is the last" test "$(echo "$json" | jq -r '.partitiontable.partitions[-1] | .name + " " + .attrs')" = "home GUID:59"
# What is in the root is known from the image as from its commit.
"$ASHLAR" inspect --json "$image" >inspected 2>said
check "inspect reads the root's os-release" jq -e '[.roots[] | .os_release // "" | tostring | contains("IMAGE_VERSION")] == [true]' inspected
"$ASHLAR" audit --json --progress=none "$image" >image.json 2>said
"$ASHLAR" audit --json --progress=none --store "$store" parts/x86_64/squash >commit.json 2>>said
# What has a partition of its own is not looked into, but for /var; what boots is only on a disk.
listed() { jq -r '.findings[] | "\(.rule) \(.path) \(.subject)"' "$1" | grep -Ev '^boot-|^[^ ]+ (home|srv)/'; }
check_equal "audit finds in it what its commit has" "$(listed commit.json)" "$(listed image.json)"
slice swap swap.part
check "swap" tells swap.part 'TYPE="swap"' 'LABEL="paging"'
slice srv srv.part
check "/srv: label" tells srv.part 'TYPE="ext4"' 'LABEL="files"'
check "/srv: e2fsck" e2fsck -fn srv.part
slice var-log log.part
check "/var/log: e2fsck" e2fsck -fn log.part
slice home home.part
check "/home: label" tells home.part 'TYPE="xfs"' 'LABEL="home"'
check "/home: xfs_repair" xfs_repair -n -f home.part
check "/home: audit reads it" "$ASHLAR" audit --progress=none home.part
xfs_db -r -c 'path /demo' -c print home.part >demo 2>&1
check "/home: the user's directory, and whose it is" has demo 'core.uid = 1000'
xfs_db -r -c 'path /demo/.bashrc' -c print home.part >bashrc 2>&1
check "/home: what is in it" has bashrc 'core.mode = 0100644'
slice pv.01 pv.part
check "LVM: lvm2 finds no fault in the headers" sh -c 'pvck --dump headers pv.part >headers 2>&1 && ! grep -Ei "invalid|bad|wrong|error" headers'
pvck --dump metadata -f metadata pv.part >/dev/null 2>&1
# lv NAME FILE: the logical volume, whose place is that which lvm2 reads
lv() {
	local first count
	read -r first count < <(awk -v name="$1" '$2 == "{" { at = $1 } at != "" && /^\t*[a-z_-]+ \{/ { if ($1 !~ /^segment/) lv = $1 }
		lv == name && $1 == "extent_count" { count = $3 } lv == name && /"pv0", / { print $2, count; exit }' metadata)
	dd if=pv.part of="$2" bs=1M skip=$((1 + first * 4)) count=$((count * 4)) conv=sparse status=none
	truncate -s $((count * 4))M "$2"
}
lv opt opt.part
check "LVM: /opt has half of the group" test "$(stat -c %s opt.part)" = $((11 * 4 * 1024 * 1024))
check "LVM: /opt" tells opt.part 'TYPE="ext4"' 'LABEL="added"'
check "LVM: /opt: e2fsck" e2fsck -fn opt.part
lv paging paging.part
check "LVM: swap" tells paging.part 'TYPE="swap"' 'LABEL="paging"'
lv spool spool.part
check "LVM: /var/spool has the rest" test "$(stat -c %s spool.part)" = $((7 * 4 * 1024 * 1024))
check "LVM: /var/spool: e2fsck" e2fsck -fn spool.part
"$ASHLAR" inspect "$image" >told 2>&1
check "inspect says what the partition is" has told lvm2
slice 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 root.part
slice 2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5 verity.part
check "/: squashfs" tells root.part 'TYPE="squashfs"'
check "/: dm-verity" veritysetup verify root.part verity.part "$("$ASHLAR" inspect --json "$image" | jq -r '.. | .root_hash? // empty' | head -n 1)"
unsquashfs -cat root.part etc/fstab >fstab
cat >expected <<'END'
PARTLABEL=home	/home	xfs	defaults,x-systemd.growfs	0	0
PARTLABEL=srv	/srv	ext4	nodev,noatime	0	2
PARTLABEL=var	/var	ext4	rw,x-initrd.mount,x-systemd.growfs	0	0
PARTLABEL=var-log	/var/log	ext4	nodev,nosuid,noexec	0	2
PARTLABEL=swap	none	swap	pri=5	0	0
END
grep '^PARTLABEL' fstab >found
check "/etc/fstab" cmp expected found
check_equal "/etc/fstab names volumes" "/dev/mapper/vg--1-opt /opt ext4 nodev /dev/mapper/vg--1-paging none swap defaults /dev/mapper/vg--1-spool /var/spool ext4 defaults" \
	"$(awk '/^.dev.mapper/ { print $1, $2, $3, $4 }' fstab | sort | xargs)"
check "lvm2 is in the system" sh -c 'unsquashfs -l root.part usr/sbin/lvm | grep -q lvm'
check "what is elsewhere is an empty directory" test "$(unsquashfs -ll -d '' root.part home | awk '{ print $NF }' | grep -c '^/home')" = 1
check "growth has its limit" test "$(unsquashfs -cat root.part usr/lib/repart.d/50-home.conf | grep SizeMaxBytes)" = SizeMaxBytes=4294967296

sleep 1
check "written again" build two ./squash.toml parts.ks
check "the same bytes twice" cmp "$image" two/parts-squash.raw

"$ASHLAR" build parts.ks -t ./no-swap.toml --repos "$distro/release" --store "$store" --dry-run >plan 2>&1
check "no swap where a type wants none, and it says so" has plan 'has no swap: machines have a disk of their own for it'
check "no /boot where none is needed" has plan 'boots a kernel in its EFI system partition and needs none'
finish
