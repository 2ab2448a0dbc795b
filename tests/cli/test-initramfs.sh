#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An initramfs is reused exactly when dracut would make the same: what counts as its input, and that the bytes are right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need cpio zstd
[ "$(id -u)" = 0 ] || skip_all "trees are copied by root"
tools=$top_builddir/tests/tools
[ -x "$tools/install-cli" ] && [ -x "$tools/tree-cli" ] || skip_all "tests/tools are not built: make check TESTS="
cd "$work" || exit 1

# The tools look for everything in one folder.
mkdir data
ln -s "$top_srcdir/imgtypes" data/imgtypes
ln -s "$top_srcdir/data/dracut" data/dracut

make_kickstart() { # NAME: of the benchmark's system
	sed "s,^repo .*,repo --name=demo --baseurl=file://$distro/release,; s,^rootpw .*,${root_password:-rootpw --lock}," \
		"$top_srcdir/tests/bench/bench.ks" >"$1.ks"
}
make_kickstart plain
root_password='rootpw --plaintext secret' make_kickstart people
sed -i '/^user /i user --name=other --groups=adm,sudo,video --uid=1234 --password=x --plaintext' people.ks

packages() {
	"$ASHLAR" resolve plain.ks --type qemu-vm --repos "$distro/release" --progress=none |
		sed -n 's/^package \([^ ]*\) .*/\1/p' | sed "s/-[0-9]*:/-/; s,.*,$distro/release/&.rpm,"
}
install_root() {
	local files
	mapfile -t files < <(packages)
	mkdir installed && "$tools/install-cli" installed "${files[@]}"
}
check "a system is installed" install_root
kernel=$(echo installed/usr/lib/modules/*/vmlinuz)
image=${kernel#installed/}
image=${image%vmlinuz}initramfs.img

# A root to change: whatever the steps may write in place is a copy.
new_root() {
	rm -rf root
	cp -al installed root && rm -rf root/etc root/var && cp -a installed/etc installed/var root/
}
# make_tree KICKSTART [CACHE]: prints what was said of the initramfs, and its digest.
make_tree() {
	"$tools/tree-cli" data root "$@" >tree.log 2>&1 || { cat tree.log; return 1; }
	sed -n 's/^ *initramfs: //p' tree.log
	sha256sum <"root/$image"
}
change() { # FILE: another content, in a file of its own
	cp -p "root/$1" changed && printf 'x' >>changed && mv changed "root/$1"
}
digest() { tail -n 1 <<<"$1"; }
said() { head -n 1 <<<"$1"; }

new_root
first=$(make_tree plain.ks qemu-vm kept)
check_equal "the first build runs dracut" "made: there was no earlier run" "$(said "$first")"
newest=$(zstd -dcq "root/$image" | TZ=UTC cpio -tv --quiet 2>/dev/null | awk '{print $6, $7, $8}' | sort -u |
	while read -r day; do date -d "$day" +%s; done | sort -n | tail -n 1)
check "no time in it is later than the kernel's" test "$newest" -le "$(stat -c %Y "$kernel")"

new_root
second=$(make_tree plain.ks qemu-vm kept)
check_equal "the second build uses it" "reused: nothing that it is made of has changed" "$(said "$second")"
check_equal "the bytes are the same" "$(digest "$first")" "$(digest "$second")"
check_equal "they are one file with what is kept" "$(stat -c %i kept/*.img)" "$(stat -c %i "root/$image")"
check_equal "owner and mode are as dracut's" "0:0 644" "$(stat -c '%u:%g %a' "root/$image")"
new_root
check_equal "dracut gives the same bytes twice" "$(digest "$first")" "$(digest "$(make_tree plain.ks qemu-vm)")"

# All that does not matter, one by one with what was kept, and all together by dracut.
leaf() {
	change usr/bin/openssl && change usr/bin/sudo && mkdir -p root/usr/share/doc/leaf root/usr/lib/python3.11/leaf &&
		touch root/usr/share/doc/leaf/README root/usr/lib/python3.11/leaf/x.py root/var/lib/leaf root/usr/share/zoneinfo/Leaf
}
new_root
leaf
check_equal "another content of a leaf package's files changes nothing" "$second" "$(make_tree plain.ks qemu-vm kept)"
new_root
check_equal "people and the root password change nothing" "$second" "$(make_tree people.ks qemu-vm kept)"
new_root
leaf
check_equal "nor do they for dracut" "$(digest "$first")" "$(digest "$(make_tree people.ks qemu-vm)")"

# What matters, and why it is said to.
needed() { # WHAT NOTE
	local found
	found=$(make_tree plain.ks qemu-vm kept)
	check_equal "$1 makes a new one" "made: $2" "$(said "$found")"
}
new_root
change usr/bin/bash
needed "another content of a shell" '"/usr/bin/bash" has changed'
new_root
echo 'KERNEL=="vda", SYMLINK+="leaf"' >root/usr/lib/udev/rules.d/61-persistent-storage-leaf.rules
needed "a udev rule" 'the names in "/usr/lib/udev/rules.d" have changed'
new_root
echo 'options ext4 leaf=1' >root/etc/modprobe.d/leaf.conf
needed "an option of a kernel module" 'the names in "/etc/modprobe.d" have changed'
new_root
sed -i 's/^video:x:[0-9]*/video:x:144/' root/etc/group
needed "another id of a system group" '"/etc/group" has changed'
new_root
check_equal "the first one is still there" "$second" "$(make_tree plain.ks qemu-vm kept)"

new_root
for file in kept/*.img; do printf 'x' >>"$file"; done
check_equal "what is damaged is made anew" "made: the file that was kept is missing or damaged
$(digest "$first")" "$(make_tree plain.ks qemu-vm kept)"
new_root
check_equal "and used again" "$second" "$(make_tree plain.ks qemu-vm kept)"
finish
