/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/json.h"
#include "cli/render.h"
#include "cli/signing.h"
#include "base/size.h"
#include "base/table.h"
#include "compose/tidy.h"
#include "publish/offer.h"
#include "publish/releasedir.h"
#include "publish/waves.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	AshCommonOptions common;
	char **arguments; /* VERB DIR REF CHANNEL VERSION SPEC, as far as the verb has them */
	AshSigning signing;
	char *waves, *from, *gpg_key;
	gboolean barrier, no_barrier, dry_run;
	int keep, keep_days, grace_hours;
	gint64 now;
} ChannelCommand;

static void
channel_command_clear(ChannelCommand *command)
{
	ash_common_options_clear(&command->common);
	ash_signing_clear(&command->signing);
	g_strfreev(command->arguments);
	g_free(command->waves);
	g_free(command->from);
	g_free(command->gpg_key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ChannelCommand, channel_command_clear)

enum { ARG_VERB, ARG_DIR, ARG_REF, ARG_CHANNEL, ARG_VERSION, ARG_WAVES };

/** Changes a channel; *@ret_changed is false if it says so already. */
typedef gboolean (*ChangeFunc)(const ChannelCommand *command, AshReleaseDir *dir, AshChannel *channel, bool *ret_changed,
			       GError **error);

typedef struct {
	const char *name;
	const char *arguments;
	guint least, most; /* positional, the verb included */
	ChangeFunc change; /* NULL: only shows */
	bool creates;      /* the channel, if there is none */
	bool prunes;
} Verb;

/* A version that a node can be offered must be published. */
static gboolean
check_version(AshReleaseDir *dir, const char *ref, const char *version, GError **error)
{
	g_autoptr(AshRelease) release = NULL;

	if (!ash_release_dir_load_release(dir, ref, version, &release, error))
		return FALSE;
	return release != NULL ? TRUE
			       : ash_throw(error, ASH_ERROR_USAGE, "\"%s\" of \"%s\" is not published: \"ashlar publish --no-channel\" does that", version,
					   ref);
}

/* The version named, or the newest of --from. Owned. */
static char *
choose_version(const ChannelCommand *command, AshReleaseDir *dir, GError **error)
{
	const char *ref = command->arguments[ARG_REF];
	g_autoptr(AshChannel) from = NULL;

	if ((command->from == NULL) == (command->arguments[ARG_CHANNEL + 1] == NULL))
		return ash_throw_null(error, ASH_ERROR_USAGE, "name a version, or the channel whose newest it is by --from CHANNEL");
	if (command->from == NULL)
		return g_strdup(command->arguments[ARG_VERSION]);
	if (!ash_release_dir_load_channel(dir, ref, command->from, &from, error))
		return NULL;
	const AshChannelEntry *newest = from != NULL ? ash_offer_newest(from) : NULL;
	return newest != NULL ? g_strdup(newest->version)
			      : ash_throw_null(error, ASH_ERROR_USAGE, "channel \"%s\" of \"%s\" offers nothing", command->from, ref);
}

static gboolean
promote(const ChannelCommand *command, AshReleaseDir *dir, AshChannel *channel, bool *ret_changed, GError **error)
{
	g_autofree char *version = choose_version(command, dir, error);
	g_autoptr(GPtrArray) waves = NULL;
	AshOffer offer = { .barrier = command->barrier ? 1 : command->no_barrier ? 0 : -1, .now = (guint64) command->now };

	if (version == NULL || !check_version(dir, channel->ref, version, error))
		return FALSE;
	if (command->waves != NULL && (waves = ash_waves_parse(command->waves, offer.now, error)) == NULL)
		return FALSE;
	offer.waves = waves;
	*ret_changed = ash_offer_set(channel, version, &offer);
	return TRUE;
}

static gboolean
withdraw(const ChannelCommand *command, AshReleaseDir *dir, AshChannel *channel, bool *ret_changed, GError **error)
{
	return ash_offer_withdraw(channel, command->arguments[ARG_VERSION], ret_changed, error);
}

static gboolean
set_waves(const ChannelCommand *command, AshReleaseDir *dir, AshChannel *channel, bool *ret_changed, GError **error)
{
	const char *version = command->arguments[ARG_VERSION];
	g_autoptr(GPtrArray) waves = ash_waves_parse(command->arguments[ARG_WAVES], (guint64) command->now, error);
	const AshOffer offer = { .waves = waves, .barrier = -1 };
	const AshChannelEntry *entry = ash_offer_find(channel, version);

	if (waves == NULL)
		return FALSE;
	if (entry == NULL || entry->withdrawn)
		return ash_throw(error, ASH_ERROR_USAGE, "channel \"%s\" does not offer \"%s\": \"ashlar channel promote\" does that", channel->name,
				 version);
	*ret_changed = ash_offer_set(channel, version, &offer);
	return TRUE;
}

static const Verb verbs[] = {
	{ "show", "DIR [REF [CHANNEL]]", 2, 4, NULL, false },
	{ "promote", "DIR REF CHANNEL [VERSION]", 4, 5, promote, true },
	{ "withdraw", "DIR REF CHANNEL VERSION", 5, 5, withdraw, false },
	{ "waves", "DIR REF CHANNEL VERSION SPEC", 6, 6, set_waves, false },
	{ "prune", "DIR [REF]", 2, 3, NULL, false, true },
};

static const Verb *
find_verb(char **arguments, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++) {
		const guint count = g_strv_length(arguments);
		if (strcmp(verbs[i].name, arguments[ARG_VERB]) != 0)
			continue;
		if (count >= verbs[i].least && count <= verbs[i].most)
			return &verbs[i];
		return ash_throw_null(error, ASH_ERROR_USAGE, "usage: ashlar channel %s %s", verbs[i].name, verbs[i].arguments);
	}
	return ash_throw_null(error, ASH_ERROR_USAGE, "\"%s\" is none of show, promote, withdraw, waves, prune; see \"ashlar channel --help\"",
			      arguments[ARG_VERB]);
}

static void
add_rows(AshTable *table, const AshChannel *channel)
{
	for (guint i = channel->entries->len; i-- > 0;) {
		const AshChannelEntry *entry = g_ptr_array_index(channel->entries, i);
		g_autofree char *time = ash_render_time(entry->published), *waves = ash_waves_describe(entry->waves);
		ash_table_add(table, channel->ref, channel->name, entry->version, time,
			      entry->withdrawn ? "withdrawn"
			      : entry->barrier ? "barrier"
					       : NULL,
			      entry->withdrawn ? NULL : waves);
	}
}

static gboolean
add_to_json(JsonArray *array, const AshChannel *channel, GError **error)
{
	g_autofree char *text = ash_channel_format(channel);
	JsonObject *object = ash_json_parse_object(text, -1, channel->name, error);

	if (object == NULL)
		return FALSE;
	json_array_add_object_element(array, object);
	return TRUE;
}

static void
print_channels(AshTable *table, JsonArray *array)
{
	if (array == NULL) {
		ash_table_print(table);
		return;
	}
	g_autoptr(JsonObject) object = json_object_new();
	json_object_set_array_member(object, "channels", json_array_ref(array));
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
}

static gboolean
add_channel(AshReleaseDir *dir, const char *ref, const char *name, AshTable *table, JsonArray *array, GError **error)
{
	g_autoptr(AshChannel) channel = NULL;

	if (!ash_release_dir_load_channel(dir, ref, name, &channel, error))
		return FALSE;
	if (channel == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" has no channel \"%s\"", ref, name);
	add_rows(table, channel);
	return array == NULL || add_to_json(array, channel, error);
}

static gboolean
add_channels(AshReleaseDir *dir, const char *ref, AshTable *table, JsonArray *array, GError **error)
{
	g_auto(GStrv) names = ash_release_dir_list_channels(dir, ref);

	for (char **name = names; *name != NULL; name++)
		if (!add_channel(dir, ref, *name, table, array, error))
			return FALSE;
	return TRUE;
}

static gboolean
show(const ChannelCommand *command, GError **error)
{
	static const char *const headings[] = { "REF", "CHANNEL", "VERSION", "PUBLISHED", "STATE", "WAVES", NULL };
	g_autoptr(AshReleaseDir) dir = ash_release_dir_open(command->arguments[ARG_DIR], false, error);
	g_autoptr(AshTable) table = ash_table_new(headings);
	g_autoptr(JsonArray) array = command->common.json ? json_array_new() : NULL;
	const char *ref = command->arguments[ARG_REF];

	if (dir == NULL)
		return FALSE;
	g_auto(GStrv) refs = ash_release_dir_list_refs(dir);
	const char *const one[] = { ref, NULL };
	for (const char *const *at = ref != NULL ? one : (const char *const *) refs; *at != NULL; at++) {
		const char *name = ref != NULL ? command->arguments[ARG_CHANNEL] : NULL;
		if (!(name != NULL ? add_channel(dir, *at, name, table, array, error) : add_channels(dir, *at, table, array, error)))
			return FALSE;
	}
	print_channels(table, array);
	return TRUE;
}

static AshChannel *
load_channel(const Verb *verb, AshReleaseDir *dir, const char *ref, const char *name, GError **error)
{
	g_autoptr(AshChannel) channel = NULL;

	if (!ash_release_dir_load_channel(dir, ref, name, &channel, error))
		return NULL;
	if (channel != NULL)
		return g_steal_pointer(&channel);
	if (!verb->creates)
		return ash_throw_null(error, ASH_ERROR_USAGE, "\"%s\" has no channel \"%s\"", ref, name);
	channel = ash_channel_new();
	channel->ref = g_strdup(ref);
	channel->name = g_strdup(name);
	return g_steal_pointer(&channel);
}

static gboolean
change(AshCommandEnv *env, ChannelCommand *command, const Verb *verb, GError **error)
{
	if (!ash_signing_load(&command->signing, env->ctx, error))
		return FALSE;
	g_autoptr(AshReleaseDir) dir = ash_release_dir_open(command->arguments[ARG_DIR], true, error);
	g_autoptr(AshChannel) channel =
		dir != NULL ? load_channel(verb, dir, command->arguments[ARG_REF], command->arguments[ARG_CHANNEL], error) : NULL;
	bool changed = false;
	if (channel == NULL || !verb->change(command, dir, channel, &changed, error))
		return FALSE;
	if (changed && (!ash_release_dir_set_channel(dir, channel, error) ||
			!ash_release_dir_commit(dir, command->signing.loaded, &command->signing.validity, command->now, false, NULL, error)))
		return FALSE;
	if (!changed)
		ash_progress_message(env->ctx->progress, "nothing changed");
	g_clear_pointer(&dir, ash_release_dir_free);
	return show(command, error);
}

static gboolean
commit_pruned(AshReleaseDir *dir, gpointer user_data, GError **error)
{
	const ChannelCommand *command = user_data;

	return ash_release_dir_commit(dir, command->signing.loaded, &command->signing.validity, command->now, false, NULL, error);
}

static void
print_pruned(const ChannelCommand *command, const AshTidyReport *report, guint commits)
{
	g_autofree char *freed = ash_size_format(report->bytes), *waiting = ash_size_format(report->waiting_bytes);

	for (guint i = 0; i < report->releases->len; i++)
		printf("%s: %s\n", (const char *) g_ptr_array_index(report->releases, i),
		       command->dry_run ? "would no longer be published" : "is no longer published");
	printf(command->dry_run ? "%u files would be removed (%s)" : "%u files removed (%s)", report->files, freed);
	printf(", %u wait because a node may be fetching them (%s)\n", report->waiting, waiting);
	if (commits > 0)
		printf("%u commits removed from the OSTree repository\n", commits);
}

static void
print_pruned_json(const AshTidyReport *report, guint commits)
{
	g_autoptr(JsonObject) object = json_object_new();
	JsonArray *releases = json_array_new();

	for (guint i = 0; i < report->releases->len; i++)
		json_array_add_string_element(releases, g_ptr_array_index(report->releases, i));
	json_object_set_array_member(object, "releases", releases);
	json_object_set_int_member(object, "channel_entries", report->entries);
	json_object_set_int_member(object, "removed_files", report->files);
	json_object_set_int_member(object, "removed_bytes", (gint64) report->bytes);
	json_object_set_int_member(object, "waiting_files", report->waiting);
	json_object_set_int_member(object, "waiting_bytes", (gint64) report->waiting_bytes);
	json_object_set_int_member(object, "removed_commits", commits);
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
}

#define DAY 86400

static gboolean
prune(AshCommandEnv *env, ChannelCommand *command, GError **error)
{
	const AshTidyOptions options = { .ref = command->arguments[ARG_REF], .keep = (guint) command->keep,
					 .keep_seconds = (guint64) command->keep_days * DAY, .grace_seconds = (guint64) command->grace_hours * 3600,
					 .now = (guint64) command->now, .dry_run = command->dry_run };
	g_auto(AshTidyReport) report = { 0 };
	guint commits;

	if (command->keep < 1 || command->keep_days < 0 || command->grace_hours < 0)
		return ash_throw(error, ASH_ERROR_USAGE, "--keep needs a number from 1 on, --keep-age and --grace one from 0 on");
	if (!command->dry_run && !ash_signing_load(&command->signing, env->ctx, error))
		return FALSE;
	g_autoptr(AshReleaseDir) dir = ash_release_dir_open(command->arguments[ARG_DIR], true, error);
	if (dir == NULL || !ash_compose_tidy(env->ctx, dir, &options, command->gpg_key, commit_pruned, command, &report, &commits, error))
		return FALSE;
	ash_terminal_clear(env->terminal);
	if (command->common.json)
		print_pruned_json(&report, commits);
	else
		print_pruned(command, &report, commits);
	return TRUE;
}

gboolean
ash_command_channel(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(ChannelCommand) command = { .now = ash_signing_now(), .keep = 5, .keep_days = 30, .grace_hours = 48 };
	const GOptionEntry entries[] = {
		{ "waves", 0, 0, G_OPTION_ARG_STRING, &command.waves, "promote: roll it out in steps: 5@now,25@+6h,100@+2d", "SPEC" },
		{ "barrier", 0, 0, G_OPTION_ARG_NONE, &command.barrier, "promote: older nodes must take it before any later version", NULL },
		{ "no-barrier", 0, 0, G_OPTION_ARG_NONE, &command.no_barrier, "promote: they need not", NULL },
		{ "from", 0, 0, G_OPTION_ARG_STRING, &command.from, "promote: the newest version of this channel", "CHANNEL" },
		{ "keep", 0, 0, G_OPTION_ARG_INT, &command.keep, "prune: so many versions of each channel stay (default: 5)", "NUMBER" },
		{ "keep-age", 0, 0, G_OPTION_ARG_INT, &command.keep_days, "prune: and those of the last DAYS days (default: 30)", "DAYS" },
		{ "grace", 0, 0, G_OPTION_ARG_INT, &command.grace_hours,
		  "prune: files go when they have been of no use for so long, because nodes may be fetching them (default: 48)", "HOURS" },
		{ "gpg-key", 0, 0, G_OPTION_ARG_STRING, &command.gpg_key, "prune: sign SHA256SUMS for systemd-sysupdate by this key of gpg(1)", "KEY" },
		{ "dry-run", 'n', 0, G_OPTION_ARG_NONE, &command.dry_run, "prune: show what would go, and remove nothing", NULL },
		ASH_SIGNING_ENTRIES(&command.signing),
		{ NULL },
	};

	if (!ash_command_parse(env, entries, argc, argv, 1, -1, &command.common, &command.arguments, error))
		return FALSE;
	const Verb *verb = find_verb(command.arguments, error);
	if (verb == NULL)
		return FALSE;
	if (verb->prunes)
		return prune(env, &command, error);
	return verb->change != NULL ? change(env, &command, verb, error) : show(&command, error);
}
