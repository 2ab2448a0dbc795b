/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

/**
 * From now on SIGINT, SIGTERM and SIGHUP fire ctx->cancellable, which loops look for: nothing is left half written or running. SIGPIPE
 * is ignored. To be called once, before other threads are made; @ctx must live as long as the program.
 */
void ash_signals_cancel(AshContext *ctx);

/** Lets all signals through again: for a process that has inherited that they are blocked. */
void ash_signals_unblock(void);
