/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/json.h"
#include "publish/delta.h"

/** Prints a table of deltas (of AshPublishedDelta): how long they are, and what they save. */
void ash_delta_render(const GPtrArray *deltas);

/** The same as a list of objects. Owned. */
JsonArray *ash_delta_render_json(const GPtrArray *deltas);
