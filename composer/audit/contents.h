/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/family.h"

/** AshContents: the contents of all regular files, in parts for several threads. */
typedef struct AshContents AshContents;

/** Lists the files; @audit is borrowed. Owned. */
AshContents *ash_contents_new(const AshAudit *audit);
void ash_contents_free(AshContents *contents);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshContents, ash_contents_free)
/** How many parts there are. */
guint ash_contents_count_parts(const AshContents *contents);
/** Looks at the files of part @index: ELF files as a whole, the begin of all others. */
void ash_contents_check(const AshContents *contents, guint index);
