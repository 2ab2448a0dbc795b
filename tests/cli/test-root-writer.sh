#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# root_writer = "mkfs.erofs": the same entries as in our own root, the same bytes twice, a hash tree on top, a release of it.
# MKFS_EROFS_DIR: where another mkfs.erofs is, to be tried as well (1.8 and newer is given a tar stream).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need rpmbuild rpmsign createrepo_c gpg python3 jq veritysetup sfdisk mkfs.erofs fsck.erofs dump.erofs
[ -f /usr/lib/systemd/boot/efi/linuxx64.efi.stub ] || skip_all "systemd-boot-efi is not installed"
cd "$work" || exit 1
here=$top_srcdir/tests/cli
export ASHLAR_CACHE=$work/cache ASHLAR_STORE=$work/store
ref=test/x86_64/machine

cat >odd.spec <<-'END'
	Name: odd
	Version: 1
	Release: 1
	Summary: Files that are not plain
	License: LicenseRef-public-domain
	AutoReqProv: no
	Requires: machine
	%description
	Files that are not plain.
	%install
	mkdir -p %{buildroot}/opt/odd/deep
	cd %{buildroot}/opt/odd
	seq 9000 >one && ln one two && seq 5 >deep/set-id && seq 6 >able && ln -s deep/set-id link && : >empty
	%files
	/opt/odd/one
	/opt/odd/two
	/opt/odd/link
	/opt/odd/empty
	%attr(4711, nobody, nogroup) /opt/odd/deep/set-id
	%caps(cap_net_raw=ep) /opt/odd/able
END
"$top_srcdir/tests/distro/make-repo" repo odd.spec "$here/specs/base.spec" "$here/specs/machine.spec" >make-repo.log 2>&1 || {
	not_ok "the repository can be made" make-repo.log
	finish
	exit
}
printf 'kind = "tar"\nvariant = "machine"\n[archive]\ncompression = "none"\n' >tree.toml
cp "$here/machine.toml" ours.toml
sed '/^\[disk\]/a root_writer = "mkfs.erofs"' ours.toml >theirs.toml
sed '/^\[disk\]/a root_compression = "lz4hc"' theirs.toml >smaller.toml
printf 'repo --name=demo\n%%packages\nodd\n%%end\n%%post\necho built > /etc/built\n%%end\n' >test.ks
image() { "$ASHLAR" image $ref -t "./$1.toml" -o "$2" --progress=none --explain; }
# The root partition of DIR/test-TYPE.raw as a file
root_of() {
	local start size
	read -r start size < <(sfdisk --json "$1/test-$2.raw" |
		jq -r '.partitiontable.partitions[] | select(.type == "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709") | "\(.start) \(.size)"')
	dd if="$1/test-$2.raw" of="$1/$2.root" bs=512 skip="$start" count="$size" status=none
	read -r start size < <(sfdisk --json "$1/test-$2.raw" |
		jq -r '.partitiontable.partitions[] | select(.type == "2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5") | "\(.start) \(.size)"')
	dd if="$1/test-$2.raw" of="$1/$2.hash" bs=512 skip="$start" count="$size" status=none
}
# What is in it, as erofs-utils read it: sizes of directories are each writer's own
entries() {
	rm -rf extracted
	fsck.erofs --extract=extracted "$1" >/dev/null || return
	(cd extracted && find . -mindepth 1 -printf '%P %y %m %U:%G %n %T@ %l ' \( -type f -printf '%s ' -exec sha256sum {} \; -o -printf '\n' \)) | sort
}
compare() { # TYPE DIR
	root_of "$2" "$1"
	check "fsck.erofs takes it" fsck.erofs "$2/$1.root"
	entries "$2/$1.root" >found.txt
	check "the entries are those of our own root" diff expected.txt found.txt
	check "a file has its two names" sh -c "dump.erofs --path=/opt/odd/two '$2/$1.root' | grep -q 'Links: 2 '"
	check "its hash tree is right" veritysetup verify "$2/$1.root" "$2/$1.hash" \
		"$("$ASHLAR" image $ref -t "./$1.toml" -o "$2" --progress=none --json | jq -r '.artifacts[0].root_hash')"
}

check "a commit is made" "$ASHLAR" build test.ks -t ./tree.toml --repos repo -o out --version 1 --progress=none
check "our own root" image ours out
root_of out ours
entries out/ours.root >expected.txt
check "that has what was put there" grep -Eq '^opt/odd/deep/set-id f (4)?711 65534:65534 1 ' expected.txt

try() {
	note "$(mkfs.erofs --version 2>&1 | head -n 1)"
	check "a root by mkfs.erofs" image theirs "$1"
	compare theirs "$1"
	refute "there is no layout" test -e "$1/test-theirs.layout"
	image theirs "$1" >again.txt
	check "is not made twice" grep -q 'nothing changed' again.txt
	check "made again, in another place" image theirs "$1.again"
	check "it has the same bytes" cmp "$1/test-theirs.raw" "$1.again/test-theirs.raw"
	check "compressed" image smaller "$1"
	compare smaller "$1"
	check "nothing is left in the store" test -z "$(find store/tmp -name 'mkfs-*')"
	check_equal "nor beside the images" "" "$(find "$1" -name '.root-*')"
}
try out
if [ -n "${MKFS_EROFS_DIR:-}" ]; then
	PATH=$MKFS_EROFS_DIR:$PATH
	try other
	refute "another mkfs.erofs makes other bytes" cmp out/test-theirs.raw other/test-theirs.raw
	image theirs out >again.txt
	check "and is a reason to make the image anew" cmp out/test-theirs.raw other/test-theirs.raw
fi

mkdir keys
"$ASHLAR" key generate keys/root.pem >key.log && "$ASHLAR" key generate keys/online.pem >>key.log || not_ok "keys can be made" key.log
check "a release directory" "$ASHLAR" key init rel --key root=keys/root.pem --key targets,snapshot,timestamp=keys/online.pem
check "a release of it" "$ASHLAR" publish $ref -t ./theirs.toml --to rel --key-dir keys --progress=none

# An unprivileged user of the machine has no mkfs.erofs: nor have we, under an empty file.
if [ -z "${MKFS_EROFS_DIR:-}" ] && [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	status=0
	unshare -m sh -c "mount --bind /dev/null '$(command -v mkfs.erofs)' && '$ASHLAR' image $ref -t ./theirs.toml -o none --progress=none" >out.txt 2>err.txt || status=$?
	check_equal "without the program it is an error of configuration" 3 $status
	check "of one line" test "$(wc -l <err.txt)" = 1
	check "which names the package" grep -qF 'install the package erofs-utils' err.txt
else
	skip "without the program" "needs root, and the system's own"
fi
finish
