/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/check.h"
#include "config/kscommand.h"
#include "model/strv.h"

#include <string.h>

typedef struct {
	char *bootproto, *device, *hostname, *ip, *netmask, *gateway, *ipv6, *ipv6gateway;
	char **nameservers;
	bool nodns, noipv4, noipv6, nodefroute;
	int onboot, mtu;
} NetworkValues;

#define FIELD(member) G_STRUCT_OFFSET(NetworkValues, member)
#define IN_POST       "write the network configuration in a %post script"
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
	{ "--essid", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--wepkey", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--wpakey", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--dhcpclass", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--ethtool", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--bondslaves", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--bondopts", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--vlanid", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--teamslaves", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--teamconfig", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--interfacename", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--bridgeslaves", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--bridgeopts", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--bindto", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--ipv4-dns-search", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--ipv6-dns-search", ASH_OPTION_REFUSED_VALUE, .text = IN_POST },
	{ "--ipv4-ignore-auto-dns", ASH_OPTION_REFUSED, .text = IN_POST },
	{ "--ipv6-ignore-auto-dns", ASH_OPTION_REFUSED, .text = IN_POST },
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

static gboolean
check_network(AshKsCall *call, NetworkValues *values, GError **error)
{
	const char *device = values->device;

	if (device != NULL && !ash_check_interface(device))
		return ash_option_throw(&call->place, error,
					"--device: \"%s\" is no interface name; \"link\" means the "
					"first with a cable",
					device);
	if (device != NULL && (g_str_equal(device, "bootif") || g_str_equal(device, "ibft")))
		return ash_option_throw(&call->place, error,
					"--device=%s means the interface an installer booted from; "
					"use --device=link",
					device);
	for (guint i = 0; values->nameservers[i] != NULL; i++)
		if (!ash_check_ipv4(values->nameservers[i]) &&
		    !ash_check_ipv6(values->nameservers[i], false))
			return ash_option_throw(&call->place, error,
						"--nameserver: \"%s\" is no address",
						values->nameservers[i]);
	if (values->noipv4 && values->noipv6)
		return ash_option_throw(&call->place, error, "--noipv4 and --noipv6 leave nothing");
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
	       values->mtu != -1;
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

static void
add_network(AshKsCall *call, NetworkValues *values)
{
	const char *device = values->device != NULL ? values->device : "link";
	AshNetworkSpec *network = ash_network_spec_new(device, call->place.origin);

	remove_earlier(call, device);
	network->bootproto = g_steal_pointer(&values->bootproto);
	network->ip = g_steal_pointer(&values->ip);
	network->netmask = g_steal_pointer(&values->netmask);
	network->gateway = g_steal_pointer(&values->gateway);
	network->ipv6_address = g_steal_pointer(&values->ipv6);
	network->ipv6_gateway = g_steal_pointer(&values->ipv6gateway);
	ash_strv_replace(&network->nameservers, (const char *const *) values->nameservers);
	network->mtu = values->mtu;
	network->onboot = values->onboot != 0;
	network->ipv4 = !values->noipv4;
	network->ipv6 = !values->noipv6;
	network->default_route = !values->nodefroute;
	network->dns = !values->nodns;
	g_ptr_array_add(call->spec->networks, network);
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
