/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/manifest.h"

void
ash_artifact_free(AshArtifact *artifact)
{
	if (artifact == NULL)
		return;
	g_free(artifact->type);
	g_free(artifact->path);
	g_free(artifact->format);
	g_free(artifact->sha256);
	g_free(artifact->root_hash);
	g_free(artifact->commit);
	g_free(artifact);
}

void
ash_commit_info_free(AshCommitInfo *info)
{
	if (info == NULL)
		return;
	g_free(info->checksum);
	g_free(info->ref);
	g_free(info->version);
	g_free(info->lock_digest);
	g_free(info->input_digest);
	g_free(info->subject);
	g_clear_pointer(&info->packages, g_ptr_array_unref);
	g_free(info);
}
