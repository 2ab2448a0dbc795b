# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A machine that is really switched off and on: one QEMU a boot, started again whenever the guest resets. Source it after lib.sh, in
# the directory where consoles are to be kept: console.1, console.2 ...
#
#   machine_on DISK         from now on it runs; its user "demo" has the key in the file "key"
#   remote COMMAND          by SSH; as_root COMMAND likewise
#   wait_for SECONDS CMD    until CMD succeeds
#   boots                   how many there were
#   show_console            the end of the last ones
#   $web_port               free for a web server of the test's own; the guest finds it at 10.0.2.2
machine=''
# Other tests run beside, and have other numbers; the kernel gives away those from 32768 on.
ssh_port=$((20000 + $$ % 12000))
# shellcheck disable=SC2034
web_port=$((10000 + $$ % 10000))

machine_on() { # DISK
	(
		qemu='' boot=0
		trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null; exit' TERM
		while :; do
			boot=$((boot + 1))
			ASHLAR_ACCEL=${ASHLAR_ACCEL:-tcg} "$ASHLAR" boot "$1" --keep --ssh $ssh_port -- -no-reboot </dev/null >"console.$boot" 2>&1 &
			qemu=$!
			wait "$qemu" || exit
			# It is not for us to switch a machine on that switched itself off.
			! grep -aq "reboot: Power down" "console.$boot" || exit
		done
	) &
	machine=$!
}

machine_off() {
	[ -z "$machine" ] || kill "$machine" 2>/dev/null
	machine=''
}

remote() {
	ssh -q -i key -p $ssh_port -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10 \
		-o ServerAliveInterval=20 -o BatchMode=yes demo@127.0.0.1 "$@"
}
as_root() { remote "echo demo | sudo -S -p '' sh -c '$*'"; }

wait_for() { # SECONDS COMMAND...
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] && kill -0 "$machine" 2>/dev/null || return 1
		sleep 3
	done
}

# A boot is one once the kernel speaks.
boots() { cat console.* 2>/dev/null | grep -ac "Linux version"; }

show_console() {
	local boot
	for boot in $(find . -maxdepth 1 -name 'console.*' | sed 's/.*[.]//' | sort -n | tail -n 2); do
		note "console of boot $boot:"
		tail -n 25 "console.$boot" | tr -d '\r' | sed 's/^/#   /'
	done
}
