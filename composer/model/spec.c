/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/spec.h"

#include "model/strv.h"

static void
package_request_init(AshPackageRequest *request)
{
	request->names = ash_strv_new();
	request->excludes = ash_strv_new();
	request->groups = ash_strv_new();
	request->groups_mandatory = ash_strv_new();
	request->groups_all = ash_strv_new();
	request->group_excludes = ash_strv_new();
	request->environments = ash_strv_new();
	request->inst_langs = ash_strv_new();
	request->core = true;
	request->weak_deps = true;
	request->docs = true;
}

static void
package_request_clear(AshPackageRequest *request)
{
	g_strfreev(request->names);
	g_strfreev(request->excludes);
	g_strfreev(request->groups);
	g_strfreev(request->groups_mandatory);
	g_strfreev(request->groups_all);
	g_strfreev(request->group_excludes);
	g_strfreev(request->environments);
	g_strfreev(request->inst_langs);
	g_free(request->origin);
}

AshPackageRequest *
ash_package_request_new(void)
{
	AshPackageRequest *request = g_new0(AshPackageRequest, 1);

	package_request_init(request);
	return request;
}

AshPackageRequest *
ash_package_request_copy(const AshPackageRequest *request)
{
	AshPackageRequest *copy = g_new0(AshPackageRequest, 1);

	*copy = *request;
	copy->names = g_strdupv(request->names);
	copy->excludes = g_strdupv(request->excludes);
	copy->groups = g_strdupv(request->groups);
	copy->groups_mandatory = g_strdupv(request->groups_mandatory);
	copy->groups_all = g_strdupv(request->groups_all);
	copy->group_excludes = g_strdupv(request->group_excludes);
	copy->environments = g_strdupv(request->environments);
	copy->inst_langs = g_strdupv(request->inst_langs);
	copy->origin = g_strdup(request->origin);
	return copy;
}

void
ash_package_request_free(AshPackageRequest *request)
{
	if (request == NULL)
		return;
	package_request_clear(request);
	g_free(request);
}

AshUserSpec *
ash_user_spec_new(const char *name, const char *origin)
{
	AshUserSpec *user = g_new0(AshUserSpec, 1);

	user->name = g_strdup(name);
	user->origin = g_strdup(origin);
	user->groups = ash_strv_new();
	user->uid = -1;
	user->gid = -1;
	return user;
}

void
ash_user_spec_free(AshUserSpec *user)
{
	if (user == NULL)
		return;
	g_free(user->name);
	g_free(user->gecos);
	g_free(user->home);
	g_free(user->shell);
	g_strfreev(user->groups);
	g_free(user->password);
	g_free(user->origin);
	g_free(user);
}

AshGroupSpec *
ash_group_spec_new(const char *name, const char *origin)
{
	AshGroupSpec *group = g_new0(AshGroupSpec, 1);

	group->name = g_strdup(name);
	group->origin = g_strdup(origin);
	group->gid = -1;
	return group;
}

void
ash_group_spec_free(AshGroupSpec *group)
{
	if (group == NULL)
		return;
	g_free(group->name);
	g_free(group->origin);
	g_free(group);
}

AshSshKeySpec *
ash_ssh_key_spec_new(const char *user, const char *key, const char *origin)
{
	AshSshKeySpec *spec = g_new0(AshSshKeySpec, 1);

	spec->user = g_strdup(user);
	spec->key = g_strdup(key);
	spec->origin = g_strdup(origin);
	return spec;
}

void
ash_ssh_key_spec_free(AshSshKeySpec *key)
{
	if (key == NULL)
		return;
	g_free(key->user);
	g_free(key->key);
	g_free(key->origin);
	g_free(key);
}

AshNetworkSpec *
ash_network_spec_new(const char *device, const char *origin)
{
	AshNetworkSpec *network = g_new0(AshNetworkSpec, 1);

	network->device = g_strdup(device);
	network->origin = g_strdup(origin);
	network->nameservers = ash_strv_new();
	network->members = ash_strv_new();
	network->options = ash_strv_new();
	network->search4 = ash_strv_new();
	network->search6 = ash_strv_new();
	network->mtu = -1;
	network->vlan = -1;
	network->dns4 = true;
	network->dns6 = true;
	network->onboot = true;
	network->ipv4 = true;
	network->ipv6 = true;
	network->default_route = true;
	network->dns = true;
	return network;
}

void
ash_network_spec_free(AshNetworkSpec *network)
{
	if (network == NULL)
		return;
	g_free(network->device);
	g_free(network->bootproto);
	g_free(network->ip);
	g_free(network->netmask);
	g_free(network->gateway);
	g_free(network->ipv6_address);
	g_free(network->ipv6_gateway);
	g_strfreev(network->nameservers);
	g_strfreev(network->members);
	g_strfreev(network->options);
	g_free(network->parent);
	g_strfreev(network->search4);
	g_strfreev(network->search6);
	g_free(network->dhcp_class);
	g_free(network->essid);
	g_free(network->wpa_key);
	g_free(network->origin);
	g_free(network);
}

AshScriptSpec *
ash_script_spec_new(const char *origin)
{
	AshScriptSpec *script = g_new0(AshScriptSpec, 1);

	script->interpreter = g_strdup("/bin/sh");
	script->body = g_strdup("");
	script->origin = g_strdup(origin);
	return script;
}

void
ash_script_spec_free(AshScriptSpec *script)
{
	if (script == NULL)
		return;
	g_free(script->interpreter);
	g_free(script->body);
	g_free(script->log);
	g_free(script->origin);
	g_free(script);
}

AshCertificateSpec *
ash_certificate_spec_new(const char *path, const char *text, const char *origin)
{
	AshCertificateSpec *certificate = g_new0(AshCertificateSpec, 1);

	certificate->path = g_strdup(path);
	certificate->text = g_strdup(text);
	certificate->origin = g_strdup(origin);
	return certificate;
}

void
ash_certificate_spec_free(AshCertificateSpec *certificate)
{
	if (certificate == NULL)
		return;
	g_free(certificate->path);
	g_free(certificate->text);
	g_free(certificate->origin);
	g_free(certificate);
}

#define ARRAY_OF(free_func) g_ptr_array_new_with_free_func((GDestroyNotify) (free_func))

AshSpec *
ash_spec_new(const char *name)
{
	AshSpec *spec = g_new0(AshSpec, 1);

	spec->name = g_strdup(name);
	spec->repos = ARRAY_OF(ash_repo_conf_free);
	package_request_init(&spec->packages);
	spec->lang_support = ash_strv_new();
	spec->xlayouts = ash_strv_new();
	spec->ntp_servers = ash_strv_new();
	spec->ntp_pools = ash_strv_new();
	spec->ntp_nts = ash_strv_new();
	spec->authselect = ash_strv_new();
	spec->certificates = ARRAY_OF(ash_certificate_spec_free);
	spec->ostree.verify = true;
	spec->users = ARRAY_OF(ash_user_spec_free);
	spec->groups = ARRAY_OF(ash_group_spec_free);
	spec->ssh_keys = ARRAY_OF(ash_ssh_key_spec_free);
	spec->services_enabled = ash_strv_new();
	spec->services_disabled = ash_strv_new();
	spec->firewall.services = ash_strv_new();
	spec->firewall.remove_services = ash_strv_new();
	spec->firewall.ports = ash_strv_new();
	spec->firewall.trusts = ash_strv_new();
	spec->networks = ARRAY_OF(ash_network_spec_free);
	ash_storage_spec_init(&spec->storage);
	spec->boot_timeout = -1;
	spec->firstboot = -1;
	spec->post_scripts = ARRAY_OF(ash_script_spec_free);
	spec->notices = ARRAY_OF(g_free);
	return spec;
}

static void
ostree_clear(AshOstreeSpec *ostree)
{
	g_free(ostree->osname);
	g_free(ostree->remote);
	g_free(ostree->url);
	g_free(ostree->ref);
	g_free(ostree->transport);
	g_free(ostree->origin);
}

/*
 * Whether the kernel has SELinux is for its command line to say: a distribution's kernel may prefer another module (security=), and since
 * Linux 6.4 none gives SELinux up later because of a file. What the kickstart says itself about modules holds.
 */
char *
ash_spec_dup_kernel_append(const AshSpec *spec)
{
	static const char *const by_mode[] = {
		[ASH_SELINUX_UNSET] = NULL,
		[ASH_SELINUX_ENFORCING] = "security=selinux",
		[ASH_SELINUX_PERMISSIVE] = "security=selinux",
		[ASH_SELINUX_DISABLED] = "selinux=0",
	};
	static const char *const own[] = { "security=", "lsm=", "selinux=" };
	const char *append = spec->kernel_append != NULL ? spec->kernel_append : "", *mode = by_mode[spec->selinux];
	g_auto(GStrv) words = g_strsplit_set(append, " \t", -1);

	for (gsize i = 0; words[i] != NULL; i++)
		for (gsize j = 0; j < G_N_ELEMENTS(own); j++)
			if (g_str_has_prefix(words[i], own[j]))
				mode = NULL;
	return mode == NULL ? g_strdup(spec->kernel_append) : *append == '\0' ? g_strdup(mode) : g_strjoin(" ", append, mode, NULL);
}

void
ash_spec_free(AshSpec *spec)
{
	if (spec == NULL)
		return;
	g_free(spec->name);
	g_ptr_array_unref(spec->repos);
	package_request_clear(&spec->packages);
	g_free(spec->lang);
	g_strfreev(spec->lang_support);
	g_free(spec->keymap);
	g_strfreev(spec->xlayouts);
	g_free(spec->timezone);
	g_strfreev(spec->ntp_servers);
	g_strfreev(spec->ntp_pools);
	g_strfreev(spec->ntp_nts);
	g_free(spec->desktop);
	g_strfreev(spec->authselect);
	g_ptr_array_unref(spec->certificates);
	ostree_clear(&spec->ostree);
	g_free(spec->root_password.password);
	g_ptr_array_unref(spec->users);
	g_ptr_array_unref(spec->groups);
	g_ptr_array_unref(spec->ssh_keys);
	g_strfreev(spec->services_enabled);
	g_strfreev(spec->services_disabled);
	g_strfreev(spec->firewall.services);
	g_strfreev(spec->firewall.remove_services);
	g_strfreev(spec->firewall.ports);
	g_strfreev(spec->firewall.trusts);
	g_free(spec->hostname);
	g_ptr_array_unref(spec->networks);
	g_free(spec->kernel_append);
	ash_storage_spec_clear(&spec->storage);
	g_ptr_array_unref(spec->post_scripts);
	g_ptr_array_unref(spec->notices);
	g_free(spec);
}
