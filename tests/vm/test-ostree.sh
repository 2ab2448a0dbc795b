#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An OSTree deployment: the disk boots, stock OSTree knows it, an upgrade from a repository brings the next version with the configuration merged, and
# the first version can be booted again. Three boots.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need qemu-system-x86_64 ssh ssh-keygen ostree python3
cd "$work" || exit 1
# shellcheck source=tests/vm/machine.sh
. "$top_srcdir/tests/vm/machine.sh"

web=''
on_exit() {
	machine_off
	[ -z "$web" ] || kill "$web" 2>/dev/null
}
ref=demo-ostree/x86_64/ostree
store=$cache/vm-store
ssh-keygen -q -t ed25519 -N '' -f key

# Says where upgrades come from, in front of what the type says.
printf '%s\n' 'base = "ostree-vm"' 'variant = "ostree"' 'description = "a test"' '[ostree]' "url = \"http://10.0.2.2:$web_port/repo\"" \
	'[disk]' 'formats = ["raw"]' >test.toml
# compose VERSION SNAPSHOT: the defaults of the configuration change with it.
compose() {
	mkdir -p "v$1"
	{
		echo "%include $top_srcdir/kickstarts/demo-ostree.ks"
		printf '%s\n' "selinux --enforcing" "bootloader --timeout=2" "%packages" "@selinux" bubblewrap "%end"
		echo "sshkey --username=demo \"$(cat key.pub)\""
		printf '%%post --erroronfail\necho "default %s" | tee /etc/kept.conf >/etc/changed.conf\n%%end\n' "$1"
	} >"v$1/demo-ostree.ks"
	"$ASHLAR" build "v$1/demo-ostree.ks" -t "$work/test.toml" --repos "$distro/$2" --version "$1" --store "$store" -o "v$1" --progress=plain
}
# The newest commit, for a web server.
offer() { ostree pull-local --repo=web/repo "$store/repo" "$ref" && ostree summary --repo=web/repo -u; }
mkdir web && ostree init --repo=web/repo --mode=archive
check "version 1 is composed" compose 1 release
image=v1/demo-ostree-test.raw
[ -f "$image" ] || { finish; exit; }
check "and offered" offer
commit=$(ostree rev-parse --repo=web/repo $ref)
check "version 2 is composed" compose 2 updates
python3 "$top_srcdir/tests/vm/serve.py" web $web_port &
web=$!
# The first boot takes the rest of a larger disk.
grown=$(($(stat -c %s "$image") / 1024 + 700 * 1024))
truncate -s +1G "$image"
machine_on "$image"

# The versions of all deployments, the first one is the default; what runs has a star.
deployments() { remote "ostree admin status" | awk '/^\*/ { star = "*" } $1 == "Version:" { printf "%s%s ", $2, star; star = "" }'; }
settings() { remote "cat /etc/kept.conf /etc/changed.conf" | tr '\n' ' '; }

comes_up "version 1 comes up" runs 1
enforces "" "/etc /var /run /boot"
check "/var is that of all deployments" remote "findmnt /var"
check_equal "ostree admin status" "1* " "$(deployments)"
check "the deployment is of the commit" remote "ostree admin status | grep -q ' demo-ostree $commit.0'"
check "the root has grown over the room that the disk has" remote "test \$(df --output=size -k /sysroot | tail -n 1) -gt $grown"
check "ostree fsck" as_root "ostree fsck --quiet --repo=/sysroot/ostree/repo"
refute "/usr cannot be written" as_root "touch /usr/here"
refute "the deployment's root cannot be written" as_root "touch /here"
check_equal "/home is in /var" /var/home/demo "$(remote "readlink -f /home/demo")"
kernel=$(remote "uname -r")
as_root "echo mine > /etc/changed.conf; echo kept > /var/lib/kept; sync"

check "version 2 is offered" offer
check "ostree admin upgrade" as_root "ostree admin upgrade"
reboot
comes_up "version 2 comes up" runs 2
enforces "" "/etc /var /run /boot"
check_equal "both deployments are there" "2* 1 " "$(deployments)"
check_equal "what was not changed here is the new default, what was is not" "default 2 mine " "$(settings)"
check_equal "a file in /var is kept" kept "$(remote "cat /var/lib/kept")"
note "kernel $kernel, then $(remote "uname -r")"
# Back to the first commit: OSTree 2022.7 has neither "rollback" nor "set-default" yet.
check "the first version is deployed again" as_root "ostree admin deploy $commit"
reboot
comes_up "version 1 comes up" runs 1
check_equal "both deployments are there" "1* 2 " "$(deployments)"
check_equal "with its own configuration" "default 1 mine " "$(settings)"
check_equal "its kernel runs again" "$kernel" "$(remote "uname -r")"
note "$(boots) boots"
finish
