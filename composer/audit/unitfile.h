/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** AshUnitFile: the settings of a unit with its drop-ins, as systemd.syntax(7) has them. What cannot be read is passed over, as systemd does. */
typedef struct AshUnitFile AshUnitFile;

/** Empty. */
AshUnitFile *ash_unitfile_new(void);
void ash_unitfile_free(AshUnitFile *unit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshUnitFile, ash_unitfile_free)

/** Adds what a file says; an empty assignment takes back all before it. */
void ash_unitfile_parse(AshUnitFile *unit, const char *text);
/** All values of a key, in order; borrowed, NULL if there is none. Elements are char *. */
const GPtrArray *ash_unitfile_get_all(const AshUnitFile *unit, const char *section, const char *key);
/** The last value; borrowed, NULL if there is none. */
const char *ash_unitfile_get(const AshUnitFile *unit, const char *section, const char *key);
/** The words of all values, quotes taken off where they are balanced. Owned vector. */
char **ash_unitfile_get_words(const AshUnitFile *unit, const char *section, const char *key);
