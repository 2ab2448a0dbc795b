/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/updater.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#define MAX_ROOT_BYTES (512 * 1024)

/* TUF's reader of files; a file that is not there is no error of ours. */
static gboolean
fetch_for_tuf(gpointer data, AshTufPlace place, const char *path, guint64 max, GBytes **ret_bytes, GError **error)
{
	AshNodeUpdater *updater = data;
	g_autofree char *full = g_strconcat(place == ASH_TUF_AT_METADATA ? "metadata/" : "targets/", path, NULL);
	bool missing = false;
	GBytes *bytes = NULL;

	if (!ash_source_load(updater->ctx, updater->source, full, max, &bytes, &missing, error))
		return FALSE;
	*ret_bytes = bytes;
	return TRUE;
}

static gboolean
open_source(AshNodeUpdater *updater, AshNodeMachine *machine, GError **error)
{
	const AshNodeConfig *config = machine->config;
	AshSourceOptions options = {
		.urls = (const char *const *) config->urls,
		.connections = (guint) config->connections,
		.rate = config->rate,
		.timeout = (guint) config->timeout,
		.ca_file = config->ca_file,
		.credentials_file = config->credentials_file,
		.proxy = config->proxy,
	};

	if (config->bytes_per_day > 0) {
		const guint64 used = ash_node_state_get_day_bytes(machine->state, machine->now);
		if (used >= config->bytes_per_day)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "today's bytes are used up (BytesPerDay= in [Limits] of node.conf): it goes on tomorrow");
		options.budget = config->bytes_per_day - used;
	}
	updater->source = ash_source_new(&options, error);
	return updater->source != NULL;
}

static gboolean
open_tuf(AshNodeUpdater *updater, AshNodeMachine *machine, GError **error)
{
	g_autofree char *path = machine->config->root_file != NULL ? ash_node_places_path(machine->places, machine->config->root_file) : NULL;
	ash_autofd int dir_fd = -1;
	gsize length = 0;

	if (!ash_file_mkdirs(machine->state->dir_fd, "tuf", 0700, error))
		return FALSE;
	dir_fd = ash_file_open_dir(machine->state->dir_fd, "tuf", false, error);
	if (dir_fd < 0)
		return FALSE;
	updater->fetcher = (AshTufFetcher){ .fetch = fetch_for_tuf, .data = updater };
	updater->tuf = ash_tuf_client_new(dir_fd, &updater->fetcher, (gint64) machine->now, (gint64) machine->built, NULL, error);
	if (updater->tuf == NULL)
		return FALSE;
	g_autofree char *text = path != NULL ? ash_file_load(AT_FDCWD, path, MAX_ROOT_BYTES, &length, error) : NULL;
	if (text == NULL)
		return ash_prefix(error, "trusted keys (RootFile= in [Update] of node.conf)");
	g_autoptr(GBytes) root = g_bytes_new_take(g_steal_pointer(&text), length);
	return ash_tuf_client_bootstrap(updater->tuf, root, error) || ash_prefix(error, "\"%s\"", path);
}

static GBytes *
fetch_target(AshNodeUpdater *updater, const char *path, const char *remedy, GError **error)
{
	g_autoptr(AshTufTarget) target = NULL;

	if (!ash_tuf_client_find_target(updater->tuf, path, &target, error))
		return NULL;
	if (target == NULL)
		return ash_throw_null(error, ASH_ERROR_FETCH, "nothing is published as \"%s\": %s", path, remedy);
	return ash_tuf_client_fetch_target(updater->tuf, target, ASH_RELEASE_MAX_JSON_BYTES, error);
}

static gboolean
load_channel(AshNodeUpdater *updater, const AshNodeConfig *config, GError **error)
{
	g_autofree char *path = ash_channel_target_path(config->ref, config->channel);
	g_autoptr(GBytes) bytes = fetch_target(updater, path, "look at Ref= and Channel= in [Update] of node.conf", error);

	if (bytes == NULL)
		return FALSE;
	updater->channel = ash_channel_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), path, error);
	if (updater->channel == NULL)
		return FALSE;
	if (strcmp(updater->channel->ref, config->ref) != 0 || strcmp(updater->channel->name, config->channel) != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" says that it is channel \"%s\" of \"%s\"", path, updater->channel->name,
				 updater->channel->ref);
	return TRUE;
}

/*
 * What this node does not take, whatever the channel says, is marked as withdrawn in our copy. A barrier that was bad here stays one:
 * nothing behind it is taken either.
 */
static bool
leave_out(AshNodeUpdater *updater, const AshNodeMachine *machine, const AshNodeCheckOptions *options)
{
	const char *high_water = machine->state->marks.high_water;
	bool some = false;

	for (guint i = 0; i < updater->channel->entries->len; i++) {
		AshChannelEntry *entry = updater->channel->entries->pdata[i];
		const bool bad = !options->retry_bad && ash_node_state_find_bad(machine->state, entry->version) != NULL;
		const bool newer = strverscmp(entry->version, machine->running) > 0;
		if (bad || (high_water != NULL && strverscmp(entry->version, high_water) < 0))
			entry->withdrawn = true;
		if (bad && newer)
			some = true;
		if (bad && newer && entry->barrier) {
			g_ptr_array_set_size(updater->channel->entries, (gint) i);
			break;
		}
	}
	return some;
}

static bool
is_withdrawn(const AshChannel *channel, const char *version)
{
	for (guint i = 0; i < channel->entries->len; i++) {
		const AshChannelEntry *entry = channel->entries->pdata[i];
		if (strcmp(entry->version, version) == 0)
			return entry->withdrawn;
	}
	return false;
}

/* A manifest that is signed but of another system, or of other content than its name, is as wrong as one without a signature. */
static gboolean
check_release(const AshRelease *release, const AshNodeMachine *machine, const char *version, GError **error)
{
	struct utsname host;

	if (strcmp(release->version, version) != 0 || strcmp(release->ref, machine->config->ref) != 0 ||
	    strcmp(release->name, machine->name) != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "the release of \"%s\" %s says that it is \"%s\" %s of \"%s\"", machine->config->ref,
				 version, release->name, release->version, release->ref);
	if (uname(&host) == 0 && strcmp(release->architecture, host.machine) != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "version \"%s\" is for %s, this machine is %s", version, release->architecture,
				 host.machine);
	if (release->minimum != NULL && strverscmp(machine->running, release->minimum) < 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "version \"%s\" can be reached from \"%s\" on, and this is \"%s\": publish a barrier between",
				 version, release->minimum, machine->running);
	if (strcmp(release->root_hash, machine->disk->active->root_hash) == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "version \"%s\" has the same root as the running one: their slots could not be told apart",
				 version);
	return TRUE;
}

static gboolean
load_release(AshNodeUpdater *updater, const AshNodeMachine *machine, const char *version, GError **error)
{
	g_autofree char *path = ash_release_target_path(machine->config->ref, version);
	g_autoptr(GBytes) bytes = fetch_target(updater, path, "the channel names it; it is withdrawn or half published", error);

	if (bytes == NULL)
		return FALSE;
	g_autoptr(AshRelease) release = ash_release_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), path, error);
	if (release == NULL || !check_release(release, machine, version, error))
		return FALSE;
	updater->release = g_steal_pointer(&release);
	return TRUE;
}

static gboolean
choose(AshNodeUpdater *updater, AshNodeMachine *machine, const AshNodeCheckOptions *options, GError **error)
{
	const AshNodeJournal *journal = &machine->state->journal;

	if (journal->state != NULL && !ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_WRITING) &&
	    g_strcmp0(journal->version, machine->running) != 0)
		updater->staged_is_withdrawn = is_withdrawn(updater->channel, journal->version);
	const bool left_out = leave_out(updater, machine, options);
	const AshChannelEntry *entry = ash_channel_choose(updater->channel, machine->running, machine->state->seed, updater->time,
							  options->ignore_waves, &updater->next);
	if (entry != NULL) {
		updater->published = entry->published;
		return load_release(updater, machine, entry->version, error);
	}
	updater->why = updater->next != 0 ? "a newer version is on its way, and not yet for this machine"
		       : left_out         ? "the newer version was bad here"
					  : "the newest version runs";
	return TRUE;
}

AshNodeUpdater *
ash_node_updater_check(AshContext *ctx, AshNodeMachine *machine, const AshNodeCheckOptions *options, GError **error)
{
	g_autoptr(AshNodeUpdater) updater = g_new0(AshNodeUpdater, 1);

	updater->ctx = ctx;
	if (!ash_node_config_check(machine->config, error) || !ash_node_machine_check(machine, error) ||
	    !ash_node_machine_reconcile(machine, error))
		return NULL;
	ash_progress_begin(ctx->progress, "Check for updates", 5);
	const gboolean ok = open_source(updater, machine, error) && open_tuf(updater, machine, error) &&
			    ash_tuf_client_refresh(updater->tuf, NULL, error) && load_channel(updater, machine->config, error);
	ash_progress_end(ctx->progress);
	if (!ok)
		return NULL;
	updater->time = (guint64) MAX(ash_tuf_client_get_time(updater->tuf), 0);
	return choose(updater, machine, options, error) ? g_steal_pointer(&updater) : NULL;
}

void
ash_node_updater_free(AshNodeUpdater *updater)
{
	if (updater == NULL)
		return;
	g_clear_pointer(&updater->release, ash_release_free);
	g_clear_pointer(&updater->channel, ash_channel_free);
	g_clear_pointer(&updater->tuf, ash_tuf_client_free);
	g_clear_pointer(&updater->source, ash_source_free);
	g_free(updater);
}

const AshReleaseCost *
ash_node_updater_find_cost(const AshNodeUpdater *updater, const AshNodeMachine *machine)
{
	for (guint i = 0; i < updater->release->costs->len; i++) {
		const AshReleaseCost *cost = updater->release->costs->pdata[i];
		if (strcmp(cost->from_root_hash, machine->disk->active->root_hash) == 0)
			return cost;
	}
	return NULL;
}
