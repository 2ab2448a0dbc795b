# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Kernels that tests boot, kept in the cache. Source it after lib.sh.

# A kernel and its modules, into the current directory: from the demo repository, or the archive.
unpack_kernel() { # NAME
	local name
	if [ "$1" = 6.1 ]; then
		# shellcheck disable=SC2012,SC2154
		rpm2cpio "$(ls "$distro"/updates/linux-image-6.1.*-cloud-amd64-*.rpm | sort -V | tail -n 1)" | cpio -idm --quiet
		return
	fi
	name=$(apt-cache search '^linux-image-6[.]12[.].*-cloud-amd64$' | awk '{ print $1 }' | sort -V | tail -n 1)
	[ -n "$name" ] || { echo "apt-cache knows no linux-image-6.12"; return 1; }
	apt-get -q download "$name" && dpkg-deb -x "$name"_*.deb . && rm "$name"_*.deb
}

# get_kernel NAME: makes kernels/NAME in the cache
get_kernel() {
	# shellcheck disable=SC2154
	local dir=$cache/kernels/$1
	[ ! -d "$dir" ] || return 0
	mkdir -p "$dir.new.$$" && (cd "$dir.new.$$" && unpack_kernel "$1" && [ -n "$(find . -name 'vmlinuz*')" ]) && mv "$dir.new.$$" "$dir" && return
	rm -rf "$dir.new.$$"
	return 1
}

# make_kernel_repo DIR: a repository "kernel" with the package linux-image-6.12, as those of the demo repository are
make_kernel_repo() {
	local from=$cache/kernels/6.12 release
	release=$(basename "$from"/lib/modules/*)
	{
		printf 'Name: linux-image-6.12\nVersion: 6.12\nRelease: 1\nSummary: Linux 6.12\nLicense: GPL-2.0-only\nAutoReqProv: no\n'
		printf '%%global debug_package %%{nil}\n%%global __os_install_post %%{nil}\n'
		# shellcheck disable=SC2154
		sed "s/@KERNEL@/$release/g" "$top_srcdir/tests/distro/scripts/linux-image-ABI-cloud-amd64.spec-inc"
		printf '%%description\nLinux 6.12\n%%install\nmkdir -p %%{buildroot}/usr/lib/modules\ncp -a %s %%{buildroot}/usr/lib/modules/\n' \
			"$from/lib/modules/$release"
		printf 'cp %s %%{buildroot}/usr/lib/modules/%s/vmlinuz\n' "$from/boot/vmlinuz-$release" "$release"
		printf '%%files\n%%defattr(-,root,root)\n/usr/lib/modules/%s\n' "$release"
	} >linux-image.spec
	"$top_srcdir/tests/distro/make-repo" "$1" linux-image.spec && sed -i 's/^\[demo\]/[kernel]/' "$1/demo.repo"
}
