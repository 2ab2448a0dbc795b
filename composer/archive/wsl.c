/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/wsl.h"

#include "archive/tar.h"

gboolean
ash_wsl_write_file(AshContext *ctx, AshFsTree *tree, const char *path, GError **error)
{
	const AshTarOptions options = { .prefix = "./", .drop_selinux = true };

	return ash_tar_write_file(ctx, tree, &options, ASH_COMPRESS_GZIP, 0, path, error);
}
