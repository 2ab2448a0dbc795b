#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A full disk at any stage: status 8, one clear line, nothing half written; once there is room, the same result.
#
# The disk is a tmpfs in a mount namespace of our own. Bytes are estimated before work starts, inodes are not: by
# their number the disk gets full wherever we want.
if [ -z "${FULL_DISK_INSIDE:-}" ]; then
	export FULL_DISK_INSIDE=1
	options=(--mount)
	[ "$(id -u)" = 0 ] || options=(--mount --map-root-user --map-auto)
	if unshare "${options[@]}" mount -t tmpfs tmpfs /mnt 2>/dev/null; then
		exec unshare "${options[@]}" "$0" "$@"
	fi
	echo "1..0 # SKIP no mount namespace can be made here"
	exit 0
fi
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need rpmbuild rpmsign createrepo_c gpg python3 ostree openssl
cd "$work" || exit 1
here=$top_srcdir/tests/cli
export ASHLAR_CACHE=$work/cache
disk=$work/disk
mkdir "$disk" out
on_exit() { umount "$disk" 2>/dev/null; }

"$top_srcdir/tests/distro/make-repo" repo "$here/specs/base.spec" "$here/specs/cases.spec" >make-repo.log 2>&1 || {
	not_ok "the repository can be made" make-repo.log
	finish
	exit
}
printf 'kind = "tar"\n[archive]\ncompression = "none"\n' >small.toml
printf 'repo --name=demo\n%%packages\ngood\nten-megabytes\n%%end\n%%post\necho built > /etc/built\n%%end\n' >test.ks
mount -t tmpfs -o size=300M tmpfs "$disk" || skip_all "no tmpfs can be mounted"
# Linux 6.6 and later.
touch "$disk/probe"
python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.test", b"1")' "$disk/probe" 2>/dev/null || skip_all "a tmpfs has no extended attributes here"
umount "$disk"

# build STORE OUT
build() { "$ASHLAR" build test.ks -t ./small.toml --repos repo --store "$1" -o "$2" --progress=none; }
check "a build with room" build store expected
commit=$(ostree rev-parse --repo=store/repo test/x86_64/small)

# full "what" STORE OUT MOUNT-OPTIONS: a build on such a disk, and one after it has grown. Sets $status.
full() {
	local what=$1 store=$2 out=$3 disk_options=$4
	rm -rf out
	mount -t tmpfs -o "$disk_options" tmpfs "$disk"
	status=0
	if [ -n "${filler:-}" ]; then
		rm -f ready
		# Before all others, or on a busy machine it comes too late.
		nice -n -15 python3 filler "$disk" "$filler" ready 2>/dev/null &
		pid=$!
		while [ ! -e ready ]; do sleep 0.01; done
	fi
	build "$store" "$out" >stdout 2>err || status=$?
	if [ -n "${filler:-}" ]; then
		kill $pid
		wait $pid
		rm -f "$disk/fill"
	fi 2>/dev/null
	{
		case $status in
		0) ;;
		8)
			[ "$(wc -l <err)" = 1 ] || { echo "more than one line:" && cat err; }
			grep -qiE 'space|full|needs about' err || cat err
			[ ! -s stdout ] || cat stdout
			# What is there is whole.
			[ ! -e "$out/test-small.tar" ] || cmp "$out/test-small.tar" expected/test-small.tar
			[ ! -d "$out" ] || find "$out" -mindepth 1 ! -name test-small.tar | sed 's/^/left: /'
			;;
		*) echo "status $status" && cat err ;;
		esac
		[ ! -d "$store/tmp" ] || find "$store/tmp" -mindepth 1 | sed 's/^/left: /' | head
		if [ -d "$store/repo/objects" ]; then
			ostree fsck --quiet --repo="$store/repo" >log 2>&1 || cat log
		fi
		mount -o remount,size=300M,nr_inodes=0 "$disk"
		build "$store" "$out" >log 2>&1 || { echo "with room: status $?" && cat log; }
		[ "$(ostree rev-parse --repo="$store/repo" test/x86_64/small)" = "$commit" ] || echo "another commit"
		cmp "$out/test-small.tar" expected/test-small.tar
		"$ASHLAR" fsck --store "$store" --progress=none >log 2>&1 || cat log
		find "$store/tmp" "$out" -mindepth 1 ! -name test-small.tar ! -name '*.lock'
	} >.problems 2>&1
	umount "$disk"
	what="$what (status $status)"
	if [ -s .problems ]; then not_ok "$what" .problems; else ok "$what"; fi
}
# Takes all the space of the disk as soon as something matches the pattern.
cat >filler <<'END'
import glob, os, sys, time
disk, pattern, ready = sys.argv[1:]
open(ready, "w").close()
while not glob.glob(pattern):
    time.sleep(0.0002)
# In pieces: one that does not fit is given back as a whole, and there would be room again after a moment without.
piece, size = 1 << 24, 0
with open(disk + "/fill", "wb") as file:
    while piece >= 4096:
        try:
            os.posix_fallocate(file.fileno(), size, piece)
            size += piece
        except OSError:
            piece //= 2
END

# --- the store's disk

for size in 1M 20M 70M 100M; do full "the store on $size" "$disk/store" out "size=$size"; done
most=0
for inodes in 4 10 30 60 100 140 180 220 260 300 340 380 420 460 500 600; do
	full "the store with $inodes inodes" "$disk/store" out "size=300M,nr_inodes=$inodes"
	[ "$status" != 8 ] || most=$inodes
done
check "most of these were too few" test "$most" -ge 180
# --- the output's

rm -rf spare
cp -a store spare
for size in 1M 8M 12M 18M; do full "images on $size" "$work/store" "$disk/out" "size=$size"; done
for inodes in 1 2 3 4; do full "images with $inodes inodes" "$work/store" "$disk/out" "size=300M,nr_inodes=$inodes"; done
# --- the cache's

for size in 4k 100k 1M 10M; do
	rm -rf cache store
	export ASHLAR_CACHE=$disk/cache
	full "downloads on $size" "$work/store" out "size=$size"
done
for inodes in 3 8 12 16 20; do
	rm -rf store
	full "downloads with $inodes inodes" "$work/store" out "size=300M,nr_inodes=$inodes"
done
export ASHLAR_CACHE=$work/cache
# --- full all of a sudden

full=0
for filler in "$disk/store/tmp/*" "$disk/store/tmp/import-*/*/1" "$disk/store/import/1/*/*" "$disk/store/tmp/root-*" "$disk/store/tmp/root-*/usr" "$disk/store/tmp/root-*/usr/lib" "$disk/store/logs/*" \
	"$disk/store/tmp/objects-*" "$disk/store/tmp/objects-*/*" "$disk/store/repo/tmp/*/*" "$disk/store/repo/objects/*" "$disk/store/repo/objects/*/*" "$disk/store/roots/*"; do
	full "full once there is ${filler#"$disk/"}" "$disk/store" out size=300M
	[ "$status" != 8 ] || full=$((full + 1))
done
check "most of these were full in time" test $full -ge 3
for filler in "$disk/out/.ashlar-*" "$disk/out/.ashlar-*/*"; do full "full once there is ${filler#"$disk/"}" "$work/spare" "$disk/out" size=300M; done
unset filler
# --- what a script need not tell

{
	cat test.ks
	printf '%%post\ncat /dev/zero >/etc/all 2>/dev/null\necho built >/etc/built\nexit 0\n%%end\n'
} >filling.ks
mount -t tmpfs -o size=100M tmpfs "$disk"
status=0
"$ASHLAR" build filling.ks -t ./small.toml --repos repo --store "$disk/store" -o out --progress=none >log 2>err || status=$?
check_equal "a script that fills the disk (status)" 8 $status
check "the error says so" grep -q "^ashlar: .*No space left on device" err
check_equal "in one line" 1 "$(wc -l <err)"
check_equal "and nothing of it is left" "" "$(find "$disk/store/tmp" -mindepth 1)"
umount "$disk"
finish
