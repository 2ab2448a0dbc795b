/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/spec.h"

/* The text of a spec: each helper writes nothing for what was not said. */

const char *
ash_selinux_mode_to_string(AshSelinuxMode mode)
{
	static const char *const names[] = { "unset", "enforcing", "permissive", "disabled" };

	return (guint) mode < G_N_ELEMENTS(names) ? names[mode] : "unset";
}

static void
put_string(GString *out, const char *key, const char *value)
{
	if (value != NULL)
		g_string_append_printf(out, "%s: %s\n", key, value);
}

static void
put_strv(GString *out, const char *key, char **values)
{
	for (guint i = 0; values[i] != NULL; i++)
		g_string_append_printf(out, "%s: %s\n", key, values[i]);
}

static void
put_number(GString *out, const char *key, int value)
{
	if (value != -1)
		g_string_append_printf(out, "%s: %d\n", key, value);
}

/* A flag is written where it differs from its default. */
static void
put_flag(GString *out, const char *key, bool value, bool unless)
{
	if (value != unless)
		g_string_append_printf(out, "%s: %s\n", key, value ? "yes" : "no");
}

static void
put_repo(GString *out, const AshRepoConf *repo)
{
	put_string(out, "repo", repo->id);
	put_string(out, "  origin", repo->origin);
	put_string(out, "  name", repo->name);
	put_strv(out, "  baseurl", repo->baseurls);
	put_string(out, "  mirrorlist", repo->mirrorlist);
	put_string(out, "  metalink", repo->metalink);
	put_strv(out, "  gpgkey", repo->gpgkeys);
	put_flag(out, "  gpgcheck", repo->gpgcheck, true);
	put_flag(out, "  repo-gpgcheck", repo->repo_gpgcheck, true);
	put_flag(out, "  enabled", repo->enabled, true);
	put_number(out, "  cost", repo->cost != 1000 ? repo->cost : -1);
	put_number(out, "  priority", repo->priority != 99 ? repo->priority : -1);
	put_strv(out, "  exclude", repo->excludes);
	put_strv(out, "  include", repo->includes);
	put_string(out, "  proxy", repo->proxy);
	put_flag(out, "  sslverify", repo->sslverify, true);
	put_string(out, "  sslcacert", repo->sslcacert);
	put_string(out, "  sslclientcert", repo->sslclientcert);
	put_string(out, "  sslclientkey", repo->sslclientkey);
	put_flag(out, "  install", repo->install, false);
}

static void
put_packages(GString *out, const AshPackageRequest *request)
{
	put_string(out, "packages", request->origin);
	put_strv(out, "  name", request->names);
	put_strv(out, "  exclude", request->excludes);
	put_strv(out, "  group", request->groups);
	put_strv(out, "  group-mandatory", request->groups_mandatory);
	put_strv(out, "  group-all", request->groups_all);
	put_strv(out, "  group-exclude", request->group_excludes);
	put_strv(out, "  environment", request->environments);
	put_strv(out, "  inst-lang", request->inst_langs);
	put_flag(out, "  core", request->core, true);
	put_flag(out, "  weak-deps", request->weak_deps, true);
	put_flag(out, "  docs", request->docs, true);
	put_flag(out, "  ignore-missing", request->ignore_missing, false);
	put_flag(out, "  multilib", request->multilib, false);
}

static void
put_locale(GString *out, const AshSpec *spec)
{
	put_string(out, "lang", spec->lang);
	put_strv(out, "lang-support", spec->lang_support);
	put_string(out, "keymap", spec->keymap);
	put_strv(out, "xlayout", spec->xlayouts);
	put_string(out, "timezone", spec->timezone);
	put_flag(out, "timezone-utc", spec->timezone_utc, false);
	put_strv(out, "ntp-server", spec->ntp_servers);
	put_strv(out, "ntp-pool", spec->ntp_pools);
	put_flag(out, "ntp-disabled", spec->ntp_disabled, false);
}

static void
put_user(GString *out, const AshUserSpec *user)
{
	put_string(out, "user", user->name);
	put_string(out, "  origin", user->origin);
	put_string(out, "  gecos", user->gecos);
	put_string(out, "  home", user->home);
	put_string(out, "  shell", user->shell);
	put_strv(out, "  group", user->groups);
	put_string(out, "  password", user->password);
	put_flag(out, "  crypted", user->crypted, false);
	put_flag(out, "  locked", user->locked, false);
	put_number(out, "  uid", user->uid);
	put_number(out, "  gid", user->gid);
}

static void
put_accounts(GString *out, const AshSpec *spec)
{
	const AshRootPassword *root = &spec->root_password;

	put_flag(out, "rootpw", root->set, false);
	put_string(out, "  password", root->password);
	put_flag(out, "  crypted", root->crypted, false);
	put_flag(out, "  locked", root->locked, false);
	put_flag(out, "  allow-ssh", root->allow_ssh, false);
	for (guint i = 0; i < spec->groups->len; i++) {
		const AshGroupSpec *group = g_ptr_array_index(spec->groups, i);

		put_string(out, "group", group->name);
		put_string(out, "  origin", group->origin);
		put_number(out, "  gid", group->gid);
	}
	for (guint i = 0; i < spec->users->len; i++)
		put_user(out, g_ptr_array_index(spec->users, i));
	for (guint i = 0; i < spec->ssh_keys->len; i++) {
		const AshSshKeySpec *key = g_ptr_array_index(spec->ssh_keys, i);

		put_string(out, "sshkey", key->key);
		put_string(out, "  origin", key->origin);
		put_string(out, "  user", key->user);
	}
}

static void
put_firewall(GString *out, const AshFirewallSpec *firewall)
{
	if (!firewall->set)
		return;
	put_string(out, "firewall", firewall->enabled ? "enabled" : "disabled");
	put_strv(out, "  service", firewall->services);
	put_strv(out, "  remove-service", firewall->remove_services);
	put_strv(out, "  port", firewall->ports);
	put_strv(out, "  trust", firewall->trusts);
}

static void
put_network(GString *out, const AshNetworkSpec *network)
{
	put_string(out, "network", network->device);
	put_string(out, "  origin", network->origin);
	put_string(out, "  bootproto", network->bootproto);
	put_string(out, "  ip", network->ip);
	put_string(out, "  netmask", network->netmask);
	put_string(out, "  gateway", network->gateway);
	put_string(out, "  ipv6", network->ipv6_address);
	put_string(out, "  ipv6-gateway", network->ipv6_gateway);
	put_strv(out, "  nameserver", network->nameservers);
	put_number(out, "  mtu", network->mtu);
	put_flag(out, "  onboot", network->onboot, true);
	put_flag(out, "  use-ipv4", network->ipv4, true);
	put_flag(out, "  use-ipv6", network->ipv6, true);
	put_flag(out, "  default-route", network->default_route, true);
	put_flag(out, "  dns", network->dns, true);
}

static void
put_script(GString *out, const AshScriptSpec *script)
{
	g_auto(GStrv) lines = g_strsplit(script->body, "\n", -1);

	put_string(out, "post", script->origin);
	put_string(out, "  interpreter", script->interpreter);
	put_string(out, "  log", script->log);
	put_flag(out, "  error-on-fail", script->error_on_fail, false);
	for (guint i = 0; lines[i] != NULL; i++)
		if (lines[i + 1] != NULL || *lines[i] != '\0')
			g_string_append_printf(out, "  | %s\n", lines[i]);
}

static void
put_system(GString *out, const AshSpec *spec)
{
	put_strv(out, "service-enabled", spec->services_enabled);
	put_strv(out, "service-disabled", spec->services_disabled);
	if (spec->selinux != ASH_SELINUX_UNSET)
		put_string(out, "selinux", ash_selinux_mode_to_string(spec->selinux));
	put_firewall(out, &spec->firewall);
	put_string(out, "hostname", spec->hostname);
	for (guint i = 0; i < spec->networks->len; i++)
		put_network(out, g_ptr_array_index(spec->networks, i));
	put_string(out, "kernel-append", spec->kernel_append);
	put_number(out, "boot-timeout", spec->boot_timeout);
	put_number(out, "firstboot", spec->firstboot);
	put_flag(out, "skip-x", spec->skip_x, false);
}

char *
ash_spec_format(const AshSpec *spec)
{
	GString *out = g_string_new(NULL);

	put_string(out, "spec", spec->name);
	for (guint i = 0; i < spec->repos->len; i++)
		put_repo(out, g_ptr_array_index(spec->repos, i));
	put_packages(out, &spec->packages);
	put_locale(out, spec);
	put_accounts(out, spec);
	put_system(out, spec);
	for (guint i = 0; i < spec->post_scripts->len; i++)
		put_script(out, g_ptr_array_index(spec->post_scripts, i));
	for (guint i = 0; i < spec->notices->len; i++)
		put_string(out, "notice", g_ptr_array_index(spec->notices, i));
	return g_string_free(out, FALSE);
}
