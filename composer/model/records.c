/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/records.h"

#include "model/imagetype.h"

static const AshField root_password_fields[] = {
	ASH_FIELD(AshRootPassword, set, ASH_FIELD_BOOL),
	ASH_FIELD(AshRootPassword, password, ASH_FIELD_STRING),
	ASH_FIELD(AshRootPassword, crypted, ASH_FIELD_BOOL),
	ASH_FIELD(AshRootPassword, locked, ASH_FIELD_BOOL),
	ASH_FIELD(AshRootPassword, allow_ssh, ASH_FIELD_BOOL),
	{ NULL },
};

static const AshField user_fields[] = {
	ASH_FIELD(AshUserSpec, name, ASH_FIELD_STRING),
	ASH_FIELD(AshUserSpec, gecos, ASH_FIELD_STRING),
	ASH_FIELD(AshUserSpec, home, ASH_FIELD_STRING),
	ASH_FIELD(AshUserSpec, shell, ASH_FIELD_STRING),
	ASH_FIELD(AshUserSpec, groups, ASH_FIELD_STRV),
	ASH_FIELD(AshUserSpec, password, ASH_FIELD_STRING),
	ASH_FIELD(AshUserSpec, crypted, ASH_FIELD_BOOL),
	ASH_FIELD(AshUserSpec, locked, ASH_FIELD_BOOL),
	ASH_FIELD(AshUserSpec, uid, ASH_FIELD_INT),
	ASH_FIELD(AshUserSpec, gid, ASH_FIELD_INT),
	ASH_FIELD(AshUserSpec, origin, ASH_FIELD_NOTE),
	{ NULL },
};

static const AshField group_fields[] = {
	ASH_FIELD(AshGroupSpec, name, ASH_FIELD_STRING),
	ASH_FIELD(AshGroupSpec, gid, ASH_FIELD_INT),
	ASH_FIELD(AshGroupSpec, origin, ASH_FIELD_NOTE),
	{ NULL },
};

static const AshField ssh_key_fields[] = {
	ASH_FIELD(AshSshKeySpec, user, ASH_FIELD_STRING),
	ASH_FIELD(AshSshKeySpec, key, ASH_FIELD_STRING),
	ASH_FIELD(AshSshKeySpec, origin, ASH_FIELD_NOTE),
	{ NULL },
};

static const AshField firewall_fields[] = {
	ASH_FIELD(AshFirewallSpec, set, ASH_FIELD_BOOL),
	ASH_FIELD(AshFirewallSpec, enabled, ASH_FIELD_BOOL),
	ASH_FIELD(AshFirewallSpec, services, ASH_FIELD_STRV),
	ASH_FIELD(AshFirewallSpec, remove_services, ASH_FIELD_STRV),
	ASH_FIELD(AshFirewallSpec, ports, ASH_FIELD_STRV),
	ASH_FIELD(AshFirewallSpec, trusts, ASH_FIELD_STRV),
	{ NULL },
};

static const AshField network_fields[] = {
	ASH_FIELD(AshNetworkSpec, device, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, bootproto, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, ip, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, netmask, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, gateway, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, ipv6_address, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, ipv6_gateway, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, nameservers, ASH_FIELD_STRV),
	ASH_FIELD(AshNetworkSpec, mtu, ASH_FIELD_INT),
	ASH_FIELD(AshNetworkSpec, onboot, ASH_FIELD_BOOL),
	ASH_FIELD(AshNetworkSpec, ipv4, ASH_FIELD_BOOL),
	ASH_FIELD(AshNetworkSpec, ipv6, ASH_FIELD_BOOL),
	ASH_FIELD(AshNetworkSpec, default_route, ASH_FIELD_BOOL),
	ASH_FIELD(AshNetworkSpec, dns, ASH_FIELD_BOOL),
	ASH_FIELD(AshNetworkSpec, dns4, ASH_FIELD_BOOL),
	ASH_FIELD(AshNetworkSpec, dns6, ASH_FIELD_BOOL),
	ASH_FIELD(AshNetworkSpec, kind, ASH_FIELD_INT),
	ASH_FIELD(AshNetworkSpec, members, ASH_FIELD_STRV),
	ASH_FIELD(AshNetworkSpec, options, ASH_FIELD_STRV),
	ASH_FIELD(AshNetworkSpec, parent, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, vlan, ASH_FIELD_INT),
	ASH_FIELD(AshNetworkSpec, search4, ASH_FIELD_STRV),
	ASH_FIELD(AshNetworkSpec, search6, ASH_FIELD_STRV),
	ASH_FIELD(AshNetworkSpec, dhcp_class, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, essid, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, wpa_key, ASH_FIELD_STRING),
	ASH_FIELD(AshNetworkSpec, origin, ASH_FIELD_NOTE),
	{ NULL },
};

static const AshField certificate_fields[] = {
	ASH_FIELD(AshCertificateSpec, path, ASH_FIELD_STRING),
	ASH_FIELD(AshCertificateSpec, text, ASH_FIELD_STRING),
	ASH_FIELD(AshCertificateSpec, origin, ASH_FIELD_NOTE),
	{ NULL },
};

const AshField ash_script_spec_fields[] = {
	ASH_FIELD(AshScriptSpec, interpreter, ASH_FIELD_STRING),
	ASH_FIELD(AshScriptSpec, body, ASH_FIELD_STRING),
	ASH_FIELD(AshScriptSpec, log, ASH_FIELD_STRING),
	ASH_FIELD(AshScriptSpec, error_on_fail, ASH_FIELD_BOOL),
	ASH_FIELD(AshScriptSpec, outside, ASH_FIELD_BOOL),
	ASH_FIELD(AshScriptSpec, origin, ASH_FIELD_NOTE),
	{ NULL },
};

const AshField ash_spec_fields[] = {
	ASH_FIELD(AshSpec, name, ASH_FIELD_STRING),
	ASH_FIELD(AshSpec, lang, ASH_FIELD_STRING),
	ASH_FIELD(AshSpec, lang_support, ASH_FIELD_STRV),
	ASH_FIELD(AshSpec, keymap, ASH_FIELD_STRING),
	ASH_FIELD(AshSpec, xlayouts, ASH_FIELD_STRV),
	ASH_FIELD(AshSpec, timezone, ASH_FIELD_STRING),
	ASH_FIELD(AshSpec, timezone_utc, ASH_FIELD_BOOL),
	ASH_FIELD(AshSpec, ntp_servers, ASH_FIELD_STRV),
	ASH_FIELD(AshSpec, ntp_pools, ASH_FIELD_STRV),
	ASH_FIELD(AshSpec, ntp_nts, ASH_FIELD_STRV),
	ASH_FIELD(AshSpec, ntp_disabled, ASH_FIELD_BOOL),
	ASH_FIELD_IN(AshSpec, root_password, root_password_fields),
	ASH_FIELD_EACH(AshSpec, users, user_fields, AshUserSpec),
	ASH_FIELD_EACH(AshSpec, groups, group_fields, AshGroupSpec),
	ASH_FIELD_EACH(AshSpec, ssh_keys, ssh_key_fields, AshSshKeySpec),
	ASH_FIELD(AshSpec, services_enabled, ASH_FIELD_STRV),
	ASH_FIELD(AshSpec, services_disabled, ASH_FIELD_STRV),
	ASH_FIELD(AshSpec, selinux, ASH_FIELD_INT),
	ASH_FIELD_IN(AshSpec, firewall, firewall_fields),
	ASH_FIELD(AshSpec, hostname, ASH_FIELD_STRING),
	ASH_FIELD_EACH(AshSpec, networks, network_fields, AshNetworkSpec),
	ASH_FIELD(AshSpec, firstboot, ASH_FIELD_INT),
	ASH_FIELD(AshSpec, skip_x, ASH_FIELD_BOOL),
	ASH_FIELD(AshSpec, start_x, ASH_FIELD_BOOL),
	ASH_FIELD(AshSpec, desktop, ASH_FIELD_STRING),
	ASH_FIELD(AshSpec, authselect, ASH_FIELD_STRV),
	ASH_FIELD_EACH(AshSpec, certificates, certificate_fields, AshCertificateSpec),
	ASH_FIELD_EACH(AshSpec, post_scripts, ash_script_spec_fields, AshScriptSpec),
	{ NULL },
};

static const AshField mount_fields[] = {
	ASH_FIELD(AshMount, label, ASH_FIELD_STRING),
	ASH_FIELD(AshMount, mount_point, ASH_FIELD_STRING),
	ASH_FIELD(AshMount, fs, ASH_FIELD_STRING),
	ASH_FIELD(AshMount, options, ASH_FIELD_STRING),
	ASH_FIELD(AshMount, role, ASH_FIELD_INT),
	ASH_FIELD(AshMount, check_pass, ASH_FIELD_INT),
	ASH_FIELD(AshMount, grow, ASH_FIELD_BOOL),
	ASH_FIELD(AshMount, max_size, ASH_FIELD_UINT64),
	ASH_FIELD(AshMount, encrypted, ASH_FIELD_BOOL),
	ASH_FIELD(AshMount, volume, ASH_FIELD_STRING),
	ASH_FIELD(AshMount, device, ASH_FIELD_STRING),
	ASH_FIELD(AshMount, grows_on, ASH_FIELD_STRING),
	{ NULL },
};

const AshField ash_image_type_tree_fields[] = {
	ASH_FIELD(AshImageType, tree_kind, ASH_FIELD_INT),
	ASH_FIELD(AshImageType, bootable, ASH_FIELD_BOOL),
	ASH_FIELD(AshImageType, system, ASH_FIELD_INT),
	ASH_FIELD(AshImageType, loader, ASH_FIELD_INT),
	ASH_FIELD(AshImageType, packages_strip, ASH_FIELD_STRV),
	ASH_FIELD(AshImageType, services_enable, ASH_FIELD_STRV),
	ASH_FIELD(AshImageType, services_disable, ASH_FIELD_STRV),
	ASH_FIELD(AshImageType, services_mask, ASH_FIELD_STRV),
	ASH_FIELD(AshImageType, initramfs_modules, ASH_FIELD_STRV),
	ASH_FIELD(AshImageType, initramfs_drivers, ASH_FIELD_STRV),
	ASH_FIELD(AshImageType, var_encrypted, ASH_FIELD_BOOL),
	ASH_FIELD(AshImageType, var_tpm2, ASH_FIELD_BOOL),
	ASH_FIELD(AshImageType, bios_esp, ASH_FIELD_INT),
	ASH_FIELD_EACH(AshImageType, mounts, mount_fields, AshMount),
	ASH_FIELD(AshImageType, wsl_default_uid, ASH_FIELD_INT),
	ASH_FIELD(AshImageType, wsl_systemd, ASH_FIELD_BOOL),
	ASH_FIELD(AshImageType, wsl_oobe_command, ASH_FIELD_STRING),
	ASH_FIELD(AshImageType, wsl_icon, ASH_FIELD_STRING),
	ASH_FIELD(AshImageType, wsl_default_name, ASH_FIELD_STRING),
	ASH_FIELD(AshImageType, wsl_shortcut, ASH_FIELD_BOOL),
	ASH_FIELD(AshImageType, wsl_terminal, ASH_FIELD_BOOL),
	ASH_FIELD(AshImageType, wsl_terminal_profile, ASH_FIELD_STRING),
	{ NULL },
};

const AshField ash_package_request_fields[] = {
	ASH_FIELD(AshPackageRequest, names, ASH_FIELD_STRV),
	ASH_FIELD(AshPackageRequest, excludes, ASH_FIELD_STRV),
	ASH_FIELD(AshPackageRequest, groups, ASH_FIELD_STRV),
	ASH_FIELD(AshPackageRequest, groups_mandatory, ASH_FIELD_STRV),
	ASH_FIELD(AshPackageRequest, groups_all, ASH_FIELD_STRV),
	ASH_FIELD(AshPackageRequest, group_excludes, ASH_FIELD_STRV),
	ASH_FIELD(AshPackageRequest, environments, ASH_FIELD_STRV),
	ASH_FIELD(AshPackageRequest, core, ASH_FIELD_BOOL),
	ASH_FIELD(AshPackageRequest, weak_deps, ASH_FIELD_BOOL),
	ASH_FIELD(AshPackageRequest, docs, ASH_FIELD_BOOL),
	ASH_FIELD(AshPackageRequest, ignore_missing, ASH_FIELD_BOOL),
	ASH_FIELD(AshPackageRequest, multilib, ASH_FIELD_BOOL),
	ASH_FIELD(AshPackageRequest, inst_langs, ASH_FIELD_STRV),
	ASH_FIELD(AshPackageRequest, origin, ASH_FIELD_NOTE),
	{ NULL },
};

const AshField ash_install_option_fields[] = {
	ASH_FIELD(AshPackageRequest, docs, ASH_FIELD_BOOL),
	ASH_FIELD(AshPackageRequest, inst_langs, ASH_FIELD_STRV),
	{ NULL },
};
