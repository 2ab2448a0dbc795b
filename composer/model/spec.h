/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/repoconf.h"
#include "model/storagespec.h"

/** Plain data that a kickstart file becomes. Strings are owned; vectors are never NULL. -1 means "not said". */

typedef struct {
	char **names;      /* package names, globs, NEVRAs, "name.arch" */
	char **excludes;   /* from -name */
	char **groups;     /* comps ids from @group: mandatory and default members */
	char **groups_mandatory; /* from "@group --nodefaults": mandatory members only */
	char **groups_all;       /* from "@group --optional": optional members too */
	char **group_excludes;
	char **environments; /* from @^environment; a kickstart gives at most one */
	bool core;         /* @core is implied unless --nocore */
	bool weak_deps;    /* recommended packages too, unless --exclude-weakdeps */
	bool docs;         /* unless --excludedocs */
	bool ignore_missing; /* --ignoremissing */
	bool multilib;     /* --multilib */
	char **inst_langs; /* --inst-langs=a:b; empty vector: all; "none" alone: none */
	char *origin;      /* "file:line" of %packages, NULL if there is none */
} AshPackageRequest;

/** An empty request: core, weak dependencies and docs on, all vectors empty. Owned. */
AshPackageRequest *ash_package_request_new(void);
AshPackageRequest *ash_package_request_copy(const AshPackageRequest *request);
void ash_package_request_free(AshPackageRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPackageRequest, ash_package_request_free)

typedef struct {
	bool set;          /* the command was given */
	char *password;    /* NULL: none */
	bool crypted;      /* password is a crypt(5) hash */
	bool locked;
	bool allow_ssh;    /* rootpw --allow-ssh: root may log in over SSH with the password */
} AshRootPassword;

typedef struct {
	char *name, *gecos, *home, *shell; /* all but name may be NULL: the tree's defaults */
	char **groups;     /* names; "name(GID)" makes the group with that number */
	char *password;    /* NULL: none (the account is locked); plain text is hashed (SHA-512 crypt) with a salt derived from the name */
	bool crypted, locked;
	int uid, gid;
	char *origin;      /* "file:line" */
} AshUserSpec;

typedef struct {
	char *name;
	int gid;
	char *origin;      /* "file:line" */
} AshGroupSpec;

typedef struct {
	char *user, *key;  /* key: one line of authorized_keys(5) */
	char *origin;      /* "file:line" */
} AshSshKeySpec;

typedef enum { ASH_SELINUX_UNSET, ASH_SELINUX_ENFORCING, ASH_SELINUX_PERMISSIVE, ASH_SELINUX_DISABLED } AshSelinuxMode;

typedef struct {
	bool set, enabled;
	char **services; /* --ssh, --http ..., --service=NAME */
	char **remove_services; /* --remove-service */
	char **ports;    /* "8080:tcp", "6000-6010:udp", "imap:tcp" */
	char **trusts;   /* interfaces */
} AshFirewallSpec;

typedef enum { ASH_NETWORK_ETHERNET, ASH_NETWORK_BOND, ASH_NETWORK_BRIDGE, ASH_NETWORK_VLAN, ASH_NETWORK_WIFI } AshNetworkKind;

typedef struct {
	char *device;    /* name, MAC address, or "link" */
	char *bootproto; /* dhcp, static, or none: what is below a VLAN */
	char *ip, *netmask, *gateway; /* static, IPv4; may be NULL */
	char *ipv6_address;  /* "auto", "dhcp" or ADDRESS/PREFIX; NULL: auto */
	char *ipv6_gateway;  /* may be NULL */
	char **nameservers;
	int mtu;         /* bytes; -1 not said */
	bool onboot, ipv4, ipv6;
	bool default_route; /* unless --nodefroute */
	bool dns;        /* unless --nodns: resolvers from DHCP are used */
	bool dns4, dns6; /* unless --ipv4-ignore-auto-dns, --ipv6-ignore-auto-dns */
	AshNetworkKind kind;
	char **members;  /* of a bond or bridge: names of interfaces */
	char **options;  /* of a bond or bridge: "NAME=VALUE" */
	char *parent;    /* of a VLAN */
	int vlan;        /* its number; -1 */
	char **search4, **search6; /* domains */
	char *dhcp_class; /* may be NULL */
	char *essid, *wpa_key; /* may be NULL */
	char *origin;    /* "file:line" */
} AshNetworkSpec;

/** A system that is not composed of packages: ostreesetup and ostreecontainer. */
typedef struct {
	bool set, container; /* container: url is an image reference */
	char *osname, *remote, *url, *ref, *transport; /* may be NULL but url */
	bool verify;         /* unless --nogpg, --no-signature-verification */
	char *origin;        /* "file:line" */
} AshOstreeSpec;

typedef struct {
	char *path;          /* absolute, in the system; a bare name: an authority that it trusts, where it looks for those */
	char *text;          /* PEM, as it was said */
	char *origin;        /* "file:line" of %certificate */
} AshCertificateSpec;

typedef struct {
	char *interpreter; /* default /bin/sh */
	char *body;
	char *log;         /* path in the system, may be NULL */
	bool error_on_fail;
	bool outside;      /* %post --nochroot: the system is at /mnt/sysimage */
	char *origin;      /* "file:line" of the section */
} AshScriptSpec;

typedef struct {
	char *name;           /* of the system: the kickstart's base name without .ks; used in refs, labels and file names */
	GPtrArray *repos;     /* of AshRepoConf, in the order said */
	AshPackageRequest packages;
	char *lang;           /* NULL: C.UTF-8 */
	char **lang_support;
	char *keymap;         /* console keymap, may be NULL */
	char **xlayouts;
	char *timezone;       /* NULL: UTC */
	bool timezone_utc;    /* hardware clock in UTC */
	char **ntp_servers, **ntp_pools;
	char **ntp_nts;       /* those among them that are asked with NTS (RFC 8915) */
	bool ntp_disabled;
	AshRootPassword root_password;
	GPtrArray *users;     /* of AshUserSpec */
	GPtrArray *groups;    /* of AshGroupSpec */
	GPtrArray *ssh_keys;  /* of AshSshKeySpec */
	char **services_enabled, **services_disabled; /* unit names with their suffix */
	AshSelinuxMode selinux;
	AshFirewallSpec firewall;
	char *hostname;       /* may be NULL */
	GPtrArray *networks;  /* of AshNetworkSpec */
	char *kernel_append;  /* bootloader --append; may be NULL */
	int boot_timeout;     /* seconds; -1 not said */
	AshStorageSpec storage; /* partitions and encryption */
	int firstboot;        /* 1 enabled, 0 disabled, -1 not said */
	bool skip_x;
	bool start_x;         /* xconfig --startxonboot: boot into graphical.target */
	char *desktop;        /* xconfig --defaultdesktop; may be NULL */
	char **authselect;    /* arguments of authselect(8); empty: it is not called */
	GPtrArray *certificates; /* of AshCertificateSpec */
	AshOstreeSpec ostree;
	GPtrArray *post_scripts; /* of AshScriptSpec, in order */
	GPtrArray *notices;   /* of char *: what was accepted without effect, "file:line: ..." */
} AshSpec;

AshSpec *ash_spec_new(const char *name);
void ash_spec_free(AshSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshSpec, ash_spec_free)
/** What the spec has for the kernel command line: kernel_append, and what its selinux mode needs there. Owned; NULL if nothing. */
char *ash_spec_dup_kernel_append(const AshSpec *spec);

/** All have -1 for numbers and NULL or empty vectors otherwise; @origin is copied. */
AshUserSpec *ash_user_spec_new(const char *name, const char *origin);
AshGroupSpec *ash_group_spec_new(const char *name, const char *origin);
AshSshKeySpec *ash_ssh_key_spec_new(const char *user, const char *key, const char *origin);
/** On boot, with IPv4, IPv6, default route and DNS. */
AshNetworkSpec *ash_network_spec_new(const char *device, const char *origin);
/** For "/bin/sh". */
AshScriptSpec *ash_script_spec_new(const char *origin);
void ash_user_spec_free(AshUserSpec *user);
void ash_group_spec_free(AshGroupSpec *group);
void ash_ssh_key_spec_free(AshSshKeySpec *key);
void ash_network_spec_free(AshNetworkSpec *network);
void ash_script_spec_free(AshScriptSpec *script);
AshCertificateSpec *ash_certificate_spec_new(const char *path, const char *text, const char *origin);
void ash_certificate_spec_free(AshCertificateSpec *certificate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshUserSpec, ash_user_spec_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshGroupSpec, ash_group_spec_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshSshKeySpec, ash_ssh_key_spec_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshNetworkSpec, ash_network_spec_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshScriptSpec, ash_script_spec_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshCertificateSpec, ash_certificate_spec_free)

/** "ethernet", "bond", "bridge", "vlan", "wifi" */
const char *ash_network_kind_to_string(AshNetworkKind kind);

/** "unset", "enforcing", "permissive", "disabled" */
const char *ash_selinux_mode_to_string(AshSelinuxMode mode);

/**
 * The whole of @spec as text for people, tests and digests: one "key: value" a line, a fixed order, only
 * what differs from an empty spec; passwords and origins included. Owned.
 */
char *ash_spec_format(const AshSpec *spec);
