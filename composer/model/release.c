/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/release.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/record.h"
#include "model/hashlevels.h"

#include <string.h>

#define HEX_DIGITS (2 * ASH_SHA256_SIZE)
#define MAX_VERSION 64

static const AshField object_fields[] = {
	ASH_FIELD(AshObjectRef, sha256, ASH_FIELD_STRING),
	ASH_FIELD(AshObjectRef, size, ASH_FIELD_UINT64),
	{ NULL },
};

static const AshField segment_fields[] = {
	ASH_FIELD_IN(AshPackSegment, object, object_fields),
	ASH_FIELD(AshPackSegment, frames, ASH_FIELD_UINT64),
	{ NULL },
};

static const AshField delta_fields[] = {
	ASH_FIELD(AshReleaseDelta, from_version, ASH_FIELD_STRING),
	ASH_FIELD(AshReleaseDelta, from_root_hash, ASH_FIELD_STRING),
	ASH_FIELD_IN(AshReleaseDelta, object, object_fields),
	{ NULL },
};

static const AshField cost_fields[] = {
	ASH_FIELD(AshReleaseCost, from_version, ASH_FIELD_STRING),
	ASH_FIELD(AshReleaseCost, from_root_hash, ASH_FIELD_STRING),
	ASH_FIELD(AshReleaseCost, tree_bytes, ASH_FIELD_UINT64),
	ASH_FIELD(AshReleaseCost, data_bytes, ASH_FIELD_UINT64),
	ASH_FIELD(AshReleaseCost, requests, ASH_FIELD_UINT64),
	ASH_FIELD(AshReleaseCost, delta_bytes, ASH_FIELD_UINT64),
	ASH_FIELD(AshReleaseCost, kernel_bytes, ASH_FIELD_UINT64),
	{ NULL },
};

static const AshField release_fields[] = {
	ASH_FIELD(AshRelease, format, ASH_FIELD_UINT64),
	ASH_FIELD(AshRelease, ref, ASH_FIELD_STRING),
	ASH_FIELD(AshRelease, name, ASH_FIELD_STRING),
	ASH_FIELD(AshRelease, version, ASH_FIELD_STRING),
	ASH_FIELD(AshRelease, architecture, ASH_FIELD_STRING),
	ASH_FIELD(AshRelease, commit, ASH_FIELD_STRING),
	ASH_FIELD(AshRelease, timestamp, ASH_FIELD_UINT64),
	ASH_FIELD(AshRelease, minimum, ASH_FIELD_STRING),
	ASH_FIELD(AshRelease, root_bytes, ASH_FIELD_UINT64),
	ASH_FIELD(AshRelease, root_hash, ASH_FIELD_STRING),
	ASH_FIELD(AshRelease, salt, ASH_FIELD_STRING),
	ASH_FIELD_IN(AshRelease, tree, object_fields),
	ASH_FIELD(AshRelease, frame_bytes, ASH_FIELD_UINT64),
	ASH_FIELD_IN(AshRelease, frames, object_fields),
	ASH_FIELD_EACH(AshRelease, segments, segment_fields, AshPackSegment),
	ASH_FIELD_IN(AshRelease, uki, object_fields),
	ASH_FIELD_IN(AshRelease, uki_recipe, object_fields),
	ASH_FIELD_IN(AshRelease, verity_sig, object_fields),
	ASH_FIELD_IN(AshRelease, etc, object_fields),
	ASH_FIELD_IN(AshRelease, sbom, object_fields),
	ASH_FIELD_IN(AshRelease, layout, object_fields),
	ASH_FIELD_IN(AshRelease, anchor, object_fields),
	ASH_FIELD_EACH(AshRelease, deltas, delta_fields, AshReleaseDelta),
	ASH_FIELD_EACH(AshRelease, costs, cost_fields, AshReleaseCost),
	{ NULL },
};

static const AshField wave_fields[] = {
	ASH_FIELD(AshWave, start, ASH_FIELD_UINT64),
	ASH_FIELD(AshWave, percent, ASH_FIELD_UINT64),
	{ NULL },
};

static const AshField entry_fields[] = {
	ASH_FIELD(AshChannelEntry, version, ASH_FIELD_STRING),
	ASH_FIELD(AshChannelEntry, published, ASH_FIELD_UINT64),
	ASH_FIELD(AshChannelEntry, withdrawn, ASH_FIELD_BOOL),
	ASH_FIELD(AshChannelEntry, barrier, ASH_FIELD_BOOL),
	ASH_FIELD_EACH(AshChannelEntry, waves, wave_fields, AshWave),
	{ NULL },
};

static const AshField channel_fields[] = {
	ASH_FIELD(AshChannel, format, ASH_FIELD_UINT64),
	ASH_FIELD(AshChannel, ref, ASH_FIELD_STRING),
	ASH_FIELD(AshChannel, name, ASH_FIELD_STRING),
	ASH_FIELD_EACH(AshChannel, entries, entry_fields, AshChannelEntry),
	{ NULL },
};

char *
ash_object_ref_path(const AshObjectRef *object)
{
	return g_strdup_printf("objects/%.2s/%s", object->sha256, object->sha256);
}

static void
segment_free(AshPackSegment *segment)
{
	g_free(segment->object.sha256);
	g_free(segment);
}

static void
delta_free(AshReleaseDelta *delta)
{
	g_free(delta->from_version);
	g_free(delta->from_root_hash);
	g_free(delta->object.sha256);
	g_free(delta);
}

static void
cost_free(AshReleaseCost *cost)
{
	g_free(cost->from_version);
	g_free(cost->from_root_hash);
	g_free(cost);
}

AshRelease *
ash_release_new(void)
{
	AshRelease *release = g_new0(AshRelease, 1);

	release->format = ASH_RELEASE_FORMAT;
	release->frame_bytes = ASH_RELEASE_FRAME_BYTES;
	release->segments = g_ptr_array_new_with_free_func((GDestroyNotify) segment_free);
	release->deltas = g_ptr_array_new_with_free_func((GDestroyNotify) delta_free);
	release->costs = g_ptr_array_new_with_free_func((GDestroyNotify) cost_free);
	return release;
}

void
ash_release_free(AshRelease *release)
{
	if (release == NULL)
		return;
	g_free(release->ref);
	g_free(release->name);
	g_free(release->version);
	g_free(release->architecture);
	g_free(release->commit);
	g_free(release->minimum);
	g_free(release->root_hash);
	g_free(release->salt);
	g_free(release->tree.sha256);
	g_free(release->frames.sha256);
	g_ptr_array_unref(release->segments);
	g_free(release->uki.sha256);
	g_free(release->uki_recipe.sha256);
	g_free(release->verity_sig.sha256);
	g_free(release->etc.sha256);
	g_free(release->sbom.sha256);
	g_free(release->layout.sha256);
	g_free(release->anchor.sha256);
	g_ptr_array_unref(release->deltas);
	g_ptr_array_unref(release->costs);
	g_free(release);
}

const AshObjectRef *
ash_release_get_kernel_object(const AshRelease *release)
{
	return release->uki_recipe.sha256 != NULL ? &release->uki_recipe : &release->uki;
}

static void
entry_free(AshChannelEntry *entry)
{
	g_free(entry->version);
	g_clear_pointer(&entry->waves, g_ptr_array_unref);
	g_free(entry);
}

AshChannel *
ash_channel_new(void)
{
	AshChannel *channel = g_new0(AshChannel, 1);

	channel->format = ASH_RELEASE_FORMAT;
	channel->entries = g_ptr_array_new_with_free_func((GDestroyNotify) entry_free);
	return channel;
}

void
ash_channel_free(AshChannel *channel)
{
	if (channel == NULL)
		return;
	g_free(channel->ref);
	g_free(channel->name);
	g_ptr_array_unref(channel->entries);
	g_free(channel);
}

char *
ash_release_target_path(const char *ref, const char *version)
{
	return g_strdup_printf("%s/%s.json", ref, version);
}

char *
ash_channel_target_path(const char *ref, const char *channel)
{
	return g_strdup_printf("%s/channels/%s.json", ref, channel);
}

static char *
format_record(gconstpointer record, const AshField *fields)
{
	g_autoptr(JsonObject) object = ash_record_to_json(record, fields, TRUE);

	return ash_json_object_to_string(object, TRUE);
}

char *
ash_release_format(const AshRelease *release)
{
	return format_record(release, release_fields);
}

char *
ash_channel_format(const AshChannel *channel)
{
	return format_record(channel, channel_fields);
}

bool
ash_release_is_version(const char *text)
{
	if (text == NULL || *text == '\0' || *text == '.' || *text == '-' || strlen(text) > MAX_VERSION)
		return false;
	for (const char *c = text; *c != '\0'; c++)
		if (!g_ascii_isalnum(*c) && strchr("._-~^", *c) == NULL)
			return false;
	return true;
}

/* Components as versions are, "a/b/c": nothing that leads out of a directory. */
bool
ash_release_is_ref(const char *text)
{
	if (text == NULL || strlen(text) > 4 * MAX_VERSION)
		return false;
	g_auto(GStrv) parts = g_strsplit(text, "/", -1);
	for (char **part = parts; *part != NULL; part++)
		if (!ash_release_is_version(*part))
			return false;
	return parts[0] != NULL;
}

static bool
is_object(const AshObjectRef *object)
{
	return ash_hex_is(object->sha256, HEX_DIGITS) && object->size > 0 && object->size <= G_MAXINT64;
}

/* Names the first member that is wrong; NULL: none is. */
static const char *
find_fault_in_pack(const AshRelease *release)
{
	guint64 frames = 0;

	if (release->root_bytes == 0 || release->root_bytes % ASH_RELEASE_BLOCK_BYTES != 0 || release->root_bytes > G_MAXINT64 / 2)
		return "root_bytes";
	if (!is_object(&release->tree) || release->tree.size != ash_hash_area_bytes(release->root_bytes))
		return "tree";
	if (release->frame_bytes != ASH_RELEASE_FRAME_BYTES || !is_object(&release->frames))
		return "frames";
	for (guint i = 0; i < release->segments->len; i++) {
		const AshPackSegment *segment = g_ptr_array_index(release->segments, i);
		if (!is_object(&segment->object) || segment->object.size > ASH_RELEASE_SEGMENT_BYTES ||
		    segment->frames == 0 || segment->frames > segment->object.size)
			return "segments";
		frames += segment->frames;
	}
	return frames == (release->root_bytes + release->frame_bytes - 1) / release->frame_bytes ? NULL : "segments";
}

static const char *
find_fault_in_lists(const AshRelease *release)
{
	for (guint i = 0; i < release->deltas->len; i++) {
		const AshReleaseDelta *delta = g_ptr_array_index(release->deltas, i);
		if (!ash_release_is_version(delta->from_version) || !ash_hex_is(delta->from_root_hash, HEX_DIGITS) || !is_object(&delta->object))
			return "deltas";
	}
	for (guint i = 0; i < release->costs->len; i++) {
		const AshReleaseCost *cost = g_ptr_array_index(release->costs, i);
		if (!ash_release_is_version(cost->from_version) || !ash_hex_is(cost->from_root_hash, HEX_DIGITS))
			return "costs";
	}
	return NULL;
}

static const char *
find_fault_in_optional(const AshRelease *release)
{
	const struct {
		const char *name;
		const AshObjectRef *object;
	} objects[] = { { "etc", &release->etc }, { "sbom", &release->sbom }, { "layout", &release->layout }, { "anchor", &release->anchor },
			{ "uki_recipe", &release->uki_recipe }, { "verity_sig", &release->verity_sig } };

	for (gsize i = 0; i < G_N_ELEMENTS(objects); i++)
		if (objects[i].object->sha256 != NULL && !is_object(objects[i].object))
			return objects[i].name;
	if (release->verity_sig.size > ASH_RELEASE_SIG_MAX_BYTES)
		return "verity_sig";
	return release->uki_recipe.size <= ASH_RELEASE_RECIPE_MAX_BYTES ? NULL : "uki_recipe";
}

static const char *
find_fault(const AshRelease *release)
{
	if (!ash_release_is_ref(release->ref))
		return "ref";
	if (!ash_release_is_version(release->name))
		return "name";
	if (!ash_release_is_version(release->version))
		return "version";
	if (!ash_release_is_version(release->architecture))
		return "architecture";
	if (!ash_hex_is(release->commit, HEX_DIGITS))
		return "commit";
	if (release->minimum != NULL && !ash_release_is_version(release->minimum))
		return "minimum";
	if (!ash_hex_is(release->root_hash, HEX_DIGITS))
		return "root_hash";
	if (!ash_hex_is(release->salt, HEX_DIGITS))
		return "salt";
	if (!is_object(&release->uki))
		return "uki";
	const char *fault = find_fault_in_optional(release);
	if (fault == NULL)
		fault = find_fault_in_pack(release);
	return fault != NULL ? fault : find_fault_in_lists(release);
}

static gboolean
parse_record(gpointer record, const AshField *fields, const char *text, gsize length, const char *what, GError **error)
{
	g_autoptr(GError) problem = NULL;

	/* What came behind it would be checked by nobody. */
	if (memmem(text, length, "\\u0000", strlen("\\u0000")) != NULL)
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" has a text with a NUL in it", what);
	g_autoptr(JsonObject) object = ash_json_parse_object(text, (gssize) length, what, &problem);
	if (object == NULL)
		return ash_throw(error, ASH_ERROR_TRUST, "%s", problem->message);
	if (!ash_record_from_json(record, fields, object, &problem))
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\": %s", what, problem->message);
	return TRUE;
}

AshRelease *
ash_release_parse(const char *text, gsize length, const char *what, GError **error)
{
	g_autoptr(AshRelease) release = ash_release_new();

	release->format = 0;
	if (!parse_record(release, release_fields, text, length, what, error))
		return NULL;
	if (release->format != ASH_RELEASE_FORMAT)
		return ash_throw_null(error, ASH_ERROR_TRUST,
				      "\"%s\" is a release of format %" G_GUINT64_FORMAT ", and this program knows %d: update the program",
				      what, release->format, ASH_RELEASE_FORMAT);
	const char *fault = find_fault(release);
	if (fault != NULL)
		return ash_throw_null(error, ASH_ERROR_TRUST, "\"%s\": \"%s\" is not what a release has there", what, fault);
	return g_steal_pointer(&release);
}

static bool
is_entry(AshChannelEntry *entry)
{
	guint64 start = 0, percent = 0;

	if (entry->waves == NULL)
		entry->waves = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < entry->waves->len; i++) {
		const AshWave *wave = g_ptr_array_index(entry->waves, i);
		if (wave->start < start || wave->start > G_MAXINT64 || wave->percent <= percent || wave->percent > 100)
			return false;
		start = wave->start;
		percent = wave->percent;
	}
	return ash_release_is_version(entry->version) && entry->published <= G_MAXINT64;
}

static const char *
find_fault_in_channel(const AshChannel *channel)
{
	if (!ash_release_is_ref(channel->ref))
		return "ref";
	if (!ash_release_is_version(channel->name))
		return "name";
	for (guint i = 0; i < channel->entries->len; i++) {
		AshChannelEntry *entry = g_ptr_array_index(channel->entries, i);
		const AshChannelEntry *previous = i > 0 ? g_ptr_array_index(channel->entries, i - 1) : NULL;
		if (!is_entry(entry) || (previous != NULL && strverscmp(previous->version, entry->version) >= 0))
			return "entries";
	}
	return NULL;
}

AshChannel *
ash_channel_parse(const char *text, gsize length, const char *what, GError **error)
{
	g_autoptr(AshChannel) channel = ash_channel_new();

	channel->format = 0;
	if (!parse_record(channel, channel_fields, text, length, what, error))
		return NULL;
	if (channel->format != ASH_RELEASE_FORMAT)
		return ash_throw_null(error, ASH_ERROR_TRUST,
				      "\"%s\" is a channel of format %" G_GUINT64_FORMAT ", and this program knows %d: update the program",
				      what, channel->format, ASH_RELEASE_FORMAT);
	const char *fault = find_fault_in_channel(channel);
	if (fault != NULL)
		return ash_throw_null(error, ASH_ERROR_TRUST, "\"%s\": \"%s\" is not what a channel has there", what, fault);
	return g_steal_pointer(&channel);
}

guint
ash_wave_place(const char *node_seed, const char *version)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	guint8 sum[ASH_SHA256_SIZE];
	guint64 number = 0;

	ash_digest_update_string(digest, "ashlar wave 1");
	ash_digest_update_string(digest, node_seed);
	ash_digest_update_string(digest, version);
	ash_digest_finish(digest, sum);
	for (guint i = 0; i < sizeof(number); i++)
		number = number << 8 | sum[i];
	return (guint) (number % 100);
}

/* When the node's turn comes; G_MAXUINT64: never. */
static guint64
find_turn(const AshChannelEntry *entry, const char *node_seed)
{
	const guint place = ash_wave_place(node_seed, entry->version);

	if (entry->waves == NULL || entry->waves->len == 0)
		return 0;
	for (guint i = 0; i < entry->waves->len; i++) {
		const AshWave *wave = g_ptr_array_index(entry->waves, i);
		if (place < wave->percent)
			return wave->start;
	}
	return G_MAXUINT64;
}

const AshChannelEntry *
ash_channel_choose(const AshChannel *channel, const char *current, const char *node_seed, guint64 now, bool ignore_waves,
		   guint64 *ret_next)
{
	const AshChannelEntry *newest = NULL;
	guint64 next = G_MAXUINT64;

	for (guint i = 0; i < channel->entries->len; i++) {
		const AshChannelEntry *entry = g_ptr_array_index(channel->entries, i);
		if (entry->withdrawn || strverscmp(entry->version, current) <= 0)
			continue;
		const guint64 turn = ignore_waves ? 0 : find_turn(entry, node_seed);
		if (turn <= now)
			newest = entry;
		else
			next = MIN(next, turn);
		/* Nothing behind a barrier, whether its turn has come or not. */
		if (entry->barrier)
			break;
	}
	*ret_next = next == G_MAXUINT64 ? 0 : next;
	return newest;
}
