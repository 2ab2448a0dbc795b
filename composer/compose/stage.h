/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The versions of our stages, part of every key. Raise one whenever the same inputs would now give something else, so that what
 * an older program left in the store is not taken for ours; whatever is built on that stage follows by itself.
 */
#define ASH_LOCK_STAGE_VERSION "1"
#define ASH_ROOT_STAGE_VERSION "2"
#define ASH_TREE_STAGE_VERSION "9"
#define ASH_COMMIT_STAGE_VERSION "2"
#define ASH_ARTIFACT_STAGE_VERSION "9"
