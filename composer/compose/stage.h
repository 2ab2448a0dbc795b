/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/**
 * The version of our stages: part of every key. Raise it whenever the same inputs would now give another
 * commit, so that what an older program left in the store is not taken for ours.
 */
#define ASH_STAGE_VERSION "2"
