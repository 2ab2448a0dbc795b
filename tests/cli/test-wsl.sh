#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A distribution for WSL: Microsoft's rules for the file and for its manifest, what is left out of it, and the first start for real.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need rpmbuild rpmsign createrepo_c gpg python3 useradd passwd getent systemctl gzip tar jq
[ -n "$(find /lib/security /lib64/security /lib/*/security /usr/lib64/security -name pam_unix.so 2>/dev/null)" ] || skip_all "PAM is not installed"
cd "$work" || exit 1
here=$top_srcdir/tests/cli
export ASHLAR_CACHE=$work/cache ASHLAR_STORE=$work/store
cat >comps.xml <<-'END'
	<?xml version="1.0" encoding="UTF-8"?>
	<comps>
	  <group>
	    <id>wsl</id>
	    <name>WSL</name>
	    <packagelist><packagereq type="mandatory">wsl</packagereq></packagelist>
	  </group>
	</comps>
END
"$top_srcdir/tests/distro/make-repo" repo "$here/specs/base.spec" "$here/specs/wsl.spec" --comps "$work/comps.xml" >make-repo.log 2>&1 || {
	not_ok "the repository can be made" make-repo.log
	finish
	exit
}
cat >example.toml <<-'END'
	base = "wsl"
	[wsl]
	default_name = "Example-2"
	flavor = "Example"
	url = "https://example.com/wsl/"
END
# build NAME TYPE [MORE OF THE KICKSTART]: the output is kept in NAME.log
build() {
	printf 'repo --name=demo\n%%packages\nbase\n%%end\n%s' "${3:-}" >"$1.ks"
	"$ASHLAR" build "$1.ks" -t "$2" --repos repo -o "${out:-out}" --version 3 --progress=plain >"$1.log" 2>&1
}
# rules WHAT ARGUMENT...: a test for each rule
rules() {
	local what=$1 name problem
	shift
	python3 "$here/wsl-check.py" "$@" >rules.txt 2>rules.err
	[ ! -s rules.err ] || not_ok "$what can be read" rules.err
	while IFS=$'\t' read -r name problem; do
		if [ -z "$problem" ]; then ok "$what: $name"; else
			echo "$problem" >problem.txt
			not_ok "$what: $name" problem.txt
		fi
	done <rules.txt
}
file_of() { tar -xzf "$1" -O "./$2"; }

# --- the shipped type, and what a kickstart may do to it

build plain wsl $'rootpw --plaintext not-for-wsl\n%post\nchmod 0600 /etc/shadow\nmkdir -p /boot /usr/lib/modules/6.1\necho x >/boot/vmlinuz-6.1\necho x >/usr/lib/modules/6.1/initramfs.img\necho nameserver 192.0.2.1 >/etc/resolv.conf\n%end\n'
check "a distribution can be built" test -f out/plain-wsl.wsl
[ -f out/plain-wsl.wsl ] || sed 's/^/# /' plain.log
rules "file" out/plain-wsl.wsl "$(uname -m)"
check "what was left out is said: the password" grep -q 'the password of "root" is left out' plain.log
check "what was left out is said: the kernel" grep -q '"/boot/vmlinuz-6.1" is left out' plain.log
check "the name is the system's" sh -c "tar -xzf out/plain-wsl.wsl -O ./usr/lib/wsl-distribution.conf | grep -qx 'defaultName = plain'"
check "units that others enable stay" sh -c "tar -tzf out/plain-wsl.wsl | grep -qx './usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service'"
check "WSLg's X server is linked" sh -c "tar -xzf out/plain-wsl.wsl -O ./usr/lib/tmpfiles.d/ashlar-wsl.conf | grep -q '/mnt/wslg/.X11-unix$'"
check "no manifest without a place" test ! -e out/plain-wsl.DistributionInfo.json
out=again ASHLAR_STORE=$work/other build plain wsl "$(sed -n '/^rootpw/,$p' plain.ks)"$'\n'
check "the same bytes again" cmp out/plain-wsl.wsl again/plain-wsl.wsl

# What checks can also find faults.
mkdir -p empty/etc && printf '[oobe]\n[shortcut]\n[windowsterminal]\n' >empty/etc/wsl-distribution.conf
tar -C empty -czf empty.wsl .
refute "a file without all that is refused" python3 "$here/wsl-check.py" empty.wsl "$(uname -m)"

# --- the manifest

build plain ./example.toml
check "a place makes a manifest" test -f out/plain-example.DistributionInfo.json
rules "manifest" "$work/out/plain-example.DistributionInfo.json"
check_equal "the manifest's entry" "Example Example-2 Example-2 3 https://example.com/wsl/plain-example.wsl" \
	"$(jq -r '.ModernDistributions | to_entries[0] | "\(.key) \(.value[0].Name) \(.value[0].FriendlyName) \(.value[0].Amd64Url.Url)"' out/plain-example.DistributionInfo.json)"
cp out/plain-example.DistributionInfo.json first.json
printf 'url = "file:///C:/wsl/example.wsl"\nfriendly_name = "Example \\"two\\""\n' | cat example.toml - | grep -v https >other.toml
build plain ./other.toml
check_equal "a file on the machine, and a name for people" 'Example "two" file:///C:/wsl/example.wsl' \
	"$(jq -r '.ModernDistributions.Example[0] | "\(.FriendlyName) \(.Amd64Url.Url)"' out/plain-other.DistributionInfo.json)"
rm out/plain-example.DistributionInfo.json
build plain ./example.toml
check "the manifest is made again when it is gone" cmp first.json out/plain-example.DistributionInfo.json

# --- the first start, in the tree

# %post runs as root in the tree, as WSL's command does, and with answers in place of a person.
oobe() { # NAME ANSWERS [BEFORE]
	build "$1" wsl "%post
${3:-}
printf '$2' | /usr/libexec/wsl/oobe.sh >/usr/share/oobe.log 2>&1
echo status \$? >>/usr/share/oobe.log
getent shadow 1000 ann >/usr/share/oobe.shadow
%end
"
	file_of "out/$1-wsl.wsl" usr/share/oobe.log >oobe.log
	file_of "out/$1-wsl.wsl" usr/share/oobe.shadow >oobe.shadow
}
oobe closed '' ''
check "nobody answers: it fails, to be asked again" grep -qx 'status 1' oobe.log
check_equal "and makes nobody" "" "$(file_of out/closed-wsl.wsl etc/passwd | grep :1000:)"
oobe stubborn 'Ann\n-x\nroot\n\na b\nann\n'
check "five wrong answers end it" grep -qx 'status 1' oobe.log
check_equal "it asked five times" 5 "$(grep -o 'Name: ' oobe.log | wc -l)"
oobe person '9x\nann\nMortar-17-joint\nMortar-17-joint\n' 'echo wheel:x:10: >>/etc/group'
check "a name and a password make an account" grep -qx 'status 0' oobe.log
check_equal "with the default number and a shell" "ann:x:1000:1000::/home/ann:/bin/bash" "$(file_of out/person-wsl.wsl etc/passwd | grep ^ann:)"
check_equal "and may administer the system" "wheel:x:10:ann" "$(file_of out/person-wsl.wsl etc/group | grep ^wheel:)"
# shellcheck disable=SC2016
check "the password was set" grep -q '^ann:\$' oobe.shadow
check "its home is its own" sh -c "tar --numeric-owner -tvzf out/person-wsl.wsl ./home/ann | grep -q ' 1000/1000 '"
refute "the password is in no file" sh -c "gzip -dc out/person-wsl.wsl | grep -q Mortar-17"
refute "nor is its hash" sh -c "tar -xzf out/person-wsl.wsl -O ./etc/shadow | grep -F '\$'"
oobe silent 'ann\n'
check "an account without a password is good enough" grep -qx 'status 0' oobe.log
check "what remains to be done is said" grep -q 'wsl --user root' oobe.log
oobe twice '' 'useradd --uid 1000 --create-home bob'
check "an account that is there is kept" grep -qx 'status 0' oobe.log
check_equal "and no other is made" "bob" "$(file_of out/twice-wsl.wsl etc/passwd | grep :1000: | cut -d: -f1)"

# --- what a package or the kickstart brings must be right

fails() { # NAME TEXT SCRIPT
	build broken wsl "%post
$3
%end
" && echo built >>broken.log
	check "$1" grep -qF "$2" broken.log
}
fails "an icon that is none" 'wsl.icon: "/usr/share/wsl/icon.ico" is no ICO file' 'echo PNG >/usr/share/wsl/icon.ico'
fails "a terminal profile that is no JSON" 'wsl.terminal_profile' 'echo x >/usr/lib/wsl/terminal-profile.json'
fails "a first-run command that cannot be run" 'wsl.oobe_command' 'chmod 0644 /usr/libexec/wsl/oobe.sh'
finish
