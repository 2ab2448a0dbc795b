/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/publish.h"

#include "base/error.h"
#include "compose/etclist.h"
#include "compose/slotparts.h"
#include "store/history.h"
#include "store/stage.h"
#include "store/tree.h"

#include <string.h>

#define SBOM_KEY "ashlar.sbom"

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

AshPublishResult *
ash_compose_publish(AshContext *ctx, AshStore *store, AshReleaseDir *dir, const AshComposePublish *request, GError **error)
{
	g_auto(AshSlotParts) slot = ASH_SLOT_PARTS_INIT;
	g_autoptr(GBytes) anchor = NULL;

	if (!ash_store_use(ctx, store, error) || !choose_anchor(store, dir, request, &anchor, error))
		return NULL;
	const AshImageOptions options = { .seed = request->seed, .anchor = anchor, .pcr_key = request->pcr_key, .signer = request->signer };
	if (!ash_slot_parts_make(ctx, store, request->commit, request->type, &options, &slot, error))
		return NULL;
	const AshDiskParts *parts = &slot.parts;
	const AshArtifactIdentity *identity = &slot.identity;
	g_autoptr(GBytes) etc = list_etc(store, identity->commit, error);
	g_autoptr(GBytes) sbom = load_sbom(store, identity->commit);
	if (etc == NULL)
		return NULL;
	const AshPublishRequest release = {
		.ref = identity->ref,
		.name = identity->name,
		.version = identity->version,
		.architecture = identity->architecture,
		.commit = identity->commit,
		.minimum = request->minimum,
		.timestamp = identity->timestamp,
		.root_fd = parts->fd,
		.root_offset = parts->root_offset,
		.root_bytes = parts->root_bytes,
		.tree_offset = parts->tree_offset,
		.tree_bytes = parts->tree_bytes,
		.root_hash = parts->root_hash,
		.salt = parts->salt,
		.uki_fd = parts->uki_fd,
		.verity_sig = parts->verity_sig,
		.etc = etc,
		.sbom = sbom,
		.layout = parts->layout,
		.anchor = anchor,
		.level = request->level,
		.channel = request->channel,
	};
	return ash_publish_release(ctx, dir, &release, error);
}
