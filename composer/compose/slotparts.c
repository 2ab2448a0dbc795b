/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/slotparts.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "config/imgtype.h"

#include <fcntl.h>

void
ash_slot_parts_clear(AshSlotParts *slot)
{
	ash_disk_parts_clear(&slot->parts);
	ash_artifact_identity_clear(&slot->identity);
	g_clear_pointer(&slot->type, ash_image_type_free);
	if (slot->scratch != NULL)
		ash_file_remove_tree(AT_FDCWD, slot->scratch, NULL);
	g_clear_pointer(&slot->scratch, g_free);
	ash_fd_clear(&slot->scratch_fd);
}

static gboolean
check_keys(const AshImageType *type, const AshImageOptions *options, GError **error)
{
	if (type->var_tpm2 && options->pcr_key == NULL)
		return ash_throw(error, ASH_ERROR_USAGE,
				 "image type \"%s\": machines open /var for kernel images that a key has signed: give the key with --pcr-key", type->name);
	if (options->signer == NULL && ash_layout_find(type->layout, ASH_PARTITION_ROOT_VERITY_SIG, 0) != NULL)
		return ash_throw(error, ASH_ERROR_USAGE,
				 "image type \"%s\": the root hash is to be signed: give --secure-boot-key and --secure-boot-certificate", type->name);
	return TRUE;
}

gboolean
ash_slot_parts_make(AshContext *ctx, AshStore *store, const char *commit, const char *type, const AshImageOptions *options, AshSlotParts *ret_slot,
		    GError **error)
{
	ret_slot->type = ash_imgtype_load(type, ctx->data_dir, error);
	if (ret_slot->type == NULL || !ash_artifact_apply_disks(store, commit, ret_slot->type, error))
		return FALSE;
	if (ret_slot->type->layout == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "image type \"%s\" is no disk", type);
	if (!check_keys(ret_slot->type, options, error))
		return FALSE;
	ret_slot->scratch = ash_store_make_staging(store, "publish", &ret_slot->scratch_fd, error);
	if (ret_slot->scratch == NULL)
		return FALSE;
	ash_progress_begin(ctx->progress, "Image", 15);
	if (!ash_artifact_write_parts(ctx, store, commit, ret_slot->type, ret_slot->scratch, options, &ret_slot->parts, &ret_slot->identity, error))
		return ash_prefix(error, "image type \"%s\"", type);
	ash_progress_end(ctx->progress);
	return TRUE;
}
