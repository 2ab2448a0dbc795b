#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# File systems that our writers make are mounted by kernels 6.1 and 6.12, which find in them, entry by entry, what is to be there.
# One boot each, side by side, without firmware and with a program of our own as init: a minute without KVM.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/vm/kernels.sh
. "$(dirname "$0")/kernels.sh"
need_distro
need qemu-system-x86_64 cpio ldd python3 rpm2cpio xz
cd "$work" || exit 1
store=$cache/vm-store ref=demo-vm/x86_64/qemu-vm tools=$top_builddir/tests/vm

# Modules with what they need, in the order of loading, unpacked into the directory OUT: modules OUT TREE NAME...
modules() {
	python3 - "$@" <<'END'
import lzma, pathlib, sys
out, tree, wanted = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
files = {path.name.split(".")[0].replace("-", "_"): path for path in tree.rglob("*.ko*")}
loaded = []
def load(name):
    if name in loaded or name not in files:  # built in
        return
    data = files[name].read_bytes()
    data = lzma.decompress(data) if files[name].suffix == ".xz" else data
    for word in data[data.index(b"\0depends=") + 9:].split(b"\0")[0].decode().split(","):
        load(word.replace("-", "_"))
    for word in data.split(b"\0softdep=pre: ")[1:]:
        for name_before in word.split(b"\0")[0].decode().split():
            load(name_before.replace("-", "_"))
    (out / (name + ".ko")).write_bytes(data)
    loaded.append(name)
for name in wanted:
    load(name)
print("\n".join(f"module /{name}.ko" for name in loaded))
END
}

# boot NAME: the kernel mounts all images; listing.NAME
boot() {
	local dir=$cache/kernels/$1 root=root.$1 plan=plan.$1 letter=b image library disks=()
	mkdir -p "$root/dev" "$root/mnt"
	cp "$tools/init" "$root/init"
	ldd "$tools/init" | grep -oE '/[^ ]+' | while read -r library; do
		mkdir -p "$root${library%/*}" && cp -L "$library" "$root$library"
	done
	modules "$root" "$dir" virtio_pci virtio_blk crc32c_generic libcrc32c erofs ext4 squashfs xfs vfat nls_cp437 nls_ascii nls_utf8 >"$plan"
	truncate -s 64M "listing.$1"
	echo "output /dev/vda" >>"$plan"
	for image in *.img; do
		disks+=(-drive "if=virtio,format=raw,readonly=on,file=$image")
		echo "mount ${image%.img} $(case $image in *-ext4*) echo ext4 ;; *-squashfs*) echo squashfs ;; *-xfs*) echo xfs ;; *-vfat*) echo vfat ;; *) echo erofs ;; esac) /dev/vd$letter" >>"$plan"
		letter=$(echo "$letter" | tr a-y b-z)
	done
	cp "$plan" "$root/plan"
	(cd "$root" && find . -mindepth 1 | cpio -o -H newc --quiet) >"initrd.$1"
	timeout 900 qemu-system-x86_64 -machine q35 -accel "${ASHLAR_ACCEL:-tcg}" -cpu max,-erms,-fsrm,-la57 -m 1G -nodefaults -no-user-config -display none -no-reboot \
		-serial "file:console.$1" -kernel "$(find "$dir" -name 'vmlinuz*' | head -n 1)" -initrd "initrd.$1" \
		-append "console=ttyS0 panic=-1 loglevel=4" -drive "if=virtio,format=raw,file=listing.$1" "${disks[@]}" >"qemu.$1" 2>&1
}

# check_listing KERNEL IMAGE LIST
check_listing() {
	sed -n "s/^$2 //p" "found.$1" >found
	cp "$3" expected
	# What mke2fs(8) adds.
	case $2 in
	*-ext4)
		sed -i '/^lost+found /d' found
		sed -i -e '1s/^\([^ ]* [^ ]* [^ ]* [^ ]* [^ ]* [^ ]*\) [0-9]* /\1 LINKS /' expected found
		;;
	# Its root has no entry, and so no time.
	*-vfat) sed -i -E '1s/^([^ ]* [^ ]* [^ ]* [^ ]* [^ ]*) [^ ]* /\1 TIME /' expected found ;;
	esac
	if cmp -s expected found; then
		ok "Linux $1: $2 has its $(wc -l <expected) entries"
	else
		diff expected found | head -n 40 >difference
		not_ok "Linux $1: $2" difference
	fi
}

check_kernel() { # NAME
	local image
	tr -d '\0' <"listing.$1" >"found.$1"
	check "Linux $1 runs to the end" grep -qx end "found.$1"
	grep -qx end "found.$1" || { tail -n 30 "console.$1" "qemu.$1" | sed 's/^/#   /'; return; }
	grep -a '^init: ' "console.$1" | tr -d '\r' | sed "s/^/# Linux $1, /"
	for image in *.img; do
		image=${image%.img}
		case $1-$image in
		6.1-*-squashfs-*) check_listing "$1" "$image" "${image%%-*}.list" ;;
		6.1-*-zstd) check "Linux 6.1 does not mount $image" grep -q "^$image is not mounted: " "found.$1" ;;
		*) check_listing "$1" "$image" "${image%%-*}.list" ;;
		esac
	done
}

"$ASHLAR" log "$ref" --store "$store" >log 2>&1 ||
	check "the demo system is composed" "$ASHLAR" build "$top_srcdir/kickstarts/demo-vm.ks" -t qemu-vm --repos "$distro/updates" --store "$store" -o built --progress=plain
check "images are written" "$tools/make-images" . "$store" "$ref"
kernels=()
for kernel in 6.1 6.12; do
	if get_kernel "$kernel" >get.log 2>&1; then
		kernels+=("$kernel")
		boot "$kernel" &
	else
		skip "Linux $kernel" "its package cannot be had: $(tail -n 1 get.log)"
	fi
done
wait
for kernel in "${kernels[@]}"; do
	check_kernel "$kernel"
done
finish
