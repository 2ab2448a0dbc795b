#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An initramfs is reused exactly when dracut would make the same: what counts as its input, and that the bytes are right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need cpio zstd
[ "$(id -u)" = 0 ] || skip_all "trees are copied by root"
tools=$top_builddir/tests/tools
[ -x "$tools/install-cli" ] && [ -x "$tools/tree-cli" ] && [ -x "$tools/run-cli" ] || skip_all "tests/tools are not built: make check TESTS="
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

# The parts as they are kept, the base part first: it has no kernel's modules.
names() { zstd -dcq "$1" | cpio -t --quiet | sort; }
listing() { zstd -dcq "$1" | TZ=UTC cpio -tv --quiet | awk '{ $2 = ""; print }'; }
base='' kernels=''
for file in kept/*.img; do
	case $file in
	*-image-*) continue ;;
	esac
	if names "$file" | grep -q '\.ko'; then kernels=$file; else base=$file; fi
done
check "there is a base part and a kernel part" test -n "$base" -a -n "$kernels"
refute "the base part has nothing of a kernel" grep -q 'lib/modules/' <(names "$base")
for file in "$base" "$kernels"; do
	cat "$file" && head -c "$(((4 - $(stat -c %s "$file") % 4) % 4))" /dev/zero
done >parts
check "the image is the parts, each at a multiple of 4 bytes" cmp parts "root/$image"
newest=$(for file in "$base" "$kernels"; do listing "$file"; done | awk '{print $5, $6, $7}' | sort -u |
	while read -r day; do date -d "$day" +%s; done | sort -n | tail -n 1)
check "no time in it is later than dracut's own" test "$newest" -le "$(stat -c %Y installed/usr/lib/dracut/dracut-functions.sh)"

# The same by one run of dracut, as it is meant to be run.
words() { sed -n "/^$1 = \[/,/\]/p" "$top_srcdir/imgtypes/common/vm.toml" | grep -o '"[^"]*"' | tr -d '"' | tr '\n' ' '; }
run_whole() {
	cp -r data/dracut/90ashlar/ root/usr/lib/dracut/modules.d/
	"$tools/run-cli" root dracut --force --no-hostonly --no-hostonly-cmdline --no-early-microcode --reproducible --nostrip \
		--nohardlink --tmpdir /tmp --kver "$(basename "$(dirname "$kernel")")" --modules "$(words modules)" --drivers "$(words drivers)" \
		--filesystems 'erofs ext4 overlay vfat' --compress 'zstd -q' /whole.img >whole.log 2>&1 || cat whole.log
}
new_root
check "dracut makes one archive of the same" run_whole
listing root/whole.img | grep -v build-parameter.txt | sort >whole.list
{ listing "$base"; listing "$kernels"; } | grep -v build-parameter.txt | sort -u >union.list
check "both parts together have the same files, modes and times" diff whole.list union.list
check_equal "both have directories, the links of merged ones, and small texts of dracut only" "" \
	"$(comm -12 <(names "$base") <(names "$kernels") | grep -vE '^(\.|lib|lib64|usr|usr/lib|usr/lib/dracut(/hooks(/pre-udev)?|/[a-z-]*\.txt)?)$')"
unpack() { # DIR ARCHIVE...
	mkdir -p "$1"
	for file in "${@:2}"; do zstd -dcq "$file" | (cd "$1" && cpio -idmu --quiet) || return; done
	rm -f "$1"/usr/lib/dracut/build-parameter.txt
}
check "unpacked one over the other they are what the one is" eval \
	'unpack one root/whole.img && unpack both "$base" "$kernels" && diff -r --no-dereference one both'
rm -rf one both

new_root
second=$(make_tree plain.ks qemu-vm kept)
check_equal "the second build uses it" "reused: nothing that it is made of has changed" "$(said "$second")"
check_equal "the bytes are the same" "$(digest "$first")" "$(digest "$second")"
check_equal "they are one file with what is kept" "$(stat -c %i kept/*-image-*.img)" "$(stat -c %i "root/$image")"
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

# New names: those that dracut has no reason to look for are hidden from it, so they cannot matter.
script() { # NAME COMMANDS: the plain kickstart with these in its %post script
	sed "s|^%post\$|&\n${2//&/\\&}|" plain.ks >"$1.ks"
}
script file 'echo new >/etc/new.conf; mkdir /etc/newer; echo x >/etc/newer/x; echo x >/usr/local/bin/newest; mkdir /opt/new'
new_root
check_equal "new files in /etc and elsewhere change nothing" "$second" "$(make_tree file.ks qemu-vm kept)"
check_equal "they are in the tree" "new x x" "$(cat root/etc/new.conf root/etc/newer/x root/usr/local/bin/newest | xargs)"
new_root
check_equal "nor do they for dracut" "$(digest "$first")" "$(digest "$(make_tree file.ks qemu-vm)")"
check_equal "where they are hidden, they come back" "new x x" "$(cat root/etc/new.conf root/etc/newer/x root/usr/local/bin/newest | xargs)"
script crypttab 'echo >/etc/crypttab'
new_root
check_equal "a name that dracut knows counts" 'made: the names in "/etc" have changed' "$(said "$(make_tree crypttab.ks qemu-vm kept)")"
script named "echo new >/etc/new.conf; echo 'install_items+=\" /etc/new.conf \"' >/etc/dracut.conf.d/new.conf"
new_root
check_equal "and so does one that its configuration names" 'made: the names in "/etc" have changed' \
	"$(said "$(make_tree named.ks qemu-vm kept)")"
has_new() { for file in kept/*.img; do names "$file"; done | grep -qx etc/new.conf; }
check "which is in the image then" has_new

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

# Of the kernel, and of nothing else.
modules=$(dirname "$image")
new_root
change "$(cd root && find "$modules" -name 'virtio_net.ko*')"
found=$(make_tree plain.ks qemu-vm kept)
check_equal "another module makes a new kernel part" "made: kernel part: \"/$(cd root && find "$modules" -name 'virtio_net.ko*')\" has changed" \
	"$(said "$found")"
new_root
change "$(cd root && find "$modules" -name 'virtio_net.ko*')"
check_equal "with the bytes that both would have" "$(digest "$found")" "$(digest "$(make_tree plain.ks qemu-vm)")"
new_root
mv "root/$modules" "root/$modules-new"
check_equal "another version does, too" "made: kernel part: kernel \"$(basename "$modules")-new\" is new" \
	"$(image=$modules-new/initramfs.img make_tree plain.ks qemu-vm kept | head -n 1)"
new_root
check_equal "the first one is still there" "$second" "$(make_tree plain.ks qemu-vm kept)"

new_root
for file in kept/*.img; do printf 'x' >>"$file"; done
check_equal "what is damaged is made anew" "made: the file that was kept is missing or damaged
$(digest "$first")" "$(make_tree plain.ks qemu-vm kept)"
new_root
check_equal "and used again" "$second" "$(make_tree plain.ks qemu-vm kept)"
finish
