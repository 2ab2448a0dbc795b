/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/unitset.h"

/**
 * Has systemd-analyze (its "security --offline=true", since systemd 250) rate the @services, of AshUnit in @set, which are those of the
 * report's services in the same order: it sets their exposure. Only unit files are given to it. A notice if it is not there.
 */
void ash_exposure_rate(const AshAudit *audit, const AshUnitSet *set, GPtrArray *services);
