/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/machine.h"

#include <json-glib/json-glib.h>

/** A file of /etc of which not all three sides agree; a side that does not have it is absent. */
typedef struct {
	char *path;    /* "ssh/sshd_config" */
	bool here;     /* changed, added or removed on this machine */
	bool vendor;   /* changed, added or removed by the update */
	bool conflict; /* both, and not to the same */
	const char *here_what, *vendor_what; /* "changed", "added", "removed"; NULL. Static */
} AshNodeEtcChange;

/**
 * /etc in three ways: the defaults of the running version (its own /etc, below the overlay), what is there now, and the defaults of an
 * update that was fetched. Regular files and symbolic links; directories only as far as something is in them.
 */
typedef struct {
	GPtrArray *changes; /* of AshNodeEtcChange, by path */
	char *version;      /* of the update; NULL: none was fetched, and nothing can be said of it */
} AshNodeEtcReport;

/** ASH_ERROR_CONFIG if the defaults cannot be read (root is needed on a running system). */
AshNodeEtcReport *ash_node_etc_report_make(AshNodeMachine *machine, GError **error);
void ash_node_etc_report_free(AshNodeEtcReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshNodeEtcReport, ash_node_etc_report_free)

/** Owned array of objects. */
JsonArray *ash_node_etc_report_to_json(const AshNodeEtcReport *report);
/** Prints it for a person. */
void ash_node_etc_report_print(const AshNodeEtcReport *report);

/** Keeps @text, the "etc" object of a release, in the state directory for the report; @version names it. */
gboolean ash_node_etc_report_keep(AshNodeState *state, const char *version, GBytes *text, GError **error);
