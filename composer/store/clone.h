/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "store/store.h"

/**
 * Makes the directory @dest the same as a kept root (store/root.h), or as the directory @key_or_path if that has a
 * slash: names, owners, modes, times to the nanosecond, extended attributes, hard links between its names, holes, fifos, and
 * devices where this user may make them (left out where not). Sockets are left out. Shared files (base/shared.h) are
 * linked if @may_link, which is for the caller to know from ash_copyup_available(), and copied else. @dest is empty or, with
 * @may_link, may be what an earlier clone has become (store/spare.h): what is not the same is removed and cloned, whatever it is.
 * ctx->jobs threads.
 */
gboolean ash_store_clone_root(AshContext *ctx, AshStore *store, const char *key_or_path, const char *dest,
			      bool may_link, GError **error);
