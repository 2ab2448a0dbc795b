/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/reporter.h"

#include "base/error.h"

#include <curl/curl.h>
#include <string.h>

#include "config.h"

#define CONNECT_SECONDS 5
/* Nothing is read from the reply but its status. */
#define MAX_REPLY_BYTES (64 * 1024)

/* What the channel has for this machine in the end, whatever its place in the roll-out: owned, NULL if nothing newer. */
static char *
find_wanted(const AshNodeMachine *machine, const AshNodeUpdater *updater)
{
	guint64 next = 0;

	if (updater == NULL || updater->channel == NULL)
		return NULL;
	const AshChannelEntry *entry =
		ash_channel_choose(updater->channel, machine->running, machine->state->seed, updater->time, true, &next);
	return entry != NULL ? g_strdup(entry->version) : NULL;
}

/* The newest version that was bad here and is newer than what runs; NULL: none. */
static const AshNodeBad *
find_bad(const AshNodeMachine *machine)
{
	const AshNodeBad *newest = NULL;

	for (guint i = 0; i < machine->state->marks.bad->len; i++) {
		const AshNodeBad *bad = machine->state->marks.bad->pdata[i];
		if (strverscmp(bad->version, newest != NULL ? newest->version : machine->running) > 0)
			newest = bad;
	}
	return newest;
}

static bool
is_under_way(const AshNodeMachine *machine)
{
	const AshNodeJournal *journal = &machine->state->journal;

	return journal->state != NULL && journal->version != NULL && strcmp(journal->version, machine->running) != 0;
}

static void
fill_state(AshReport *report, const AshNodeMachine *machine, const char *failure)
{
	const AshNodeBad *bad = find_bad(machine);

	if (is_under_way(machine)) {
		g_free(report->wanted);
		report->wanted = g_strdup(machine->state->journal.version);
	}
	if (failure != NULL) {
		report->state = ASH_REPORT_FAILED;
		ash_report_set_reason(report, failure);
	} else if (is_under_way(machine) || ash_node_machine_is_on_trial(machine)) {
		report->state = ASH_REPORT_UPDATING;
	} else if (bad != NULL && (report->wanted == NULL || strverscmp(bad->version, report->wanted) > 0)) {
		report->state = ASH_REPORT_FAILED;
		g_free(report->wanted);
		report->wanted = g_strdup(bad->version);
		ash_report_set_reason(report, bad->reason);
	}
}

AshReport *
ash_node_reporter_make(const AshNodeMachine *machine, const AshNodeUpdater *updater, const char *failure)
{
	const AshNodeConfig *config = machine->config;
	const char *seed = machine->state->seed;

	if (machine->running == NULL || config->ref == NULL || config->channel == NULL || config->report_url == NULL || seed == NULL)
		return NULL;
	AshReport *report = ash_report_new();
	report->ref = g_strdup(config->ref);
	report->channel = g_strdup(config->channel);
	report->node = ash_report_make_id(seed, config->report_url);
	report->version = g_strdup(machine->running);
	report->wanted = find_wanted(machine, updater);
	fill_state(report, machine, failure);
	report->place = (int) ash_wave_place(seed, report->wanted != NULL ? report->wanted : report->version);
	return report;
}

static size_t
take_nothing(char *data, size_t size, size_t count, void *user_data)
{
	gsize *received = user_data;

	*received += size * count;
	return *received <= MAX_REPLY_BYTES ? size * count : 0;
}

static int
is_interrupted(void *user_data, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	const AshContext *ctx = user_data;

	return g_cancellable_is_cancelled(ctx->cancellable);
}

static void
set_options(CURL *easy, AshContext *ctx, const AshNodeConfig *config)
{
	curl_easy_setopt(easy, CURLOPT_URL, config->report_url);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long) CONNECT_SECONDS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long) ASH_NODE_REPORT_SECONDS);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "ashlar-node/" PACKAGE_VERSION);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_nothing);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, is_interrupted);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, ctx);
	if (config->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
	if (config->proxy != NULL)
		curl_easy_setopt(easy, CURLOPT_PROXY, config->proxy);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CURL, curl_easy_cleanup)
typedef struct curl_slist CurlList;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CurlList, curl_slist_free_all)

/* NULL: it was taken; else why not. Owned. */
static char *
post(AshContext *ctx, const AshNodeConfig *config, const char *text)
{
	g_autoptr(CURL) easy = curl_easy_init();
	g_autoptr(CurlList) headers = curl_slist_append(NULL, "Content-Type: application/json");
	gsize received = 0;
	long status = 0;

	if (easy == NULL)
		return g_strdup("no memory");
	set_options(easy, ctx, config);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &received);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, text);
	const CURLcode code = curl_easy_perform(easy);
	if (code != CURLE_OK)
		return g_strdup(curl_easy_strerror(code));
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300 ? NULL : g_strdup_printf("HTTP status %ld", status);
}

void
ash_node_reporter_send(AshContext *ctx, const AshNodeMachine *machine, const AshNodeUpdater *updater, const GError *failure)
{
	if (machine->config->report_url == NULL || g_cancellable_is_cancelled(ctx->cancellable))
		return;
	g_autoptr(AshReport) report = ash_node_reporter_make(machine, updater, failure != NULL ? failure->message : NULL);
	if (report == NULL)
		return;
	g_autofree char *text = ash_report_format(report);
	g_autofree char *problem = post(ctx, machine->config, text);
	if (problem != NULL)
		ash_progress_message(ctx->progress, "the report to \"%s\" was not taken: %s", machine->config->report_url, problem);
}
