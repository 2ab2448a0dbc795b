# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# For tests that need an ordinary user: source it after tests/lib.sh.
#
# As root it is $ASHLAR_TEST_USER, else the first user of /etc/subuid, else "ashlar-test", which is made. Run by an
# ordinary user it is him.

# Sets $user and $user_home.
find_user() {
	user=$(id -un)
	if [ "$(id -u)" = 0 ]; then
		user=${ASHLAR_TEST_USER:-$(first_subid_user)}
		if [ -z "$user" ]; then
			user=ashlar-test
			# useradd gives subordinate ids only where these files are.
			touch /etc/subuid /etc/subgid
			useradd --create-home "$user" 2>/dev/null || skip_all "no ordinary user with subordinate ids can be made"
		fi
	fi
	grep -q "^$user:" /etc/subuid 2>/dev/null || skip_all "user $user has no subordinate ids: usermod --add-subuids"
	command -v newuidmap >/dev/null || skip_all "newuidmap is not installed"
	note "the ordinary user is $user"
}

first_subid_user() {
	local name
	[ -f /etc/subuid ] || return 0
	while IFS=: read -r name _; do
		if id -u "$name" >/dev/null 2>&1 && [ "$(id -u "$name")" != 0 ]; then
			echo "$name"
			return
		fi
	done </etc/subuid
}

as_user() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups "$@"
	else
		"$@"
	fi
}

# Sets $program, $kickstart and $shared (as $distro): copies in the test's directory, because he may not see ours.
share_with_user() {
	shared=$work/shared/distro
	mkdir -p "$shared" "$work/shared/bin" "$work/shared/kickstarts"
	cp -rL "$(dirname "$ASHLAR")/uninstalled-data" "$ASHLAR" "$work/shared/bin/" 2>/dev/null || cp "$ASHLAR" "$work/shared/bin/"
	cp "$top_srcdir/kickstarts/demo-vm.ks" "$work/shared/kickstarts/"
	cp -rl "$distro/release" "$shared/" 2>/dev/null || { rm -rf "$shared/release" && cp -r "$distro/release" "$shared/"; }
	cp --remove-destination "$distro/RPM-GPG-KEY-mortar" "$shared/"
	sed "s|$distro|$shared|g" "$distro/release/demo.repo" >"$work/shared/demo.repo"
	cp --remove-destination "$work/shared/demo.repo" "$shared/release/demo.repo"
	chmod -R a+rX "$work/shared"
	program=$work/shared/bin/$(basename "$ASHLAR")
	kickstart=$work/shared/kickstarts/demo-vm.ks
}
