/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/treeroot.h"

/** Files about one network interface, for the two programs that read some. */

/** One interface of the kickstart, with what others make of it. Borrowed. */
typedef struct {
	const AshTreeRoot *root;
	const AshNetworkSpec *network;
	const char *name;   /* of the files: "60-eth0" */
	int prefix;         /* of the static IPv4 address; 0 if it has none */
	char **vlans;       /* names of the VLANs above it; never NULL */
} AshNetFiles;

/** "link" and nothing at all mean every Ethernet card. */
bool ash_net_is_any(const AshNetworkSpec *network);
/** Whether the interface is named by its MAC address. */
bool ash_net_is_mac(const char *device);
/** Whether IPv4 addresses come by DHCP. */
bool ash_net_is_dhcp(const AshNetworkSpec *network);
/** Whether there is a fixed IPv4 address. */
bool ash_net_is_static(const AshNetworkSpec *network);
/** The "VALUE" of "@name=VALUE" among the options of a bond or bridge, borrowed, or NULL. */
const char *ash_net_option(const AshNetworkSpec *network, const char *name);

/** systemd.network(5) and systemd.netdev(5) files (networkd.c). ASH_ERROR_CONFIG for what networkd cannot do. */
gboolean ash_networkd_write(const AshNetFiles *files, GError **error);
/** The interface below a VLAN that no line of the kickstart is about. */
gboolean ash_networkd_write_parent(const AshTreeRoot *root, const char *device, char **vlans, GError **error);

/** nm-settings-keyfile(5) files (nmconnection.c). */
gboolean ash_nmconnection_write(const AshNetFiles *files, GError **error);
