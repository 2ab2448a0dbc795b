/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/repoconf.h"

#include "model/strv.h"

AshRepoConf *
ash_repo_conf_new(const char *id, const char *origin)
{
	AshRepoConf *conf = g_new0(AshRepoConf, 1);

	conf->id = g_strdup(id);
	conf->origin = g_strdup(origin);
	conf->baseurls = ash_strv_new();
	conf->gpgkeys = ash_strv_new();
	conf->excludes = ash_strv_new();
	conf->includes = ash_strv_new();
	conf->gpgcheck = true;
	conf->repo_gpgcheck = true;
	conf->enabled = true;
	conf->sslverify = true;
	conf->cost = 1000;
	conf->priority = 99;
	return conf;
}

AshRepoConf *
ash_repo_conf_copy(const AshRepoConf *conf)
{
	AshRepoConf *copy = g_new0(AshRepoConf, 1);

	*copy = *conf;
	copy->id = g_strdup(conf->id);
	copy->name = g_strdup(conf->name);
	copy->baseurls = g_strdupv(conf->baseurls);
	copy->mirrorlist = g_strdup(conf->mirrorlist);
	copy->metalink = g_strdup(conf->metalink);
	copy->gpgkeys = g_strdupv(conf->gpgkeys);
	copy->excludes = g_strdupv(conf->excludes);
	copy->includes = g_strdupv(conf->includes);
	copy->proxy = g_strdup(conf->proxy);
	copy->sslcacert = g_strdup(conf->sslcacert);
	copy->sslclientcert = g_strdup(conf->sslclientcert);
	copy->sslclientkey = g_strdup(conf->sslclientkey);
	copy->origin = g_strdup(conf->origin);
	return copy;
}

void
ash_repo_conf_free(AshRepoConf *conf)
{
	if (conf == NULL)
		return;
	g_free(conf->id);
	g_free(conf->name);
	g_strfreev(conf->baseurls);
	g_free(conf->mirrorlist);
	g_free(conf->metalink);
	g_strfreev(conf->gpgkeys);
	g_strfreev(conf->excludes);
	g_strfreev(conf->includes);
	g_free(conf->proxy);
	g_free(conf->sslcacert);
	g_free(conf->sslclientcert);
	g_free(conf->sslclientkey);
	g_free(conf->origin);
	g_free(conf);
}

void
ash_repo_metadata_free(AshRepoMetadata *metadata)
{
	if (metadata == NULL)
		return;
	ash_repo_conf_free(metadata->conf);
	g_free(metadata->base_url);
	g_free(metadata->repomd_sha256);
	g_free(metadata->primary_path);
	g_free(metadata->filelists_path);
	g_free(metadata->comps_path);
	g_free(metadata->cache_dir);
	g_free(metadata);
}
