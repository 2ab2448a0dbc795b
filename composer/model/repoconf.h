/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** A package repository as a .repo file, a kickstart "repo" line or --repo names it (dnf.conf(5), "Repo options"). */
typedef struct {
	char *id;
	char *name;       /* human-readable, may be NULL */
	char **baseurls;  /* file, http or https; never NULL, may be empty */
	char *mirrorlist; /* may be NULL */
	char *metalink;   /* may be NULL */
	char **gpgkeys;   /* file: URLs or absolute paths of the only keys trusted for this repository; never NULL */
	bool gpgcheck;    /* packages must be signed by one of gpgkeys (default true) */
	bool repo_gpgcheck; /* repomd.xml must be (default true) */
	bool enabled;
	int cost;         /* default 1000; lower is preferred between equal versions */
	int priority;     /* default 99; packages of a lower number hide those of a higher one */
	char **excludes;  /* name globs hidden from the solver; never NULL */
	char **includes;  /* if not empty, only these are seen; never NULL */
	char *proxy;      /* may be NULL */
	bool sslverify;
	char *sslcacert, *sslclientcert, *sslclientkey; /* may be NULL */
	bool install;     /* kickstart "repo --install": its .repo file is written into the system */
	char *origin;     /* "file:line" it was said at, for errors */
} AshRepoConf;

/** Defaults: enabled, both checks on, sslverify on, cost 1000, priority 99, empty vectors. */
AshRepoConf *ash_repo_conf_new(const char *id, const char *origin);
AshRepoConf *ash_repo_conf_copy(const AshRepoConf *conf);
void ash_repo_conf_free(AshRepoConf *conf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshRepoConf, ash_repo_conf_free)

/**
 * What repo/ made of a repository: local files whose digests are already checked against the
 * (verified) repomd.xml. solve/ reads them.
 */
typedef struct {
	AshRepoConf *conf;     /* owned */
	char *base_url;        /* where packages' relative locations start, with no trailing slash */
	char *repomd_sha256;   /* hex: identifies this state of the repository */
	char *primary_path;    /* primary.xml[.gz|.zst|...]; absolute */
	char *filelists_path;  /* may be NULL */
	char *comps_path;      /* may be NULL: no groups */
	char *cache_dir;       /* directory of this repository's state: .solv caches go here */
} AshRepoMetadata;

void ash_repo_metadata_free(AshRepoMetadata *metadata);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshRepoMetadata, ash_repo_metadata_free)
