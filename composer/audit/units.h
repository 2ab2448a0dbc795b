/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/family.h"

/** The rules "unit-*" and "port-*", and the report's lists of services and sockets. */
void ash_units_check(const AshAudit *audit);

/**
 * Takes apart what ListenStream= and the like say (systemd.socket(5)): "PORT", "V4ADDRESS:PORT", "[V6ADDRESS]:PORT", anything else is
 * of this machine only. *@ret_port is 0 then.
 */
void ash_units_parse_address(const char *address, guint *ret_port, bool *ret_local);
