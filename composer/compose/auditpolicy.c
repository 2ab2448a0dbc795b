/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/auditpolicy.h"

#include "base/error.h"
#include "base/file.h"
#include "base/size.h"
#include "config/lexer.h"
#include "config/toml.h"

#include <fcntl.h>
#include <string.h>

#define MAX_FILE_BYTES ASH_MIB

/* One [[accept]] so far; all borrowed from the items. */
typedef struct {
	guint line; /* 0: none yet */
	const char *rule, *path, *subject, *reason;
} Acceptance;

static const struct {
	const char *key;
	gsize offset;
} keys[] = {
	{ "accept.rule", G_STRUCT_OFFSET(Acceptance, rule) },
	{ "accept.path", G_STRUCT_OFFSET(Acceptance, path) },
	{ "accept.subject", G_STRUCT_OFFSET(Acceptance, subject) },
	{ "accept.reason", G_STRUCT_OFFSET(Acceptance, reason) },
};

static gboolean
take_acceptance(AshAuditPolicy *policy, const Acceptance *acceptance, const char *file, GError **error)
{
	if (acceptance->line == 0)
		return TRUE;
	if (acceptance->rule == NULL || acceptance->reason == NULL || acceptance->reason[0] == '\0')
		return ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: accept: \"%s\" is missing", file, acceptance->line,
				 acceptance->rule == NULL ? "rule" : "reason");
	return ash_audit_policy_accept(policy, acceptance->rule, acceptance->path, acceptance->subject, acceptance->reason, error) ||
	       ash_prefix(error, "%s:%u", file, acceptance->line);
}

static gboolean
set_key(Acceptance *acceptance, const AshTomlItem *item, const char *file, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
		if (strcmp(item->path, keys[i].key) != 0)
			continue;
		if (item->type != ASH_TOML_STRING)
			return ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: %s: must be a string, not %s", file, item->line, item->path,
					 ash_toml_type_to_string(item->type));
		G_STRUCT_MEMBER(const char *, acceptance, keys[i].offset) = item->string;
		return TRUE;
	}
	return ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: %s: unknown key; there are [[accept]] with rule, path, subject and reason", file,
			 item->line, item->path);
}

static gboolean
take_items(AshAuditPolicy *policy, const GPtrArray *items, const char *file, GError **error)
{
	Acceptance acceptance = { 0 };

	for (guint i = 0; i < items->len; i++) {
		const AshTomlItem *item = g_ptr_array_index(items, i);

		if (item->type == ASH_TOML_ELEMENT && strcmp(item->path, "accept") == 0) {
			if (!take_acceptance(policy, &acceptance, file, error))
				return FALSE;
			acceptance = (Acceptance) { .line = item->line };
		} else if (acceptance.line == 0 || !set_key(&acceptance, item, file, error)) {
			return acceptance.line != 0 ? FALSE : ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: %s: unknown; [[accept]] is expected", file,
									item->line, item->path);
		}
	}
	return take_acceptance(policy, &acceptance, file, error);
}

gboolean
ash_auditpolicy_load(AshAuditPolicy *policy, const char *path, GError **error)
{
	gsize length = 0;
	g_autofree char *text = ash_file_load(AT_FDCWD, path, MAX_FILE_BYTES, &length, error);
	g_autoptr(GPtrArray) items = NULL;

	if (text == NULL || !ash_lexer_check_text(text, length, path, error))
		return FALSE;
	items = ash_toml_parse(text, length, path, error);
	return items != NULL && take_items(policy, items, path, error);
}
