#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What is taken from the store makes no difference: after a change, a build that reuses what it can gives the same commit and the
# same files as a cold one, in a new store, of the changed input. INCREMENTAL_CASES names the cases to run (default: all).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need ostree createrepo_c rpmbuild rpmsign
variants=$(ASHLAR_CACHE=$cache "$top_srcdir/tests/bench/make-variants" 2>"$work/variants.err") ||
	skip_all "no changed repositories: $(tail -n 1 "$work/variants.err")"
cd "$work" || exit 1
read -ra cases <<<"${INCREMENTAL_CASES:-nothing leaf library post type cacheless kernel user service file cmdline version again}"

# The repository's address stays the same; what it has changes: "current" is a link.
mkdir repos
sed "s|^baseurl=.*|baseurl=file://$work/current|" "$distro/release/demo.repo" >repos/demo.repo
use_repository() { ln -sfn "$1" current; }

# A container for what has nothing to do with the initramfs, else a small machine with one disk file.
printf 'base = "container"\n[archive]\ncompression = "none"\n' >box.toml
printf 'base = "container"\nvariant = "box"\n' >second.toml
printf 'base = "qemu-vm"\n[disk]\nformats = ["raw"]\n' >machine.toml
# kickstart DIR: DIR/system.ks from standard input's sections after the commands that all share
kickstart() {
	mkdir -p "$1"
	{ printf 'repo --name=demo\ntimezone UTC\nrootpw --lock\n'; cat; } >"$1/system.ks"
}
sections='%packages --nocore --exclude-weakdeps --excludedocs --inst-langs=en
@boot
bash
coreutils
curl
findutils
grep
gzip
libc-bin
login
mount
openssh-server
passwd
procps
sed
systemd-sysv
udev
util-linux
%end
%post
echo base >/etc/motd
%end'
kickstart base <<<"$sections"
kickstart post <<<"${sections/echo base/echo changed}"
kickstart file <<<"${sections/echo base/echo new >\/etc\/new.conf; echo base}"
kickstart user <<<"user --name=second --password=x --plaintext
$sections"
kickstart service <<<"services --disabled=ssh
$sections"
kickstart cmdline <<<"bootloader --append=\"ashlar.test=1\"
$sections"

# compose STORE OUT KICKSTART TYPE... [OPTION...]: quiet; what it said is in OUT.log
compose() {
	local store=$1 out=$2 kickstart=$3 words=() word
	shift 3
	for word; do
		case $word in
		-*) words+=("$word") ;;
		*) words+=("--type=$word") ;;
		esac
	done
	"$ASHLAR" build "$kickstart/system.ks" "${words[@]}" --repos repos --store "$store" -o "$out" --progress=none >"$out.log" 2>&1 ||
		{ cat "$out.log"; return 1; }
}
has_option() { "$ASHLAR" build --help | grep -q -- "^ *\(-., \)\?--$1\b"; }
explain=()
! has_option explain || explain=(--explain)

# result STORE OUT: commits and digests of all files, the lock included
result() {
	ostree refs --repo="$1/repo" | sort | while read -r ref; do echo "$ref $(ostree rev-parse --repo="$1/repo" "$ref")"; done
	(cd "$2" && sha256sum -- *)
}
# cold NAME KICKSTART TYPE...: NAME.cold has the result of a cold build, with no cache of any kind
cold() {
	local name=$1
	shift
	mkdir -p cold-cache
	ASHLAR_CACHE=$work/cold-cache compose cold-store "$name-cold" "$@" || return
	result cold-store "$name-cold" >"$name.cold"
	rm -rf cold-store cold-cache "$name-cold"
}

# changed NAME WORD KICKSTART TYPE...: the incremental build gives other bytes than the base, and those of a cold build.
# The explanation has WORD. The store and the folder of images are the type's.
changed() {
	local name=$1 word=$2 side
	shift 2
	side=$(basename "$2" .toml)
	[ "$side" != second ] || side=box
	local begun=$SECONDS before=$tests_failed
	check "$name: builds" compose "$side-store" "$side" "$@" "${explain[@]}"
	[ "$tests_failed" = "$before" ] || return
	cp "$side.log" "$name.log"
	result "$side-store" "$side" >"$name.warm"
	note "$name: $((SECONDS - begun)) s"
	if [ ${#explain[@]} = 0 ]; then
		skip "$name: the explanation names it" "there is no --explain"
	elif [ -n "$word" ]; then
		check_equal "$name: the explanation names it" "$word" "$(grep -o -m 1 -- "$word" "$name.log" | head -n 1)"
	fi
	refute "$name: is not the base" cmp "$side.base" "$name.warm"
	check "$name: builds cold" cold "$name" "$@"
	check "$name: the same commit and files as cold" diff "$name.cold" "$name.warm"
	rm -f "$name.warm" "$name.cold"
}

# base NAME: the first build of the store NAME-store, of the type NAME.toml
base() {
	[ ! -e "$1.base" ] || return 0
	use_repository "$distro/release"
	check "base of $1: builds" compose "$1-store" "$1" base "./$1.toml"
	if ! result "$1-store" "$1" >"$1.base" 2>/dev/null; then
		finish
		exit 1
	fi
}

# Name, device, inode and times: whatever touches a file changes one of them.
stamps() { find "$1" -type f -printf '%P %D %i %T@ %C@\n' | sort; }

run_case() {
	case $1 in
	nothing)
		base box
		stamps box >before
		check "nothing changed: builds" compose box-store box base ./box.toml
		if [ ${#explain[@]} = 0 ]; then
			skip "nothing changed: no file is touched" "there is no --explain"
		else
			stamps box | grep -v '\.lock ' >after
			sed -i '/\.lock /d' before
			check "nothing changed: no file is touched" diff before after
		fi
		check_equal "nothing changed: the same result" "$(cat box.base)" "$(result box-store box)"
		;;
	leaf)
		base box
		use_repository "$variants/leaf"
		changed leaf curl base ./box.toml
		;;
	library)
		base box
		use_repository "$variants/library"
		changed library liblzma5 base ./box.toml
		;;
	post)
		base box
		use_repository "$distro/release"
		changed post 'post_scripts changed' post ./box.toml
		;;
	type)
		base box
		use_repository "$distro/release"
		rm -rf box
		changed "second type" '' base ./second.toml
		;;
	cacheless)
		base box
		if ! has_option no-import-cache; then
			skip "--no-import-cache: the same commit and files" "there is no such option"
			return
		fi
		use_repository "$distro/release"
		check "--no-import-cache: builds" cold cacheless base ./box.toml --no-import-cache
		check "--no-import-cache: the same commit and files" diff box.base cacheless.cold
		;;
	kernel)
		base machine
		use_repository "$variants/kernel"
		changed kernel linux-image base ./machine.toml
		;;
	user | service | file | cmdline)
		local -A reasons=([user]='users changed' [service]='services_disabled changed' [file]='post_scripts changed'
			[cmdline]='boot loader changed')
		base machine
		use_repository "$distro/release"
		changed "$1" "${reasons[$1]}" "$1" ./machine.toml
		;;
	version)
		base machine
		use_repository "$distro/release"
		changed version 'version changed' base ./machine.toml --version=7
		;;
	again)
		# Nothing of all this has damaged what the first builds left.
		use_repository "$distro/release"
		for side in box machine; do
			[ -e $side.base ] || continue
			rm -rf "$side"
			check "$side: the base builds again" compose $side-store $side base ./$side.toml
			check_equal "$side: is what it was" "$(cat $side.base)" "$(result $side-store $side)"
			check "$side: ostree fsck" ostree fsck --quiet --repo=$side-store/repo
		done
		;;
	*)
		not_ok "$1: is no case of this test"
		;;
	esac
}
for name in "${cases[@]}"; do
	run_case "$name"
done
finish
