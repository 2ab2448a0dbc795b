#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# dracut module of Ashlar's bootable trees: /var and the overlay over /etc are mounted before the switch to the root.

check() {
	# Only when it is asked for by name.
	return 255
}

depends() {
	echo systemd
}

installkernel() {
	instmods overlay ext4
}

install() {
	local unit

	inst_multiple mkdir
	# systemd reads /sysroot/etc/fstab already in the initrd, and grows /var there.
	inst_multiple -o e2fsck fsck fsck.ext4 "${systemdutildir:?}/systemd-growfs"
	inst_simple "${moddir:?}/repart.conf" /etc/systemd/system/systemd-repart.service.d/ashlar.conf
	for unit in sysroot-var.mount sysroot-etc.mount ashlar-etc.service; do
		inst_simple "$moddir/$unit" "/etc/systemd/system/$unit"
		# A system without its /var or /etc must not come up as if all were well.
		mkdir -p "${initdir:?}/etc/systemd/system/initrd-root-fs.target.requires"
		ln -sf "../$unit" "$initdir/etc/systemd/system/initrd-root-fs.target.requires/$unit"
	done
}
