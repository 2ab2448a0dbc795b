/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/** Which commands, sections and options of the kickstart language there are, and what becomes of them: made from the tables that read them. */

/** For people: one line a command. Owned. */
char *ash_kstable_format(void);
/** As ashlar.kickstart(5) has it, in macros of mdoc(7). Owned. */
char *ash_kstable_format_manual(void);
/** An object with "commands" and "sections". Owned. */
JsonObject *ash_kstable_to_json(void);
