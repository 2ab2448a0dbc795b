/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/report.h"
#include "node/updater.h"

/**
 * Tells a server how this machine is, if [Report] Url= says which (model/report.h). Failure to do so is a message of the progress and
 * nothing else: an update never depends on it.
 */

/** No reply is waited for longer, seconds. */
#define ASH_NODE_REPORT_SECONDS 10

/**
 * Sends the machine's state, after a command. @updater: what is offered, NULL if nobody asked; @failure: why the command failed, NULL if it did not.
 * Does nothing without [Report] Url=, and for a command that was interrupted.
 */
void ash_node_reporter_send(AshContext *ctx, const AshNodeMachine *machine, const AshNodeUpdater *updater, const GError *failure);

/** What would be sent; NULL if the machine does not know its version, ref or seed. Owned. */
AshReport *ash_node_reporter_make(const AshNodeMachine *machine, const AshNodeUpdater *updater, const char *failure);
