/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/publish.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "compose/artifact.h"
#include "compose/etclist.h"
#include "config/imgtype.h"
#include "store/history.h"
#include "store/stage.h"
#include "store/tree.h"

#include <fcntl.h>
#include <string.h>

#define SBOM_KEY "ashlar.sbom"

/** A directory of the store for what is only needed until the objects are written. */
typedef struct {
	char *path;
	int fd;
} Scratch;

static void
scratch_clear(Scratch *scratch)
{
	if (scratch->path != NULL)
		ash_file_remove_tree(AT_FDCWD, scratch->path, NULL);
	g_clear_pointer(&scratch->path, g_free);
	ash_fd_clear(&scratch->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scratch, scratch_clear)

/* What a commit of another program lacks, its release does too. */
static GBytes *
load_sbom(AshStore *store, const char *commit)
{
	char *text = ash_store_get_metadata(store, commit, SBOM_KEY, NULL);

	return text != NULL ? g_bytes_new_take(text, strlen(text)) : NULL;
}

static GBytes *
list_etc(AshStore *store, const char *commit, GError **error)
{
	g_autoptr(AshFsTree) tree = ash_store_load_tree(store, commit, error);

	return tree != NULL ? ash_etc_list_make(tree, error) : NULL;
}

/* *@ret is owned; NULL: none. */
static gboolean
choose_anchor(AshStore *store, AshReleaseDir *dir, const AshComposePublish *request, GBytes **ret, GError **error)
{
	g_autoptr(AshCommitInfo) info = ash_store_info(store, request->commit, error);

	if (info == NULL)
		return FALSE;
	*ret = request->anchor != NULL ? g_bytes_ref(request->anchor) : NULL;
	return *ret != NULL || request->no_anchor || info->ref == NULL || info->version == NULL ||
	       ash_publish_find_anchor(dir, info->ref, info->version, request->channel, ret, error);
}

static gboolean
make_parts(AshContext *ctx, AshStore *store, const AshComposePublish *request, GBytes *anchor, Scratch *scratch,
	   AshDiskParts *ret_parts, AshArtifactIdentity *ret_identity, GError **error)
{
	const AshImageOptions options = { .seed = request->seed, .anchor = anchor, .pcr_key = request->pcr_key };
	g_autoptr(AshImageType) type = ash_imgtype_load(request->type, ctx->data_dir, error);

	if (type == NULL || !ash_artifact_apply_disks(store, request->commit, type, error))
		return FALSE;
	if (type->var_tpm2 && request->pcr_key == NULL)
		return ash_throw(error, ASH_ERROR_USAGE,
				 "image type \"%s\": machines open /var for kernel images that a key has signed: give the key with --pcr-key", type->name);
	scratch->path = ash_store_make_staging(store, "publish", &scratch->fd, error);
	if (scratch->path == NULL)
		return FALSE;
	ash_progress_begin(ctx->progress, "Image", 15);
	if (!ash_artifact_write_parts(ctx, store, request->commit, type, scratch->path, &options, ret_parts, ret_identity, error))
		return ash_prefix(error, "image type \"%s\"", request->type);
	ash_progress_end(ctx->progress);
	return TRUE;
}

AshPublishResult *
ash_compose_publish(AshContext *ctx, AshStore *store, AshReleaseDir *dir, const AshComposePublish *request, GError **error)
{
	g_auto(Scratch) scratch = { .fd = -1 };
	g_auto(AshDiskParts) parts = ASH_DISK_PARTS_INIT;
	g_auto(AshArtifactIdentity) identity = { 0 };
	g_autoptr(GBytes) anchor = NULL;

	if (!ash_store_use(ctx, store, error) || !choose_anchor(store, dir, request, &anchor, error) ||
	    !make_parts(ctx, store, request, anchor, &scratch, &parts, &identity, error))
		return NULL;
	g_autoptr(GBytes) etc = list_etc(store, identity.commit, error);
	g_autoptr(GBytes) sbom = load_sbom(store, identity.commit);
	if (etc == NULL)
		return NULL;
	const AshPublishRequest release = {
		.ref = identity.ref,
		.name = identity.name,
		.version = identity.version,
		.architecture = identity.architecture,
		.commit = identity.commit,
		.minimum = request->minimum,
		.timestamp = identity.timestamp,
		.root_fd = parts.fd,
		.root_offset = parts.root_offset,
		.root_bytes = parts.root_bytes,
		.tree_offset = parts.tree_offset,
		.tree_bytes = parts.tree_bytes,
		.root_hash = parts.root_hash,
		.salt = parts.salt,
		.uki_fd = parts.uki_fd,
		.etc = etc,
		.sbom = sbom,
		.layout = parts.layout,
		.anchor = anchor,
		.level = request->level,
		.channel = request->channel,
	};
	return ash_publish_release(ctx, dir, &release, error);
}
