#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A machine with SELinux enforcing: it comes up, everything on it has the label of its policy, it updates itself, and comes up again.
# Two boots. VM_KEEP=DIR: logs and consoles are kept there.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need qemu-system-x86_64 qemu-img ssh ssh-keygen jq python3
ls "$distro"/release/ashlar-node-*.rpm >/dev/null 2>&1 || skip_all "the demo repository has no ashlar-node: make-distro --build"
cd "$work" || exit 1
# shellcheck source=tests/vm/machine.sh
. "$top_srcdir/tests/vm/machine.sh"

store=$cache/vm-store ref=enforcing/x86_64/qemu-vm web=''
on_exit() {
	machine_off
	[ -z "$web" ] || kill "$web" 2>/dev/null
	[ -z "${VM_KEEP:-}" ] || cp console.* v*.log "$VM_KEEP"
}

"$ASHLAR" key generate key.pem --progress=none >/dev/null && "$ASHLAR" key init releases --progress=none \
	--key root,targets,snapshot,timestamp=key.pem >/dev/null || { not_ok "a release directory is begun"; finish; exit; }
ssh-keygen -q -t ed25519 -N '' -f key
{
	echo "%include $top_srcdir/kickstarts/demo-enforcing.ks"
	echo "sshkey --username=demo \"$(cat key.pub)\""
	echo "%post --erroronfail"
	echo "mkdir -p /usr/share/ashlar /etc/ashlar/node.conf.d"
	printf "cat > /usr/share/ashlar/root.json <<'END'\n%s\nEND\n" "$(cat releases/metadata/1.root.json)"
	printf "printf '[Update]\\\\nUrl=http://10.0.2.2:%s/\\\\nRef=%s\\\\nAutomatic=apply\\\\n' > /etc/ashlar/node.conf.d/10-test.conf\n" $web_port "$ref"
	echo "%end"
} >enforcing.ks
compose() { # VERSION
	"$ASHLAR" build enforcing.ks -t qemu-vm --repos "$distro/release" --version "$1" --store "$store" -o "v$1" --progress=plain >"v$1.log" 2>&1 &&
		"$ASHLAR" publish "$ref" -t qemu-vm --to releases --key key.pem --store "$store" --level 1 --progress=plain >>"v$1.log" 2>&1
}
check "version 1 is composed and published" compose 1
image=v1/enforcing-qemu-vm.qcow2
[ -f "$image" ] || { cat v1.log; finish; exit; }
qemu-img resize -q "$image" +1G
check "so is version 2" compose 2
python3 "$top_srcdir/tests/vm/serve.py" releases $web_port &
web=$!
machine_on "$image"

# On a machine that has settled: nothing failed, everything has its label, no process runs into something that has none.
version_comes_up() { # VERSION
	comes_up "version $1 comes up" runs "$1"
	enforces "/etc /var /run"
	check_equal "the version was noted as good by its unit" success "$(remote "systemctl show -p Result --value ashlar-node-good")"
}

version_comes_up 1
check_equal "a log-in is the user's" "unconfined_u:unconfined_r:unconfined_t" "$(remote "id -Z" | cut -d : -f 1-3)"
as_root "echo kept > /etc/ashlar-test; echo kept > /var/lib/ashlar-test; sync"
# The unit of the timer, not a log-in, whom nothing is forbidden. It stages and may restart the machine itself.
as_root "systemctl start ashlar-node-update.service" >/dev/null 2>&1
check "its unit takes the update" wait_for 600 as_root "ls /boot/EFI/Linux | grep -q _2"
as_root "journalctl -u ashlar-node-update --no-pager -o cat" | tail -n 5 | sed 's/^/# /'
as_root "systemctl reboot" >/dev/null 2>&1
version_comes_up 2
check_equal "a file put into /etc is kept" kept "$(remote "cat /etc/ashlar-test")"
check_equal "a file put into /var is kept" kept "$(remote "cat /var/lib/ashlar-test")"
check_equal "two boots" 2 "$(boots)"
finish
