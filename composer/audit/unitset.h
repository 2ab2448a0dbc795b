/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/family.h"
#include "audit/unitfile.h"

/** One unit. */
typedef struct {
	char *name;
	AshFsNode *node;    /* its file, borrowed; NULL: masked, or only wanted by others */
	char *path;         /* of that; NULL likewise */
	char *alias;        /* the unit it is another name of; NULL: none */
	AshUnitFile *file;  /* with its drop-ins */
	GPtrArray *dropins; /* of AshFsNode, borrowed, sorted by name */
	GPtrArray *pulled;  /* of char *: units that links in NAME.wants and the like pull in */
	bool started;       /* at boot, or by a socket, timer or path that is */
} AshUnit;

/**
 * AshUnitSet: the system's units in a tree, as systemd.unit(5) finds them: /etc before /run, /usr/local/lib and /usr/lib; links are
 * aliases; a link to /dev/null or an empty file masks.
 */
typedef struct AshUnitSet AshUnitSet;

/** Reads all, and finds what default.target leads to. Owned. */
AshUnitSet *ash_unit_set_load(const AshAudit *audit);
void ash_unit_set_free(AshUnitSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshUnitSet, ash_unit_set_free)
/** Of AshUnit, sorted by name; those with a file only. Owned, its elements borrowed. */
GPtrArray *ash_unit_set_list(const AshUnitSet *set);
/** The unit of that name, an alias or an instance; borrowed, NULL if there is none. */
AshUnit *ash_unit_set_find(const AshUnitSet *set, const char *name);
/** Holds the drop-ins of all units of a type, e.g. "service"; borrowed, NULL if there are none. */
const AshUnit *ash_unit_set_get_common(const AshUnitSet *set, const char *type);
