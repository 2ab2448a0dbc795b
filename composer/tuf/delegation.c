/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/delegation.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/strictjson.h"

#include <string.h>

#define MAX_NAME_BYTES 64

/* "*" and "?" within one component. The last "*" alone is tried again, so the time is at most the product of both lengths. */
static bool
matches_pattern(const char *pattern, const char *path)
{
	const char *star = NULL, *resume = NULL;

	while (*path != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			resume = path;
		} else if (*pattern == *path) {
			pattern++;
			path++;
		} else if (*pattern == '?' && *path != '/') {
			pattern++;
			path = g_utf8_next_char(path);
		} else if (star != NULL && *resume != '/') {
			resume = g_utf8_next_char(resume);
			path = resume;
			pattern = star + 1;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool
ash_tuf_delegation_has_path(const AshTufDelegation *delegation, const char *path)
{
	for (char **pattern = delegation->paths; pattern != NULL && *pattern != NULL; pattern++)
		if (matches_pattern(*pattern, path))
			return true;
	if (delegation->hash_prefixes == NULL)
		return false;
	g_autofree char *digest = ash_sha256_hex(path, -1);
	for (char **prefix = delegation->hash_prefixes; *prefix != NULL; prefix++)
		if (g_str_has_prefix(digest, *prefix))
			return true;
	return false;
}

/* A delegated role must not take the place, or the file, of one of the four. */
static gboolean
check_name(const char *name, GError **error)
{
	static const char *const reserved[] = { "root", "timestamp", "snapshot", "targets", NULL };

	if (name[0] == '\0' || strlen(name) > MAX_NAME_BYTES || g_strv_contains(reserved, name))
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" cannot be the name of a delegated role", name);
	return TRUE;
}

static gboolean
parse_paths(JsonObject *object, AshTufDelegation *delegation, GError **error)
{
	bool has_paths = json_object_has_member(object, "paths");
	bool has_prefixes = json_object_has_member(object, "path_hash_prefixes");

	if (has_paths && has_prefixes)
		return ash_throw(error, ASH_ERROR_TRUST, "both \"paths\" and \"path_hash_prefixes\"");
	if (has_paths && (delegation->paths = ash_strict_json_strv(object, "paths", error)) == NULL)
		return FALSE;
	if (has_prefixes &&
	    (delegation->hash_prefixes = ash_strict_json_strv(object, "path_hash_prefixes", error)) == NULL)
		return FALSE;
	return TRUE;
}

AshTufDelegation *
ash_tuf_delegation_parse(JsonObject *object, GError **error)
{
	g_autoptr(AshTufDelegation) delegation = g_new0(AshTufDelegation, 1);
	const char *name = ash_strict_json_string(object, "name", error);
	gboolean terminating = FALSE;

	if (name == NULL || !check_name(name, error) || !ash_tuf_signers_parse(object, &delegation->signers, error))
		return NULL;
	if (json_object_has_member(object, "terminating") &&
	    !ash_strict_json_bool(object, "terminating", &terminating, error))
		return NULL;
	delegation->name = g_strdup(name);
	delegation->terminating = terminating;
	return parse_paths(object, delegation, error) ? g_steal_pointer(&delegation) : NULL;
}

void
ash_tuf_delegation_free(AshTufDelegation *delegation)
{
	if (delegation == NULL)
		return;
	g_free(delegation->name);
	ash_tuf_signers_clear(&delegation->signers);
	g_strfreev(delegation->paths);
	g_strfreev(delegation->hash_prefixes);
	g_free(delegation);
}
