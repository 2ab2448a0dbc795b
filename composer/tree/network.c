/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "model/strv.h"
#include "tree/netfiles.h"
#include "tree/steps.h"

#include <arpa/inet.h>
#include <string.h>

#define IN_LINE(text) ((text) != NULL ? (text) : "")

bool
ash_net_is_any(const AshNetworkSpec *network)
{
	return network->device == NULL || strcmp(network->device, "link") == 0;
}

bool
ash_net_is_mac(const char *device)
{
	return strlen(device) == 17 && device[2] == ':' && device[5] == ':';
}

bool
ash_net_is_dhcp(const AshNetworkSpec *network)
{
	return network->bootproto == NULL || strcmp(network->bootproto, "dhcp") == 0;
}

bool
ash_net_is_static(const AshNetworkSpec *network)
{
	return network->ipv4 && g_strcmp0(network->bootproto, "static") == 0;
}

const char *
ash_net_option(const AshNetworkSpec *network, const char *name)
{
	gsize length = strlen(name);

	for (gsize i = 0; network->options[i] != NULL; i++)
		if (strncmp(network->options[i], name, length) == 0 && network->options[i][length] == '=')
			return network->options[i] + length + 1;
	return NULL;
}

/* The prefix length of a dotted netmask; -1 if it is none. */
static int
prefix_length(const char *netmask)
{
	struct in_addr mask;

	if (netmask == NULL)
		return 24;
	if (inet_pton(AF_INET, netmask, &mask) != 1)
		return -1;
	guint32 bits = ntohl(mask.s_addr);
	int length = __builtin_popcount(bits);
	guint32 expected = length == 0 ? 0 : ~G_GUINT64_CONSTANT(0) << (32 - length);
	return bits == expected ? length : -1;
}

static gboolean
check_static(const AshNetworkSpec *network, int *ret_prefix, GError **error)
{
	struct in_addr address;

	*ret_prefix = prefix_length(network->netmask);
	if (network->ip == NULL || inet_pton(AF_INET, network->ip, &address) != 1)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: network: \"%s\" is no IPv4 address", IN_LINE(network->origin),
				 IN_LINE(network->ip));
	if (*ret_prefix < 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: network: \"%s\" is no netmask", IN_LINE(network->origin),
				 network->netmask);
	return TRUE;
}

/* The file's name: cards that are named come before the rule for all others. */
static char *
dup_file_name(const AshNetworkSpec *network, guint index)
{
	g_autofree char *name = g_strdup(ash_net_is_any(network) ? "ethernet" : network->device);

	g_strdelimit(name, ":/", '-');
	return g_strdup_printf("%u-%s", (ash_net_is_any(network) ? 80 : 60) + MIN(index, 18), name);
}

/* Names of the VLANs whose frames go through @device. Owned. */
static char **
list_vlans(const GPtrArray *networks, const char *device)
{
	char **vlans = ash_strv_new();

	for (guint i = 0; i < networks->len; i++) {
		const AshNetworkSpec *network = g_ptr_array_index(networks, i);
		if (network->kind == ASH_NETWORK_VLAN && g_strcmp0(network->parent, device) == 0)
			ash_strv_add(&vlans, network->device);
	}
	return vlans;
}

static bool
has_device(const GPtrArray *networks, const char *device)
{
	for (guint i = 0; i < networks->len; i++)
		if (g_strcmp0(((const AshNetworkSpec *) g_ptr_array_index(networks, i))->device, device) == 0)
			return true;
	return false;
}

static gboolean
write_network(const AshTreeRoot *root, const AshNetworkSpec *network, guint index, bool manager, GError **error)
{
	const GPtrArray *networks = root->request->spec->networks;
	g_autofree char *name = dup_file_name(network, index);
	g_auto(GStrv) vlans = list_vlans(networks, network->device);
	AshNetFiles files = { .root = root, .network = network, .name = name, .vlans = vlans };

	if (ash_net_is_static(network) && !check_static(network, &files.prefix, error))
		return FALSE;
	if (manager)
		return ash_nmconnection_write(&files, error);
	if (!ash_networkd_write(&files, error))
		return FALSE;
	if (network->kind != ASH_NETWORK_VLAN || has_device(networks, network->parent))
		return TRUE;
	g_auto(GStrv) siblings = list_vlans(networks, network->parent);
	return ash_networkd_write_parent(root, network->parent, siblings, error);
}

/* Where systemd-resolved is to serve, programs must find it. */
static gboolean
link_resolver(const AshTreeRoot *root, GError **error)
{
	if (!ash_tree_root_has(root, "etc/systemd/system/sysinit.target.wants/systemd-resolved.service") &&
	    !ash_tree_root_has(root, "etc/systemd/system/multi-user.target.wants/systemd-resolved.service"))
		return TRUE;
	return ash_tree_root_link(root, "etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf", error);
}

/*
 * network: files for NetworkManager if the system has it, else for systemd-networkd. A kickstart that says nothing
 * gets addresses by DHCP on every Ethernet card.
 */
gboolean
ash_step_network(AshTreeRoot *root, GError **error)
{
	GPtrArray *networks = root->request->spec->networks;
	bool manager = ash_tree_root_has_unit(root, "NetworkManager.service");
	bool networkd = ash_tree_root_has_unit(root, "systemd-networkd.service");

	if (!manager && !networkd) {
		if (networks->len == 0)
			return TRUE;
		const AshNetworkSpec *first = g_ptr_array_index(networks, 0);
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: network: this system has neither NetworkManager nor systemd-networkd",
				 IN_LINE(first->origin));
	}
	for (guint i = 0; i < networks->len; i++)
		if (!write_network(root, g_ptr_array_index(networks, i), i, manager, error))
			return FALSE;
	if (networks->len == 0) {
		g_autoptr(AshNetworkSpec) any = ash_network_spec_new("link", "default");
		if (!write_network(root, any, 0, manager, error))
			return FALSE;
	}
	return link_resolver(root, error);
}
