#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The same inputs give the same bytes: built by root and by an ordinary user, in other directories, at another time, with another
# umask, time zone, language and home, from a copy of the repository elsewhere.
#
# Run by an ordinary user, both builds are his. REPRODUCIBLE_TYPES names the image types.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cli/user.sh
. "$(dirname "$0")/user.sh"
need_distro
need ostree
cd "$work" || exit 1
read -ra types <<<"${REPRODUCIBLE_TYPES:-qemu-vm azure-vm container wsl}"
type_options=("${types[@]/#/--type=}")

find_user
share_with_user
mkdir -p root-side user-side/deeper/home
chown -R "$user" user-side

build_root() (
	cd root-side || exit
	exec "$program" build "$kickstart" "${type_options[@]}" --repos "$distro/release" --store store -o out --progress=none
)
build_user() {
	as_user env -i PATH="$PATH" HOME="$work/user-side/deeper/home" TZ=Asia/Kathmandu LC_ALL=C LANG=de_AT.UTF-8 TMPDIR=/tmp \
		"$BASH" -c 'umask 0077; cd "$1" && shift && exec "$@"' build "$work/user-side/deeper" \
		"$program" build "$kickstart" "${type_options[@]}" --repos "$shared/release" --store a/store --output b/out --progress=none
}
seconds=$SECONDS
check "$(id -un) builds ${types[*]}" build_root
note "$((SECONDS - seconds)) s"
seconds=$SECONDS
check "$user builds the same" build_user
note "$((SECONDS - seconds)) s"
if [ ! -d root-side/out ] || [ ! -d user-side/deeper/b/out ]; then
	finish
	exit
fi

refs() { ostree refs --repo="$1" | sort | while read -r ref; do echo "$ref $(ostree rev-parse --repo="$1" "$ref")"; done; }
check_equal "the same commits" "$(refs root-side/store/repo)" "$(refs user-side/deeper/a/store/repo)"
digests() { (cd "$1" && sha256sum -- *); }
digests root-side/out >root.sums
digests user-side/deeper/b/out >user.sums
while read -r sum name; do
	check_equal "the same $name" "$sum" "$(sed -n "s/  $name\$//p" user.sums)"
done <root.sums
check_equal "no other files" "$(wc -l <root.sums)" "$(wc -l <user.sums)"
finish
