/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/repoconf.h"

/** Plain data that a kickstart file becomes. Strings are owned; vectors are never NULL. -1 means "not said". */

typedef struct {
	char **names;      /* package names, globs, NEVRAs, "name.arch" */
	char **excludes;   /* from -name */
	char **groups;     /* comps ids from @group ... */
	char **group_excludes;
	char **environments; /* from @^environment */
	bool core;         /* @core is implied unless --nocore */
	bool weak_deps;    /* recommended packages too, unless --exclude-weakdeps */
	bool docs;         /* unless --excludedocs */
	bool ignore_missing; /* --ignoremissing */
	bool multilib;     /* --multilib */
	char **inst_langs; /* --inst-langs=a:b; empty: all */
	char *origin;      /* "file:line" of %packages */
} AshPackageRequest;

typedef struct {
	bool set;          /* the command was given */
	char *password;    /* NULL: none */
	bool crypted;      /* password is a crypt(5) hash */
	bool locked;
	bool allow_ssh;    /* rootpw --allow-ssh */
} AshRootPassword;

typedef struct {
	char *name, *gecos, *home, *shell; /* all but name may be NULL: the tree's defaults */
	char **groups;
	char *password;    /* NULL: none; plain text is hashed (SHA-512 crypt) with a salt derived from the name */
	bool crypted, locked;
	int uid, gid;
} AshUserSpec;

typedef struct {
	char *name;
	int gid;
} AshGroupSpec;

typedef struct {
	char *user, *key;
} AshSshKeySpec;

typedef enum { ASH_SELINUX_UNSET, ASH_SELINUX_ENFORCING, ASH_SELINUX_PERMISSIVE, ASH_SELINUX_DISABLED } AshSelinuxMode;

typedef struct {
	bool set, enabled;
	char **services; /* --ssh, --http ..., --service=NAME */
	char **ports;    /* "8080:tcp" */
	char **trusts;   /* interfaces */
} AshFirewallSpec;

typedef struct {
	char *device;    /* name, or "link" */
	char *bootproto; /* dhcp or static */
	char *ip, *netmask, *gateway; /* static; may be NULL */
	char **nameservers;
	bool onboot, ipv6;
} AshNetworkSpec;

typedef struct {
	char *interpreter; /* default /bin/sh */
	char *body;
	char *log;         /* path in the system, may be NULL */
	bool error_on_fail;
	char *origin;      /* "file:line" of %post */
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
	char **ntp_servers;
	AshRootPassword root_password;
	GPtrArray *users;     /* of AshUserSpec */
	GPtrArray *groups;    /* of AshGroupSpec */
	GPtrArray *ssh_keys;  /* of AshSshKeySpec */
	char **services_enabled, **services_disabled;
	AshSelinuxMode selinux;
	AshFirewallSpec firewall;
	char *hostname;       /* may be NULL */
	GPtrArray *networks;  /* of AshNetworkSpec */
	char *kernel_append;  /* bootloader --append; may be NULL */
	int boot_timeout;     /* seconds; -1 not said */
	int firstboot;        /* 1 enabled, 0 disabled, -1 not said */
	bool skip_x;
	GPtrArray *post_scripts; /* of AshScriptSpec, in order */
	GPtrArray *notices;   /* of char *: what was accepted without effect, "file:line: ..." */
} AshSpec;

AshSpec *ash_spec_new(const char *name);
void ash_spec_free(AshSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshSpec, ash_spec_free)

void ash_user_spec_free(AshUserSpec *user);
void ash_group_spec_free(AshGroupSpec *group);
void ash_ssh_key_spec_free(AshSshKeySpec *key);
void ash_network_spec_free(AshNetworkSpec *network);
void ash_script_spec_free(AshScriptSpec *script);
