#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A machine of snapshot "release" updates itself to snapshot "updates" over HTTP and back; a version that fails its health checks is given up.
# One QEMU, some seven boots: half an hour without KVM.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need qemu-system-x86_64 ssh ssh-keygen jq python3
ls "$distro"/release/ashlar-node-*.rpm >/dev/null 2>&1 || skip_all "the demo repository has no ashlar-node: make-distro --build"

console=$work/console store=$cache/test-store ref=demo-vm/x86_64/qemu-vm
vm='' web=''
on_exit() {
	[ -z "$vm" ] || kill "$vm" 2>/dev/null
	[ -z "$web" ] || kill "$web" 2>/dev/null
}
port=$((20000 + $$ % 20000)) web_port=$((40001 + $$ % 20000))
cd "$work" || exit 1

"$ASHLAR" key generate key.pem --progress=none >/dev/null && "$ASHLAR" key init releases --progress=none \
	--key root,targets,snapshot,timestamp=key.pem >/dev/null || { not_ok "a release directory is begun"; finish; exit; }
ssh-keygen -q -t ed25519 -N '' -f key

# compose VERSION SNAPSHOT [LINE OF %post]: builds and publishes
compose() {
	{
		echo "%include $top_srcdir/kickstarts/demo-vm.ks"
		echo "sshkey --username=demo \"$(cat key.pub)\""
		echo "%post --erroronfail"
		echo "mkdir -p /usr/share/ashlar /etc/ashlar/node.conf.d /usr/lib/ashlar/health.d"
		printf "cat > /usr/share/ashlar/root.json <<'END'\n%s\nEND\n" "$(cat releases/metadata/1.root.json)"
		echo "cat > /etc/ashlar/node.conf.d/10-test.conf <<'END'"
		printf '[Update]\nUrl=http://10.0.2.2:%s/\nRef=%s\n[Health]\nRebootDelay=1s\nEND\n' $web_port "$ref"
		echo "${3:-}"
		echo "%end"
	} >demo-vm.ks
	"$ASHLAR" build demo-vm.ks -t qemu-vm --repos "$distro/$2" --version "$1" --store "$store" -o "out$1" --progress=plain &&
		"$ASHLAR" publish "$ref" -t qemu-vm --to releases --key key.pem --store "$store" --level 3 --progress=plain
}
check "version 1 is composed and published" compose 1 release
image=$work/out1/demo-vm-qemu-vm.raw
[ -f "$image" ] || { finish; exit; }
truncate -s +1G "$image"
python3 "$top_srcdir/tests/vm/serve.py" releases $web_port &
web=$!
ASHLAR_ACCEL=${ASHLAR_ACCEL:-tcg} "$ASHLAR" boot "$image" --ssh $port --until "no such text is ever said" --timeout 6000 >"$console" 2>&1 &
vm=$!
check "version 2 is composed and published" compose 2 updates

remote() {
	ssh -q -i key -p $port -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o ConnectTimeout=10 -o BatchMode=yes demo@127.0.0.1 "$@"
}
as_root() { remote "echo demo | sudo -S -p '' sh -c '$*'"; }
wait_for() { # SECONDS COMMAND...
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] && kill -0 "$vm" 2>/dev/null || return 1
		sleep 3
	done
}
runs() { [ "$(remote ". /usr/lib/os-release; echo \$IMAGE_VERSION")" = "$1" ]; }
entries() { as_root "cd /boot/EFI/Linux && echo *"; }
settled() { remote "systemctl is-system-running --wait" 2>&1; }
status() { as_root "ashlar-node status --json --progress=none" | jq -r "$1"; }
reboot() { as_root "systemctl reboot" >/dev/null 2>&1; }

check "version 1 comes up" wait_for 600 runs 1
check_equal "and is running" running "$(settled)"
check_equal "it was found good" "demo-vm_1.efi" "$(entries)"
check_equal "its version is the high-water mark" 1 "$(status .marks.high_water)"
as_root "echo kept > /etc/ashlar-test; echo kept > /var/lib/ashlar-test; echo changed >> /etc/issue; sync"
old_kernel=$(remote uname -r)
check "an update is offered" as_root "ashlar-node check --progress=none"
check "and taken" as_root "ashlar-node update --progress=none"
check_equal "the next boot tries it" "demo-vm_1.efi demo-vm_2+3.efi" "$(entries)"
check "links of udev follow the new labels" remote "test -e /dev/disk/by-partlabel/demo-vm_2"
check "changes in /etc are told" as_root "ashlar-node status --etc --json --progress=none | jq -e \".etc[] | select(.path == \\\"ashlar-test\\\") | .here == \\\"added\\\"\""
reboot
check "version 2 comes up" wait_for 900 runs 2
check_equal "and is running" running "$(settled)"
note "kernel $old_kernel, then $(remote uname -r)"
check "the root is a verified device" as_root "veritysetup status root | grep -q \"status:  *verified\""
check_equal "it was found good" "demo-vm_1.efi demo-vm_2.efi" "$(entries)"
check_equal "the high-water mark is raised" 2 "$(status .marks.high_water)"
check_equal "a file put into /etc is kept" kept "$(remote "cat /etc/ashlar-test")"
check_equal "a file put into /var is kept" kept "$(remote "cat /var/lib/ashlar-test")"

# One that fails its health checks.
bad="printf '#!/bin/sh\necho this version is bad >&2\nexit 1\n' > /usr/lib/ashlar/health.d/50-bad; chmod 755 /usr/lib/ashlar/health.d/50-bad"
check "version 3, which will fail, is composed and published" compose 3 updates "$bad"
check "it is taken" as_root "ashlar-node update --progress=none"
boots() { grep -ac "systemd-boot\\|Linux version" "$console"; }
before=$(boots)
reboot
given_up() { runs 2 && [ "$(entries)" = "demo-vm_2.efi demo-vm_3+0-3.efi" ]; }
check "after its tries version 2 runs again" wait_for 1800 given_up
note "$(($(boots) - before)) boots"
check_equal "and is running" running "$(settled)"
refute "version 3 is not taken again" as_root "ashlar-node update --progress=none"
check "it is remembered as bad" test "$(status '.marks.bad[0].version')" = 3

finish
