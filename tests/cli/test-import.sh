#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whole systems of the demo repository, installed by librpm alone and through the import cache: the same trees, to the
# nanosecond, and the same words of their scriptlets; also when slow scriptlets are watched, and when they are repeated from what
# was seen. IMPORT_TYPES names the image types.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
tool=$top_builddir/tests/tools/install-cli
[ -x "$tool" ] || skip_all "make tests/tools/install-cli first"
cd "$work" || exit 1
read -ra types <<<"${IMPORT_TYPES:-container qemu-vm}"

on_exit() {
	"$tool" --remove "$work/plain"
	"$tool" --remove "$work/imported"
} 2>/dev/null

# The files of a system's packages: PACKAGES is an array afterwards.
list_packages() { # TYPE
	"$ASHLAR" plan "$top_srcdir/kickstarts/demo-vm.ks" -t "$1" --repos "$distro/release" --store store --json --progress=none >plan.json || return
	mapfile -t packages < <(python3 -c '
import json, re, sys
for package in json.load(open("plan.json"))["variants"][0]["packages"]:
    print(sys.argv[1] + "/" + re.sub(r"-\d+:", "-", package["nevra"]) + ".rpm")' "$distro/release")
}

# Without the times, and what was found.
words() { sed -e '/^found /d' -e '/^memo: /d' -e 's/^ *[0-9.]* //' "$1"; }

compare() { # NAME [OPTION...]
	local name=$1 since
	shift
	since=$(date +%s)
	"$tool" --remove plain && "$tool" --remove imported || return
	"$tool" "$@" plain "${packages[@]}" >plain.log || return
	"$tool" "$@" --import cache imported "${packages[@]}" >imported.log || return
	"$tool" --dump "$since" plain >plain.dump && "$tool" --dump "$since" imported >imported.dump || return
	note "$name: $(wc -l <plain.dump) files, $(find imported -type f -links +1 2>/dev/null | wc -l) of them linked, $(sed -n '/^found/p' imported.log)"
	[ "$(wc -l <plain.dump)" -gt 1000 ] || return
	diff plain.dump imported.dump && diff <(words plain.log) <(words imported.log)
}

# After compare: what plain.dump and plain.log have. Scriptlets are watched the first time, and none is the second time.
memo() { # WHAT
	local what=$1 since
	since=$(date +%s)
	"$tool" --remove imported && "$tool" --import cache --memo memo imported "${packages[@]}" >imported.log || return
	"$tool" --dump "$since" imported >imported.dump || return
	note "$what: $(sed -n '/^memo: /p' imported.log)"
	case $what in
	watched) grep -q '^memo: reused 0, kept [1-9]' imported.log ;;
	repeated) grep -q '^memo: reused [1-9][0-9]*, kept 0$' imported.log ;;
	esac || return
	diff plain.dump imported.dump && diff <(words plain.log) <(words imported.log)
}

for type in "${types[@]}"; do
	check "$type: its packages" list_packages "$type"
	check "$type: everything" compare "$type" || break
	rm -rf memo
	check "$type: slow scriptlets are watched" memo watched
	check "$type: slow scriptlets are repeated" memo repeated
	check "$type: no documentation, two languages" compare "$type" --no-docs --lang=en --lang=de
done
finish
