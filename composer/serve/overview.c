/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/overview.h"

#include "base/json.h"
#include "publish/releasedir.h"

#include <string.h>
#include <sys/stat.h>

struct AshOverview {
	char *path;
	GPtrArray *channels; /* of AshChannel */
	JsonArray *refs;
	gint64 expires;      /* of the timestamp, seconds since 1970 */
	struct stat read;    /* of the timestamp when it was read; all zeros: not yet */
};

AshOverview *
ash_overview_new(const char *path)
{
	AshOverview *overview = g_new0(AshOverview, 1);

	overview->path = g_strdup(path);
	overview->channels = g_ptr_array_new_with_free_func((GDestroyNotify) ash_channel_free);
	overview->refs = json_array_new();
	return overview;
}

void
ash_overview_free(AshOverview *overview)
{
	if (overview == NULL)
		return;
	g_free(overview->path);
	g_ptr_array_unref(overview->channels);
	json_array_unref(overview->refs);
	g_free(overview);
}

static void
set_count(JsonObject *object, const char *name, guint64 value)
{
	json_object_set_int_member(object, name, (gint64) value);
}

static JsonArray *
waves_to_json(const GPtrArray *waves)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; waves != NULL && i < waves->len; i++) {
		const AshWave *wave = waves->pdata[i];
		JsonObject *object = json_object_new();
		set_count(object, "start", wave->start);
		set_count(object, "percent", wave->percent);
		json_array_add_object_element(array, object);
	}
	return array;
}

static JsonObject *
channel_to_json(const AshChannel *channel)
{
	JsonObject *object = json_object_new();
	JsonArray *entries = json_array_new();

	for (guint i = channel->entries->len; i-- > 0;) {
		const AshChannelEntry *entry = channel->entries->pdata[i];
		JsonObject *one = json_object_new();
		json_object_set_string_member(one, "version", entry->version);
		set_count(one, "published", entry->published);
		json_object_set_boolean_member(one, "withdrawn", entry->withdrawn);
		json_object_set_boolean_member(one, "barrier", entry->barrier);
		json_object_set_array_member(one, "waves", waves_to_json(entry->waves));
		json_array_add_object_element(entries, one);
	}
	json_object_set_string_member(object, "name", channel->name);
	json_object_set_array_member(object, "entries", entries);
	return object;
}

static JsonArray *
costs_to_json(const AshRelease *release)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; i < release->costs->len; i++) {
		const AshReleaseCost *cost = release->costs->pdata[i];
		JsonObject *object = json_object_new();
		json_object_set_string_member(object, "from", cost->from_version);
		set_count(object, "tree_bytes", cost->tree_bytes);
		set_count(object, "data_bytes", cost->data_bytes);
		set_count(object, "requests", cost->requests);
		if (cost->delta_bytes > 0)
			set_count(object, "delta_bytes", cost->delta_bytes);
		json_array_add_object_element(array, object);
	}
	return array;
}

static JsonObject *
release_to_json(const AshRelease *release)
{
	JsonObject *object = json_object_new();
	guint64 packed = 0;

	for (guint i = 0; i < release->segments->len; i++)
		packed += ((const AshPackSegment *) release->segments->pdata[i])->object.size;
	json_object_set_string_member(object, "version", release->version);
	set_count(object, "timestamp", release->timestamp);
	json_object_set_string_member(object, "commit", release->commit);
	json_object_set_string_member(object, "root_hash", release->root_hash);
	if (release->minimum != NULL)
		json_object_set_string_member(object, "minimum", release->minimum);
	set_count(object, "root_bytes", release->root_bytes);
	set_count(object, "full_bytes", packed + release->tree.size);
	set_count(object, "kernel_bytes", ash_release_get_kernel_object(release)->size);
	json_object_set_array_member(object, "costs", costs_to_json(release));
	return object;
}

/* What was read so far, for one call of read_all(). */
typedef struct {
	AshReleaseDir *dir;
	GPtrArray *channels;
	JsonArray *refs;
} Reader;

static void
reader_clear(Reader *reader)
{
	g_clear_pointer(&reader->dir, ash_release_dir_free);
	g_clear_pointer(&reader->channels, g_ptr_array_unref);
	g_clear_pointer(&reader->refs, json_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, reader_clear)

static gboolean
read_channels(Reader *reader, const char *ref, JsonArray *array, GError **error)
{
	g_auto(GStrv) names = ash_release_dir_list_channels(reader->dir, ref);

	for (char **name = names; *name != NULL; name++) {
		AshChannel *channel = NULL;
		if (!ash_release_dir_load_channel(reader->dir, ref, *name, &channel, error))
			return FALSE;
		if (channel == NULL)
			continue;
		g_ptr_array_add(reader->channels, channel);
		json_array_add_object_element(array, channel_to_json(channel));
	}
	return TRUE;
}

static gboolean
read_releases(Reader *reader, const char *ref, JsonArray *array, GError **error)
{
	g_auto(GStrv) versions = ash_release_dir_list_versions(reader->dir, ref);

	for (guint i = g_strv_length(versions); i-- > 0;) {
		g_autoptr(AshRelease) release = NULL;
		if (!ash_release_dir_load_release(reader->dir, ref, versions[i], &release, error))
			return FALSE;
		if (release != NULL)
			json_array_add_object_element(array, release_to_json(release));
	}
	return TRUE;
}

static gboolean
read_ref(Reader *reader, const char *ref, GError **error)
{
	JsonObject *object = json_object_new();
	JsonArray *channels = json_array_new(), *releases = json_array_new();

	json_array_add_object_element(reader->refs, object);
	json_object_set_string_member(object, "ref", ref);
	json_object_set_array_member(object, "channels", channels);
	json_object_set_array_member(object, "releases", releases);
	return read_channels(reader, ref, channels, error) && read_releases(reader, ref, releases, error);
}

static gboolean
read_all(AshOverview *overview, GError **error)
{
	g_auto(Reader) reader = { .dir = ash_release_dir_open(overview->path, false, error) };

	if (reader.dir == NULL)
		return FALSE;
	reader.channels = g_ptr_array_new_with_free_func((GDestroyNotify) ash_channel_free);
	reader.refs = json_array_new();
	g_auto(GStrv) refs = ash_release_dir_list_refs(reader.dir);
	for (char **ref = refs; *ref != NULL; ref++)
		if (!read_ref(&reader, *ref, error))
			return FALSE;
	const AshTufMetadata *timestamp = ash_tuf_repository_get(ash_release_dir_get_tuf(reader.dir), ASH_TUF_TIMESTAMP);
	overview->expires = timestamp != NULL ? timestamp->expires : 0;
	g_ptr_array_unref(overview->channels);
	overview->channels = g_steal_pointer(&reader.channels);
	json_array_unref(overview->refs);
	overview->refs = g_steal_pointer(&reader.refs);
	return TRUE;
}

gboolean
ash_overview_refresh(AshOverview *overview, GError **error)
{
	g_autofree char *path = g_build_filename(overview->path, ASH_TUF_METADATA_DIR, "timestamp.json", NULL);
	struct stat now = { 0 };

	/* Replaced by rename: another inode or another time. */
	if (stat(path, &now) == 0 && now.st_ino == overview->read.st_ino && now.st_size == overview->read.st_size &&
	    memcmp(&now.st_mtim, &overview->read.st_mtim, sizeof(now.st_mtim)) == 0)
		return TRUE;
	if (!read_all(overview, error))
		return FALSE;
	overview->read = now;
	return TRUE;
}

const GPtrArray *
ash_overview_get_channels(const AshOverview *overview)
{
	return overview->channels;
}

bool
ash_overview_has_channel(const AshOverview *overview, const char *ref, const char *name)
{
	for (guint i = 0; i < overview->channels->len; i++) {
		const AshChannel *channel = overview->channels->pdata[i];
		if (strcmp(channel->ref, ref) == 0 && strcmp(channel->name, name) == 0)
			return true;
	}
	return false;
}

char *
ash_overview_format(const AshOverview *overview, bool reports)
{
	g_autoptr(JsonObject) object = json_object_new();

	json_object_set_boolean_member(object, "reports", reports);
	json_object_set_int_member(object, "expires", overview->expires);
	json_object_set_array_member(object, "refs", json_array_ref(overview->refs));
	return ash_json_object_to_string(object, FALSE);
}
