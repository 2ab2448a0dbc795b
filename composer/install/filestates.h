/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <rpm/rpmfiles.h>
#include <rpm/rpmte.h>
#include <stdbool.h>

/**
 * What librpm decided about each file of a package before the transaction: made, left out (documentation, languages, shared with
 * another package ...), or put beside one that exists. It has no public way to ask; rpmteGetFileStates() is exported
 * (librpmbuild uses it), and what it returns has begun with the same three members from 4.4 to 4.20.
 */
typedef struct {
	guint count;                  /* files of the package */
	char *states;                 /* rpmfileState of each, as the database will say; borrowed, may be written */
	const rpmFileAction *actions; /* borrowed */
} AshFileStates;

/** Whether this librpm is one of those. */
bool ash_file_states_available(void);

/** FALSE if @element, which is being installed, has none or they do not fit its @count files. */
bool ash_file_states_get(rpmte element, guint count, AshFileStates *ret_states);

/** Notes in the states what the actions say, as librpm does when it unpacks. */
void ash_file_states_note(const AshFileStates *states);
