#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Commits for OSTree: stock OSTree deploys one, a disk has the same boot entry as that, and the container holds the commit. Systems that are such a
# commit (ostreesetup, ostreecontainer) give the same disk.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need jq ostree python3 debugfs e2fsck mtype gpg
# Deployments are immutable directories.
server=''
on_exit() {
	[ ! -d "$work/sysroot" ] || chattr -i "$work"/sysroot/ostree/deploy/*/deploy/*.0 2>/dev/null
	[ -z "$server" ] || kill "$server" 2>/dev/null
	[ ! -d "$work/gpg/home" ] || gpgconf --homedir "$work/gpg/home" --kill all 2>/dev/null
}
store=$cache/test-store ref=demo-ostree/x86_64/ostree
cd "$work" || exit 1
ashlar() { "$ASHLAR" "$@" --store "$store" --progress=none; }
# type_file NAME LINES...
type_file() {
	local name=$1
	shift
	printf '%s\n' 'variant = "ostree"' 'description = "a test"' "$@" >"$name.toml"
}
type_file disk 'base = "ostree-vm"' '[ostree]' 'osname = "demo"' 'remote = "origin"' 'url = "https://example.org/repo"' '[disk]' 'formats = ["raw"]'
type_file box 'base = "ostree-container"' '[archive]' 'compression = "zstd"' 'level = 1'

check "the demo system is composed, as a disk and as a container" ashlar build "$top_srcdir/kickstarts/demo-ostree.ks" -t "$work/disk.toml" \
	-t "$work/box.toml" --repos "$distro/release" -o out
disk=out/demo-ostree-disk.raw box=out/demo-ostree-box.oci.tar
[ -f "$disk" ] && [ -f "$box" ] || { finish; exit; }
check "ashlar image writes both again" ashlar image $ref -t "$work/disk.toml" -t "$work/box.toml" -o again
check "the disk has the same bytes" cmp "$disk" again/demo-ostree-disk.raw
check "and so has the container" cmp "$box" again/demo-ostree-box.oci.tar
rm -rf again

# The commit
repo=$store/repo
commit=$(ostree rev-parse --repo="$repo" $ref)
of_tree() { ostree ls --repo="$repo" $ref "$1" | sed 's/^[^ ]* *[0-9]* *[0-9]* *[0-9]* *//'; }
check_equal "it is said to be bootable" true "$(ostree show --repo="$repo" --print-metadata-key=ostree.bootable $ref)"
kernel=$(ostree show --repo="$repo" --print-metadata-key=ostree.linux $ref | tr -d "'")
check "and with which kernel" ostree ls --repo="$repo" $ref "/usr/lib/modules/$kernel/vmlinuz" "/usr/lib/modules/$kernel/initramfs.img"
refute "there is no /etc" ostree ls --repo="$repo" $ref /etc
check "but /usr/etc" ostree ls --repo="$repo" $ref /usr/etc/passwd
check_equal "/var is empty" 1 "$(ostree ls -R --repo="$repo" $ref /var | wc -l)"
for link in "/ostree -> sysroot/ostree" "/home -> var/home" "/root -> var/roothome" "/opt -> var/opt" "/srv -> var/srv" "/mnt -> var/mnt" \
	"/media -> run/media" "/usr/local -> ../var/usrlocal"; do
	check_equal "the link ${link%% *}" "$link" "$(of_tree "${link%% *}")"
done
check "what /var needs is made by tmpfiles.d" sh -c "ostree cat --repo='$repo' $ref /usr/lib/tmpfiles.d/ashlar-var.conf | grep -q '^d /var/usrlocal '"
check_equal "the machine ID is nobody's" "" "$(ostree cat --repo="$repo" $ref /usr/etc/machine-id)"

# The disk
start=$(sfdisk --json "$disk" 2>/dev/null | jq '.partitiontable.partitions[1].start')
dd if="$disk" of=root bs=512 skip="$start" conv=sparse status=none
check "e2fsck finds nothing wrong with its root" e2fsck -fn root
inside() { debugfs -R "$*" root 2>/dev/null; }
inside cat /boot/loader.1/entries/ostree-1-demo.conf >entry
check "its boot entry says where the root is" grep -Eq '^options root=UUID=[0-9a-f-]{36} rw .* ostree=/ostree/boot\.1/demo/[0-9a-f]{64}/0$' entry
check_equal "the kernel is the deployment's and the repository's file" 3 \
	"$(inside stat "$(sed -n 's|^linux |/boot|p' entry)" | sed -n 's/^Links: \([0-9]*\).*/\1/p')"
check "the deployment cannot be added to" sh -c "debugfs -R 'stat /ostree/deploy/demo/deploy/$commit.0' root 2>/dev/null | grep -q 'Flags: 0x[0-9a-f]*10\$'"
inside cat /ostree/repo/config >config
check "the remote is where the type says" grep -qx url=https://example.org/repo config
inside cat "/ostree/deploy/demo/deploy/$commit.0.origin" >origin
check "upgrades are looked for there" grep -qx "refspec=origin:$ref" origin
inside cat /boot/loader.1/syslinux.cfg >syslinux.cfg
check "GRUB on the ESP reads its menu" sh -c "dd if=$disk bs=512 skip=2048 count=131072 of=esp status=none && mtype -i esp ::EFI/BOOT/grub.cfg | grep -q 'syslinux_source .*/boot/loader/syslinux.cfg'"

# Stock OSTree
if [ "$(id -u)" = 0 ]; then
	check "a sysroot of stock OSTree takes the commit" sh -c "mkdir sysroot && ostree admin init-fs --modern sysroot && ostree admin os-init --sysroot=sysroot demo &&
		ostree remote add --repo=sysroot/ostree/repo --no-gpg-verify origin https://example.org/repo && mkdir sysroot/boot/syslinux sysroot/boot/loader.0 &&
		ln -s loader.0 sysroot/boot/loader && head -n 1 syslinux.cfg >sysroot/boot/loader/syslinux.cfg && ln -s ../loader/syslinux.cfg sysroot/boot/syslinux/syslinux.cfg &&
		ostree pull-local --repo=sysroot/ostree/repo --remote=origin '$repo' $ref"
	words=$(sed -n 's/^options \(.*\) ostree=.*/\1/p' entry)
	# shellcheck disable=SC2046
	check "and deploys it" ostree admin deploy --sysroot=sysroot --os=demo $(printf -- '--karg-append=%s ' $words) origin:$ref
	deployed=sysroot/ostree/deploy/demo/deploy/$commit.0
	check "with a configuration" cmp "$deployed/usr/etc/passwd" "$deployed/etc/passwd"
	check "its boot entry is that of the disk" cmp sysroot/boot/loader/entries/ostree-1-demo.conf entry
	check "and so is what GRUB reads" diff -B sysroot/boot/loader/syslinux.cfg syslinux.cfg
	check "and the origin" cmp "$deployed.origin" origin
	chattr -i "$deployed"
else
	skip "a sysroot of stock OSTree takes the commit" "root of the physical file system is needed"
fi

# The container
check_equal "a reader gets the same commit out of the container" "$commit" "$(python3 "$top_srcdir/tests/cli/ostree-import.py" "$box" imported 2>import.err | tail -n 1)"
check "and ostree fsck agrees" ostree fsck --quiet --repo=imported
check_equal "trees are equal" "" "$(ostree diff --repo=imported imported imported; ostree ls -RX --repo=imported imported | sha256sum | sed "s/^$(ostree ls -RX --repo="$repo" $ref | sha256sum | cut -d ' ' -f 1).*//")"
if command -v skopeo >/dev/null; then
	check_equal "skopeo reads its label" "$commit" "$(skopeo inspect "oci-archive:$box" | jq -r '.Labels["ostree.commit"]')"
fi

# An audit is of what runs, in whichever form it is; one name of each file is enough. (Rules "boot-*" are about what only a disk has.)
audit() { ashlar audit "$1" --json --rule '[!b]*' 2>/dev/null | jq -r '.findings[] | "\(.rule) \(.path)"' | sort; }
audit $ref >commit.audit
audit "$disk" >disk.audit
audit "$box" >box.audit
for name in commit disk box; do
	check "an audit of the $name sees its accounts" grep -qx 'account-password etc/shadow' $name.audit
	refute "and names nothing by where OSTree keeps it" grep -Eq 'usr/etc|ostree/(repo|deploy)' $name.audit
	check_equal "it finds what it finds in the commit" "" "$(grep -vxFf commit.audit $name.audit)"
	check "and no less" test "$(wc -l <$name.audit)" -gt "$(($(wc -l <commit.audit) - 10))"
done

# A system that is that commit: ostreesetup with a signature, ostreecontainer out of the archive
web=$work/web web_port=$((10000 + $$ % 10000))
mkdir -p "$web" gpg/home gpg/trusted setup box
chmod 700 gpg/home
ostree init --repo="$web/repo" --mode=archive && ostree pull-local --repo="$web/repo" "$repo" $ref
gpg --homedir gpg/home --batch --quiet --passphrase '' --quick-generate-key test@example.org 2>/dev/null
key=$(gpg --homedir gpg/home --with-colons --list-keys | sed -n 's/^fpr:*\([0-9A-F]*\):$/\1/p' | head -n 1)
python3 "$top_srcdir/tests/vm/serve.py" "$web" $web_port >/dev/null 2>&1 &
server=$!
for _ in $(seq 50); do python3 -c "import socket; socket.create_connection(('127.0.0.1', $web_port))" 2>/dev/null && break || sleep 0.1; done
# kickstart NAME COMMAND [LINES...]
kickstart() { printf '%s\n' "${@:2}" 'bootloader --timeout=2 --append="audit=0"' >"$1/demo-ostree.ks"; }
from() { # DIR TYPE COMMAND...: what a failed or dry run says
	OSTREE_GPG_HOME=$work/gpg/trusted "$ASHLAR" "$3" "$1/demo-ostree.ks" -t "$2" --store "$work/other" --progress=none -o "$1" "${@:4}"
}
check_says() { # WHAT STATUS TEXT COMMAND...
	local what=$1 expected=$2 text=$3 status=0
	shift 3
	"$@" >said 2>&1 || status=$?
	check_equal "$what: status" "$expected" $status
	check "$what: the message" grep -qF -- "$text" said || sed 's/^/# /' said
}
kickstart setup "ostreesetup --osname=demo --remote=origin --url=http://127.0.0.1:$web_port/repo --ref=$ref"
check_says "a commit that nobody signed" 6 'setup/demo-ostree.ks:1: ostreesetup: commit' from setup "$work/disk.toml" plan
ostree gpg-sign --repo="$web/repo" --gpg-homedir=gpg/home $ref "$key" >/dev/null
check_says "a commit that a stranger signed" 6 'OSTREE_GPG_HOME' from setup "$work/disk.toml" plan
gpg --homedir gpg/home --export "$key" >gpg/trusted/test.gpg
type_file follow 'base = "ostree-vm"' '[disk]' 'formats = ["raw"]'
check_says "a commit over HTTP that we trust" 0 "commit $commit, to be fetched" from setup "$work/disk.toml" plan
# Thousands of small files: not by that server.
kickstart setup "ostreesetup --osname=demo --remote=origin --url=file://$web/repo --ref=$ref"
check "the system is the signed commit of a repository" from setup "$work/follow.toml" build
check_equal "the store has that commit" "$commit" "$(ostree rev-parse --repo=other/repo $ref)"
check "and all of it" ostree fsck --quiet --repo=other/repo
check "with its signature" sh -c "ostree show --repo=other/repo $commit | grep -q '1 signature'"
start=$(sfdisk --json setup/demo-ostree-follow.raw 2>/dev/null | jq '.partitiontable.partitions[1].start')
dd if=setup/demo-ostree-follow.raw of=root bs=512 skip="$start" conv=sparse status=none
inside cat /ostree/repo/config >config
check "the machine fetches upgrades there" grep -qx "url=file://$web/repo" config
check "and looks for signatures" grep -qx gpg-verify=true config
rm -f root setup/*.raw
check_says "the second time" 77 'nothing changed' from setup "$work/follow.toml" build --unchanged-exit-77
kickstart setup "ostreesetup --osname=demo --url=file://$web/repo --ref=$ref/none --nogpg"
check_says "a ref that is not there" 5 "cannot fetch \"$ref/none\" from the OSTree repository" from setup "$work/disk.toml" plan
check_says "a type that needs packages" 3 'image type "qemu-vm" is made of packages' from setup qemu-vm plan
rm -rf other

kickstart box "ostreecontainer --stateroot=demo --remote=origin --url=$work/$box --transport=oci-archive --no-signature-verification"
check "the system is the commit in a container" from box "$work/disk.toml" build
check "the store has all of it" sh -c "ostree fsck --quiet --repo=other/repo && [ \$(ostree rev-parse --repo=other/repo $ref) = $commit ]"
check "the disk is that of the system that was composed" cmp "$disk" box/demo-ostree-disk.raw
rm -rf box/*.raw other
mkdir layout && tar -xf "$box" -C layout
kickstart box "ostreecontainer --url=$work/layout --transport=oci --no-signature-verification"
check_says "a container in a directory" 0 "commit $commit, to be fetched" from box "$work/disk.toml" plan
blob=$(find layout/blobs -size +1M | head -n 1)
printf x | dd of="$blob" conv=notrunc status=none
check_says "a damaged one" 6 "blob \"${blob##*/}\" is not what its name says" from box "$work/disk.toml" plan
rm "$blob"
check_says "one without a layer" 3 "has no blob \"sha256:${blob##*/}\"" from box "$work/disk.toml" plan
kickstart box "ostreecontainer --url=$work/$box --transport=oci-archive"
check_says "one whose signature cannot be checked" 3 'say --no-signature-verification, or --remote=NAME' from box "$work/disk.toml" plan
kickstart box "ostreecontainer --url=$work/$box --transport=oci-archive --remote=origin"
check_says "one whose commit is not signed" 6 "commit \"$commit\"" from box "$work/disk.toml" build
check_says "nor the second time" 6 "commit \"$commit\"" from box "$work/disk.toml" build
kickstart box "ostreecontainer --url=registry.example/demo:1 --no-signature-verification"
check_says "one in a registry" 3 'skopeo copy docker://registry.example/demo:1 oci-archive:FILE' from box "$work/disk.toml" plan
rm -rf layout other box

# What does not go together
refuse() { # WHAT TEXT LINES...
	local what=$1 text=$2
	shift 2
	type_file bad "$@"
	local status=0
	ashlar image $ref -t "$work/bad.toml" -o out >bad.out 2>&1 || status=$?
	check_equal "$what: status" 3 $status
	check "$what: one clear line" sh -c "[ \$(wc -l <bad.out) = 1 ] && grep -qF -- '$text' bad.out"
}
refuse "a boot loader that cannot read the menu" '"ostree" is booted by "grub"' 'base = "ostree-vm"' '[boot]' 'loader = "systemd-boot"'
refuse "a root of another kind" 'the root of system "ostree" is "ext4"' 'base = "ostree-vm"' '[[partition]]' 'role = "esp"' 'fs = "vfat"' 'size = "64M"' \
	'[[partition]]' 'role = "root"' 'fs = "erofs"'
refuse "keys of another system" 'goes with system "ostree" only' 'base = "qemu-vm"' '[ostree]' 'url = "https://example.org"'
finish
