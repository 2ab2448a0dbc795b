/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/secrets.h"

#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

/* Less is no key. */
#define KEY_BODY_LEAST 40
#define BEGIN          "-----BEGIN "
/* The longest label, "OPENSSH PRIVATE KEY" or "PGP PRIVATE KEY BLOCK" and some more. */
#define LABEL_MOST     40

#define FACTORY "usr/share/factory"

/* When a file of a table is a finding. */
typedef enum {
	IF_NOT_EMPTY,
	IF_THERE,      /* directories and links, too */
	IF_MACHINE_ID, /* not empty, not "uninitialized" */
	IF_HAS_SECRET, /* there is the word in the column */
} Condition;

/* A name in the system; the last element may be a pattern. */
typedef struct {
	AshAuditRuleId rule;
	const char *directory, *name;
	Condition condition;
	const char *word;
	const char *message;
} Place;

static const Place places[] = {
	{ ASH_RULE_IDENTITY_MACHINE_ID, "etc", "machine-id", IF_MACHINE_ID, NULL, "names one machine" },
	{ ASH_RULE_IDENTITY_MACHINE_ID, "var/lib/dbus", "machine-id", IF_MACHINE_ID, NULL, "names one machine" },
	{ ASH_RULE_IDENTITY_SSH_HOST_KEY, "etc/ssh", "ssh_host_*_key", IF_NOT_EMPTY, NULL, "a private host key" },
	{ ASH_RULE_IDENTITY_SSH_HOST_KEY, "etc/dropbear", "dropbear_*_host_key", IF_NOT_EMPTY, NULL, "a private host key" },
	{ ASH_RULE_IDENTITY_RANDOM_SEED, "var/lib/systemd", "random-seed", IF_NOT_EMPTY, NULL, "a seed of random numbers" },
	{ ASH_RULE_IDENTITY_RANDOM_SEED, "var/lib/urandom", "random-seed", IF_NOT_EMPTY, NULL, "a seed of random numbers" },
	{ ASH_RULE_IDENTITY_RANDOM_SEED, "var/lib", "random-seed", IF_NOT_EMPTY, NULL, "a seed of random numbers" },
	{ ASH_RULE_IDENTITY_RANDOM_SEED, "boot/loader", "random-seed", IF_NOT_EMPTY, NULL, "a seed of random numbers" },
	{ ASH_RULE_IDENTITY_RANDOM_SEED, "boot/efi/loader", "random-seed", IF_NOT_EMPTY, NULL, "a seed of random numbers" },
	{ ASH_RULE_IDENTITY_RANDOM_SEED, "efi/loader", "random-seed", IF_NOT_EMPTY, NULL, "a seed of random numbers" },
	{ ASH_RULE_IDENTITY_SYSTEMD_SECRET, "var/lib/systemd", "credential.secret", IF_NOT_EMPTY, NULL, "the key of systemd-creds" },
	{ ASH_RULE_IDENTITY_SYSTEMD_SECRET, "var/lib/NetworkManager", "secret_key", IF_NOT_EMPTY, NULL, "the key that makes addresses of interfaces" },
	{ ASH_RULE_IDENTITY_SYSTEMD_SECRET, "var/lib/systemd", "tpm2-srk-public-key.*", IF_NOT_EMPTY, NULL, "the key of one machine's TPM" },
	{ ASH_RULE_IDENTITY_DEVICE, "etc/iscsi", "initiatorname.iscsi", IF_HAS_SECRET, "\nInitiatorName=iqn", "the name of an iSCSI initiator" },
	{ ASH_RULE_IDENTITY_DEVICE, "etc/nvme", "host*", IF_NOT_EMPTY, NULL, "the name of an NVMe host" },
	{ ASH_RULE_IDENTITY_DEVICE, "etc/udev/rules.d", "70-persistent-*.rules", IF_NOT_EMPTY, NULL, "names devices of one machine" },
	{ ASH_RULE_IDENTITY_DEVICE, "var/lib/dhcp", "*.leases", IF_NOT_EMPTY, NULL, "leases of one machine" },
	{ ASH_RULE_IDENTITY_DEVICE, "var/lib/dhclient", "*.lease*", IF_NOT_EMPTY, NULL, "leases of one machine" },
	{ ASH_RULE_IDENTITY_DEVICE, "var/lib/NetworkManager", "*.lease", IF_NOT_EMPTY, NULL, "leases of one machine" },
	{ ASH_RULE_IDENTITY_DEVICE, "var/lib/cloud", "instance", IF_THERE, NULL, "cloud-init has run already" },
	{ ASH_RULE_IDENTITY_LOGS, "var/log/journal", "*", IF_THERE, NULL, "a journal" },
	{ ASH_RULE_IDENTITY_LOGS, "var/log", "*", IF_NOT_EMPTY, NULL, "a log" },
	{ ASH_RULE_SECRET_WIFI, "etc/NetworkManager/system-connections", "*", IF_HAS_SECRET, "\npsk=", "the password of a wireless network" },
	{ ASH_RULE_SECRET_WIFI, "etc/NetworkManager/system-connections", "*", IF_HAS_SECRET, "\npassword=", "the password of a network" },
	{ ASH_RULE_SECRET_WIFI, "etc/wpa_supplicant", "*.conf", IF_HAS_SECRET, "psk=", "the password of a wireless network" },
	{ ASH_RULE_SECRET_WIFI, "var/lib/iwd", "*.psk", IF_NOT_EMPTY, NULL, "the password of a wireless network" },
	{ ASH_RULE_SECRET_WIFI, "etc/wireguard", "*.conf", IF_HAS_SECRET, "PrivateKey", "the private key of a tunnel" },
	{ ASH_RULE_SECRET_KEYTAB, "etc", "krb5.keytab", IF_NOT_EMPTY, NULL, "keys of Kerberos" },
	{ ASH_RULE_SECRET_CREDENTIALS, "etc", "boto.cfg", IF_NOT_EMPTY, NULL, "credentials of AWS" },
	{ ASH_RULE_SECRET_CREDENTIALS, "etc/pki/entitlement", "*-key.pem", IF_NOT_EMPTY, NULL, "the key of a subscription" },
};

/* The same below the homes of users. */
static const Place home_places[] = {
	{ ASH_RULE_SECRET_CREDENTIALS, ".aws", "credentials", IF_NOT_EMPTY, NULL, "credentials of AWS" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".azure", "accessTokens.json", IF_NOT_EMPTY, NULL, "credentials of Azure" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".azure", "msal_token_cache.*", IF_NOT_EMPTY, NULL, "credentials of Azure" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".azure", "service_principal_entries.*", IF_NOT_EMPTY, NULL, "credentials of Azure" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".config/gcloud", "credentials.db", IF_NOT_EMPTY, NULL, "credentials of Google Cloud" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".config/gcloud", "application_default_credentials.json", IF_NOT_EMPTY, NULL, "credentials of Google Cloud" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".oci", "config", IF_NOT_EMPTY, NULL, "credentials of Oracle Cloud" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".config/openstack", "clouds.y*ml", IF_HAS_SECRET, "password:", "credentials of OpenStack" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".kube", "config", IF_NOT_EMPTY, NULL, "credentials of Kubernetes" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".docker", "config.json", IF_HAS_SECRET, "\"auth\"", "credentials of registries" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".config/containers", "auth.json", IF_HAS_SECRET, "\"auth\"", "credentials of registries" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".config/gh", "hosts.yml", IF_HAS_SECRET, "oauth_token", "credentials of GitHub" },
	{ ASH_RULE_SECRET_CREDENTIALS, "", ".netrc", IF_NOT_EMPTY, NULL, "passwords of servers" },
	{ ASH_RULE_SECRET_CREDENTIALS, "", ".git-credentials", IF_NOT_EMPTY, NULL, "passwords of servers" },
	{ ASH_RULE_SECRET_CREDENTIALS, "", ".pgpass", IF_NOT_EMPTY, NULL, "passwords of databases" },
	{ ASH_RULE_SECRET_CREDENTIALS, "", ".my.cnf", IF_HAS_SECRET, "password", "passwords of databases" },
	{ ASH_RULE_SECRET_CREDENTIALS, "", ".mylogin.cnf", IF_NOT_EMPTY, NULL, "passwords of databases" },
	{ ASH_RULE_SECRET_CREDENTIALS, "", ".npmrc", IF_HAS_SECRET, "_authToken=", "credentials of a package registry" },
	{ ASH_RULE_SECRET_CREDENTIALS, "", ".pypirc", IF_HAS_SECRET, "password", "credentials of a package registry" },
	{ ASH_RULE_SECRET_CREDENTIALS, ".cargo", "credentials*", IF_NOT_EMPTY, NULL, "credentials of a package registry" },
	{ ASH_RULE_SECRET_CREDENTIALS, "", ".s3cfg", IF_NOT_EMPTY, NULL, "credentials of S3" },
	{ ASH_RULE_SECRET_CREDENTIALS, "", ".boto", IF_NOT_EMPTY, NULL, "credentials of AWS" },
	{ ASH_RULE_SECRET_CREDENTIALS, "", ".vault-token", IF_NOT_EMPTY, NULL, "a token of Vault" },
	{ ASH_RULE_SECRET_HISTORY, "", ".*_history", IF_NOT_EMPTY, NULL, "what was typed" },
	{ ASH_RULE_SECRET_HISTORY, "", ".lesshst", IF_NOT_EMPTY, NULL, "what was searched" },
	{ ASH_RULE_SECRET_HISTORY, "", ".viminfo", IF_NOT_EMPTY, NULL, "what was edited" },
	{ ASH_RULE_SECRET_HISTORY, ".local/share/fish", "fish_history", IF_NOT_EMPTY, NULL, "what was typed" },
	{ ASH_RULE_SECRET_HISTORY, ".local/state", "*history*", IF_NOT_EMPTY, NULL, "what was typed" },
};

/* Stores of keys, wherever they are. */
static const char *const store_suffixes[] = { ".p12", ".pfx", ".jks", ".keystore", ".keytab", ".ppk" };

/* Tokens that say themselves what they are: prefix, number of letters and digits that follow at least. */
static const struct {
	const char *prefix;
	guint least;
	bool upper; /* in capitals only */
	const char *what;
} tokens[] = {
	{ "AKIA", 16, true, "an access key of AWS" },	  { "ghp_", 36, false, "a token of GitHub" },
	{ "github_pat_", 40, false, "a token of GitHub" }, { "glpat-", 20, false, "a token of GitLab" },
	{ "xoxb-", 20, false, "a token of Slack" },	  { "npm_", 36, false, "a token of npm" },
	{ "hvs.", 24, false, "a token of Vault" },	  { "AccountKey=", 40, false, "a key of Azure Storage" },
};

static bool
has_word(const AshAudit *audit, const AshFsNode *node, const char *word)
{
	g_autofree char *text = ash_audit_load_node(audit, node);
	/* A word at the begin of a line is found in the first, too. */
	g_autofree char *padded = text != NULL ? g_strconcat("\n", text, NULL) : NULL;

	return padded != NULL && strstr(padded, word) != NULL;
}

static bool
is_machine_id(const AshAudit *audit, const AshFsNode *node)
{
	g_autofree char *text = ash_audit_load_node(audit, node);

	if (text == NULL)
		return false;
	g_strstrip(text);
	return text[0] != '\0' && strcmp(text, "uninitialized") != 0;
}

static bool
holds(const AshAudit *audit, const Place *place, const AshFsNode *node)
{
	if (place->condition == IF_THERE)
		return true;
	if (!S_ISREG(node->mode) || node->size == 0)
		return false;
	if (place->condition == IF_MACHINE_ID)
		return is_machine_id(audit, node);
	return place->condition == IF_NOT_EMPTY || has_word(audit, node, place->word);
}

/* @base: a home, or "". */
static void
check_place(const AshAudit *audit, const Place *place, const char *base)
{
	g_autofree char *path = g_build_filename(base, place->directory, NULL);
	const AshFsNode *directory = ash_audit_resolve(audit, path);

	for (guint i = 0; directory != NULL && directory->children != NULL && i < directory->children->len; i++) {
		const AshFsNode *node = g_ptr_array_index(directory->children, i);
		g_autofree char *found = NULL;

		if (fnmatch(place->name, node->name, 0) != 0 || !holds(audit, place, node))
			continue;
		found = ash_fs_node_dup_path(node);
		ash_audit_report_add(audit->report, place->rule, found, NULL, "%s", place->message);
	}
}

static void
check_authorized_keys(const AshAudit *audit, const char *home)
{
	g_autofree char *path = g_build_filename(home, ".ssh/authorized_keys", NULL);
	g_autofree char *keys = ash_audit_load_text(audit, path);
	g_auto(GStrv) lines = g_strsplit(keys != NULL ? keys : "", "\n", -1);
	guint n = 0;

	for (char **line = lines; *line != NULL; line++) {
		g_strstrip(*line);
		n += (*line)[0] != '\0' && (*line)[0] != '#';
	}
	if (n > 0)
		ash_audit_report_add(audit->report, ASH_RULE_SECRET_AUTHORIZED_KEYS, path, NULL, "%u key%s may log in", n, n == 1 ? "" : "s");
}

/* @done: homes that were looked at, which may have other names by links. */
static void
check_home(const AshAudit *audit, const AshFsNode *home, GHashTable *done)
{
	g_autofree char *path = NULL;

	if (home == NULL || !S_ISDIR(home->mode) || !g_hash_table_add(done, (gpointer) home))
		return;
	path = ash_fs_node_dup_path(home);
	for (gsize i = 0; i < G_N_ELEMENTS(home_places); i++)
		check_place(audit, &home_places[i], path);
	check_authorized_keys(audit, path);
}

static void
check_base(const AshAudit *audit, const char *base, GHashTable *done)
{
	static const char *const homes[] = { "root", "var/roothome", "etc/skel" }, *const parents[] = { "home", "var/home" };

	for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
		check_place(audit, &places[i], base);
	for (gsize i = 0; i < G_N_ELEMENTS(homes); i++) {
		g_autofree char *path = g_build_filename(base, homes[i], NULL);

		check_home(audit, ash_fs_tree_resolve(audit->tree, path), done);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(parents); i++) {
		g_autofree char *path = g_build_filename(base, parents[i], NULL);
		const AshFsNode *parent = ash_fs_tree_resolve(audit->tree, path);

		for (guint j = 0; parent != NULL && parent->children != NULL && j < parent->children->len; j++)
			check_home(audit, g_ptr_array_index(parent->children, j), done);
	}
}

void
ash_secrets_check(const AshAudit *audit)
{
	g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);

	check_base(audit, "", done);
	/* What tmpfiles.d(5) copies into /var when a machine starts. */
	check_base(audit, FACTORY, done);
}

/* Letters of base64, across lines and the "\n" of JSON, up to KEY_BODY_LEAST; headers of old PEM ("Proc-Type: ...") are passed over. */
static bool
has_body(const char *at, const char *end)
{
	guint n = 0;

	for (; at < end && n < KEY_BODY_LEAST; at++) {
		if (*at == '\0')
			return false;
		if (g_ascii_isalnum(*at) || strchr("+/=", *at) != NULL) {
			n++;
			continue;
		}
		if (*at == '\\' && at + 1 < end && (at[1] == 'n' || at[1] == 'r')) {
			at++;
			continue;
		}
		if (*at == '-' && at + 5 < end && strncmp(at, "-----", 5) == 0)
			return false;
		if (strchr(" \t\r\n:,-.()", *at) == NULL)
			return false;
	}
	return n >= KEY_BODY_LEAST;
}

char *
ash_secrets_find_key(const char *data, gsize length)
{
	const char *end = data + length, *at = data;

	while ((at = memmem(at, (gsize) (end - at), BEGIN, strlen(BEGIN))) != NULL) {
		const char *label = at + strlen(BEGIN);
		gsize room = MIN((gsize) (end - label), LABEL_MOST);
		const char *dashes = memmem(label, room, "-----", 5);

		at = label;
		if (dashes == NULL || memmem(label, (gsize) (dashes - label), "PRIVATE KEY", strlen("PRIVATE KEY")) == NULL)
			continue;
		if (has_body(dashes + 5, end)) {
			g_autofree char *name = g_strndup(label, (gsize) (dashes - label));

			return g_utf8_make_valid(name, -1);
		}
	}
	return NULL;
}

/* Where keys are shipped to be shown or tried. */
static bool
is_example(const char *path)
{
	static const char *const parts[] = { "/doc/", "/test/", "/tests/", "/examples/", "/testing/", "/man/", "/test_data/", "/certdata/" };

	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
		if (g_str_has_prefix(path, "usr/") && strstr(path, parts[i]) != NULL)
			return true;
	}
	return false;
}

static bool
is_host_key(const char *path)
{
	return fnmatch("*etc/ssh/ssh_host_*_key", path, 0) == 0;
}

static void
scan_keys(const AshAudit *audit, const char *path, const char *data, gsize length)
{
	g_autofree char *label = ash_secrets_find_key(data, length);

	/* Those have a rule of their own. */
	if (label == NULL || is_host_key(path))
		return;
	if (is_example(path))
		ash_audit_report_add(audit->report, ASH_RULE_SECRET_EXAMPLE_KEY, path, NULL, "%s", label);
	else
		ash_audit_report_add(audit->report, ASH_RULE_SECRET_PRIVATE_KEY, path, NULL, "%s", label);
}

static bool
is_token_letter(char letter, bool upper)
{
	if (upper)
		return g_ascii_isdigit(letter) || g_ascii_isupper(letter);
	return g_ascii_isalnum(letter) || (letter != '\0' && strchr("_-+/", letter) != NULL);
}

static bool
has_token(const char *data, gsize length, gsize row)
{
	const char *end = data + length, *at = data;
	gsize prefix = strlen(tokens[row].prefix);

	while ((at = memmem(at, (gsize) (end - at), tokens[row].prefix, prefix)) != NULL) {
		bool begins = at == data || !g_ascii_isalnum(at[-1]);
		const char *rest = at + prefix;
		guint n = 0;

		while (rest + n < end && is_token_letter(rest[n], tokens[row].upper))
			n++;
		if (begins && n >= tokens[row].least)
			return true;
		at = rest;
	}
	return false;
}

/* Only where somebody writes them: programs contain patterns of tokens. */
static void
scan_tokens(const AshAudit *audit, const char *path, const char *data, gsize length)
{
	bool written = g_str_has_prefix(path, "usr/local/") || g_str_has_prefix(path, "usr/etc/") || g_str_has_prefix(path, FACTORY "/");

	if (g_str_has_prefix(path, "usr/") && !written)
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(tokens); i++) {
		if (has_token(data, length, i))
			ash_audit_report_add(audit->report, ASH_RULE_SECRET_TOKEN, path, tokens[i].prefix, "%s", tokens[i].what);
	}
}

void
ash_secrets_scan(const AshAudit *audit, const AshFsNode *node, const char *path, const char *data, gsize length)
{
	for (gsize i = 0; i < G_N_ELEMENTS(store_suffixes); i++) {
		if (g_str_has_suffix(node->name, store_suffixes[i]) && !is_example(path))
			ash_audit_report_add(audit->report, ASH_RULE_SECRET_KEYTAB, path, NULL, "a store of keys, by its name");
	}
	scan_keys(audit, path, data, length);
	scan_tokens(audit, path, data, length);
}
