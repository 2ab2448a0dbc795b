/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

#include <stdbool.h>

/*
 * Private to solve/: groups and environments as comps.xml gives them (the format of dnf and createrepo_c;
 * its DTD is in the comps repositories of Fedora).
 */

typedef enum {
	ASH_COMPS_MANDATORY = 1 << 0,
	ASH_COMPS_DEFAULT = 1 << 1,
	ASH_COMPS_OPTIONAL = 1 << 2,
	ASH_COMPS_CONDITIONAL = 1 << 3, /* only together with another package */
} AshCompsType;

typedef struct {
	AshCompsType type;
	char *name;
	char *requires; /* CONDITIONAL: the package that makes it wanted; else NULL */
	bool basearch_only;
} AshCompsMember;

typedef struct {
	char *id, *name;    /* name without xml:lang; may be NULL */
	GPtrArray *members; /* of AshCompsMember */
} AshCompsGroup;

typedef struct {
	char *id, *name;
	char **groups;      /* ids of its mandatory groups; never NULL */
} AshCompsEnvironment;

typedef struct {
	GPtrArray *groups;       /* of AshCompsGroup, in the order of their first appearance */
	GPtrArray *environments; /* of AshCompsEnvironment */
} AshComps;

AshComps *ash_comps_new(void);
void ash_comps_free(AshComps *comps);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshComps, ash_comps_free)

/**
 * Adds what comps.xml @text says to @comps; a group that exists is extended, as dnf merges repositories. Members for
 * other architectures than @arch are left out. @what names the text in errors (FETCH).
 */
gboolean ash_comps_add_xml(AshComps *comps, const char *text, gsize length, const char *arch, const char *what,
			   GError **error);

/** By id, else by name. Borrowed; NULL if there is none. */
AshCompsGroup *ash_comps_find_group(const AshComps *comps, const char *id_or_name);
AshCompsEnvironment *ash_comps_find_environment(const AshComps *comps, const char *id_or_name);
