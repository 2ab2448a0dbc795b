/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"

#include <string.h>

/* Well-known names of the kickstart command's options, for nftables, which reads no service files. */
static const struct {
	const char *service, *port;
} service_ports[] = {
	{ "ssh", "22:tcp" },   { "http", "80:tcp" },  { "https", "443:tcp" }, { "smtp", "25:tcp" },
	{ "ftp", "21:tcp" },   { "dns", "53:udp" },   { "ntp", "123:udp" },   { "telnet", "23:tcp" },
	{ "imaps", "993:tcp" }, { "cockpit", "9090:tcp" }, { "mdns", "5353:udp" },
};

static gboolean
disable_unit(AshTreeRoot *root, const char *unit, GError **error)
{
	const char *const argv[] = { "systemctl", "--no-reload", "disable", unit, NULL };

	return !ash_tree_root_has_unit(root, unit) || ash_tree_root_run(root, argv, error);
}

static gboolean
enable_unit(AshTreeRoot *root, const char *unit, GError **error)
{
	const char *const argv[] = { "systemctl", "--no-reload", "enable", unit, NULL };

	return ash_tree_root_run(root, argv, error);
}

static void
add_options(GPtrArray *argv, const char *option, char **values)
{
	for (gsize i = 0; values != NULL && values[i] != NULL; i++)
		g_ptr_array_add(argv, g_strconcat(option, values[i], NULL));
}

static gboolean
set_up_firewalld(AshTreeRoot *root, const AshFirewallSpec *firewall, GError **error)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);

	g_ptr_array_add(argv, g_strdup("firewall-offline-cmd"));
	add_options(argv, "--add-service=", firewall->services);
	add_options(argv, "--remove-service=", firewall->remove_services);
	for (gsize i = 0; firewall->ports != NULL && firewall->ports[i] != NULL; i++) {
		g_autofree char *port = g_strdelimit(g_strdup(firewall->ports[i]), ":", '/');
		g_ptr_array_add(argv, g_strdup_printf("--add-port=%s", port));
	}
	for (gsize i = 0; firewall->trusts != NULL && firewall->trusts[i] != NULL; i++) {
		g_ptr_array_add(argv, g_strdup("--zone=trusted"));
		g_ptr_array_add(argv, g_strdup_printf("--add-interface=%s", firewall->trusts[i]));
	}
	bool needed = argv->len > 1;
	g_ptr_array_add(argv, NULL);
	if (needed && !ash_tree_root_run(root, (const char *const *) argv->pdata, error))
		return FALSE;
	return enable_unit(root, "firewalld.service", error);
}

/* "8080:tcp", "6000-6010:udp" or "8080" (tcp) as a rule. */
static void
add_port_rule(GString *rules, const char *port)
{
	g_auto(GStrv) parts = g_strsplit(port, ":", 2);

	g_string_append_printf(rules, "\t\t%s dport %s accept\n", parts[1] != NULL ? parts[1] : "tcp", parts[0]);
}

static gboolean
add_service_rule(GString *rules, const char *service, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(service_ports); i++) {
		if (strcmp(service_ports[i].service, service) != 0)
			continue;
		add_port_rule(rules, service_ports[i].port);
		return TRUE;
	}
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "firewall: nothing is known of the service \"%s\"; give its port with --port, or add the package firewalld",
			 service);
}

static gboolean
set_up_nftables(AshTreeRoot *root, const AshFirewallSpec *firewall, GError **error)
{
	g_autoptr(GString) rules = g_string_new(NULL);
	bool ssh = !g_strv_contains((const char *const *) firewall->remove_services, "ssh");

	/* As firewalld does by itself. */
	if (ssh)
		add_port_rule(rules, "22:tcp");
	for (gsize i = 0; firewall->services[i] != NULL; i++)
		if (!(ssh && strcmp(firewall->services[i], "ssh") == 0) &&
		    !add_service_rule(rules, firewall->services[i], error))
			return FALSE;
	for (gsize i = 0; firewall->ports[i] != NULL; i++)
		add_port_rule(rules, firewall->ports[i]);
	for (gsize i = 0; firewall->trusts[i] != NULL; i++)
		g_string_append_printf(rules, "\t\tiifname \"%s\" accept\n", firewall->trusts[i]);
	g_autofree char *text = g_strdup_printf("#!/usr/sbin/nft -f\n"
						"flush ruleset\n"
						"\n"
						"table inet filter {\n"
						"\tchain input {\n"
						"\t\ttype filter hook input priority filter; policy drop;\n"
						"\t\tct state established,related accept\n"
						"\t\tct state invalid drop\n"
						"\t\tiif lo accept\n"
						"\t\tmeta l4proto { icmp, ipv6-icmp } accept\n"
						"\t\tudp dport 546 ip6 daddr fe80::/64 accept\n"
						"%s"
						"\t}\n"
						"\tchain forward {\n"
						"\t\ttype filter hook forward priority filter; policy drop;\n"
						"\t}\n"
						"}\n",
						rules->str);
	const char *path = ash_tree_root_has(root, "etc/sysconfig/nftables.conf") ? "etc/sysconfig/nftables.conf"
										   : "etc/nftables.conf";
	return ash_tree_root_save(root, path, text, 0755, error) && enable_unit(root, "nftables.service", error);
}

/* firewall: by firewalld's own offline tool if the system has it, else as a rule set for nftables. */
gboolean
ash_step_firewall(AshTreeRoot *root, GError **error)
{
	const AshFirewallSpec *firewall = &root->request->spec->firewall;

	if (!firewall->set)
		return TRUE;
	if (!firewall->enabled)
		return disable_unit(root, "firewalld.service", error) && disable_unit(root, "nftables.service", error);
	if (ash_tree_root_has_program(root, "firewall-offline-cmd"))
		return set_up_firewalld(root, firewall, error);
	if (ash_tree_root_has_unit(root, "nftables.service"))
		return set_up_nftables(root, firewall, error);
	return ash_throw(error, ASH_ERROR_CONFIG, "firewall --enabled: this system has neither firewalld nor nftables");
}
