/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/kernel.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "pack/deltaapply.h"

#include <string.h>
#include <unistd.h>

/* A kernel image while it is made. */
typedef struct {
	const AshSlotPart *root;
	int fd;
	AshDigest *digest; /* of what was written */
} Making;

static gboolean
read_root(gpointer user_data, guint64 offset, gsize length, guint8 *buffer, GError **error)
{
	const Making *making = user_data;

	return ash_fd_read_exact(making->root->fd, buffer, length, making->root->offset + offset, error);
}

static gboolean
write_image(gpointer user_data, guint64 offset, const guint8 *data, gsize length, GError **error)
{
	const Making *making = user_data;

	ash_digest_update(making->digest, data, length);
	return ash_fd_write_all(making->fd, data, length, offset, error);
}

static gboolean
make_by_recipe(const AshRelease *release, GBytes *recipe, const AshSlotPart *root, int fd, GError **error)
{
	static const AshDeltaTarget target = { read_root, write_image };
	g_autoptr(AshDigest) digest = ash_digest_new();
	Making making = { .root = root, .fd = fd, .digest = digest };
	AshDeltaApply *apply = ash_delta_apply_new(release->root_bytes, release->uki.size, &target, &making);
	gsize length;
	const void *data = g_bytes_get_data(recipe, &length);
	const gboolean ok = ash_delta_apply_feed(apply, data, length, error) && ash_delta_apply_finish(apply, error);

	ash_delta_apply_free(apply);
	if (!ok)
		return FALSE;
	g_autofree char *sum = ash_digest_finish_hex(digest);
	return strcmp(sum, release->uki.sha256) == 0 || ash_throw(error, ASH_ERROR_TRUST, "it makes another image");
}

/* What an earlier attempt has left is of no use to a recipe, unless it is all. */
static bool
is_there(const AshRelease *release, int fd)
{
	struct stat st;

	if (!ash_fd_stat(fd, "kernel image", &st, NULL) || (guint64) st.st_size != release->uki.size)
		return false;
	g_autofree char *sum = ash_sha256_fd_hex(fd, NULL);
	return g_strcmp0(sum, release->uki.sha256) == 0;
}

static gboolean
try_recipe(AshContext *ctx, AshSource *source, const AshRelease *release, const AshSlotPart *root, int fd, GError **error)
{
	g_autoptr(GBytes) recipe = ash_source_load_object(ctx, source, &release->uki_recipe, error);

	if (recipe == NULL)
		return FALSE;
	if (ftruncate(fd, 0) < 0)
		return ash_throw_errno(error, "cannot write");
	if (make_by_recipe(release, recipe, root, fd, error))
		return TRUE;
	/* Else what there is would be taken for the beginning of the right one. */
	return ftruncate(fd, 0) < 0 && FALSE;
}

gboolean
ash_node_kernel_save(AshContext *ctx, AshSource *source, const AshRelease *release, const AshSlotPart *root, int fd, GError **error)
{
	g_autoptr(GError) why = NULL;

	if (release->uki_recipe.sha256 != NULL) {
		if (is_there(release, fd) || try_recipe(ctx, source, release, root, fd, &why))
			return TRUE;
		ash_progress_message(ctx->progress, "note: the kernel image is fetched whole, as its recipe is of no use: %s", why->message);
	}
	return ash_source_save_object(ctx, source, &release->uki, fd, error);
}
