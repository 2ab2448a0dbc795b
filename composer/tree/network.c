/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "tree/steps.h"

#include <arpa/inet.h>
#include <string.h>

#define IN_LINE(text) ((text) != NULL ? (text) : "")

/* "link" and nothing at all mean every Ethernet card; "bootif" can only be known at boot. */
static bool
is_any_device(const char *device)
{
	return device == NULL || strcmp(device, "link") == 0 || strcmp(device, "bootif") == 0;
}

static bool
is_mac(const char *device)
{
	return strlen(device) == 17 && device[2] == ':' && device[5] == ':';
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

static bool
is_dhcp(const AshNetworkSpec *network)
{
	return network->bootproto == NULL || g_ascii_strcasecmp(network->bootproto, "static") != 0;
}

/* systemd.network(5). Owned. */
static char *
format_networkd(const AshNetworkSpec *network, int prefix)
{
	g_autoptr(GString) text = g_string_new("[Match]\n");
	bool dhcp4 = network->ipv4 && is_dhcp(network);
	bool dhcp6 = network->ipv6 && g_strcmp0(network->ipv6_address, "dhcp") == 0;
	bool fixed6 = network->ipv6_address != NULL && strchr(network->ipv6_address, '/') != NULL;

	if (is_any_device(network->device))
		g_string_append(text, "Type=ether\nKind=!*\n");
	else
		g_string_append_printf(text, "%s=%s\n", is_mac(network->device) ? "MACAddress" : "Name", network->device);
	if (network->mtu > 0 || !network->onboot)
		g_string_append(text, "\n[Link]\n");
	if (network->mtu > 0)
		g_string_append_printf(text, "MTUBytes=%d\n", network->mtu);
	if (!network->onboot)
		g_string_append(text, "ActivationPolicy=manual\nRequiredForOnline=no\n");
	g_string_append_printf(text, "\n[Network]\nDHCP=%s\n", dhcp4 ? (dhcp6 ? "yes" : "ipv4") : (dhcp6 ? "ipv6" : "no"));
	if (!network->ipv6)
		g_string_append(text, "LinkLocalAddressing=no\nIPv6AcceptRA=no\n");
	if (network->ipv4 && !is_dhcp(network))
		g_string_append_printf(text, "Address=%s/%d\n", network->ip, prefix);
	if (network->ipv4 && !is_dhcp(network) && network->gateway != NULL && network->default_route)
		g_string_append_printf(text, "Gateway=%s\n", network->gateway);
	if (network->ipv6 && fixed6)
		g_string_append_printf(text, "Address=%s\n", network->ipv6_address);
	if (network->ipv6 && network->ipv6_gateway != NULL && network->default_route)
		g_string_append_printf(text, "Gateway=%s\n", network->ipv6_gateway);
	for (gsize i = 0; network->nameservers != NULL && network->nameservers[i] != NULL; i++)
		g_string_append_printf(text, "DNS=%s\n", network->nameservers[i]);
	if (dhcp4 && (!network->default_route || !network->dns))
		g_string_append_printf(text, "\n[DHCPv4]\nUseRoutes=%s\nUseDNS=%s\n", network->default_route ? "yes" : "no",
				       network->dns ? "yes" : "no");
	return g_string_free(g_steal_pointer(&text), FALSE);
}

/* nm-settings-keyfile(5). The UUID follows from the names, as all our identifiers do. Owned. */
static char *
format_keyfile(const AshTreeRoot *root, const AshNetworkSpec *network, const char *name, int prefix)
{
	static const AshUuid space = { { 0x3b, 0x7a, 0x0b, 0x3a, 0x9c, 0x51, 0x4e, 0x0f, 0x8d, 0x52, 0x0c, 0x5e, 0x6d, 0x7f, 0x21, 0x44 } };
	g_autofree char *purpose = g_strdup_printf("connection %s %s", root->request->spec->name, name);
	AshUuid uuid = ash_uuid_derive(&space, purpose);
	g_autofree char *id = ash_uuid_to_string(&uuid);
	g_autofree char *servers = network->nameservers != NULL ? g_strjoinv(";", network->nameservers) : g_strdup("");
	g_autoptr(GString) text = g_string_new(NULL);
	bool fixed6 = network->ipv6_address != NULL && strchr(network->ipv6_address, '/') != NULL;

	g_string_append_printf(text, "[connection]\nid=%s\nuuid=%s\ntype=ethernet\nautoconnect=%s\n", name, id,
			       network->onboot ? "true" : "false");
	if (!is_any_device(network->device) && !is_mac(network->device))
		g_string_append_printf(text, "interface-name=%s\n", network->device);
	g_string_append(text, "\n[ethernet]\n");
	if (network->device != NULL && is_mac(network->device))
		g_string_append_printf(text, "mac-address=%s\n", network->device);
	if (network->mtu > 0)
		g_string_append_printf(text, "mtu=%d\n", network->mtu);
	g_string_append_printf(text, "\n[ipv4]\nmethod=%s\n", !network->ipv4 ? "disabled" : is_dhcp(network) ? "auto" : "manual");
	if (network->ipv4 && !is_dhcp(network))
		g_string_append_printf(text, "address1=%s/%d%s%s\n", network->ip, prefix, network->gateway != NULL ? "," : "",
				       IN_LINE(network->gateway));
	if (*servers != '\0')
		g_string_append_printf(text, "dns=%s;\n", servers);
	if (!network->default_route)
		g_string_append(text, "never-default=true\n");
	if (!network->dns)
		g_string_append(text, "ignore-auto-dns=true\n");
	g_string_append_printf(text, "\n[ipv6]\nmethod=%s\n",
			       !network->ipv6 ? "disabled" : fixed6 ? "manual" : g_strcmp0(network->ipv6_address, "dhcp") == 0 ? "dhcp" : "auto");
	if (network->ipv6 && fixed6)
		g_string_append_printf(text, "address1=%s%s%s\n", network->ipv6_address, network->ipv6_gateway != NULL ? "," : "",
				       IN_LINE(network->ipv6_gateway));
	return g_string_free(g_steal_pointer(&text), FALSE);
}

/* The file's name: cards that are named come before the rule for all others. */
static char *
network_file(const AshNetworkSpec *network, guint index)
{
	g_autofree char *name = g_strdup(is_any_device(network->device) ? "ethernet" : network->device);

	g_strdelimit(name, ":/", '-');
	return g_strdup_printf("%u-%s", (is_any_device(network->device) ? 80 : 60) + MIN(index, 19), name);
}

static gboolean
write_network(const AshTreeRoot *root, const AshNetworkSpec *network, guint index, bool manager, GError **error)
{
	g_autofree char *name = network_file(network, index);
	int prefix = 0;

	if (network->ipv4 && !is_dhcp(network) && !check_static(network, &prefix, error))
		return FALSE;
	if (manager) {
		g_autofree char *text = format_keyfile(root, network, name, prefix);
		g_autofree char *path = g_strdup_printf("etc/NetworkManager/system-connections/%s.nmconnection", name);
		return ash_tree_root_save(root, path, text, 0600, error);
	}
	g_autofree char *text = format_networkd(network, prefix);
	g_autofree char *path = g_strdup_printf("etc/systemd/network/%s.network", name);
	return ash_tree_root_save(root, path, text, 0644, error);
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

/* timezone --ntpservers: chrony's sources (chrony.conf(5), sourcedir) or timesyncd.conf(5). */
gboolean
ash_step_ntp(AshTreeRoot *root, GError **error)
{
	const AshSpec *spec = root->request->spec;
	g_autoptr(GString) sources = g_string_new(NULL), names = g_string_new(NULL);

	for (gsize i = 0; spec->ntp_servers != NULL && spec->ntp_servers[i] != NULL; i++) {
		g_string_append_printf(sources, "server %s iburst\n", spec->ntp_servers[i]);
		g_string_append_printf(names, "%s%s", names->len > 0 ? " " : "", spec->ntp_servers[i]);
	}
	for (gsize i = 0; spec->ntp_pools != NULL && spec->ntp_pools[i] != NULL; i++) {
		g_string_append_printf(sources, "pool %s iburst\n", spec->ntp_pools[i]);
		g_string_append_printf(names, "%s%s", names->len > 0 ? " " : "", spec->ntp_pools[i]);
	}
	if (sources->len == 0)
		return TRUE;
	if (ash_tree_root_has_program(root, "chronyd")) {
		const char *dir = ash_tree_root_has(root, "etc/chrony") ? "etc/chrony/sources.d" : "etc/chrony.d";
		g_autofree char *path = g_build_filename(dir, "ashlar.sources", NULL);
		return ash_tree_root_save(root, path, sources->str, 0644, error);
	}
	if (!ash_tree_root_has_unit(root, "systemd-timesyncd.service"))
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "timezone --ntpservers: this system has neither chrony nor systemd-timesyncd");
	g_autofree char *text = g_strdup_printf("[Time]\nNTP=%s\n", names->str);
	return ash_tree_root_save(root, "etc/systemd/timesyncd.conf.d/ashlar.conf", text, 0644, error);
}
