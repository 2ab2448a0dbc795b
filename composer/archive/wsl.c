/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/wsl.h"

#include "archive/output.h"
#include "archive/tar.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

gboolean
ash_wsl_write_file(AshContext *ctx, AshFsTree *tree, int level, const char *path, GError **error)
{
	const AshTarOptions options = { .prefix = "./", .drop_selinux = true };

	return ash_tar_write_file(ctx, tree, &options, ASH_COMPRESS_GZIP, level, path, error);
}

/* The member of an entry that holds the file for an architecture. */
static const char *
url_member(const char *architecture)
{
	static const char *const members[][2] = { { "x86_64", "Amd64Url" }, { "aarch64", "Arm64Url" } };

	for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
		if (strcmp(architecture, members[i][0]) == 0)
			return members[i][1];
	return NULL;
}

static JsonObject *
entry_to_json(const AshWslEntry *entry, const char *member)
{
	JsonObject *object = json_object_new(), *archive = json_object_new();
	g_autofree char *url = g_strconcat(entry->url, g_str_has_suffix(entry->url, "/") ? entry->file_name : NULL, NULL);

	json_object_set_string_member(object, "Name", entry->name);
	json_object_set_string_member(object, "FriendlyName", entry->friendly_name);
	json_object_set_boolean_member(object, "Default", TRUE);
	json_object_set_string_member(archive, "Url", url);
	json_object_set_string_member(archive, "Sha256", entry->sha256);
	json_object_set_object_member(object, member, archive);
	return object;
}

char *
ash_wsl_manifest_format(const AshWslEntry *entry, GError **error)
{
	const char *flavor = entry->flavor != NULL ? entry->flavor : entry->name, *member = url_member(entry->architecture);

	if (!g_str_has_prefix(entry->name, flavor))
		return ash_throw_null(error, ASH_ERROR_CONFIG, "wsl.flavor: \"%s\" is not what the name, \"%s\", begins with", flavor, entry->name);
	if (member == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "WSL has no architecture \"%s\"", entry->architecture);
	JsonObject *manifest = json_object_new(), *flavors = json_object_new();
	JsonArray *entries = json_array_new();
	json_array_add_object_element(entries, entry_to_json(entry, member));
	json_object_set_array_member(flavors, flavor, entries);
	json_object_set_object_member(manifest, "ModernDistributions", flavors);
	char *text = ash_json_object_to_string(manifest, TRUE);
	json_object_unref(manifest);
	return text;
}

gboolean
ash_wsl_manifest_write_file(const AshWslEntry *entry, const char *path, GError **error)
{
	g_autofree char *text = ash_wsl_manifest_format(entry, error);
	g_autoptr(AshOutput) output = text != NULL ? ash_output_new(path, error) : NULL;

	return output != NULL && ash_output_write(output, text, strlen(text), error) && ash_output_commit(output, error);
}
