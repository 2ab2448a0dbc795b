/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/artifactlog.h"

#include "base/json.h"
#include "base/runner.h"
#include "compose/stage.h"
#include "model/manifest.h"

#include <string.h>
#include <sys/stat.h>

static const AshField artifact_fields[] = {
	ASH_FIELD(AshArtifact, type, ASH_FIELD_STRING),
	ASH_FIELD(AshArtifact, path, ASH_FIELD_STRING),
	ASH_FIELD(AshArtifact, format, ASH_FIELD_STRING),
	ASH_FIELD(AshArtifact, size, ASH_FIELD_UINT64),
	ASH_FIELD(AshArtifact, sha256, ASH_FIELD_STRING),
	ASH_FIELD(AshArtifact, root_hash, ASH_FIELD_STRING),
	ASH_FIELD(AshArtifact, commit, ASH_FIELD_STRING),
	ASH_FIELD(AshArtifact, test_keys, ASH_FIELD_BOOL),
	{ NULL },
};

static char *
digest_of(GBytes *bytes)
{
	gsize length;
	const void *data = g_bytes_get_data(bytes, &length);

	return ash_sha256_hex(data, (gssize) length);
}

AshStageKey *
ash_artifact_log_key(const char *commit, const AshImageType *type, const AshImageOptions *options)
{
	AshStageKey *key = ash_stage_key_new(ASH_ARTIFACT_STAGE_VERSION);
	g_autofree char *text = options->seed != NULL ? ash_uuid_to_string(options->seed) : NULL;
	g_autofree char *formats = options->formats != NULL ? g_strjoinv(" ", (char **) options->formats) : NULL;
	g_autofree char *anchor = options->anchor != NULL ? digest_of(options->anchor) : NULL;

	ash_stage_key_add(key, "commit", commit);
	ash_stage_key_add(key, "image type", type->digest);
	ash_stage_key_add(key, "formats", formats);
	ash_stage_key_add(key, "seed", text);
	ash_stage_key_add(key, "anchor", anchor);
	if (options->pcr_key != NULL && type->kind == ASH_IMAGE_DISK) {
		g_autofree char *fingerprint = ash_key_dup_fingerprint(options->pcr_key);

		ash_stage_key_add(key, "PCR key", fingerprint);
	}
	if (options->signer != NULL && type->kind == ASH_IMAGE_DISK)
		ash_stage_key_add(key, "Secure Boot", options->signer->identity);
	if (options->keys != NULL && ash_image_type_is_encrypted(type))
		ash_stage_key_add(key, "secrets", options->keys->digest);
	if (type->root_writer == ASH_ROOT_WRITER_MKFS_EROFS) {
		g_autofree char *program = ash_tool_dup_digest(ASH_TOOL_MKFS_EROFS);
		ash_stage_key_add(key, "mkfs.erofs", program);
	}
	if (options->notes != NULL)
		ash_stage_key_add_digest_of(key, "kickstart", options->notes);
	ash_stage_key_add(key, "checksums", options->checksums ? "all" : NULL);
	return key;
}

/* What tells that a file is the one we wrote: no write, chmod or rename leaves all of it as it was. NULL if it is gone. Owned. */
static char *
dup_state(const char *path)
{
	struct stat info;

	if (lstat(path, &info) < 0 || !S_ISREG(info.st_mode))
		return NULL;
	return g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
			       ".%09ld %" G_GINT64_FORMAT ".%09ld",
			       (guint64) info.st_dev, (guint64) info.st_ino, (gint64) info.st_size,
			       (gint64) info.st_mtim.tv_sec, info.st_mtim.tv_nsec, (gint64) info.st_ctim.tv_sec,
			       info.st_ctim.tv_nsec);
}

/* The artifact of one element if its file is untouched; else NULL and why. */
static AshArtifact *
read_file(JsonObject *element, const char *out_dir, char **ret_why)
{
	g_autoptr(AshArtifact) artifact = g_new0(AshArtifact, 1);
	g_autofree char *absolute = g_canonicalize_filename(out_dir, NULL);

	if (!ash_record_from_json(artifact, artifact_fields, element, NULL) || artifact->path == NULL)
		return NULL;
	g_autofree char *dir = g_path_get_dirname(artifact->path);
	g_autofree char *state = dup_state(artifact->path);
	if (strcmp(dir, absolute) != 0)
		*ret_why = g_strdup("they went to another directory last time");
	else if (state == NULL)
		*ret_why = g_strdup_printf("\"%s\" is gone", artifact->path);
	else if (g_strcmp0(state, ash_json_get_string_optional(element, "state")) != 0)
		*ret_why = g_strdup_printf("\"%s\" was changed by others", artifact->path);
	return *ret_why == NULL ? g_steal_pointer(&artifact) : NULL;
}

static bool
read_files(JsonArray *files, const char *out_dir, GPtrArray *found, char **ret_why)
{
	for (guint i = 0; i < json_array_get_length(files); i++) {
		JsonNode *node = json_array_get_element(files, i);
		AshArtifact *artifact =
			JSON_NODE_HOLDS_OBJECT(node) ? read_file(json_node_get_object(node), out_dir, ret_why) : NULL;
		if (artifact == NULL)
			return false;
		g_ptr_array_add(found, artifact);
	}
	return found->len > 0;
}

bool
ash_artifact_log_find(JsonObject *entry, const AshStageKey *key, const char *out_dir, GPtrArray *artifacts,
		      char **ret_why)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);
	g_autofree char *why = ash_stage_key_explain(key, entry);
	JsonNode *files = entry != NULL ? json_object_get_member(entry, "files") : NULL;
	bool good = why == NULL && files != NULL && JSON_NODE_HOLDS_ARRAY(files) &&
		    read_files(json_node_get_array(files), out_dir, found, &why);

	*ret_why = why != NULL ? g_steal_pointer(&why) : g_strdup(good ? "nothing changed" : "first time");
	if (good)
		g_ptr_array_extend_and_steal(artifacts, g_steal_pointer(&found));
	return good;
}

JsonObject *
ash_artifact_log_entry(const AshStageKey *key, const GPtrArray *artifacts)
{
	JsonObject *entry = ash_stage_key_to_json(key);
	JsonArray *files = json_array_new();

	for (guint i = 0; i < artifacts->len; i++) {
		const AshArtifact *artifact = g_ptr_array_index(artifacts, i);
		JsonObject *element = ash_record_to_json(artifact, artifact_fields, TRUE);
		g_autofree char *state = dup_state(artifact->path);
		if (state != NULL)
			json_object_set_string_member(element, "state", state);
		json_array_add_object_element(files, element);
	}
	json_object_set_array_member(entry, "files", files);
	return entry;
}
