/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "cli/deltarender.h"
#include "cli/keyrender.h"
#include "cli/render.h"
#include "cli/sealing.h"
#include "cli/signing.h"
#include "base/table.h"
#include "compose/layoutfiles.h"
#include "compose/publish.h"
#include "compose/views.h"
#include "publish/offer.h"
#include "publish/waves.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	AshCommonOptions common;
	char **arguments;
	AshSigning signing;
	char *type, *to, *channel, *waves, *minimum, *seed, *anchor, *with, *gpg_key, *pcr_key_name;
	AshKey *pcr_key;
	AshBootSigning boot;
	GPtrArray *waves_at; /* from @waves, counted from @now */
	gboolean barrier, no_channel, refresh;
	bool sysupdate, ostree; /* from @with */
	int level, deltas;
	gint64 now;
} PublishCommand;

static void
publish_command_clear(PublishCommand *command)
{
	ash_common_options_clear(&command->common);
	ash_signing_clear(&command->signing);
	g_strfreev(command->arguments);
	g_free(command->type);
	g_free(command->to);
	g_free(command->channel);
	g_free(command->waves);
	g_clear_pointer(&command->waves_at, g_ptr_array_unref);
	g_free(command->minimum);
	g_free(command->seed);
	g_free(command->anchor);
	g_free(command->with);
	g_free(command->gpg_key);
	g_free(command->pcr_key_name);
	g_clear_pointer(&command->pcr_key, ash_key_unref);
	ash_boot_signing_clear(&command->boot);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PublishCommand, publish_command_clear)

#define DEFAULT_CHANNEL "stable"

static gboolean
parse_views(PublishCommand *command, GError **error)
{
	g_auto(GStrv) names = g_strsplit(command->with != NULL ? command->with : "", ",", -1);

	for (char **name = names; *name != NULL; name++) {
		if (strcmp(*name, "sysupdate") == 0)
			command->sysupdate = true;
		else if (strcmp(*name, "ostree") == 0)
			command->ostree = true;
		else
			return ash_throw(error, ASH_ERROR_USAGE, "--with \"%s\" is none of sysupdate, ostree", *name);
	}
	return command->gpg_key == NULL || command->sysupdate ||
	       ash_throw(error, ASH_ERROR_USAGE, "--gpg-key signs files of --with sysupdate, which is not given");
}

static gboolean
check_options(PublishCommand *command, GError **error)
{
	if (command->to == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "no release directory is given: add --to DIR");
	if (command->refresh && command->arguments[0] != NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--refresh publishes nothing: leave out \"%s\"", command->arguments[0]);
	if (command->refresh)
		return TRUE;
	if (command->arguments[0] == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "no commit is given (\"ashlar log\" lists them)");
	if (command->type == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "no image type is given: add -t TYPE (\"ashlar types\" lists them)");
	if (command->minimum != NULL && !ash_release_is_version(command->minimum))
		return ash_throw(error, ASH_ERROR_USAGE, "--minimum \"%s\" is not a version", command->minimum);
	if (command->no_channel && (command->channel != NULL || command->waves != NULL || command->barrier))
		return ash_throw(error, ASH_ERROR_USAGE, "--no-channel goes with none of --channel, --waves and --barrier");
	if (command->channel == NULL && !command->no_channel)
		command->channel = g_strdup(DEFAULT_CHANNEL);
	if (command->channel != NULL && !ash_release_is_version(command->channel))
		return ash_throw(error, ASH_ERROR_USAGE, "--channel \"%s\" is not a name of letters, digits and \"._-~^\"", command->channel);
	if (command->deltas < 0)
		return ash_throw(error, ASH_ERROR_USAGE, "--deltas %d is not a number of releases", command->deltas);
	if (!parse_views(command, error))
		return FALSE;
	if (command->waves != NULL)
		command->waves_at = ash_waves_parse(command->waves, (guint64) command->now, error);
	return command->waves == NULL || command->waves_at != NULL;
}

/* One passphrase for all keys, if nothing else is said. */
static gboolean
load_image_keys(AshCommandEnv *env, PublishCommand *command, GError **error)
{
	const char *passphrase_file = command->signing.passphrase_file;

	if (command->pcr_key_name != NULL) {
		command->pcr_key = ash_sealing_load_pcr_key(command->pcr_key_name, passphrase_file, env->ctx, error);
		if (command->pcr_key == NULL)
			return FALSE;
	}
	if (command->boot.key_name != NULL && command->boot.passphrase_file == NULL)
		command->boot.passphrase_file = g_strdup(passphrase_file);
	return ash_boot_signing_load(&command->boot, env->ctx, error);
}

static gboolean
parse(AshCommandEnv *env, int argc, char **argv, PublishCommand *command, GError **error)
{
	const GOptionEntry entries[] = {
		{ "type", 't', 0, G_OPTION_ARG_STRING, &command->type, "The image type that the nodes were installed from", "TYPE" },
		{ "to", 0, 0, G_OPTION_ARG_FILENAME, &command->to, "The release directory", "DIR" },
		{ "channel", 0, 0, G_OPTION_ARG_STRING, &command->channel, "Offer it in this channel (default: " DEFAULT_CHANNEL ")", "NAME" },
		{ "no-channel", 0, 0, G_OPTION_ARG_NONE, &command->no_channel, "Do not offer it yet (\"ashlar channel promote\" does)", NULL },
		{ "waves", 0, 0, G_OPTION_ARG_STRING, &command->waves, "Roll it out in steps: 5@now,25@+6h,100@+2d", "SPEC" },
		{ "barrier", 0, 0, G_OPTION_ARG_NONE, &command->barrier, "Older nodes must take it before any later version", NULL },
		{ "minimum", 0, 0, G_OPTION_ARG_STRING, &command->minimum, "The oldest version that may update to it", "VERSION" },
		{ "refresh", 0, 0, G_OPTION_ARG_NONE, &command->refresh, "Publish nothing: renew the timestamp, and what else expires soon", NULL },
		ASH_SIGNING_ENTRIES(&command->signing),
		{ "level", 0, 0, G_OPTION_ARG_INT, &command->level, "Zstandard level, 1 to 22 (default: 15)", "LEVEL" },
		{ "deltas", 0, 0, G_OPTION_ARG_INT, &command->deltas, "Also make deltas from the last N releases, as \"ashlar delta\" does", "N" },
		{ "with", 0, 0, G_OPTION_ARG_STRING, &command->with, "Also for systemd-sysupdate and \"ostree pull\": sysupdate,ostree", "VIEWS" },
		{ "gpg-key", 0, 0, G_OPTION_ARG_STRING, &command->gpg_key, "Sign SHA256SUMS of --with sysupdate by this key of gpg(1)", "KEY" },
		{ "anchor", 0, 0, G_OPTION_ARG_FILENAME, &command->anchor,
		  "Keep files where this layout has them; \"none\": pack anew (default: the layout of the release before)", "FILE" },
		ASH_PCR_KEY_ENTRY(&command->pcr_key_name),
		ASH_BOOT_SIGNING_ENTRIES(&command->boot),
		ASH_BOOT_IMPORT_ENTRY(&command->boot),
		{ "seed", 0, 0, G_OPTION_ARG_STRING, &command->seed, "As of \"ashlar image\"", "UUID" },
		{ NULL },
	};

	return ash_command_parse(env, entries, argc, argv, 0, 1, &command->common, &command->arguments, error) &&
	       check_options(command, error) && ash_signing_load(&command->signing, env->ctx, error) && load_image_keys(env, command, error);
}

static AshPublishResult *
publish(AshCommandEnv *env, const PublishCommand *command, AshReleaseDir *dir, GError **error)
{
	g_autoptr(AshStore) store = ash_store_open(command->common.store, false, error);
	g_autoptr(GBytes) anchor = NULL;
	AshUuid seed;
	AshComposePublish request = {
		.commit = command->arguments[0],
		.type = command->type,
		.seed = command->seed != NULL ? &seed : NULL,
		.pcr_key = command->pcr_key,
		.signer = ash_boot_signing_get(&command->boot),
		.minimum = command->minimum,
		.channel = command->channel,
		.no_anchor = g_strcmp0(command->anchor, "none") == 0,
		.level = command->level,
	};

	if (store == NULL || !ash_command_load_anchor(command->anchor, &anchor, error))
		return NULL;
	request.anchor = anchor;
	if (command->seed != NULL && !ash_uuid_parse(command->seed, &seed))
		return ash_throw_null(error, ASH_ERROR_USAGE, "--seed \"%s\" is not a UUID", command->seed);
	return ash_compose_publish(env->ctx, store, dir, &request, error);
}

/* *@ret_deltas is NULL if none are wanted. *@ret_changed stays as it is if all were there. */
static gboolean
add_deltas(AshCommandEnv *env, const PublishCommand *command, AshReleaseDir *dir, AshRelease *release, GPtrArray **ret_deltas,
	   bool *ret_changed, GError **error)
{
	const AshPublishDeltaOptions options = { .read_layout = ash_layout_files_read };
	g_autoptr(GPtrArray) sources = NULL, deltas = NULL;

	if (command->deltas == 0)
		return TRUE;
	sources = ash_publish_list_sources(dir, release->ref, release->version, command->channel, (guint) command->deltas, error);
	if (sources == NULL)
		return FALSE;
	g_ptr_array_add(sources, NULL);
	deltas = ash_publish_add_deltas(env->ctx, dir, release, (const char *const *) sources->pdata, &options, error);
	for (guint i = 0; deltas != NULL && i < deltas->len; i++)
		*ret_changed = *ret_changed || !((const AshPublishedDelta *) g_ptr_array_index(deltas, i))->unchanged;
	*ret_deltas = g_steal_pointer(&deltas);
	return *ret_deltas != NULL;
}

/* *@ret_changed stays as it is if the channel says so already. */
static gboolean
offer(const PublishCommand *command, AshReleaseDir *dir, const AshRelease *release, bool *ret_changed, GError **error)
{
	g_autoptr(AshChannel) channel = NULL;
	const AshOffer how = { .waves = command->waves_at, .barrier = command->barrier ? 1 : -1, .now = (guint64) command->now };

	if (command->channel == NULL)
		return TRUE;
	if (!ash_release_dir_load_channel(dir, release->ref, command->channel, &channel, error))
		return FALSE;
	if (channel == NULL) {
		channel = ash_channel_new();
		channel->ref = g_strdup(release->ref);
		channel->name = g_strdup(command->channel);
	}
	if (!ash_offer_set(channel, release->version, &how))
		return TRUE;
	*ret_changed = true;
	return ash_release_dir_set_channel(dir, channel, error);
}

/* What other updaters read, from the same objects. */
static gboolean
write_views(AshCommandEnv *env, const PublishCommand *command, AshReleaseDir *dir, const AshRelease *release, GError **error)
{
	const AshViews views = {
		.sysupdate = command->sysupdate, .ostree = command->ostree, .gpg_key = command->gpg_key, .store = command->common.store
	};

	return ash_views_write(env->ctx, dir, release, &views, error);
}

static void
add_cost_row(AshTable *table, const char *from, const AshCost *cost)
{
	g_autofree char *tree = ash_size_format(cost->tree_bytes), *data = ash_size_format(cost->data_bytes),
			*kernel = ash_size_format(cost->kernel_bytes),
			*sum = ash_size_format(cost->tree_bytes + cost->data_bytes + cost->kernel_bytes);
	g_autofree char *blocks = g_strdup_printf("%" G_GUINT64_FORMAT, cost->data_blocks),
			*requests = g_strdup_printf("%" G_GUINT64_FORMAT, cost->requests);

	ash_table_add(table, from, sum, tree, data, kernel, blocks, requests);
}

static void
print_result(const PublishCommand *command, const AshPublishResult *result, const GPtrArray *deltas, bool changed)
{
	static const char *const headings[] = { "FROM", ">DOWNLOAD", ">TREE", ">DATA", ">KERNEL", ">NEW BLOCKS", ">REQUESTS", NULL };
	const AshRelease *release = result->release;
	g_autoptr(AshTable) table = ash_table_new(headings);

	printf("%s %s %s\n  root hash %s\n", release->ref, release->version, result->unchanged ? "was published already" : "published",
	       release->root_hash);
	if (command->channel != NULL)
		printf("  channel   %s%s\n\n", command->channel, changed ? "" : " (nothing changed)");
	else
		printf("  channel   none: \"ashlar channel promote\" offers it\n\n");
	for (guint i = 0; i < result->costs->len; i++) {
		const AshPublishCost *cost = g_ptr_array_index(result->costs, i);
		add_cost_row(table, cost->from_version, &cost->cost);
	}
	add_cost_row(table, "nothing", &result->full);
	ash_table_print(table);
	if (deltas != NULL && deltas->len > 0) {
		printf("\n");
		ash_delta_render(deltas);
	}
}

static JsonObject *
cost_to_json(const char *from, const AshCost *cost)
{
	JsonObject *object = json_object_new();

	if (from != NULL)
		json_object_set_string_member(object, "from", from);
	json_object_set_int_member(object, "tree_bytes", (gint64) cost->tree_bytes);
	json_object_set_int_member(object, "data_bytes", (gint64) cost->data_bytes);
	json_object_set_int_member(object, "kernel_bytes", (gint64) cost->kernel_bytes);
	json_object_set_int_member(object, "tree_blocks", (gint64) cost->tree_blocks);
	json_object_set_int_member(object, "data_blocks", (gint64) cost->data_blocks);
	json_object_set_int_member(object, "frames", (gint64) cost->frames);
	json_object_set_int_member(object, "requests", (gint64) cost->requests);
	return object;
}

static void
print_json(const PublishCommand *command, AshReleaseDir *dir, const AshPublishResult *result, const GPtrArray *deltas, bool changed)
{
	const AshRelease *release = result->release;
	g_autoptr(JsonObject) object = json_object_new();
	g_autofree char *target = ash_release_target_path(release->ref, release->version);
	JsonArray *costs = json_array_new();
	guint files;
	guint64 bytes;

	ash_objects_get_written(ash_release_dir_get_objects(dir), &files, &bytes);
	json_object_set_string_member(object, "ref", release->ref);
	json_object_set_string_member(object, "version", release->version);
	json_object_set_string_member(object, "commit", release->commit);
	json_object_set_string_member(object, "root_hash", release->root_hash);
	json_object_set_string_member(object, "target", target);
	if (command->channel != NULL)
		json_object_set_string_member(object, "channel", command->channel);
	json_object_set_boolean_member(object, "changed", changed);
	json_object_set_int_member(object, "written_files", files);
	json_object_set_int_member(object, "written_bytes", (gint64) bytes);
	for (guint i = 0; i < result->costs->len; i++) {
		const AshPublishCost *cost = g_ptr_array_index(result->costs, i);
		json_array_add_object_element(costs, cost_to_json(cost->from_version, &cost->cost));
	}
	json_object_set_array_member(object, "costs", costs);
	json_object_set_object_member(object, "full", cost_to_json(NULL, &result->full));
	if (deltas != NULL)
		json_object_set_array_member(object, "deltas", ash_delta_render_json(deltas));
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
}

/* Metadata only: the channels and releases stay as they are. */
static gboolean
refresh(const PublishCommand *command, AshReleaseDir *dir, GError **error)
{
	AshTufCommitted committed;

	if (!ash_release_dir_commit(dir, command->signing.loaded, &command->signing.validity, ash_signing_now(), true, &committed, error))
		return FALSE;
	if (!command->common.json) {
		ash_key_render_committed(ash_release_dir_get_tuf(dir), &committed);
		return TRUE;
	}
	g_autoptr(JsonObject) object = ash_key_render_committed_to_json(ash_release_dir_get_tuf(dir), &committed, command->to);
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
	return TRUE;
}

gboolean
ash_command_publish(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(PublishCommand) command = { .now = ash_signing_now() };

	if (!parse(env, argc, argv, &command, error))
		return FALSE;
	g_autoptr(AshReleaseDir) dir = ash_release_dir_open(command.to, true, error);
	if (dir == NULL)
		return FALSE;
	if (command.refresh)
		return refresh(&command, dir, error);
	g_autoptr(GPtrArray) deltas = NULL;
	g_autoptr(AshPublishResult) result = publish(env, &command, dir, error);
	if (result == NULL)
		return FALSE;
	bool changed = !result->unchanged;
	if (!add_deltas(env, &command, dir, result->release, &deltas, &changed, error) ||
	    !write_views(env, &command, dir, result->release, error) || !offer(&command, dir, result->release, &changed, error) ||
	    (changed && !ash_release_dir_commit(dir, command.signing.loaded, &command.signing.validity, command.now, false, NULL, error)))
		return FALSE;
	if (command.common.json)
		print_json(&command, dir, result, deltas, changed);
	else
		print_result(&command, result, deltas, changed);
	return TRUE;
}
