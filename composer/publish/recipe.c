/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/recipe.h"

#include "base/error.h"
#include "base/fd.h"
#include "pack/delta.h"

#include <fcntl.h>

gboolean
ash_recipe_add(AshContext *ctx, AshObjects *objects, const AshPublishRequest *request, AshObjectRef *ret_object, GError **error)
{
	ash_autofd int fd = open(g_get_tmp_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct stat st;
	AshDeltaStats stats;

	if (fd < 0)
		return ash_throw_errno(error, "cannot make a temporary file in \"%s\"", g_get_tmp_dir());
	if (!ash_fd_stat(request->uki_fd, "the unified kernel image", &st, error))
		return FALSE;
	const AshDeltaImage root = { request->root_fd, request->root_offset, request->root_bytes, NULL };
	const AshDeltaImage kernel = { request->uki_fd, 0, (guint64) st.st_size, NULL };
	if (!ash_delta_write(ctx, &root, &kernel, ASH_DELTA_DEFAULT_LEVEL, fd, &stats, error))
		return ash_prefix(error, "recipe of the kernel image");
	if (stats.delta_bytes > ASH_RELEASE_RECIPE_MAX_BYTES || stats.delta_bytes > kernel.bytes / 2)
		return TRUE;
	return ash_objects_add_range(ctx, objects, fd, 0, stats.delta_bytes, ret_object, error);
}
