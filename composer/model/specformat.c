/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/spec.h"

const char *
ash_network_kind_to_string(AshNetworkKind kind)
{
	static const char *const names[] = { "ethernet", "bond", "bridge", "vlan", "wifi" };

	return (guint) kind < G_N_ELEMENTS(names) ? names[kind] : "ethernet";
}

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
	put_strv(out, "ntp-nts", spec->ntp_nts);
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
	put_flag(out, "  dns4", network->dns4, network->dns);
	put_flag(out, "  dns6", network->dns6, network->dns);
	if (network->kind != ASH_NETWORK_ETHERNET)
		put_string(out, "  kind", ash_network_kind_to_string(network->kind));
	put_strv(out, "  member", network->members);
	put_strv(out, "  option", network->options);
	put_string(out, "  parent", network->parent);
	put_number(out, "  vlan", network->vlan);
	put_strv(out, "  search4", network->search4);
	put_strv(out, "  search6", network->search6);
	put_string(out, "  dhcp-class", network->dhcp_class);
	put_string(out, "  essid", network->essid);
	put_string(out, "  wpa-key", network->wpa_key);
}

static void
put_script(GString *out, const AshScriptSpec *script)
{
	g_auto(GStrv) lines = g_strsplit(script->body, "\n", -1);

	put_string(out, script->outside ? "post-outside" : "post", script->origin);
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
	put_flag(out, "start-x", spec->start_x, false);
	put_string(out, "desktop", spec->desktop);
	put_strv(out, "authselect", spec->authselect);
}

static void
put_encryption(GString *out, const AshEncryptionSpec *encryption)
{
	put_flag(out, "  encrypted", encryption->encrypted, false);
	put_string(out, "  passphrase", encryption->passphrase);
	put_string(out, "  cipher", encryption->cipher);
	put_string(out, "  luks-version", encryption->luks_version);
	put_string(out, "  pbkdf", encryption->pbkdf);
	put_number(out, "  pbkdf-memory", encryption->pbkdf_memory);
	put_number(out, "  pbkdf-time", encryption->pbkdf_time);
	put_number(out, "  pbkdf-iterations", encryption->pbkdf_iterations);
}

static void
put_bytes(GString *out, const char *key, guint64 bytes)
{
	if (bytes != 0)
		g_string_append_printf(out, "%s: %" G_GUINT64_FORMAT "\n", key, bytes);
}

static void
put_volume(GString *out, const AshVolumeSpec *volume)
{
	g_string_append_printf(out, "%s: %s\n", ash_volume_kind_to_string(volume->kind),
			       volume->mount_point != NULL ? volume->mount_point : volume->name);
	put_string(out, "  origin", volume->origin);
	put_string(out, "  fstype", volume->fstype);
	put_bytes(out, "  size", volume->size);
	put_bytes(out, "  max-size", volume->max_size);
	put_number(out, "  percent", volume->percent);
	put_flag(out, "  grow", volume->grow, false);
	put_flag(out, "  recommended", volume->recommended, false);
	put_bytes(out, "  extent-bytes", volume->extent_bytes);
	put_flag(out, "  thin", volume->thin, false);
	put_flag(out, "  reserved", volume->reserved, false);
	put_flag(out, "  existing", volume->existing, false);
	put_string(out, "  label", volume->label);
	put_string(out, "  fsoptions", volume->fsoptions);
	put_string(out, "  mkfsoptions", volume->mkfsoptions);
	put_string(out, "  disk", volume->disk);
	put_string(out, "  name", volume->name);
	put_string(out, "  group", volume->group);
	put_string(out, "  level", volume->level);
	put_strv(out, "  member", volume->members);
	put_encryption(out, &volume->encryption);
}

static void
put_storage(GString *out, const AshStorageSpec *storage)
{
	const AshAutopartSpec *autopart = &storage->autopart;

	put_string(out, "autopart", autopart->origin);
	put_string(out, "  scheme", ash_autopart_scheme_to_string(autopart->scheme));
	put_string(out, "  fstype", autopart->fstype);
	put_flag(out, "  home", autopart->home, true);
	put_flag(out, "  boot", autopart->boot, true);
	put_flag(out, "  swap", autopart->swap, true);
	put_encryption(out, &autopart->encryption);
	put_string(out, "reqpart", storage->reqpart);
	put_flag(out, "  add-boot", storage->reqpart_boot, false);
	put_string(out, "disk-label", storage->disk_label);
	for (guint i = 0; i < storage->volumes->len; i++)
		put_volume(out, g_ptr_array_index(storage->volumes, i));
}

static void
put_ostree(GString *out, const AshOstreeSpec *ostree)
{
	if (!ostree->set)
		return;
	put_string(out, ostree->container ? "ostree-container" : "ostree", ostree->url);
	put_string(out, "  origin", ostree->origin);
	put_string(out, "  osname", ostree->osname);
	put_string(out, "  remote", ostree->remote);
	put_string(out, "  ref", ostree->ref);
	put_string(out, "  transport", ostree->transport);
	put_flag(out, "  verify", ostree->verify, true);
}

static void
put_certificates(GString *out, const AshSpec *spec)
{
	for (guint i = 0; i < spec->certificates->len; i++) {
		const AshCertificateSpec *certificate = g_ptr_array_index(spec->certificates, i);

		put_string(out, "certificate", certificate->path);
		put_string(out, "  origin", certificate->origin);
	}
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
	put_storage(out, &spec->storage);
	put_ostree(out, &spec->ostree);
	put_certificates(out, spec);
	for (guint i = 0; i < spec->post_scripts->len; i++)
		put_script(out, g_ptr_array_index(spec->post_scripts, i));
	for (guint i = 0; i < spec->notices->len; i++)
		put_string(out, "notice", g_ptr_array_index(spec->notices, i));
	return g_string_free(out, FALSE);
}
