/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/netfiles.h"

#include <string.h>

/* How the value of a driver's option is said in systemd.netdev(5). */
typedef enum { AS_IS, MILLISECONDS, SECONDS, WORDS, BOND_MODE, YES_NO } ValueKind;

typedef struct {
	const char *name, *key;
	ValueKind kind;
} OptionDef;

/* linux/Documentation/networking/bonding.rst to systemd.netdev(5), [Bond]. */
static const OptionDef bond_options[] = {
	{ "mode", "Mode", BOND_MODE },
	{ "miimon", "MIIMonitorSec", MILLISECONDS },
	{ "updelay", "UpDelaySec", MILLISECONDS },
	{ "downdelay", "DownDelaySec", MILLISECONDS },
	{ "xmit_hash_policy", "TransmitHashPolicy", AS_IS },
	{ "lacp_rate", "LACPTransmitRate", AS_IS },
	{ "ad_select", "AdSelect", AS_IS },
	{ "ad_actor_sys_prio", "AdActorSystemPriority", AS_IS },
	{ "arp_interval", "ARPIntervalSec", MILLISECONDS },
	{ "arp_ip_target", "ARPIPTargets", WORDS },
	{ "arp_validate", "ARPValidate", AS_IS },
	{ "arp_all_targets", "ARPAllTargets", AS_IS },
	{ "primary_reselect", "PrimaryReselectPolicy", AS_IS },
	{ "fail_over_mac", "FailOverMACPolicy", AS_IS },
	{ "min_links", "MinLinks", AS_IS },
	{ "resend_igmp", "ResendIGMP", AS_IS },
	{ "packets_per_slave", "PacketsPerSlave", AS_IS },
	{ "num_grat_arp", "GratuitousARP", AS_IS },
	{ "num_unsol_na", "GratuitousARP", AS_IS },
	{ "all_slaves_active", "AllSlavesActive", YES_NO },
	{ "tlb_dynamic_lb", "DynamicTransmitLoadBalancing", YES_NO },
	{ "lp_interval", "LearnPacketIntervalSec", SECONDS },
	{ NULL },
};

/* NetworkManager's names, which the kickstart has, to [Bridge]. */
static const OptionDef bridge_options[] = {
	{ "stp", "STP", YES_NO },
	{ "priority", "Priority", AS_IS },
	{ "forward-delay", "ForwardDelaySec", SECONDS },
	{ "hello-time", "HelloTimeSec", SECONDS },
	{ "max-age", "MaxAgeSec", SECONDS },
	{ "ageing-time", "AgeingTimeSec", SECONDS },
	{ "multicast-snooping", "MulticastSnooping", YES_NO },
	{ NULL },
};

static const char *
bond_mode(const char *text)
{
	static const char *const modes[] = { "balance-rr",   "active-backup", "balance-xor", "broadcast",
					     "802.3ad",      "balance-tlb",   "balance-alb" };

	return strlen(text) == 1 && *text >= '0' && *text <= '6' ? modes[*text - '0'] : text;
}

static void
put_value(GString *text, const OptionDef *def, const char *value)
{
	static const char *const yes[] = { "1", "yes", "true", "on", NULL };
	g_autofree char *words = g_strdelimit(g_strdup(value), ",", ' ');

	switch (def->kind) {
	case AS_IS:
		g_string_append_printf(text, "%s=%s\n", def->key, value);
		break;
	case MILLISECONDS:
		g_string_append_printf(text, "%s=%sms\n", def->key, value);
		break;
	case SECONDS:
		g_string_append_printf(text, "%s=%ss\n", def->key, value);
		break;
	case WORDS:
		g_string_append_printf(text, "%s=%s\n", def->key, words);
		break;
	case BOND_MODE:
		g_string_append_printf(text, "%s=%s\n", def->key, bond_mode(value));
		break;
	case YES_NO:
		g_string_append_printf(text, "%s=%s\n", def->key, g_strv_contains(yes, value) ? "yes" : "no");
		break;
	}
}

static gboolean
put_option(GString *text, const AshNetworkSpec *network, const OptionDef *defs, const char *option, GError **error)
{
	const char *value = strchr(option, '=') + 1;
	g_autofree char *name = g_strndup(option, (gsize) (value - 1 - option));

	/* It is said of the member. */
	if (strcmp(name, "primary") == 0 && network->kind == ASH_NETWORK_BOND)
		return TRUE;
	for (; defs->name != NULL; defs++) {
		if (strcmp(defs->name, name) != 0)
			continue;
		put_value(text, defs, value);
		return TRUE;
	}
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "%s: network: systemd-networkd has nothing for the option \"%s\"; remove it, or add the package NetworkManager",
			 network->origin, name);
}

static gboolean
format_netdev(const AshNetworkSpec *network, GString *text, GError **error)
{
	static const char *const kinds[] = {
		[ASH_NETWORK_BOND] = "bond", [ASH_NETWORK_BRIDGE] = "bridge", [ASH_NETWORK_VLAN] = "vlan"
	};
	const OptionDef *defs = network->kind == ASH_NETWORK_BOND ? bond_options : bridge_options;

	g_string_append_printf(text, "[NetDev]\nName=%s\nKind=%s\n", network->device, kinds[network->kind]);
	if (network->mtu > 0)
		g_string_append_printf(text, "MTUBytes=%d\n", network->mtu);
	if (network->kind == ASH_NETWORK_VLAN)
		g_string_append_printf(text, "\n[VLAN]\nId=%d\n", network->vlan);
	else if (network->options[0] != NULL)
		g_string_append_printf(text, "\n[%s]\n", network->kind == ASH_NETWORK_BOND ? "Bond" : "Bridge");
	for (gsize i = 0; network->options[i] != NULL; i++)
		if (!put_option(text, network, defs, network->options[i], error))
			return FALSE;
	return TRUE;
}

static void
put_match(GString *text, const AshNetworkSpec *network)
{
	g_string_append(text, "[Match]\n");
	if (ash_net_is_any(network))
		g_string_append(text, "Type=ether\nKind=!*\n");
	else
		g_string_append_printf(text, "%s=%s\n", ash_net_is_mac(network->device) ? "MACAddress" : "Name", network->device);
	if (network->mtu > 0 || !network->onboot)
		g_string_append(text, "\n[Link]\n");
	if (network->mtu > 0)
		g_string_append_printf(text, "MTUBytes=%d\n", network->mtu);
	if (!network->onboot)
		g_string_append(text, "ActivationPolicy=manual\nRequiredForOnline=no\n");
}

static void
put_addresses(GString *text, const AshNetworkSpec *network, int prefix)
{
	bool fixed6 = network->ipv6_address != NULL && strchr(network->ipv6_address, '/') != NULL;

	if (ash_net_is_static(network))
		g_string_append_printf(text, "Address=%s/%d\n", network->ip, prefix);
	if (ash_net_is_static(network) && network->gateway != NULL && network->default_route)
		g_string_append_printf(text, "Gateway=%s\n", network->gateway);
	if (network->ipv6 && fixed6)
		g_string_append_printf(text, "Address=%s\n", network->ipv6_address);
	if (network->ipv6 && network->ipv6_gateway != NULL && network->default_route)
		g_string_append_printf(text, "Gateway=%s\n", network->ipv6_gateway);
	for (gsize i = 0; network->nameservers != NULL && network->nameservers[i] != NULL; i++)
		g_string_append_printf(text, "DNS=%s\n", network->nameservers[i]);
}

static void
put_domains(GString *text, const AshNetworkSpec *network)
{
	g_autofree char *search4 = g_strjoinv(" ", network->search4);
	g_autofree char *search6 = g_strjoinv(" ", network->search6);

	if (*search4 != '\0' || *search6 != '\0')
		g_string_append_printf(text, "Domains=%s%s%s\n", search4, *search4 != '\0' && *search6 != '\0' ? " " : "", search6);
}

static void
put_dhcp(GString *text, const AshNetworkSpec *network)
{
	if (network->ipv4 && ash_net_is_dhcp(network) &&
	    (!network->default_route || !network->dns4 || network->dhcp_class != NULL)) {
		g_string_append_printf(text, "\n[DHCPv4]\nUseRoutes=%s\nUseDNS=%s\n", network->default_route ? "yes" : "no",
				       network->dns4 ? "yes" : "no");
		if (network->dhcp_class != NULL)
			g_string_append_printf(text, "VendorClassIdentifier=%s\n", network->dhcp_class);
	}
	if (network->ipv6 && !network->dns6)
		g_string_append(text, "\n[DHCPv6]\nUseDNS=no\n\n[IPv6AcceptRA]\nUseDNS=no\n");
}

static char *
format_network(const AshNetFiles *files)
{
	const AshNetworkSpec *network = files->network;
	GString *text = g_string_new(NULL);
	bool dhcp4 = network->ipv4 && ash_net_is_dhcp(network);
	bool dhcp6 = network->ipv6 && g_strcmp0(network->ipv6_address, "dhcp") == 0;

	put_match(text, network);
	g_string_append_printf(text, "\n[Network]\nDHCP=%s\n", dhcp4 ? (dhcp6 ? "yes" : "ipv4") : (dhcp6 ? "ipv6" : "no"));
	if (!network->ipv6)
		g_string_append(text, "LinkLocalAddressing=no\nIPv6AcceptRA=no\n");
	put_addresses(text, network, files->prefix);
	put_domains(text, network);
	for (gsize i = 0; files->vlans[i] != NULL; i++)
		g_string_append_printf(text, "VLAN=%s\n", files->vlans[i]);
	put_dhcp(text, network);
	return g_string_free(text, FALSE);
}

/* The cards of a bond or bridge: they have no addresses of their own. */
static gboolean
write_members(const AshNetFiles *files, GError **error)
{
	const AshNetworkSpec *network = files->network;
	const char *primary = ash_net_option(network, "primary");

	for (gsize i = 0; network->members[i] != NULL; i++) {
		bool is_primary = network->kind == ASH_NETWORK_BOND && g_strcmp0(primary, network->members[i]) == 0;
		g_autofree char *path = g_strdup_printf("etc/systemd/network/%s-%s.network", files->name, network->members[i]);
		g_autofree char *text = g_strdup_printf("[Match]\nName=%s\n\n[Network]\n%s=%s\n%sLinkLocalAddressing=no\n", network->members[i],
							network->kind == ASH_NETWORK_BOND ? "Bond" : "Bridge", network->device,
							is_primary ? "PrimarySlave=yes\n" : "");
		if (!ash_tree_root_save(files->root, path, text, 0644, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_networkd_write_parent(const AshTreeRoot *root, const char *device, char **vlans, GError **error)
{
	g_autofree char *path = g_strdup_printf("etc/systemd/network/79-%s.network", device);
	g_autoptr(GString) text = g_string_new(NULL);

	g_string_append_printf(text, "[Match]\nName=%s\n\n[Network]\nLinkLocalAddressing=no\n", device);
	for (gsize i = 0; vlans[i] != NULL; i++)
		g_string_append_printf(text, "VLAN=%s\n", vlans[i]);
	return ash_tree_root_save(root, path, text->str, 0644, error);
}

gboolean
ash_networkd_write(const AshNetFiles *files, GError **error)
{
	const AshNetworkSpec *network = files->network;
	g_autofree char *path = g_strdup_printf("etc/systemd/network/%s.network", files->name);
	g_autofree char *text = format_network(files);

	if (network->kind == ASH_NETWORK_WIFI)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: network: --essid needs NetworkManager: add the package NetworkManager-wifi",
				 network->origin);
	if (network->kind != ASH_NETWORK_ETHERNET) {
		g_autofree char *netdev_path = g_strdup_printf("etc/systemd/network/%s.netdev", files->name);
		g_autoptr(GString) netdev = g_string_new(NULL);
		if (!format_netdev(network, netdev, error) || !ash_tree_root_save(files->root, netdev_path, netdev->str, 0644, error))
			return FALSE;
	}
	return ash_tree_root_save(files->root, path, text, 0644, error) && write_members(files, error);
}
