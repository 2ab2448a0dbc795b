/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/repoconf.h"

#include <librepo/librepo.h>

/* Private to repo/: the only header here that shows librepo. */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LrHandle, lr_handle_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LrResult, lr_result_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LrYumRepoMd, lr_yum_repomd_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LrDownloadTarget, lr_downloadtarget_free)

/**
 * A librepo handle with the options of @conf: URLs, proxy, TLS. @first_url (may be NULL) is tried before them.
 * The mirror list or metalink, if there is one, is fetched right here, below @dest_dir. Owned.
 */
LrHandle *ash_repo_handle_new(AshContext *ctx, const AshRepoConf *conf, const char *first_url, const char *dest_dir,
			      GError **error);

/**
 * Takes librepo's error @cause (freed) and sets @error in our domain, prefixed by the repository's name: TRUST
 * for a wrong checksum or size, CANCELLED, NO_SPACE, else FETCH. Returns FALSE.
 */
gboolean ash_repo_throw(AshContext *ctx, const AshRepoConf *conf, const char *dest_dir, GError *cause, GError **error);

/** Puts what a mirror failed with (may be NULL) into librepo's error, which only says that all were tried. */
void ash_repo_add_detail(GError *cause, const char *mirror_error);

/** For progress callbacks: LR_CB_ERROR once the user interrupted, else LR_CB_OK. */
int ash_repo_callback_status(AshContext *ctx);
