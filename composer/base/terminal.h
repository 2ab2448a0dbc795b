/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/progress.h"

#include <stdbool.h>

/** How progress is shown, always on standard error: results alone go to standard output. */
typedef enum {
	ASH_PROGRESS_MODE_AUTO, /* bar on a terminal, else plain */
	ASH_PROGRESS_MODE_BAR,
	ASH_PROGRESS_MODE_PLAIN, /* a line per finished step */
	ASH_PROGRESS_MODE_JSON,  /* a JSON object per line and event */
	ASH_PROGRESS_MODE_NONE,
} AshProgressMode;

/** FALSE (no error) if @text is none of auto, bar, plain, json, none. */
gboolean ash_progress_mode_parse(const char *text, AshProgressMode *ret_mode);

/** What is being drawn; outlives the AshProgress that draws on it. */
typedef struct AshTerminal AshTerminal;
AshTerminal *ash_terminal_new(AshProgressMode mode);
/** Wipes the bar, if one is on the screen. */
void ash_terminal_free(AshTerminal *terminal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTerminal, ash_terminal_free)

/** A progress that is shown on @terminal (borrowed). Owned. */
AshProgress *ash_terminal_progress(AshTerminal *terminal);

/** Wipes the bar so that something else can be printed. */
void ash_terminal_clear(AshTerminal *terminal);
