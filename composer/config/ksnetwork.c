/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kscommand.h"
#include "model/strv.h"

#include <string.h>

typedef struct {
	char *bootproto, *device, *hostname, *ip, *netmask, *gateway, *ipv6, *ipv6gateway;
	char **nameservers, **search4, **search6;
	char *bondslaves, *bondopts, *bridgeslaves, *bridgeopts, *interfacename, *bindto;
	char *dhcpclass, *essid, *wpakey;
	bool nodns, noipv4, noipv6, nodefroute, ignore4, ignore6;
	int onboot, mtu, vlanid;
} NetworkValues;

#define FIELD(member) G_STRUCT_OFFSET(NetworkValues, member)
#define IN_POST       "write the network configuration in a %post script"
#define NO_TEAMS      "the team driver has no successor; use --bondslaves and --bondopts"
#define INSTALLER     "it is about the network of an installer"

static const AshOptionDef network_options[] = {
	{ "--bootproto", ASH_OPTION_STRING, FIELD(bootproto) },
	{ "--device", ASH_OPTION_STRING, FIELD(device) },
	{ "--hostname", ASH_OPTION_STRING, FIELD(hostname) },
	{ "--ip", ASH_OPTION_STRING, FIELD(ip) },
	{ "--netmask", ASH_OPTION_STRING, FIELD(netmask) },
	{ "--gateway", ASH_OPTION_STRING, FIELD(gateway) },
	{ "--ipv6", ASH_OPTION_STRING, FIELD(ipv6) },
	{ "--ipv6gateway", ASH_OPTION_STRING, FIELD(ipv6gateway) },
	{ "--nameserver", ASH_OPTION_LIST, FIELD(nameservers) },
	{ "--nodns", ASH_OPTION_FLAG, FIELD(nodns) },
	{ "--noipv4", ASH_OPTION_FLAG, FIELD(noipv4) },
	{ "--noipv6", ASH_OPTION_FLAG, FIELD(noipv6) },
	{ "--nodefroute", ASH_OPTION_FLAG, FIELD(nodefroute) },
	{ "--onboot", ASH_OPTION_BOOL, FIELD(onboot) },
	{ "--mtu", ASH_OPTION_INT, FIELD(mtu) },
	{ "--activate", ASH_OPTION_IGNORED, .text = INSTALLER },
	{ "--no-activate", ASH_OPTION_IGNORED, .text = INSTALLER },
	{ "--notksdevice", ASH_OPTION_IGNORED, .text = INSTALLER },
	{ "--bondslaves", ASH_OPTION_STRING, FIELD(bondslaves) },
	{ "--bondopts", ASH_OPTION_STRING, FIELD(bondopts) },
	{ "--bridgeslaves", ASH_OPTION_STRING, FIELD(bridgeslaves) },
	{ "--bridgeopts", ASH_OPTION_STRING, FIELD(bridgeopts) },
	{ "--vlanid", ASH_OPTION_INT, FIELD(vlanid) },
	{ "--interfacename", ASH_OPTION_STRING, FIELD(interfacename) },
	{ "--bindto", ASH_OPTION_STRING, FIELD(bindto) },
	{ "--ipv4-dns-search", ASH_OPTION_LIST, FIELD(search4) },
	{ "--ipv6-dns-search", ASH_OPTION_LIST, FIELD(search6) },
	{ "--ipv4-ignore-auto-dns", ASH_OPTION_FLAG, FIELD(ignore4) },
	{ "--ipv6-ignore-auto-dns", ASH_OPTION_FLAG, FIELD(ignore6) },
	{ "--dhcpclass", ASH_OPTION_STRING, FIELD(dhcpclass) },
	{ "--essid", ASH_OPTION_STRING, FIELD(essid) },
	{ "--wpakey", ASH_OPTION_STRING, FIELD(wpakey) },
	{ "--wepkey", ASH_OPTION_REFUSED_VALUE, .text = "WEP protects nothing; use --wpakey" },
	{ "--ethtool", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--teamslaves", ASH_OPTION_REFUSED_VALUE, .text = NO_TEAMS },
	{ "--teamconfig", ASH_OPTION_REFUSED_VALUE, .text = NO_TEAMS },
	{ NULL },
};

#undef FIELD

static gboolean
check_protocol(AshKsCall *call, NetworkValues *values, GError **error)
{
	if (values->bootproto == NULL)
		values->bootproto = g_strdup(values->ip != NULL ? "static" : "dhcp");
	if (g_str_equal(values->bootproto, "bootp")) {
		g_free(values->bootproto);
		values->bootproto = g_strdup("dhcp");
	}
	if (g_str_equal(values->bootproto, "query") || g_str_equal(values->bootproto, "ibft")) {
		if (!ash_option_refuse(&call->place, error,
				       "--bootproto=%s is not carried out: nobody is there to ask; use dhcp or static",
				       values->bootproto))
			return FALSE;
		g_free(values->bootproto);
		values->bootproto = g_strdup("dhcp");
	}
	if (!g_str_equal(values->bootproto, "dhcp") && !g_str_equal(values->bootproto, "static"))
		return ash_option_throw(&call->place, error,
					"--bootproto takes \"dhcp\" or \"static\", not \"%s\"",
					values->bootproto);
	return TRUE;
}

static gboolean
check_ipv4_options(AshKsCall *call, const NetworkValues *values, GError **error)
{
	const struct {
		const char *name, *value;
	} addresses[] = {
		{ "--ip", values->ip },
		{ "--netmask", values->netmask },
		{ "--gateway", values->gateway },
	};
	bool is_static = g_str_equal(values->bootproto, "static");

	for (guint i = 0; i < G_N_ELEMENTS(addresses); i++) {
		if (addresses[i].value == NULL)
			continue;
		if (!ash_check_ipv4(addresses[i].value))
			return ash_option_throw(&call->place, error,
						"%s: \"%s\" is no IPv4 address", addresses[i].name,
						addresses[i].value);
		if (!is_static)
			return ash_option_throw(&call->place, error,
						"%s goes with --bootproto=static only",
						addresses[i].name);
	}
	if (is_static && !values->noipv4 && (values->ip == NULL || values->netmask == NULL))
		return ash_option_throw(&call->place, error,
					"--bootproto=static needs --ip= and --netmask=");
	return TRUE;
}

static gboolean
check_ipv6_options(AshKsCall *call, const NetworkValues *values, GError **error)
{
	const char *address = values->ipv6;

	if (address != NULL && !g_str_equal(address, "auto") && !g_str_equal(address, "dhcp") &&
	    !ash_check_ipv6(address, true))
		return ash_option_throw(
			&call->place, error,
			"--ipv6 takes \"auto\", \"dhcp\" or ADDRESS/PREFIX, not \"%s\"", address);
	if (values->ipv6gateway != NULL && !ash_check_ipv6(values->ipv6gateway, false))
		return ash_option_throw(&call->place, error,
					"--ipv6gateway: \"%s\" is no IPv6 address",
					values->ipv6gateway);
	if (values->noipv6 && (address != NULL || values->ipv6gateway != NULL))
		return ash_option_throw(&call->place, error,
					"--noipv6 contradicts --ipv6 and --ipv6gateway");
	return TRUE;
}

/* 00:16:3e:01:02:03 */
static bool
is_mac(const char *text)
{
	if (strlen(text) != 17)
		return false;
	for (guint i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit(text[i]))
			return false;
	return true;
}

static gboolean
check_device(AshKsCall *call, NetworkValues *values, GError **error)
{
	const char *device = values->device;

	if (device == NULL || is_mac(device))
		return TRUE;
	if (!ash_check_interface(device))
		return ash_option_throw(&call->place, error,
					"--device: \"%s\" is no interface name; \"link\" means the "
					"first with a cable",
					device);
	if (g_str_equal(device, "bootif") || g_str_equal(device, "ibft")) {
		ash_option_notice(&call->place,
				  "--device=%s means the interface an installer booted from, "
				  "and is taken as --device=link",
				  device);
		g_free(values->device);
		values->device = g_strdup("link");
	}
	return TRUE;
}

static gboolean
check_members(AshKsCall *call, const char *option, const char *text, GError **error)
{
	g_auto(GStrv) names = ash_option_split_commas(text);

	for (guint i = 0; names[i] != NULL; i++)
		if (!ash_check_interface(names[i]))
			return ash_option_throw(&call->place, error, "%s: \"%s\" is no interface name",
						option, names[i]);
	if (names[0] == NULL)
		return ash_option_throw(&call->place, error, "%s names no interface", option);
	return TRUE;
}

/* "mode=active-backup,miimon=100"; semicolons stand for values that have commas. */
static char **
split_options(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, strchr(text, ';') != NULL ? ";" : ",", -1);
	char **options = ash_strv_new();

	for (guint i = 0; parts[i] != NULL; i++)
		if (*g_strstrip(parts[i]) != '\0')
			ash_strv_add(&options, parts[i]);
	return options;
}

static gboolean
check_options(AshKsCall *call, const char *option, const char *text, const char *members,
	      GError **error)
{
	g_auto(GStrv) options = split_options(text != NULL ? text : "");

	if (text != NULL && members == NULL)
		return ash_option_throw(&call->place, error, "%s needs the interfaces", option);
	for (guint i = 0; options[i] != NULL; i++) {
		const char *equals = strchr(options[i], '=');

		if (equals == NULL || equals == options[i] || strchr(equals + 1, '=') != NULL ||
		    !ash_check_word(options[i], "_=-.:,+"))
			return ash_option_throw(&call->place, error, "%s: \"%s\" is not NAME=VALUE",
						option, options[i]);
	}
	return TRUE;
}

/* What the interface is made of. */
static gboolean
check_kind(AshKsCall *call, const NetworkValues *values, GError **error)
{
	const char *device = values->device;
	guint kinds = (values->bondslaves != NULL) + (values->bridgeslaves != NULL) + (values->essid != NULL);

	if (kinds > 1)
		return ash_option_throw(&call->place, error,
					"an interface is one of --bondslaves, --bridgeslaves and --essid");
	if (kinds + (values->vlanid != -1) > 0 && (device == NULL || g_str_equal(device, "link")))
		return ash_option_throw(&call->place, error, "--device=NAME is required with it");
	if (values->vlanid > 4094)
		return ash_option_throw(&call->place, error, "--vlanid takes 0 to 4094");
	if (values->interfacename != NULL && !ash_check_interface(values->interfacename))
		return ash_option_throw(&call->place, error, "--interfacename: \"%s\" is no interface name",
					values->interfacename);
	if (values->bindto != NULL && !g_str_equal(values->bindto, "mac"))
		return ash_option_throw(&call->place, error, "--bindto takes \"mac\", not \"%s\"", values->bindto);
	if (values->bindto != NULL && (device == NULL || !is_mac(device)) &&
	    !ash_option_refuse(&call->place, error,
			       "--bindto=mac is not carried out: which card \"%s\" is, is known on one machine; name "
			       "its address in --device",
			       device != NULL ? device : "link"))
		return FALSE;
	if (values->wpakey != NULL && values->essid == NULL)
		return ash_option_throw(&call->place, error, "--wpakey needs --essid");
	return (values->bondslaves == NULL || check_members(call, "--bondslaves", values->bondslaves, error)) &&
	       (values->bridgeslaves == NULL || check_members(call, "--bridgeslaves", values->bridgeslaves, error)) &&
	       check_options(call, "--bondopts", values->bondopts, values->bondslaves, error) &&
	       check_options(call, "--bridgeopts", values->bridgeopts, values->bridgeslaves, error);
}

static gboolean
check_network(AshKsCall *call, NetworkValues *values, GError **error)
{
	if (!check_device(call, values, error) || !check_kind(call, values, error))
		return FALSE;
	for (guint i = 0; values->nameservers[i] != NULL; i++)
		if (!ash_check_ipv4(values->nameservers[i]) &&
		    !ash_check_ipv6(values->nameservers[i], false))
			return ash_option_throw(&call->place, error,
						"--nameserver: \"%s\" is no address",
						values->nameservers[i]);
	return check_protocol(call, values, error) && check_ipv4_options(call, values, error) &&
	       check_ipv6_options(call, values, error);
}

/* "network --hostname=x" alone says nothing about an interface. */
static bool
is_about_device(const NetworkValues *values)
{
	return values->device != NULL || values->bootproto != NULL || values->ip != NULL ||
	       values->netmask != NULL || values->gateway != NULL || values->ipv6 != NULL ||
	       values->ipv6gateway != NULL || values->nameservers[0] != NULL || values->nodns ||
	       values->noipv4 || values->noipv6 || values->nodefroute || values->onboot != -1 ||
	       values->mtu != -1 || values->dhcpclass != NULL || values->ignore4 || values->ignore6 ||
	       values->search4[0] != NULL || values->search6[0] != NULL;
}

static void
remove_earlier(AshKsCall *call, const char *device)
{
	GPtrArray *networks = call->spec->networks;

	for (guint i = 0; i < networks->len; i++) {
		const AshNetworkSpec *other = g_ptr_array_index(networks, i);

		if (!g_str_equal(other->device, device))
			continue;
		ash_option_notice(&call->place, "replaces what %s said about \"%s\"", other->origin,
				  device);
		g_ptr_array_remove_index(networks, i);
		return;
	}
}

static AshNetworkSpec *
add_device(AshKsCall *call, const char *device)
{
	AshNetworkSpec *network = ash_network_spec_new(device, call->place.origin);

	remove_earlier(call, device);
	g_ptr_array_add(call->spec->networks, network);
	return network;
}

static void
set_members(AshNetworkSpec *network, AshNetworkKind kind, const char *members, const char *options)
{
	g_auto(GStrv) names = ash_option_split_commas(members);
	g_auto(GStrv) words = split_options(options != NULL ? options : "");

	network->kind = kind;
	ash_strv_replace(&network->members, (const char *const *) names);
	ash_strv_replace(&network->options, (const char *const *) words);
}

/* What the interface below is: a card, or what is made of several. */
static void
set_kind(AshNetworkSpec *network, NetworkValues *values)
{
	if (values->bondslaves != NULL)
		set_members(network, ASH_NETWORK_BOND, values->bondslaves, values->bondopts);
	else if (values->bridgeslaves != NULL)
		set_members(network, ASH_NETWORK_BRIDGE, values->bridgeslaves, values->bridgeopts);
	else if (values->essid != NULL)
		network->kind = ASH_NETWORK_WIFI;
	network->essid = g_steal_pointer(&values->essid);
	network->wpa_key = g_steal_pointer(&values->wpakey);
}

static void
set_addresses(AshNetworkSpec *network, NetworkValues *values)
{
	network->bootproto = g_steal_pointer(&values->bootproto);
	network->ip = g_steal_pointer(&values->ip);
	network->netmask = g_steal_pointer(&values->netmask);
	network->gateway = g_steal_pointer(&values->gateway);
	network->ipv6_address = g_steal_pointer(&values->ipv6);
	network->ipv6_gateway = g_steal_pointer(&values->ipv6gateway);
	ash_strv_replace(&network->nameservers, (const char *const *) values->nameservers);
	ash_strv_replace(&network->search4, (const char *const *) values->search4);
	ash_strv_replace(&network->search6, (const char *const *) values->search6);
	network->dhcp_class = g_steal_pointer(&values->dhcpclass);
	network->mtu = values->mtu;
	network->onboot = values->onboot != 0;
	network->ipv4 = !values->noipv4;
	network->ipv6 = !values->noipv6;
	network->default_route = !values->nodefroute;
	network->dns = !values->nodns;
	network->dns4 = !values->nodns && !values->ignore4;
	network->dns6 = !values->nodns && !values->ignore6;
}

/* The VLAN has the addresses; what is below it has none of its own, unless another line gives it some. */
static void
add_vlan(AshKsCall *call, NetworkValues *values)
{
	g_autofree char *usual = g_strdup_printf("%s.%d", values->device, values->vlanid);
	const char *name = values->interfacename != NULL ? values->interfacename : usual;
	AshNetworkSpec *network = NULL;

	if (values->bondslaves != NULL) {
		network = add_device(call, values->device);
		set_kind(network, values);
		network->bootproto = g_strdup("none");
		network->ipv6 = false;
	}
	network = add_device(call, name);
	network->kind = ASH_NETWORK_VLAN;
	network->parent = g_strdup(values->device);
	network->vlan = values->vlanid;
	set_addresses(network, values);
}

static void
add_network(AshKsCall *call, NetworkValues *values)
{
	AshNetworkSpec *network = NULL;

	if (values->vlanid != -1) {
		add_vlan(call, values);
		return;
	}
	network = add_device(call, values->device != NULL ? values->device : "link");
	set_kind(network, values);
	set_addresses(network, values);
}

static gboolean
handle_network(AshKsCall *call, GError **error)
{
	NetworkValues *values = call->values;
	bool about_device = is_about_device(values) || values->hostname == NULL;

	if (values->hostname != NULL && !ash_check_hostname(values->hostname))
		return ash_option_throw(&call->place, error, "--hostname: \"%s\" is no host name",
					values->hostname);
	if (!check_network(call, values, error))
		return FALSE;
	if (values->hostname != NULL) {
		g_free(call->spec->hostname);
		call->spec->hostname = g_steal_pointer(&values->hostname);
	}
	if (about_device)
		add_network(call, values);
	return TRUE;
}

typedef struct {
	int enabled;
	char **services, **remove_services, **ports, **trusts;
	bool system_defaults;
} FirewallValues;

#define FIELD(member) G_STRUCT_OFFSET(FirewallValues, member)

static const AshOptionDef firewall_options[] = {
	{ "--enabled", ASH_OPTION_SET, FIELD(enabled), .value = 1 },
	{ "--enable", ASH_OPTION_SET, FIELD(enabled), .value = 1 },
	{ "--disabled", ASH_OPTION_SET, FIELD(enabled), .value = 0 },
	{ "--disable", ASH_OPTION_SET, FIELD(enabled), .value = 0 },
	{ "--ssh", ASH_OPTION_CONST, FIELD(services), .text = "ssh" },
	{ "--http", ASH_OPTION_CONST, FIELD(services), .text = "http" },
	{ "--smtp", ASH_OPTION_CONST, FIELD(services), .text = "smtp" },
	{ "--ftp", ASH_OPTION_CONST, FIELD(services), .text = "ftp" },
	{ "--service", ASH_OPTION_LIST, FIELD(services) },
	{ "--remove-service", ASH_OPTION_LIST, FIELD(remove_services) },
	{ "--port", ASH_OPTION_LIST, FIELD(ports) },
	{ "--trust", ASH_OPTION_LIST, FIELD(trusts) },
	{ "--use-system-defaults", ASH_OPTION_FLAG, FIELD(system_defaults) },
	{ "--telnet", ASH_OPTION_CONST, FIELD(services), .text = "telnet", .deprecated = true },
	{ "--high", ASH_OPTION_SET, FIELD(enabled), .value = 1, .deprecated = true },
	{ "--medium", ASH_OPTION_SET, FIELD(enabled), .value = 1, .deprecated = true },
	{ NULL },
};

#undef FIELD

/* A number from 1 to 65535, two of them joined by "-", or a name of services(5). */
static bool
is_port_range(const char *text)
{
	g_auto(GStrv) ends = g_strsplit(text, "-", 2);
	guint64 low = 0, high = 0;

	if (!g_ascii_isdigit(*text))
		return ash_check_word(text, "-");
	if (!g_ascii_string_to_unsigned(ends[0], 10, 1, 65535, &low, NULL))
		return false;
	return ends[1] == NULL ||
	       (g_ascii_string_to_unsigned(ends[1], 10, 1, 65535, &high, NULL) && low < high);
}

/* "8080" -> "8080:tcp"; NULL if it is no port. */
static char *
dup_port(const char *text)
{
	static const char *const protocols[] = { "tcp", "udp", "sctp", "dccp", NULL };
	g_auto(GStrv) parts = g_strsplit(text, ":", 2);
	g_autofree char *protocol = g_ascii_strdown(parts[1] != NULL ? parts[1] : "tcp", -1);

	if (!is_port_range(parts[0]) || !g_strv_contains(protocols, protocol))
		return NULL;
	return g_strdup_printf("%s:%s", parts[0], protocol);
}

static gboolean
add_ports(AshKsCall *call, char **ports, char ***field, GError **error)
{
	for (guint i = 0; ports[i] != NULL; i++) {
		g_autofree char *port = dup_port(ports[i]);

		if (port == NULL)
			return ash_option_throw(&call->place, error,
						"--port: \"%s\" is not PORT:PROTOCOL", ports[i]);
		ash_strv_add_unique(field, port);
	}
	return TRUE;
}

static gboolean
check_firewall_names(AshKsCall *call, char **names, const char *option, GError **error)
{
	for (guint i = 0; names[i] != NULL; i++)
		if (!ash_check_word(names[i], "_.-"))
			return ash_option_throw(&call->place, error, "%s: \"%s\" is no name",
						option, names[i]);
	return TRUE;
}

static gboolean
handle_firewall(AshKsCall *call, GError **error)
{
	const FirewallValues *values = call->values;
	AshFirewallSpec *firewall = &call->spec->firewall;

	if (values->system_defaults) {
		ash_option_notice(
			&call->place,
			"--use-system-defaults: the packages' own firewall rules stay as they are");
		return TRUE;
	}
	if (!check_firewall_names(call, values->services, "--service", error) ||
	    !check_firewall_names(call, values->remove_services, "--remove-service", error) ||
	    !check_firewall_names(call, values->trusts, "--trust", error) ||
	    !add_ports(call, values->ports, &firewall->ports, error))
		return FALSE;
	firewall->set = true;
	firewall->enabled = values->enabled != 0;
	ash_strv_add_all(&firewall->services, (const char *const *) values->services);
	ash_strv_add_all(&firewall->remove_services, (const char *const *) values->remove_services);
	ash_strv_add_all(&firewall->trusts, (const char *const *) values->trusts);
	return TRUE;
}

const AshKsCommand ash_ks_network_commands[] = {
	{ .name = "network",
	  .handler = handle_network,
	  .options = network_options,
	  .values_size = sizeof(NetworkValues) },
	{ .name = "firewall",
	  .handler = handle_firewall,
	  .options = firewall_options,
	  .values_size = sizeof(FirewallValues) },
	{ NULL },
};
