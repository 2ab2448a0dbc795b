/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "tree/netfiles.h"

#include <string.h>

#define IN_LINE(text) ((text) != NULL ? (text) : "")

/* The UUID follows from the names, as all our identifiers do. Owned. */
static char *
dup_uuid(const AshTreeRoot *root, const char *name)
{
	static const AshUuid space = { { 0x3b, 0x7a, 0x0b, 0x3a, 0x9c, 0x51, 0x4e, 0x0f, 0x8d, 0x52, 0x0c, 0x5e, 0x6d, 0x7f, 0x21, 0x44 } };
	g_autofree char *purpose = g_strdup_printf("connection %s %s", root->request->spec->name, name);
	AshUuid uuid = ash_uuid_derive(&space, purpose);

	return ash_uuid_to_string(&uuid);
}

static void
put_connection(GString *text, const AshNetFiles *files)
{
	static const char *const types[] = {
		[ASH_NETWORK_ETHERNET] = "ethernet", [ASH_NETWORK_BOND] = "bond", [ASH_NETWORK_BRIDGE] = "bridge",
		[ASH_NETWORK_VLAN] = "vlan",         [ASH_NETWORK_WIFI] = "wifi",
	};
	const AshNetworkSpec *network = files->network;
	g_autofree char *id = dup_uuid(files->root, files->name);

	g_string_append_printf(text, "[connection]\nid=%s\nuuid=%s\ntype=%s\nautoconnect=%s\n", files->name, id, types[network->kind],
			       network->onboot ? "true" : "false");
	if (!ash_net_is_any(network) && !ash_net_is_mac(network->device))
		g_string_append_printf(text, "interface-name=%s\n", network->device);
}

/* "stp=no" is "stp=false" in a keyfile. */
static const char *
keyfile_value(const char *value)
{
	if (strcmp(value, "yes") == 0 || strcmp(value, "on") == 0)
		return "true";
	if (strcmp(value, "no") == 0 || strcmp(value, "off") == 0)
		return "false";
	return value;
}

static void
put_options(GString *text, const AshNetworkSpec *network)
{
	bool bridge = network->kind == ASH_NETWORK_BRIDGE;

	g_string_append_printf(text, "\n[%s]\n", bridge ? "bridge" : "bond");
	for (gsize i = 0; network->options[i] != NULL; i++) {
		const char *value = strchr(network->options[i], '=') + 1;
		g_autofree char *name = g_strndup(network->options[i], (gsize) (value - 1 - network->options[i]));
		g_string_append_printf(text, "%s=%s\n", name, bridge ? keyfile_value(value) : value);
	}
}

/* The sections that say what the interface is. */
static void
put_kind(GString *text, const AshNetworkSpec *network)
{
	switch (network->kind) {
	case ASH_NETWORK_BOND:
	case ASH_NETWORK_BRIDGE:
		put_options(text, network);
		break;
	case ASH_NETWORK_VLAN:
		g_string_append_printf(text, "\n[vlan]\nid=%d\nparent=%s\n", network->vlan, network->parent);
		break;
	case ASH_NETWORK_WIFI:
		g_string_append_printf(text, "\n[wifi]\nmode=infrastructure\nssid=%s\n", network->essid);
		if (network->wpa_key != NULL)
			g_string_append_printf(text, "\n[wifi-security]\nkey-mgmt=wpa-psk\npsk=%s\n", network->wpa_key);
		break;
	case ASH_NETWORK_ETHERNET:
		break;
	}
	if (network->kind != ASH_NETWORK_WIFI)
		g_string_append(text, "\n[ethernet]\n");
	if (network->device != NULL && ash_net_is_mac(network->device))
		g_string_append_printf(text, "mac-address=%s\n", network->device);
	if (network->mtu > 0)
		g_string_append_printf(text, "mtu=%d\n", network->mtu);
}

static void
put_list(GString *text, const char *key, char **values)
{
	g_autofree char *joined = values != NULL ? g_strjoinv(";", values) : g_strdup("");

	if (*joined != '\0')
		g_string_append_printf(text, "%s=%s;\n", key, joined);
}

static void
put_ipv4(GString *text, const AshNetworkSpec *network, int prefix)
{
	bool fixed = ash_net_is_static(network);
	bool dhcp = network->ipv4 && ash_net_is_dhcp(network);

	g_string_append_printf(text, "\n[ipv4]\nmethod=%s\n", dhcp ? "auto" : fixed ? "manual" : "disabled");
	if (fixed)
		g_string_append_printf(text, "address1=%s/%d%s%s\n", network->ip, prefix, network->gateway != NULL ? "," : "",
				       IN_LINE(network->gateway));
	put_list(text, "dns", network->nameservers);
	put_list(text, "dns-search", network->search4);
	if (!network->default_route)
		g_string_append(text, "never-default=true\n");
	if (!network->dns4)
		g_string_append(text, "ignore-auto-dns=true\n");
	if (dhcp && network->dhcp_class != NULL)
		g_string_append_printf(text, "dhcp-vendor-class-identifier=%s\n", network->dhcp_class);
}

static void
put_ipv6(GString *text, const AshNetworkSpec *network)
{
	bool fixed = network->ipv6_address != NULL && strchr(network->ipv6_address, '/') != NULL;
	bool dhcp = g_strcmp0(network->ipv6_address, "dhcp") == 0;

	g_string_append_printf(text, "\n[ipv6]\nmethod=%s\n", !network->ipv6 ? "disabled" : fixed ? "manual" : dhcp ? "dhcp" : "auto");
	if (network->ipv6 && fixed)
		g_string_append_printf(text, "address1=%s%s%s\n", network->ipv6_address, network->ipv6_gateway != NULL ? "," : "",
				       IN_LINE(network->ipv6_gateway));
	put_list(text, "dns-search", network->search6);
	if (network->ipv6 && !network->dns6)
		g_string_append(text, "ignore-auto-dns=true\n");
}

static gboolean
save(const AshTreeRoot *root, const char *name, const char *text, GError **error)
{
	g_autofree char *path = g_strdup_printf("etc/NetworkManager/system-connections/%s.nmconnection", name);

	return ash_tree_root_save(root, path, text, 0600, error);
}

/* The cards of a bond or bridge, as connections that belong to it. */
static gboolean
write_members(const AshNetFiles *files, GError **error)
{
	const AshNetworkSpec *network = files->network;

	for (gsize i = 0; network->members[i] != NULL; i++) {
		g_autofree char *name = g_strdup_printf("%s-%s", files->name, network->members[i]);
		g_autofree char *id = dup_uuid(files->root, name);
		g_autofree char *text = g_strdup_printf("[connection]\nid=%s\nuuid=%s\ntype=ethernet\nautoconnect=%s\ninterface-name=%s\n"
							"master=%s\nslave-type=%s\n\n[ethernet]\n",
							name, id, network->onboot ? "true" : "false", network->members[i], network->device,
							network->kind == ASH_NETWORK_BOND ? "bond" : "bridge");
		if (!save(files->root, name, text, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_nmconnection_write(const AshNetFiles *files, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);

	put_connection(text, files);
	put_kind(text, files->network);
	put_ipv4(text, files->network, files->prefix);
	put_ipv6(text, files->network);
	return save(files->root, files->name, text->str, error) && write_members(files, error);
}
