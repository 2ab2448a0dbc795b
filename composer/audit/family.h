/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit/finding.h"
#include "base/context.h"
#include "model/fstree.h"

/** AshAudit: what each family of rules is given. All borrowed. Families may run side by side. */
typedef struct {
	AshContext *ctx;
	const AshFsTree *tree;
	AshAuditReport *report;
} AshAudit;

/** As ash_fs_tree_resolve(); what is not in /etc is looked for in /usr/etc, where OSTree deployments have it. Borrowed. */
AshFsNode *ash_audit_resolve(const AshAudit *audit, const char *path);
/** The text of a file (links followed), valid UTF-8 or not, without what follows a NUL; NULL if there is none or it has more than 1 MiB. Owned. */
char *ash_audit_load_text(const AshAudit *audit, const char *path);
/** The text of a regular file, or of that a link leads to. */
char *ash_audit_load_node(const AshAudit *audit, const AshFsNode *node);

/** True for a program that runs with rights of others: set-id bits or file capabilities. */
bool ash_audit_node_is_privileged(const AshFsNode *node);

/** A level more, up to error. */
AshAuditLevel ash_audit_level_raise(AshAuditLevel level);

/**
 * What a configuration directory gives that exists in several places: files @suffix of @directories (first wins, e.g. /etc before
 * /usr/lib), by name. A link to /dev/null or an empty file masks. Of AshFsNode (borrowed). Owned.
 */
GPtrArray *ash_audit_list_config(const AshAudit *audit, const char *const *directories, const char *suffix);
