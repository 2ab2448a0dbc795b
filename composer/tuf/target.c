/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/target.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/strictjson.h"

#include <string.h>

#define MAX_PATH_BYTES   1024
#define SHA256_HEX_BYTES 64
#define SHA512_HEX_BYTES 128

static bool
is_component(const char *text)
{
	return text[0] != '\0' && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

bool
ash_tuf_target_is_path(const char *path)
{
	g_auto(GStrv) components = g_strsplit(path, "/", -1);

	if (path[0] == '\0' || strlen(path) > MAX_PATH_BYTES || strchr(path, '\\') != NULL ||
	    !g_utf8_validate(path, -1, NULL))
		return false;
	for (const char *c = path; *c != '\0'; c++)
		if (g_ascii_iscntrl(*c))
			return false;
	for (char **component = components; *component != NULL; component++)
		if (!is_component(*component))
			return false;
	return true;
}

/* One digest of "hashes", if it is there. */
static gboolean
parse_digest(JsonObject *hashes, const char *name, gsize digits, char **ret_hex, GError **error)
{
	if (!json_object_has_member(hashes, name))
		return TRUE;
	const char *hex = ash_strict_json_string(hashes, name, error);
	if (hex == NULL)
		return FALSE;
	if (strlen(hex) != digits || strspn(hex, "0123456789abcdefABCDEF") != digits)
		return ash_throw(error, ASH_ERROR_TRUST, "member \"%s\" is not %" G_GSIZE_FORMAT " hexadecimal digits", name, digits);
	*ret_hex = g_ascii_strdown(hex, -1);
	return TRUE;
}

static gboolean
parse_digests(JsonObject *object, AshTufFile *file, GError **error)
{
	JsonObject *hashes = ash_strict_json_object(object, "hashes", error);

	if (hashes == NULL)
		return FALSE;
	if (json_object_get_size(hashes) == 0)
		return ash_throw(error, ASH_ERROR_TRUST, "member \"hashes\" is empty");
	return parse_digest(hashes, "sha256", SHA256_HEX_BYTES, &file->sha256, error) &&
	       parse_digest(hashes, "sha512", SHA512_HEX_BYTES, &file->sha512, error);
}

gboolean
ash_tuf_file_parse(JsonObject *object, bool needs_length, AshTufFile *ret_file, GError **error)
{
	AshTufFile file = { .length = -1 };

	if ((needs_length || json_object_has_member(object, "length")) &&
	    !ash_strict_json_int(object, "length", 0, G_MAXINT64, &file.length, error))
		return FALSE;
	if ((needs_length || json_object_has_member(object, "hashes")) && !parse_digests(object, &file, error)) {
		ash_tuf_file_clear(&file);
		return FALSE;
	}
	file.version = ret_file->version;
	file.has_hashes = json_object_has_member(object, "hashes");
	*ret_file = file;
	return TRUE;
}

void
ash_tuf_file_clear(AshTufFile *file)
{
	g_clear_pointer(&file->sha256, g_free);
	g_clear_pointer(&file->sha512, g_free);
}

static gboolean
check_digest(const char *wanted, char *found, const char *what, GError **error)
{
	g_autofree char *owned = found;

	if (strcmp(wanted, owned) == 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" has the digest %s, not %s as signed", what, owned, wanted);
}

gboolean
ash_tuf_file_check(const AshTufFile *file, GBytes *data, const char *what, GError **error)
{
	gsize size;
	const void *bytes = g_bytes_get_data(data, &size);

	if (file->length >= 0 && (guint64) file->length != size)
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" has %" G_GSIZE_FORMAT " bytes, not %" G_GINT64_FORMAT " as signed",
				 what, size, file->length);
	if (file->has_hashes && file->sha256 == NULL && file->sha512 == NULL)
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" has no digest of a kind known here (sha256, sha512)", what);
	if (file->sha256 != NULL && !check_digest(file->sha256, ash_sha256_hex(bytes, (gssize) size), what, error))
		return FALSE;
	return file->sha512 == NULL || check_digest(file->sha512, ash_sha512_hex(bytes, size), what, error);
}

AshTufTarget *
ash_tuf_target_parse(const char *path, JsonObject *object, GError **error)
{
	g_autoptr(AshTufTarget) target = g_new0(AshTufTarget, 1);

	if (!ash_tuf_target_is_path(path))
		return ash_throw_null(error, ASH_ERROR_TRUST, "target \"%s\" is not a path that a target may have", path);
	if (!ash_tuf_file_parse(object, true, &target->file, error))
		return ash_prefix(error, "target \"%s\"", path), NULL;
	if (json_object_has_member(object, "custom")) {
		JsonObject *custom = ash_strict_json_object(object, "custom", error);
		if (custom == NULL)
			return ash_prefix(error, "target \"%s\"", path), NULL;
		target->custom = json_object_ref(custom);
	}
	target->path = g_strdup(path);
	return g_steal_pointer(&target);
}

AshTufTarget *
ash_tuf_target_copy(const AshTufTarget *target)
{
	AshTufTarget *copy = g_new0(AshTufTarget, 1);

	copy->path = g_strdup(target->path);
	copy->file = target->file;
	copy->file.sha256 = g_strdup(target->file.sha256);
	copy->file.sha512 = g_strdup(target->file.sha512);
	copy->custom = target->custom != NULL ? json_object_ref(target->custom) : NULL;
	return copy;
}

void
ash_tuf_target_free(AshTufTarget *target)
{
	if (target == NULL)
		return;
	g_free(target->path);
	ash_tuf_file_clear(&target->file);
	g_clear_pointer(&target->custom, json_object_unref);
	g_free(target);
}

char *
ash_tuf_target_dup_location(const AshTufTarget *target, bool consistent)
{
	const char *digest = target->file.sha256 != NULL ? target->file.sha256 : target->file.sha512;
	const char *slash = strrchr(target->path, '/');

	if (!consistent || digest == NULL)
		return g_strdup(target->path);
	const char *name = slash != NULL ? slash + 1 : target->path;
	return g_strdup_printf("%.*s%s.%s", (int) (name - target->path), target->path, digest, name);
}
