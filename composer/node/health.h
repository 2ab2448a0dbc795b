/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/machine.h"

/** One check of a boot. */
typedef struct {
	char *name;     /* of the script or the unit */
	bool ok;
	char *problem;  /* NULL if ok */
	guint64 millis; /* it took */
} AshNodeHealthResult;

/**
 * Runs the programs health.d/[name] of /usr/lib/ashlar and /etc/ashlar (which hides those of the same name; a link to /dev/null switches one
 * off), in the order of their names, each for at most [Health] Timeout=; then waits as long for the units of [Health] Units= to be
 * active. All are run, whatever fails. GPtrArray of AshNodeHealthResult, owned; NULL if interrupted.
 */
GPtrArray *ash_node_health_run(AshContext *ctx, const AshNodePlaces *places, const AshNodeConfig *config, GError **error);

/**
 * True if a failure should reboot: this boot is a try of a version that was not found good yet, and something else can boot, or
 * tries of it are left. Never where that would come back here without end.
 */
bool ash_node_health_should_reboot(const AshNodeMachine *machine);

/** Asks systemd to reboot. */
gboolean ash_node_reboot(AshContext *ctx, GError **error);
