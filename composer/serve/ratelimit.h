/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/**
 * How often an address may do something: so many times at once, refilled evenly at so many a minute (a token bucket). An IPv6 address stands for
 * its /64. Memory is bounded: of more addresses than are kept, those that have been quiet longest are forgotten.
 */
typedef struct AshRateLimit AshRateLimit;

/** @per_minute, @burst: at least 1. @max_addresses: kept at once. Owned. */
AshRateLimit *ash_rate_limit_new(guint per_minute, guint burst, guint max_addresses);
void ash_rate_limit_free(AshRateLimit *limit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshRateLimit, ash_rate_limit_free)

/** True if @address may now (@now in microseconds of a monotonic clock), which is then counted; else *@ret_seconds says when to come again. */
bool ash_rate_limit_allow(AshRateLimit *limit, GInetAddress *address, gint64 now, guint *ret_seconds);
