/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/update.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/uki/uki.h"
#include "disk/verity/verity.h"
#include "model/hashlevels.h"
#include "node/etcreport.h"
#include "node/kernel.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAX_UKI_BYTES ((guint64) 1024 * 1024 * 1024)
/* Of all compressed bytes: a version of which more is to be fetched than these is no update but a download. */
#define FULL_PERCENT 50

static gboolean
check_fits(AshNodeMachine *machine, const AshRelease *release, GError **error)
{
	const AshNodeSlot *target = machine->disk->target;
	const guint64 hash_bytes = ash_hash_area_bytes(release->root_bytes);

	if (release->root_bytes > target->data->bytes || hash_bytes > target->hash->bytes) {
		g_autofree char *need = ash_size_format(release->root_bytes), *have = ash_size_format(target->data->bytes);
		return ash_throw(error, ASH_ERROR_NO_SPACE, "version \"%s\" needs %s for its root, slot %c has %s: partitions have to be made larger",
				 release->version, need, target->letter, have);
	}
	if (release->uki.sha256 == NULL || release->uki.size == 0 || release->uki.size > MAX_UKI_BYTES)
		return ash_throw(error, ASH_ERROR_TRUST, "version \"%s\" has no kernel image", release->version);
	return ash_node_esp_check_room(machine->esp, release->uki.size, machine->running, error);
}

/* While a version is on trial, the other slot is what the machine falls back to. */
static gboolean
check_not_on_trial(const AshNodeMachine *machine, GError **error)
{
	if (!ash_node_machine_is_on_trial(machine))
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "the running version \"%s\" was not found good yet, and the other slot is what this machine would go back to: "
			 "wait for boot-complete.target, or \"ashlar-node mark-good\"", machine->running);
}

static guint64
full_bytes(const AshRelease *release)
{
	guint64 bytes = 0;

	for (guint i = 0; i < release->segments->len; i++)
		bytes += ((const AshPackSegment *) release->segments->pdata[i])->object.size;
	return bytes;
}

static gboolean
check_limits(const AshNodeMachine *machine, const AshNodeUpdater *updater, const AshPlanCost *cost, const AshNodeFetchOptions *options,
	     GError **error)
{
	const AshNodeConfig *config = machine->config;
	const guint64 all = full_bytes(updater->release), wanted = MAX(cost->delta_bytes, cost->data_bytes);
	const guint64 coming = wanted + ash_release_get_kernel_object(updater->release)->size;
	g_autofree char *size = ash_size_format(coming);

	if (config->bytes_per_day > 0) {
		const guint64 used = ash_node_state_get_day_bytes(machine->state, machine->now) + ash_source_get_received(updater->source);
		if (used + coming > config->bytes_per_day)
			return ash_throw(error, ASH_ERROR_CONFIG, "version \"%s\" takes %s, more than BytesPerDay= in [Limits] of node.conf leaves today",
					 updater->release->version, size);
	}
	if (config->allow_full == ASH_NODE_FULL_YES || options->allow_full || wanted * 100 <= all * FULL_PERCENT)
		return TRUE;
	if (config->allow_full == ASH_NODE_FULL_ASK && options->ask != NULL) {
		g_autofree char *question = g_strdup_printf("Nearly all of version \"%s\" has to be downloaded, %s.", updater->release->version, size);
		if (options->ask(question, options->user_data))
			return TRUE;
	}
	return ash_throw(error, ASH_ERROR_CONFIG, "nearly all of version \"%s\" has to be downloaded, %s: AllowFull= in [Limits] of node.conf %s",
			 updater->release->version, size,
			 config->allow_full == ASH_NODE_FULL_ASK ? "asks first: --allow-full is yes" : "says no (--allow-full: yes)");
}

/* For a delta that was of no use. */
typedef struct {
	const AshNodeMachine *machine;
	const AshNodeUpdater *updater;
	const AshNodeFetchOptions *options;
} More;

static gboolean
check_more(guint64 bytes, gpointer user_data, GError **error)
{
	const More *more = user_data;
	const AshPlanCost cost = { .data_bytes = bytes };

	return check_limits(more->machine, more->updater, &cost, more->options, error);
}

/* Both slots and a plan that uses them. */
typedef struct {
	AshNodeSlotFiles active, target;
	AshPlan *plan;
} Work;

static void
work_clear(Work *work)
{
	g_clear_pointer(&work->plan, ash_plan_free);
	ash_node_slot_files_clear(&work->active);
	ash_node_slot_files_clear(&work->target);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)
#define WORK_INIT { .active = { .data_fd = -1, .hash_fd = -1 }, .target = { .data_fd = -1, .hash_fd = -1 } }

static gboolean
make_plan(AshContext *ctx, AshNodeMachine *machine, AshNodeUpdater *updater, bool writable, Work *work, GError **error)
{
	ash_progress_begin(ctx->progress, "Plan", 10);
	if (ash_node_slot_open(machine->disk, machine->disk->active, false, &work->active, error) &&
	    ash_node_slot_open(machine->disk, machine->disk->target, writable, &work->target, error)) {
		work->active.view.known = true;
		work->plan = ash_plan_make(ctx, updater->source, updater->release, &work->active.view, &work->target.view, error);
	}
	ash_progress_end(ctx->progress);
	return work->plan != NULL;
}

gboolean
ash_node_update_measure(AshContext *ctx, AshNodeMachine *machine, AshNodeUpdater *updater, AshPlanCost *ret_cost, GError **error)
{
	g_auto(Work) work = WORK_INIT;

	if (!make_plan(ctx, machine, updater, false, &work, error))
		return FALSE;
	*ret_cost = *ash_plan_get_cost(work.plan);
	return TRUE;
}

/* Step 2. From here on the slot's old content cannot boot, and is not offered as something to go back to. */
static gboolean
begin_writing(AshNodeMachine *machine, const AshRelease *release, GError **error)
{
	AshNodeJournal *journal = &machine->state->journal;
	AshNodeSlot *target = machine->disk->target;
	const char *const kept[] = { machine->running, NULL };
	guint removed;

	if (target->version != NULL)
		ash_node_state_set(&journal->old_root_hash, target->root_hash);
	ash_node_state_set(&journal->state, ASH_NODE_JOURNAL_WRITING);
	ash_node_state_set(&journal->version, release->version);
	ash_node_state_set(&journal->root_hash, release->root_hash);
	ash_node_state_set(&journal->slot, ash_node_slot_name(target));
	ash_node_state_set(&journal->uki_sha256, release->uki.sha256);
	journal->uki_size = release->uki.size;
	ash_node_state_set(&journal->from_version, machine->running);
	ash_node_state_set(&journal->boot_id, machine->boot_id);
	journal->time = machine->now;
	return ash_node_state_save_journal(machine->state, error) && ash_node_esp_remove_others(machine->esp, kept, &removed, error) &&
	       ash_node_esp_clean(machine->esp, release->version, error) && ash_node_slot_mark_empty(machine->disk, target, error);
}

/* A UKI that names another root than the one beside it would boot that, or nothing. */
static gboolean
check_uki(const AshNodeMachine *machine, int fd, GError **error)
{
	const AshNodeJournal *journal = &machine->state->journal;
	g_autofree char *digest = ash_sha256_fd_hex(fd, error);
	g_autofree char *wanted = g_strdup_printf("roothash=%s", journal->root_hash);
	struct stat st;

	if (digest == NULL || !ash_fd_stat(fd, "kernel image", &st, error))
		return FALSE;
	if (strcmp(digest, journal->uki_sha256) != 0 || (guint64) st.st_size != journal->uki_size)
		return ash_throw(error, ASH_ERROR_TRUST, "the kernel image of version \"%s\" was damaged", journal->version);
	g_autoptr(GMappedFile) file = g_mapped_file_new_from_fd(fd, FALSE, error);
	g_autoptr(GBytes) image = file != NULL ? g_mapped_file_get_bytes(file) : NULL;
	g_autoptr(GArray) sections = image != NULL ? ash_uki_list(image, error) : NULL;
	if (sections == NULL)
		return FALSE;
	g_autofree char *cmdline = ash_uki_get_text(image, sections, ".cmdline");
	g_auto(GStrv) words = g_strsplit_set(cmdline != NULL ? cmdline : "", " \t\n", -1);
	return g_strv_contains((const char *const *) words, wanted) ||
	       ash_throw(error, ASH_ERROR_TRUST, "the kernel image of version \"%s\" does not have the root hash of its root", journal->version);
}

/* Step 4. */
static gboolean
save_uki(AshContext *ctx, AshNodeMachine *machine, AshNodeUpdater *updater, const AshSlotPart *root, GError **error)
{
	ash_autofd int fd = ash_node_esp_open_part(machine->esp, updater->release->version, error);

	if (fd < 0)
		return FALSE;
	if (!ash_node_kernel_save(ctx, updater->source, updater->release, root, fd, error))
		return ash_prefix(error, "kernel image on the EFI system partition \"%s\"", machine->esp->path);
	if (fsync(fd) < 0 || fsync(machine->esp->dir_fd) < 0)
		return ash_throw_errno(error, "cannot sync the EFI system partition \"%s\"", machine->esp->path);
	return check_uki(machine, fd, error);
}

/* Step 4, too. A release without signature leaves none: that of another version would be wrong. */
static gboolean
save_sig(AshContext *ctx, AshNodeMachine *machine, AshNodeUpdater *updater, GError **error)
{
	const AshObjectRef *object = &updater->release->verity_sig;
	g_autoptr(GBytes) content = NULL;

	if (machine->disk->target->sig == NULL)
		return TRUE;
	if (object->sha256 != NULL) {
		content = ash_source_load_object(ctx, updater->source, object, error);
		if (content == NULL)
			return ash_prefix(error, "signature of the root hash");
	}
	return ash_node_slot_write_sig(machine->disk, machine->disk->target, content, error);
}

/* For the report on /etc; not worth failing for. */
static void
keep_etc(AshContext *ctx, AshNodeMachine *machine, AshNodeUpdater *updater)
{
	g_autoptr(GBytes) text = NULL;

	if (updater->release->etc.sha256 != NULL && updater->release->etc.size <= ASH_RELEASE_MAX_JSON_BYTES)
		text = ash_source_load_object(ctx, updater->source, &updater->release->etc, NULL);
	if (text != NULL)
		(void) ash_node_etc_report_keep(machine->state, updater->release->version, text, NULL);
}

/* Step 5. */
static gboolean
finish_slot(AshNodeMachine *machine, const AshRelease *release, guint64 received, GError **error)
{
	AshNodeJournal *journal = &machine->state->journal;

	if (!ash_node_slot_mark_filled(machine->disk, machine->disk->target, release->version, release->root_hash, error))
		return FALSE;
	ash_node_state_set(&journal->state, ASH_NODE_JOURNAL_PREPARED);
	return ash_node_state_save_journal(machine->state, error) &&
	       ash_node_state_log(machine->state, machine->now, "fetched", release->version, machine->running, received, NULL, error);
}

/* True if all of it is there, up to the commit point or beyond. */
static bool
is_prepared(const AshNodeMachine *machine, const AshRelease *release)
{
	const AshNodeJournal *journal = &machine->state->journal;
	const AshNodeSlot *target = machine->disk->target;
	g_autofree char *part = ash_node_esp_part_name(machine->esp, release->version);

	if (journal->state == NULL || strcmp(journal->version, release->version) != 0 || strcmp(journal->root_hash, release->root_hash) != 0 ||
	    strcmp(journal->uki_sha256, release->uki.sha256) != 0 || g_strcmp0(target->version, release->version) != 0 ||
	    strcmp(target->root_hash, release->root_hash) != 0)
		return false;
	if (ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_PREPARED))
		return faccessat(machine->esp->dir_fd, part, F_OK, 0) == 0;
	return ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_STAGED) && ash_node_esp_find(machine->esp, release->version) != NULL;
}

static gboolean
write_slot(AshContext *ctx, AshNodeMachine *machine, AshNodeUpdater *updater, Work *work, GError **error)
{
	if (!begin_writing(machine, updater->release, error))
		return FALSE;
	ash_progress_begin(ctx->progress, "Fetch and write", 70);
	const gboolean written = ash_plan_apply(ctx, work->plan, error);
	ash_progress_end(ctx->progress);
	if (!written)
		return FALSE;
	ash_progress_begin(ctx->progress, "Kernel image", 15);
	const gboolean saved = save_uki(ctx, machine, updater, &work->target.view.data, error);
	ash_progress_end(ctx->progress);
	return saved && save_sig(ctx, machine, updater, error);
}

gboolean
ash_node_update_fetch(AshContext *ctx, AshNodeMachine *machine, AshNodeUpdater *updater, const AshNodeFetchOptions *options,
		      AshNodeFetched *ret_fetched, GError **error)
{
	const AshRelease *release = updater->release;
	g_auto(Work) work = WORK_INIT;

	*ret_fetched = (AshNodeFetched){ .was_there = is_prepared(machine, release) };
	if (ret_fetched->was_there)
		return TRUE;
	if (!check_not_on_trial(machine, error) || !check_fits(machine, release, error) ||
	    !make_plan(ctx, machine, updater, true, &work, error))
		return FALSE;
	ret_fetched->cost = *ash_plan_get_cost(work.plan);
	More more = { machine, updater, options };
	ash_plan_set_more(work.plan, check_more, &more);
	gboolean ok = check_limits(machine, updater, &ret_fetched->cost, options, error) &&
		      write_slot(ctx, machine, updater, &work, error);
	if (ok)
		keep_etc(ctx, machine, updater);
	ret_fetched->received = ash_source_get_received(updater->source);
	/* What came is counted, whatever became of it. */
	if (!ash_node_state_add_day_bytes(machine->state, machine->now, ret_fetched->received, ok ? error : NULL))
		return FALSE;
	/* The slot's own descriptors are closed before its table entry changes. */
	work_clear(&work);
	return ok && finish_slot(machine, release, ret_fetched->received, error);
}

static gboolean
check_prepared(AshContext *ctx, AshNodeMachine *machine, bool verify, GError **error)
{
	const AshNodeJournal *journal = &machine->state->journal;
	const AshNodeSlot *target = machine->disk->target;
	g_autofree char *part = ash_node_esp_part_name(machine->esp, journal->version);

	if (g_strcmp0(target->version, journal->version) != 0 || strcmp(target->root_hash, journal->root_hash) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "slot %c does not have version \"%s\" any more: \"ashlar-node fetch\" again", target->letter,
				 journal->version);
	ash_autofd int fd = openat(machine->esp->dir_fd, part, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ash_throw_errno(error, "the kernel image of version \"%s\" is not there any more (\"ashlar-node fetch\" again)",
				       journal->version);
	return check_uki(machine, fd, error) && (!verify || ash_node_slot_verify(ctx, machine->disk, target, error));
}

gboolean
ash_node_update_commit(AshContext *ctx, AshNodeMachine *machine, bool verify, const char **ret_version, GError **error)
{
	AshNodeJournal *journal = &machine->state->journal;

	if (ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_STAGED)) {
		*ret_version = journal->version;
		return ash_throw(error, ASH_ERROR_UNCHANGED, "version \"%s\" is applied already: the next boot takes it", journal->version);
	}
	if (!ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_PREPARED))
		return ash_throw(error, ASH_ERROR_UNCHANGED, "nothing was fetched: \"ashlar-node fetch\" or \"ashlar-node update\"");
	if (!check_not_on_trial(machine, error) || !check_prepared(ctx, machine, verify, error))
		return FALSE;
	/* One that was bad here, and is tried again because somebody asked for it: not to be taken for bad by its memory. */
	if (!ash_node_state_forget_bad(machine->state, journal->version, error))
		return FALSE;
	if (!ash_node_esp_commit(machine->esp, journal->version, (guint) machine->config->tries, error))
		return FALSE;
	ash_node_state_set(&journal->state, ASH_NODE_JOURNAL_STAGED);
	ash_node_state_set(&journal->boot_id, machine->boot_id);
	journal->time = machine->now;
	*ret_version = journal->version;
	return ash_node_state_save_journal(machine->state, error) &&
	       ash_node_state_log(machine->state, machine->now, "applied", journal->version, machine->running, 0, NULL, error);
}

gboolean
ash_node_update_cancel(AshNodeMachine *machine, const char *why, GError **error)
{
	g_autofree char *version = g_strdup(machine->state->journal.version);

	if (version == NULL || g_strcmp0(version, machine->running) == 0)
		return TRUE;
	return ash_node_state_log(machine->state, machine->now, "cancelled", version, machine->running, 0, why, error) &&
	       ash_node_esp_remove(machine->esp, version, error) && ash_node_esp_clean(machine->esp, NULL, error) &&
	       ash_node_state_end_journal(machine->state, error);
}
