# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A machine that is really switched off and on: one QEMU a boot, started again whenever the guest resets. Source it after lib.sh, in
# the directory where consoles are to be kept: console.1, console.2 ...
#
#   machine_on DISK [OPTION...]  from now on it runs, with these options of "ashlar boot"; $machine_user has the key in the file "key"
#   machine_off                  its plug is pulled
#   remote COMMAND               by SSH; as_root COMMAND likewise
#   up                           it answers
#   wait_for SECONDS CMD         until CMD succeeds; fails at once if the machine is off
#   comes_up WHAT CMD            a test: CMD succeeds, and then no unit has failed; nothing further is tested if it does not
#   enforces DIRECTORIES [MORE]  tests: SELinux does, names in DIRECTORIES have the labels of the policy, those in "/" and MORE have some, and
#                                no process ran into what has none; what is deployed but not running is its own business
#   runs VERSION                 of the image
#   reboot                       returns when the next boot has begun
#   switches_off                 "systemctl poweroff", and returns when it is off
#   boots                        how many there were
#   says REGEX [TIMES]           on the console, since it was switched on
#   show_console                 the end of the last ones
#   $machine_input               what its console reads, for machine_on
#   ${machine_qemu[@]}           options for QEMU itself, likewise
#   $machine_user                "demo", or another who may use sudo, with the password "demo" or without
#   $web_port                    free for a web server of the test's own; the guest finds it at 10.0.2.2
machine='' machine_input=/dev/null machine_user=demo consoles_before=0
machine_qemu=()
# Other tests run beside, and have other numbers; the kernel gives away those from 32768 on.
ssh_port=$((20000 + $$ % 12000))
# shellcheck disable=SC2034
web_port=$((10000 + $$ % 10000))

consoles() { find . -maxdepth 1 -name 'console.[0-9]*' | sed 's/.*[.]//' | sort -n; }

machine_on() { # DISK [OPTION...]
	consoles_before=$(consoles | wc -l)
	(
		qemu='' boot=$consoles_before
		trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null; wait; exit' TERM
		while :; do
			boot=$((boot + 1))
			ASHLAR_ACCEL=${ASHLAR_ACCEL:-tcg} "$ASHLAR" boot "$@" --keep --ssh $ssh_port -- -no-reboot "${machine_qemu[@]}" <"$machine_input" >"console.$boot" 2>&1 &
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
	[ -z "$machine" ] || wait "$machine" 2>/dev/null
	machine=''
}

remote() {
	ssh -q -i key -p $ssh_port -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10 \
		-o ServerAliveInterval=20 -o BatchMode=yes "$machine_user@127.0.0.1" "$@"
}
as_root() { remote "echo demo | sudo -S -p '' sh -c '$*'"; }
up() { remote true; }
runs() { [ "$(remote ". /usr/lib/os-release; echo \$IMAGE_VERSION")" = "$1" ]; }

is_off() { ! kill -0 "$machine" 2>/dev/null; }
wait_for() { # SECONDS COMMAND...
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] && ! is_off || return 1
		sleep 3
	done
}

comes_up() { # WHAT COMMAND...
	local what=$1 state
	shift
	if wait_for 1500 "$@"; then
		ok "$what"
	else
		not_ok "$what"
		show_console
		finish
		exit
	fi
	state=$(remote "timeout 500 systemctl is-system-running --wait" 2>&1)
	check_equal "and is running with no failed unit" running "$state"
	[ "$state" = running ] || as_root "systemctl --failed --no-legend; systemctl list-jobs --no-legend; journalctl -b -p warning --no-pager | tail -n 30" | sed 's/^/#   /'
}

enforces() { # DIRECTORIES [MORE]
	check_equal "it enforces" Enforcing "$(as_root getenforce)"
	check_equal "nothing is unlabeled" "" "$(as_root "find / $1 ${2:-} -xdev -path /sysroot/ostree -prune -o -context \"*:unlabeled_t:*\" -print" 2>&1)"
	[ -z "$1" ] || check_equal "all labels in $1 are the policy's" "" "$(as_root "restorecon -nvR $1" 2>&1)"
	as_root "journalctl -b --no-pager -o cat | grep \"avc:  denied  [{]\"" | sed 's/.*avc:/avc:/; s/pid=[0-9]* //; s/ino=[0-9]* //' | sort | uniq -c >denied
	sed 's/^/# /' denied
	refute "no process ran into something unlabeled" grep -q unlabeled_t denied
	check_equal "services have domains of their own" "system_u:system_r:sshd_t:s0" "$(as_root "cat /proc/\$(systemctl show -p MainPID --value ssh)/attr/current" | tr -d '\0')"
}

more_boots() { [ "$(boots)" -gt "$1" ]; }
reboot() {
	local before
	before=$(boots)
	as_root "systemctl reboot" >/dev/null 2>&1
	wait_for 400 more_boots "$before"
}
switches_off() {
	as_root "sync; systemctl poweroff" >/dev/null 2>&1
	wait_for 300 is_off
	machine_off
}

# A boot is one once the kernel speaks.
boots() { cat console.* 2>/dev/null | grep -ac "Linux version"; }

# Without the colours of systemd's messages.
says() { # REGEX [TIMES]
	local boot
	[ "$(for boot in $(consoles | tail -n +$((consoles_before + 1))); do cat "console.$boot"; done | sed 's/\x1b\[[0-9;]*m//g' | grep -acE "$1")" -ge "${2:-1}" ]
}

show_console() {
	local boot
	for boot in $(consoles | tail -n 2); do
		note "console of boot $boot:"
		tail -n 30 "console.$boot" | tr -d '\r' | sed 's/^/#   /'
	done
}
