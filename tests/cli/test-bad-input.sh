#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Bad input of every kind: each has its exit status and a reason that names it, and leaves nothing behind.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need rpmbuild rpmsign createrepo_c gpg python3 ostree openssl
cd "$work" || exit 1
here=$top_srcdir/tests/cli
export ASHLAR_STORE=$work/store ASHLAR_CACHE=$work/cache
outside=/var/tmp/ashlar-outside

server_pid=
on_exit() {
	[ -z "$server_pid" ] || kill "$server_pid"
	rm -rf "$outside-marker"
}

# --- the web server and the repositories

python3 -u -m http.server --bind 127.0.0.1 --directory "$work" 0 >server.out 2>server.log &
server_pid=$!
for _ in $(seq 100); do
	port=$(sed -n 's/.* port \([0-9]*\).*/\1/p' server.out)
	[ -z "$port" ] || break
	sleep 0.1
done
url=http://127.0.0.1:$port
sed "s/@PORT@/$port/" "$here/specs/cases.spec" >cases.spec
"$top_srcdir/tests/distro/make-repo" repo "$here/specs/base.spec" cases.spec --unsigned unsigned --foreign foreign \
	--change climb:/aa/bb/=/../../ --change through:throughY=throughX --change walk:share/walk/=share/link/ >make-repo.log 2>&1 || {
	not_ok "the repository can be made" make-repo.log
	finish
	exit
}
cp -r repo/.foreign-keyring foreign-keyring
GNUPGHOME=$work/foreign-keyring gpg --batch --armor --export >foreign-key 2>/dev/null
gpgconf --homedir "$work/foreign-keyring" --kill all
truncate -s -100 repo/truncated-1-1.noarch.rpm
damage repo/flipped-1-1.noarch.rpm $(($(stat -c %s repo/flipped-1-1.noarch.rpm) - 200))
rm repo/vanished-1-1.noarch.rpm

# variant NAME: a copy of the repository, its packages linked
variant() {
	cp -rl repo "$1" && rm -r "$1/repodata" && cp -r repo/repodata "$1/"
}
variant tampered-repomd && sed -i 's/<revision>1</<revision>2</' tampered-repomd/repodata/repomd.xml
variant tampered-primary && damage tampered-primary/repodata/primary.xml.gz 100
variant no-signature && rm no-signature/repodata/repomd.xml.asc
# Metadata that describes the changed packages as they are, unsigned: only the packages' own signatures tell.
variant described && createrepo_c --quiet --no-database --simple-md-filenames --general-compress-type=gz described && rm -f described/repodata/*.asc
variant no-primary && rm no-primary/repodata/primary.xml.gz
variant nonsense && echo 'no XML at all' >nonsense/repodata/repomd.xml && rm nonsense/repodata/repomd.xml.asc
variant unreadable && rm unreadable/repodata/repomd.xml && ln -s repomd.xml unreadable/repodata/repomd.xml

cat >tiny.toml <<'END'
kind = "tar"
description = "a tree in a file"
END

# kickstart PACKAGE...: writes test.ks, with what stands on standard input, and a .repo file for it. Its repository is "repo"
# unless $repo names another place; $key and $repo_gpgcheck are about trust.
kickstart() {
	mkdir -p repos
	cat >repos/test.repo <<-END
		[test]
		name=Test
		baseurl=${repo:-file://$work/repo}
		gpgcheck=1
		repo_gpgcheck=${repo_gpgcheck:-1}
		gpgkey=${key-file://$work/repo/RPM-GPG-KEY}
	END
	{
		printf 'repo --name=test\n%%packages\n'
		printf '%s\n' "$@" '%end'
		[ -t 0 ] || cat
	} >test.ks
}

refs() { [ ! -d store/repo ] || ostree refs --repo=store/repo | sort; }
mounts() { cut -d' ' -f 5 /proc/self/mountinfo | sort; }

# nothing_left: what must hold after every failure; says what does not
nothing_left() {
	local bad=0
	[ -z "$(ls -A out 2>/dev/null)" ] || { echo "in the output directory:"; ls -lA out; bad=1; }
	[ "$(refs)" = "$refs_before" ] || { echo "refs: $(refs)"; bad=1; }
	[ -z "$(ls -A store/tmp 2>/dev/null)" ] || { echo "in the store's tmp:"; ls -lA store/tmp; bad=1; }
	[ "$(mounts)" = "$mounts_before" ] || { echo "mounts:"; mounts; bad=1; }
	[ ! -s left ] || { echo "processes:"; cat left; bad=1; }
	[ ! -e "$outside" ] || { echo "$outside exists"; rm -rf "$outside"; bad=1; }
	return $bad
}

# build: builds test.ks to out; status in $status, standard error in err
build() {
	refs_before=$(refs) mounts_before=$(mounts)
	rm -rf out
	status=0
	"$here/alone" "${alone[@]}" --left left "$ASHLAR" build "${kickstart_file:-test.ks}" -t "${type:-./tiny.toml}" -o out --repos repos --progress=none >out.txt 2>err || status=$?
}
alone=()

# fails "what" STATUS TEXT...: the build must, each TEXT in its first line; only 4 (the solver has an explanation) and 7 (a scriptlet its last lines) may have more
fails() {
	local name=$1 want=$2 text good=1
	shift 2
	build
	[ $status = "$want" ] || good=0
	for text; do head -n 1 err | grep -qF -- "$text" || good=0; done
	[ "$want" = 7 ] || [ "$want" = 4 ] || [ "$(wc -l <err)" = 1 ] || good=0
	nothing_left >left.txt || good=0
	if [ $good = 1 ]; then
		ok "$name: exits $want and says \"$(head -n 1 err | cut -c 1-400 | sed "s|$work|DIR|g")\""
	else
		{ echo "status $status, wanted $want with: $*"; cat err left.txt; } >.output
		not_ok "$name" .output
	fi
}

works() { # "what"
	build
	if [ $status = 0 ] && [ -s out/test-tiny.tar.zst ] && [ ! -s left ]; then
		ok "$1"
	else
		{ echo "status $status"; cat err left; ls -l out; } >.output 2>&1
		not_ok "$1" .output
	fi
}
cat_file() { "$ASHLAR" cat test/x86_64/tiny "$1" --progress=none; }

# --- it works at all: else nothing below means anything

kickstart good </dev/null
works "a good package can be installed"
check_equal "and is in the commit" "this is good" "$(cat_file /usr/share/cases/good)"

# --- configuration

printf 'frobnicate --now\n' >bad.ks
kickstart_file=bad.ks fails "unknown kickstart command" 3 bad.ks:1: frobnicate
sed 's/^kind/kidn/' tiny.toml >typo.toml
type=./typo.toml fails "unknown key of an image type" 3 typo.toml:1: kidn '"kind"'
echo 'kind = ' >syntax.toml
type=./syntax.toml fails "an image type that is not TOML" 3 syntax.toml:1
echo 'network --hostname=a b "' >syntax.ks
kickstart_file=syntax.ks fails "a kickstart with an open quote" 3 syntax.ks:1
key="" kickstart good </dev/null
fails "no key named" 3 repos/test.repo "\"test\"" gpgkey
key=file://$work/no-such-key kickstart good </dev/null
fails "a key file that is not there" 3 no-such-key
echo 'no key at all' >no-key
key=file://$work/no-key kickstart good </dev/null
fails "a key file without a key" 3 no-key

# --- resolution

kickstart no-such-package </dev/null
fails "missing package" 4 no-such-package
kickstart godo </dev/null
fails "missing package with a near name" 4 godo
kickstart @no-such-group </dev/null
fails "missing group" 4 no-such-group
kickstart needs-nobody </dev/null
fails "missing dependency" 4 needs-nobody nobody-has-this
kickstart one-way other-way </dev/null
fails "conflict" 4 one-way other-way
kickstart good -base </dev/null
fails "an excluded dependency" 4 good base
kickstart same-file-a same-file-b </dev/null
fails "two packages with one file" 4 same-file-a same-file-b /usr/share/cases/same-file

# --- fetching

repo=file://$work/nowhere kickstart good </dev/null
fails "missing repository" 5 test
repo=file://$work/unreadable kickstart good </dev/null
fails "unreadable repository" 5 test
repo=$url/nowhere kickstart good </dev/null
fails "HTTP 404 for the metadata" 5 test 404
repo=http://127.0.0.1:1/ kickstart good </dev/null
fails "no web server" 5 test
repo=$url/repo kickstart vanished </dev/null
fails "HTTP 404 for a package" 5 vanished-1-1.noarch
kickstart vanished </dev/null
fails "a package that is not there" 5 vanished-1-1.noarch
repo=file://$work/no-primary kickstart good </dev/null
fails "no primary metadata" 5 primary

# --- trust

kickstart unsigned </dev/null
fails "unsigned package" 6 unsigned-1-1.noarch "not signed"
kickstart foreign </dev/null
fails "wrongly signed package" 6 foreign-1-1.noarch "no key"
kickstart truncated </dev/null
fails "truncated RPM" 6 truncated-1-1.noarch
kickstart flipped </dev/null
fails "an RPM with a flipped byte" 6 flipped-1-1.noarch
key=file://$work/foreign-key kickstart good </dev/null
fails "the wrong key named" 6 test repomd.xml
repo=file://$work/tampered-repomd kickstart good </dev/null
fails "tampered repomd.xml" 6 test repomd.xml
repo=file://$work/tampered-primary kickstart good </dev/null
fails "tampered primary metadata" 6 test primary
repo=file://$work/no-signature kickstart good </dev/null
fails "repomd.xml without its signature" 6 test repomd.xml
for name in truncated flipped; do
	repo=file://$work/described repo_gpgcheck=0 kickstart $name </dev/null
	fails "$name RPM that the metadata agrees with" 6 $name-1-1.noarch
done
repo=file://$work/nonsense repo_gpgcheck=0 kickstart good </dev/null
fails "metadata that is not XML" 5 test
kickstart climb </dev/null
fails "paths with .." 6 climb-1-1.noarch ..
kickstart through </dev/null
fails "an absolute link and a file through it" 6 through-1-1.noarch throughX
kickstart link walk </dev/null
fails "a file through another package's link" 6 walk-1-1.noarch /usr/share/link

# --- scriptlets

script_fails() { # PACKAGE SCRIPTLET WORDS...
	local package=$1 scriptlet=$2
	shift 2
	kickstart "$package" good </dev/null
	fails "failing $scriptlet of $package" 7 "$package-1-1.noarch" "$scriptlet"
	check "and its last words are shown: $*" grep -qF -- "$*" err
}
script_fails bad-pretrans %pretrans words of the pretrans
script_fails bad-pre %pre last words of the pre
script_fails bad-post %post last words of the post
script_fails bad-posttrans %posttrans last words of the posttrans
script_fails bad-lua %post words of the lua
script_fails bad-trigger %triggerin last words of the trigger

kickstart good <<'END'
%post --erroronfail
echo last words of the kickstart
exit 9
%end
END
fails "failing %post of the kickstart" 7 test.ks %post
check "and its last words are shown" grep -qF "last words of the kickstart" err
kickstart good <<'END'
%post
exit 9
%end
END
works "a failing %post without --erroronfail is no error"

echo secret >"$outside-marker"
kickstart nosy </dev/null
works "a nosy scriptlet can be installed"
cat_file /usr/etc/nosy >nosy 2>/dev/null || cat_file /etc/nosy >nosy
check_equal "nothing that it tried has worked" 9 "$(grep -c ': failed$' nosy)"
refute "nothing at all" grep ': worked$' nosy
refute "it has no network but loopback" grep -E '^ *(eth|en|wl|docker|veth)' nosy
refute "nobody has heard it" grep nosy server.log

# --- space: a small file system is mounted in a mount namespace of its own

private=(unshare --mount)
[ "$(id -u)" = 0 ] || private=(unshare --user --map-root-user --map-auto --mount)
if "${private[@]}" mount -t tmpfs none /mnt 2>/dev/null; then
	# full "what" KIB-OF-STORE KIB-OF-OUTPUT TEXT...
	full() {
		local name=$1 store_kib=$2 out_kib=$3 good=1 text
		shift 3
		mkdir -p small
		"${private[@]}" "$BASH" -c '
			mount -t tmpfs -o size="$1k" none small && mkdir small/store small/out && mount -t tmpfs -o size="$2k" none small/out &&
				"$3" --left left "$4" build test.ks -t ./tiny.toml --repos repos --store small/store -o small/out --progress=none >out.txt 2>err
			echo $? >status
			ls -A small/out small/store/tmp >left.txt 2>&1
			cat left >>left.txt' \
			full "$store_kib" "$out_kib" "$here/alone" "$ASHLAR"
		[ "$(cat status)" = 8 ] && [ "$(wc -l <err)" = 1 ] || good=0
		for text; do grep -qF -- "$text" err || good=0; done
		! grep -vE '^small/|^$' left.txt | grep -q . || good=0
		if [ $good = 1 ]; then
			ok "$name: exits 8 and says \"$(cat err)\""
		else
			{ echo "status $(cat status), wanted 8 with: $*"; cat err left.txt; } >.output
			not_ok "$name" .output
		fi
	}
	kickstart ten-megabytes </dev/null
	full "a file system for the store that is too small" 2000 200000 small/store
	full "a file system for the output that is too small" 200000 2000 small/out
	full "a store that fills up" 60000 200000 "small/store"
	# The commit is good then, and the next try starts from it.
	full "an output directory that fills up" 200000 11000 small/out
	rmdir small
else
	skip "full disk" "no file system can be mounted here"
fi

# --- Ctrl-C

for name in INT TERM; do
	kickstart slow </dev/null
	alone=(--signal "$name" --after 2)
	began=$SECONDS
	fails "SIG$name while a scriptlet runs" 130 interrupted
	check "at once" test $((SECONDS - began)) -lt 8
	alone=()
done

kickstart good </dev/null
works "after all that, a good package can be installed"
check "ostree fsck" ostree fsck --quiet --repo=store/repo
finish
