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

# The composer makes the initramfs in two runs, without a kernel and of nothing but it. So here is what the modules systemd and dm
# do with the kernel in their install(), which only the first one calls.
installkernel() {
	local conf hook modules

	instmods overlay ext4
	for conf in /usr/lib/modules-load.d/*.conf; do
		[[ -f $conf ]] || continue
		mapfile -t modules < <(sed '/^[[:space:]]*\([#;]\|$\)/d' "$conf")
		((${#modules[@]} == 0)) || instmods "${modules[@]}"
	done
	if dracut_module_included dm && modinfo -k "${kernel:?}" dm_mod >/dev/null 2>&1; then
		for hook in "${dracutbasedir:?}"/modules.d/[0-9][0-9]dm/dm-pre-udev.sh; do
			inst_hook pre-udev 30 "$hook"
		done
	fi
}

# What the module crypt brings opens /var, if the kernel command line says that it is encrypted.
install_crypt() {
	local generator="${systemdutildir:?}/system-generators/ashlar-var-generator"

	inst_script "${moddir:?}/ashlar-var-generator" "$generator"
	chmod 755 "${initdir:?}$generator"
	# For a /var that the first boot makes.
	! dracut_module_included tpm2-tss || inst_multiple mkfs.ext4
	inst_simple "$moddir/device-var.conf" "/etc/systemd/system/dev-mapper-var.device.d/ashlar.conf"
}

install() {
	local unit

	inst_multiple cp mkdir mv
	inst_script "${moddir:?}/ashlar-etc" /usr/bin/ashlar-etc
	chmod 755 "${initdir:?}/usr/bin/ashlar-etc"
	# For systemd-veritysetup@root.service, which there is if the kernel command line has a root hash.
	inst_multiple base64 head readlink sed tr
	inst_script "$moddir/ashlar-roothash" /usr/bin/ashlar-roothash
	chmod 755 "$initdir/usr/bin/ashlar-roothash"
	inst_simple "$moddir/roothash.conf" "/etc/systemd/system/systemd-veritysetup@root.service.d/ashlar.conf"
	# systemd reads /sysroot/etc/fstab already in the initrd, and grows /var there.
	inst_multiple -o e2fsck fsck fsck.ext4 "${systemdutildir:?}/systemd-growfs"
	! dracut_module_included crypt || install_crypt
	inst_simple "${moddir:?}/repart.conf" /etc/systemd/system/systemd-repart.service.d/ashlar.conf
	for unit in sysroot-var.mount sysroot-etc.mount ashlar-etc.service; do
		inst_simple "$moddir/$unit" "/etc/systemd/system/$unit"
		# A system without its /var or /etc must not come up as if all were well.
		mkdir -p "${initdir:?}/etc/systemd/system/initrd-root-fs.target.requires"
		ln -sf "../$unit" "$initdir/etc/systemd/system/initrd-root-fs.target.requires/$unit"
	done
}
