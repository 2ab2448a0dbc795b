# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the tests of ashlar-node share: a machine of plain files, releases to update to. Source it behind lib.sh.
# shellcheck disable=SC2034,SC2154
need python3
NODE=$top_builddir/ashlar-node
LAB=$top_builddir/tests/tools/node-lab
[ -x "$LAB" ] || skip_all "tests/tools/node-lab is not built (make check builds it)"
now=1700000100
lab() { python3 "$top_srcdir/tests/cli/nodelab.py" "$@"; }
publish() { "$LAB" publish "$work/rel" "${at:-1700000000}" "$@"; }
channel() { "$LAB" channel "$work/rel" "${at:-1700000000}" "$@"; }

# make_machine DIR: runs version 1 from slot a
make_machine() {
	mkdir -p "$1/root/proc/self" "$1/root/proc/sys/kernel/random" "$1/root/etc/ashlar" "$1/root/usr/lib" \
		"$1/root/usr/share/ashlar"
	"$LAB" disk "$1/disk.raw" "$1/esp" 1 "$work/v1.img" 2 >/dev/null
	cp "$work/rel/metadata/1.root.json" "$1/root/usr/share/ashlar/root.json"
	printf '[Update]\nUrl=file://%s/rel\nRef=lab/x86_64/vm\n' "$work" >"$1/root/etc/ashlar/node.conf"
	lab boot "$1" >/dev/null
}

# node COMMAND OPTION...: on the machine $m at the time $now
node() {
	local command=$1
	shift
	"$NODE" "$command" --root "$m/root" --disk "$m/disk.raw" --esp "$m/esp" --now "$now" --progress=none "$@"
}

# exits STATUS "TEXT" COMMAND OPTION...: the exit status, and TEXT in what it says
exits() {
	local want=$1 text=$2 status=0
	shift 2
	node "$@" >"$work/.output" 2>&1 || status=$?
	if [ $status = "$want" ] && grep -qF -- "$text" "$work/.output" && ! grep -q CRITICAL "$work/.output"; then
		ok "$* exits $want${text:+: $text}"
	else
		echo "status $status" >>"$work/.output"
		not_ok "$* exits $want${text:+: $text}" "$work/.output"
	fi
}

entries() { (cd "$m/esp/EFI/Linux" && echo *); }
