#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A machine of snapshot "release" updates itself to snapshot "updates" over HTTP, back by hand and forth. Then come versions that fail
# their health checks, whose root does not verify, whose kernel panics: each is given up after its tries, and remembered.
# Thirteen boots, from power off each: a quarter of an hour without KVM. VM_KEEP=DIR: logs and consoles are kept there.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need qemu-system-x86_64 qemu-img ssh ssh-keygen jq python3
ls "$distro"/release/ashlar-node-*.rpm >/dev/null 2>&1 || skip_all "the demo repository has no ashlar-node: make-distro --build"
cd "$work" || exit 1
# shellcheck source=tests/vm/machine.sh
. "$top_srcdir/tests/vm/machine.sh"

store=$cache/vm-store ref=demo-vm/x86_64/qemu-vm web='' composer=''
on_exit() {
	machine_off
	[ -z "$web" ] || kill "$web" 2>/dev/null
	[ -z "$composer" ] || kill "$composer" 2>/dev/null
	[ -z "${VM_KEEP:-}" ] || cp console.* v*.log "$VM_KEEP"
}

"$ASHLAR" key generate key.pem --progress=none >/dev/null && "$ASHLAR" key init releases --progress=none \
	--key root,targets,snapshot,timestamp=key.pem >/dev/null || { not_ok "a release directory is begun"; finish; exit; }
ssh-keygen -q -t ed25519 -N '' -f key

# compose VERSION SNAPSHOT [WORDS FOR THE KERNEL [LINE OF %post]]: builds and publishes; web/atVERSION are the releases up to it.
compose() {
	mkdir -p "v$1" web
	{
		sed "s|^bootloader .*--append=\"|&${3:-} |" "$top_srcdir/kickstarts/demo-vm.ks"
		echo "sshkey --username=demo \"$(cat key.pub)\""
		echo "%post --erroronfail"
		echo "mkdir -p /usr/share/ashlar /etc/ashlar/node.conf.d /usr/lib/ashlar/health.d"
		printf "cat > /usr/share/ashlar/root.json <<'END'\n%s\nEND\n" "$(cat releases/metadata/1.root.json)"
		echo "cat > /etc/ashlar/node.conf.d/10-test.conf <<'END'"
		printf '[Update]\nUrl=http://10.0.2.2:%s/now/\nRef=%s\n[Health]\nRebootDelay=1s\nEND\n' $web_port "$ref"
		echo "${4:-}"
		echo "%end"
	} >"v$1/demo-vm.ks"
	"$ASHLAR" build "v$1/demo-vm.ks" -t qemu-vm --repos "$distro/$2" --version "$1" --store "$store" -o "v$1" --progress=plain >"v$1.log" 2>&1 &&
		"$ASHLAR" publish "$ref" -t qemu-vm --to releases --key key.pem --store "$store" --level 1 --progress=plain >>"v$1.log" 2>&1 &&
		cp -al releases "web/.at$1" && mv "web/.at$1" "web/at$1"
}
# The machine finds the releases up to VERSION, which are made while it boots.
offer() {
	wait_for 900 test -e "web/at$1" && ln -sfn "at$1" web/now && return
	cat "v$1.log"
	return 1
}

check "version 1 is composed and published" compose 1 release
image=v1/demo-vm-qemu-vm.qcow2
[ -f "$image" ] || { cat v1.log; finish; exit; }
rm -f v1/*.raw
# A machine's disk is larger than the image.
qemu-img resize -q "$image" +1G
python3 "$top_srcdir/tests/vm/serve.py" web $web_port &
web=$!
machine_on "$image"

bad="printf '#!/bin/sh\necho this version is bad >&2\nexit 1\n' > /usr/lib/ashlar/health.d/50-bad; chmod 755 /usr/lib/ashlar/health.d/50-bad"
compose_others() {
	compose 2 updates && compose 3 updates "" "$bad" && compose 4 updates && compose 5 updates "rdinit=/nonexistent panic=5"
}
compose_others &
composer=$!

entries() { as_root "cd /boot/EFI/Linux && echo *"; }
status() { as_root "ashlar-node status --json --progress=none" | jq -r "$1"; }
update() { as_root "ashlar-node update --progress=none $*"; }
# The versions that were booted, in order: by the root hash that the kernel was given.
booted() {
	local boot hash
	for boot in $(seq "$(find . -maxdepth 1 -name 'console.*' | wc -l)"); do
		hash=$(grep -aoE -m 1 'roothash=[0-9a-f]{64}' "console.$boot")
		grep -l "root hash ${hash#roothash=}" v?.log | tr -dc 0-9
		printf ' '
	done
}
version_comes_up() { # VERSION ENTRIES
	comes_up "version $1 comes up" runs "$1"
	check_equal "boot entries" "$2" "$(entries)"
}
remembered() { check_equal "and remembered as bad" "$1" "$(status '[.marks.bad[].version] | join(" ")')"; }

version_comes_up 1 "demo-vm_1.efi"
check_equal "its version is the high-water mark" 1 "$(status .marks.high_water)"
as_root "echo kept > /etc/ashlar-test; echo kept > /var/lib/ashlar-test; echo changed >> /etc/issue; sync"
old_kernel=$(remote uname -r)
check "version 2 is composed and published" offer 2
check "an update is offered" as_root "ashlar-node check --progress=none"
check "and taken" update
check_equal "the next boot tries it" "demo-vm_1.efi demo-vm_2+3.efi" "$(entries)"
check "links of udev follow the new labels" remote "test -e /dev/disk/by-partlabel/demo-vm_2"
check_equal "changes in /etc are told" added \
	"$(as_root "ashlar-node status --etc --json --progress=none" | jq -r ".etc[] | select(.path == \"ashlar-test\") | .here")"
reboot
version_comes_up 2 "demo-vm_1.efi demo-vm_2.efi"
new_kernel=$(remote uname -r)
check "another kernel runs ($old_kernel, then $new_kernel)" test "$old_kernel" != "$new_kernel"
check "the root is a verified device" as_root "veritysetup status root | grep -q \"status:  *verified\""
check_equal "the high-water mark is raised" 2 "$(status .marks.high_water)"
check_equal "a file put into /etc is kept" kept "$(remote "cat /etc/ashlar-test")"
check_equal "a file put into /var is kept" kept "$(remote "cat /var/lib/ashlar-test")"

check "back by hand" as_root "ashlar-node rollback --progress=none"
reboot
version_comes_up 1 "demo-vm_1.efi demo-vm_2+0.efi"
remembered 2
check_equal "its kernel runs again" "$old_kernel" "$(remote uname -r)"
check_equal "a file put into /etc is kept" kept "$(remote "cat /etc/ashlar-test")"
refute "version 2 is not taken again" update
check "and forth, when asked to" as_root "ashlar-node rollback --force --progress=none"
reboot
version_comes_up 2 "demo-vm_1.efi demo-vm_2.efi"
check_equal "nothing is bad any more" "" "$(status '[.marks.bad[].version] | join(" ")')"

# One that fails its health checks.
check "version 3 is composed and published" offer 3
check "it is taken" update
reboot
version_comes_up 2 "demo-vm_2.efi demo-vm_3+0-3.efi"
refute "it is not taken again" update
remembered 3

# One whose root is damaged after it was written and read back: its first block.
as_root "printf \"[Update]\\\\nTries=1\\\\n\" > /etc/ashlar/node.conf.d/20-tries.conf"
check "version 4 is composed and published" offer 4
check "it is taken" update
check_equal "the next boot tries it, once" "demo-vm_2.efi demo-vm_4+1.efi" "$(entries)"
slot=$(remote "lsblk -rno PATH,PARTLABEL,PARTTYPE" | awk '$2 == "demo-vm_4" && $3 == "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" { print $1 }')
check "its slot is found" test -n "$slot"
as_root "printf \"\\\\377\" | dd of=$slot bs=1 seek=1030 conv=notrunc,fsync; sync" >/dev/null 2>&1
reboot
version_comes_up 2 "demo-vm_2.efi demo-vm_4+0-1.efi"
refute "version 4 is not taken again" update
remembered "3 4"

# One whose kernel panics.
as_root "printf \"[Update]\\\\nTries=2\\\\n\" > /etc/ashlar/node.conf.d/20-tries.conf"
check "version 5 is composed and published" offer 5
check "it is taken" update
reboot
version_comes_up 2 "demo-vm_2.efi demo-vm_5+0-2.efi"
refute "version 5 is not taken again" update
remembered "3 4 5"
check_equal "a file put into /etc is kept" kept "$(remote "cat /etc/ashlar-test")"
check_equal "a file put into /var is kept" kept "$(remote "cat /var/lib/ashlar-test")"

check_equal "these were the boots, and no more" "1 2 1 2 3 3 3 2 4 2 5 5 2 " "$(booted)"
note "$(boots) boots"
finish
