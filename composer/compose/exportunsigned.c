/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/exportunsigned.h"

#include "base/error.h"
#include "compose/slotparts.h"
#include "store/stage.h"

gboolean
ash_export_unsigned(AshContext *ctx, AshStore *store, const char *commit, const char *type, const AshImageOptions *options, AshDetached *detached,
		    GError **error)
{
	g_auto(AshSlotParts) slot = ASH_SLOT_PARTS_INIT;
	AshImageOptions unsigned_options = *options;

	unsigned_options.signer = ash_detached_get_signer(detached);
	if (!ash_store_use(ctx, store, error) || !ash_slot_parts_make(ctx, store, commit, type, &unsigned_options, &slot, error))
		return FALSE;
	const AshDetachedSubject subject = {
		.name = slot.identity.name,
		.version = slot.identity.version,
		.type = type,
		.commit = slot.identity.commit,
		.root_hash = ash_layout_find(slot.type->layout, ASH_PARTITION_ROOT_VERITY_SIG, 0) != NULL ? slot.parts.root_hash : NULL,
	};
	return ash_detached_finish_export(detached, &subject, error);
}
