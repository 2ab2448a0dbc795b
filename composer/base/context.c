/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/context.h"

#include "base/error.h"

AshContext *
ash_context_new(void)
{
	AshContext *ctx = g_new0(AshContext, 1);

	ctx->cancellable = g_cancellable_new();
	ctx->jobs = MAX(1, g_get_num_processors());
	return ctx;
}

void
ash_context_free(AshContext *ctx)
{
	if (ctx == NULL)
		return;
	g_clear_pointer(&ctx->progress, ash_progress_free);
	g_clear_object(&ctx->cancellable);
	g_free(ctx->cache_dir);
	g_free(ctx->data_dir);
	g_free(ctx);
}

gboolean
ash_context_check(AshContext *ctx, GError **error)
{
	if (ctx->cancellable != NULL && g_cancellable_is_cancelled(ctx->cancellable))
		return ash_throw(error, ASH_ERROR_CANCELLED, "interrupted");
	return TRUE;
}
