/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/progress.h"

#include <gio/gio.h>

/**
 * AshContext: what every stage is given instead of globals. Borrowed by everything it is passed to;
 * made once by cli/ (and once in each worker process).
 */
typedef struct {
	AshProgress *progress;     /* may be NULL */
	GCancellable *cancellable; /* may be NULL */
	char *cache_dir;           /* downloads, metadata, .solv files: may be deleted at any time */
	char *data_dir;            /* our own data files: image types, schemas, dracut module */
	guint jobs;                /* threads a stage may use, >= 1 */
} AshContext;

AshContext *ash_context_new(void);
void ash_context_free(AshContext *ctx);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshContext, ash_context_free)

/** FALSE and ASH_ERROR_CANCELLED once Ctrl-C was pressed: call it in loops. */
gboolean ash_context_check(AshContext *ctx, GError **error);
