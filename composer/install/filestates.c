/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/filestates.h"

#include <rpm/rpmlib.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST_MINOR 16
#define NEWEST_MINOR 20

/* The beginning of librpm's own structure. */
struct rpmfs_s {
	unsigned int count;
	char *states;
	rpmFileAction *actions;
};

/* Exported, but in no header; weak, so that a librpm without it only costs the import cache. */
extern struct rpmfs_s *rpmteGetFileStates(rpmte element) __attribute__((weak));

bool
ash_file_states_available(void)
{
	if (rpmteGetFileStates == NULL || strncmp(RPMVERSION, "4.", 2) != 0)
		return false;
	long minor = strtol(RPMVERSION + 2, NULL, 10);
	return minor >= OLDEST_MINOR && minor <= NEWEST_MINOR;
}

bool
ash_file_states_get(rpmte element, guint count, AshFileStates *ret_states)
{
	const struct rpmfs_s *found = ash_file_states_available() ? rpmteGetFileStates(element) : NULL;

	if (found == NULL || found->count != count || found->states == NULL || found->actions == NULL)
		return false;
	*ret_states = (AshFileStates) { count, found->states, found->actions };
	return true;
}

void
ash_file_states_note(const AshFileStates *states)
{
	static const struct {
		rpmFileAction action;
		rpmfileState state;
	} notes[] = {
		{ FA_SKIPNSTATE, RPMFILE_STATE_NOTINSTALLED },
		{ FA_SKIPNETSHARED, RPMFILE_STATE_NETSHARED },
		{ FA_SKIPCOLOR, RPMFILE_STATE_WRONGCOLOR },
		{ FA_TOUCH, RPMFILE_STATE_NORMAL },
	};

	for (guint i = 0; i < states->count; i++)
		for (gsize j = 0; j < G_N_ELEMENTS(notes); j++)
			if (states->actions[i] == notes[j].action)
				states->states[i] = (char) notes[j].state;
}
