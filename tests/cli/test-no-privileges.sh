#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The whole job by an ordinary user who has no devices but null, zero, full, random, urandom: no loop device, no device mapper, no
# disk, no terminal. His mounts are the same before and after, and while it runs; nothing of it runs on.
#
# PRIVILEGE_TYPES names the image types.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/cli/user.sh
. "$(dirname "$0")/user.sh"
need_distro
need python3 setpriv ostree
[ "$(id -u)" = 0 ] || skip_all "only root can take devices away"
cd "$work" || exit 1
here=$top_srcdir/tests/cli
read -ra types <<<"${PRIVILEGE_TYPES:-container qemu-vm}"

find_user
share_with_user
cp "$here/alone" "$work/shared/bin/"
mkdir home && chown "$user" home

# In a mount namespace of root's: /dev is a tmpfs with five devices, and cannot get others, for they are only bound.
cat >inside <<'END'
set -e
mount --make-rprivate /
mkdir -p "$WORK/dev"
mount -t tmpfs -o mode=0755 none "$WORK/dev"
for name in null zero full random urandom; do
	: >"$WORK/dev/$name"
	mount --bind "/dev/$name" "$WORK/dev/$name"
done
ln -s /proc/self/fd "$WORK/dev/fd"
ln -s /proc/self/fd/0 "$WORK/dev/stdin"
ln -s /proc/self/fd/1 "$WORK/dev/stdout"
ln -s /proc/self/fd/2 "$WORK/dev/stderr"
mount --move "$WORK/dev" /dev
(cd /dev && echo *) >"$WORK/devices"
cat /proc/self/mountinfo >"$WORK/mounts-before"
cd "$WORK/home"
status=0
setpriv --reuid "$USER_NAME" --regid "$(id -g "$USER_NAME")" --init-groups \
	env -i PATH="$PATH" HOME="$WORK/home" "$WORK/shared/bin/alone" --left "$WORK/home/left" "$@" || status=$?
cat /proc/self/mountinfo >"$WORK/mounts-after"
exit $status
END
run_inside() { USER_NAME=$user WORK=$work unshare --mount "$BASH" inside "$@"; }

cut -d' ' -f 5 /proc/self/mountinfo | sort >host-before
devices() { find /dev -xdev -printf '%p %M\n' | sort; }
devices >devices-before
check "$user builds ${types[*]} without devices" run_inside "$program" build "$kickstart" "${types[@]/#/--type=}" \
	--repos "$shared/release" --store store -o out --progress=none
check_equal "these were the devices" "fd full null random stderr stdin stdout urandom zero" "$(cat devices)"
check "no mount has come or gone around him" cmp mounts-before mounts-after
cut -d' ' -f 5 /proc/self/mountinfo | sort >host-after
check "nor on the machine" cmp host-before host-after
devices >devices-after
check "no device has come or gone" cmp devices-before devices-after
check_equal "no process is left" "" "$(cat home/left)"
check_equal "nothing is staged" "" "$(ls -A home/store/tmp)"
for file in home/out/*; do
	check_equal "$(basename "$file") is his" "$user" "$(stat -c %U "$file")"
done
check "there are several" test "$(ls home/out | wc -l)" -gt "${#types[@]}"
check "ostree fsck, by him" as_user ostree fsck --quiet --repo="$work/home/store/repo"
for disk in home/out/*.qcow2; do
	[ -e "$disk" ] || continue
	check "qemu-img check $(basename "$disk")" qemu-img check -q "$disk"
	check "ashlar inspect $(basename "$disk")" "$ASHLAR" inspect "$disk" --progress=none
done

# And without even a user's right to more than one id: said at once, with the remedy.
run_without_ids() {
	setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" HOME="$work/nowhere" ASHLAR_CACHE="$work/nobody/cache" \
		"$program" build "$kickstart" -t container --repos "$shared/release" --store "$work/nobody/store" -o "$work/nobody/out" --progress=none
}
if ! grep -qE '^(nobody|65534):' /etc/subuid; then
	mkdir nobody && chown 65534:65534 nobody
	status=0
	run_without_ids >said 2>&1 || status=$?
	check_equal "a user without subordinate ids is told so" 3 $status
	check "with the remedy" grep -q -- --add-subuids said
	check_equal "in one line" 1 "$(wc -l <said)"
fi
finish
