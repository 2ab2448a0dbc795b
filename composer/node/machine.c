/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/machine.h"

#include "base/error.h"
#include "base/osrelease.h"

#include <glib/gstdio.h>
#include <string.h>

static void
read_identity(AshNodeMachine *machine)
{
	g_autofree char *text = ash_node_places_read(machine->places, "/usr/lib/os-release");
	g_autofree char *path = ash_node_places_path(machine->places, "/usr/lib/os-release");
	GStatBuf st;

	if (text == NULL)
		return;
	machine->name = ash_os_release_value(text, "IMAGE_ID");
	machine->running = ash_os_release_value(text, "IMAGE_VERSION");
	/* Files that the composer wrote have the time of the release. */
	if (g_stat(path, &st) == 0 && st.st_mtime > 0)
		machine->built = (guint64) st.st_mtime;
}

AshNodeMachine *
ash_node_machine_open(const AshNodePlaces *places, AshNodeStateMode mode, GError **error)
{
	g_autoptr(AshNodeMachine) machine = g_new0(AshNodeMachine, 1);

	machine->places = places;
	machine->now = ash_node_places_now(places);
	machine->config = ash_node_config_load(places, error);
	if (machine->config == NULL)
		return NULL;
	read_identity(machine);
	machine->state = ash_node_state_open(places, mode, error);
	if (machine->state == NULL)
		return NULL;
	machine->disk = ash_node_disk_open(places, machine->name, mode == ASH_NODE_STATE_WRITE, error);
	if (machine->disk == NULL)
		return NULL;
	if (machine->name == NULL)
		machine->name = g_strdup(machine->disk->name);
	/* What runs is what its labels say; os-release may be another's (a test's, a container's). */
	const AshNodeSlot *active = machine->disk->active;
	if (active != NULL && active->version != NULL)
		ash_node_state_set(&machine->running, active->version);
	machine->boot_id = ash_node_places_read(places, "/proc/sys/kernel/random/boot_id");
	machine->esp = ash_node_esp_open(places, machine->disk, &machine->esp_error);
	return g_steal_pointer(&machine);
}

void
ash_node_machine_free(AshNodeMachine *machine)
{
	if (machine == NULL)
		return;
	ash_node_esp_free(machine->esp);
	g_clear_error(&machine->esp_error);
	ash_node_disk_free(machine->disk);
	ash_node_state_free(machine->state);
	ash_node_config_free(machine->config);
	g_free(machine->name);
	g_free(machine->running);
	g_free(machine->boot_id);
	g_free(machine);
}

gboolean
ash_node_machine_check(AshNodeMachine *machine, GError **error)
{
	if (!machine->disk->root_is_known)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the kernel command line has no roothash=: which slot of \"%s\" runs is not known, and nothing is changed", machine->disk->path);
	if (machine->running == NULL || machine->name == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "neither labels nor os-release (IMAGE_ID=, IMAGE_VERSION=) say which version runs");
	if (machine->esp == NULL) {
		g_propagate_error(error, g_error_copy(machine->esp_error));
		return FALSE;
	}
	return TRUE;
}

static bool
is_running(const AshNodeMachine *machine, const char *version)
{
	return g_strcmp0(machine->running, version) == 0;
}

static gboolean
learn_bad_versions(AshNodeMachine *machine, GError **error)
{
	for (guint i = 0; i < machine->esp->entries->len; i++) {
		const AshBootEntry *entry = machine->esp->entries->pdata[i];
		if (!ash_boot_entry_is_exhausted(entry) || is_running(machine, entry->version) ||
		    ash_node_esp_find(machine->esp, entry->version) != entry)
			continue;
		g_autofree char *reason = g_strdup_printf("did not come up: no try is left of %u", MAX(entry->done, 1));
		if (!ash_node_state_add_bad(machine->state, entry->version, NULL, reason, machine->now, error))
			return FALSE;
	}
	return TRUE;
}

/* A staged version that is bad, or that is gone from the ESP, is no longer under way. */
static gboolean
settle_journal(AshNodeMachine *machine, GError **error)
{
	const AshNodeJournal *journal = &machine->state->journal;

	if (journal->state == NULL)
		return TRUE;
	const AshBootEntry *entry = ash_node_esp_find(machine->esp, journal->version);
	if (ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_STAGED)) {
		if (!is_running(machine, journal->version) && (entry == NULL || ash_boot_entry_is_exhausted(entry)))
			return ash_node_state_end_journal(machine->state, error);
		return TRUE;
	}
	/* The commit point was passed, and the power failed before that was written down. */
	if (ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_PREPARED) && entry != NULL) {
		ash_node_state_set(&machine->state->journal.state, ASH_NODE_JOURNAL_STAGED);
		return ash_node_state_save_journal(machine->state, error);
	}
	return TRUE;
}

gboolean
ash_node_machine_reconcile(AshNodeMachine *machine, GError **error)
{
	return learn_bad_versions(machine, error) && settle_journal(machine, error);
}

const AshBootEntry *
ash_node_machine_get_running_entry(const AshNodeMachine *machine)
{
	return machine->esp != NULL && machine->running != NULL ? ash_node_esp_find(machine->esp, machine->running) : NULL;
}

bool
ash_node_machine_is_on_trial(const AshNodeMachine *machine)
{
	const AshBootEntry *entry = ash_node_machine_get_running_entry(machine);

	return entry != NULL && entry->counted;
}

bool
ash_node_machine_has_other_choice(const AshNodeMachine *machine)
{
	for (guint i = 0; machine->esp != NULL && i < machine->esp->entries->len; i++) {
		const AshBootEntry *entry = machine->esp->entries->pdata[i];
		if (!ash_boot_entry_is_exhausted(entry) && !is_running(machine, entry->version))
			return true;
	}
	return false;
}

const char *
ash_node_machine_get_next(const AshNodeMachine *machine)
{
	const AshBootEntry *next = NULL;

	/* systemd-boot's order: those with tries before those without, the newest version first. */
	for (guint i = 0; machine->esp != NULL && i < machine->esp->entries->len; i++) {
		const AshBootEntry *entry = machine->esp->entries->pdata[i];
		if (next == NULL || !ash_boot_entry_is_exhausted(entry) || ash_boot_entry_is_exhausted(next))
			next = entry;
	}
	return next != NULL ? next->version : NULL;
}

static gboolean
raise_high_water(AshNodeMachine *machine, bool *ret_changed, GError **error)
{
	AshNodeMarks *marks = &machine->state->marks;

	if (marks->high_water != NULL && strverscmp(marks->high_water, machine->running) >= 0)
		return TRUE;
	ash_node_state_set(&marks->high_water, machine->running);
	*ret_changed = true;
	return ash_node_state_save_marks(machine->state, error);
}

gboolean
ash_node_machine_mark_good(AshNodeMachine *machine, bool *ret_changed, GError **error)
{
	const AshBootEntry *entry = ash_node_machine_get_running_entry(machine);
	const AshNodeJournal *journal = &machine->state->journal;
	bool changed = entry != NULL && entry->counted;

	if (changed && !ash_node_esp_count(machine->esp, machine->running, -1, error))
		return FALSE;
	/* A rolled-back version that somebody booted on purpose, and that is good after all. */
	if (ash_node_state_find_bad(machine->state, machine->running) != NULL) {
		changed = true;
		if (!ash_node_state_forget_bad(machine->state, machine->running, error))
			return FALSE;
	}
	if (!raise_high_water(machine, &changed, error))
		return FALSE;
	if (ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_STAGED) && is_running(machine, journal->version)) {
		changed = true;
		if (!ash_node_state_log(machine->state, machine->now, "good", machine->running, journal->from_version, 0, NULL, error) ||
		    !ash_node_state_end_journal(machine->state, error))
			return FALSE;
	}
	*ret_changed = changed;
	return TRUE;
}

static gboolean
check_rollback(AshContext *ctx, AshNodeMachine *machine, bool force, GError **error)
{
	const AshNodeSlot *other = machine->disk->target;
	const AshNodeBad *bad = other->version != NULL ? ash_node_state_find_bad(machine->state, other->version) : NULL;

	if (other->version == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "there is nothing to go back to: slot %c is %s", other->letter,
				 strcmp(other->label, ASH_NODE_EMPTY_LABEL) == 0 ? "empty" : "not of this system");
	if (is_running(machine, other->version))
		return ash_throw(error, ASH_ERROR_CONFIG, "slot %c has the running version \"%s\" too", other->letter, other->version);
	if (ash_node_esp_find(machine->esp, other->version) == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "version \"%s\" in slot %c has no kernel image on the EFI system partition",
				 other->version, other->letter);
	if (bad != NULL && !force && strverscmp(other->version, machine->running) < 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "version \"%s\" in slot %c %s (--force goes back to it all the same)", other->version,
				 other->letter, bad->reason);
	return ash_node_slot_verify(ctx, machine->disk, other, error);
}

/* The staged version is not to boot: its slot stays, its entry goes. */
static gboolean
unstage(AshNodeMachine *machine, GError **error)
{
	const char *version = machine->disk->target->version;

	return ash_node_state_log(machine->state, machine->now, "rollback", machine->running, version, 0, "before it was booted", error) &&
	       ash_node_esp_remove(machine->esp, version, error) && ash_node_state_end_journal(machine->state, error);
}

/* Numbered: what must be so before the next may be. */
static gboolean
go_to_other_slot(AshNodeMachine *machine, GError **error)
{
	const char *from = machine->running, *to = machine->disk->target->version;
	const bool older = strverscmp(to, from) < 0;

	/* 1. what is decided is written down: the version that is left is not to come back by itself */
	if (older && !ash_node_state_add_bad(machine->state, from, machine->disk->active->root_hash, "was rolled back by hand", machine->now, error))
		return FALSE;
	if (!ash_node_state_log(machine->state, machine->now, "rollback", to, from, 0, NULL, error))
		return FALSE;
	/* 2. the other one can boot */
	if (ash_boot_entry_is_exhausted(ash_node_esp_find(machine->esp, to)) &&
	    !ash_node_esp_count(machine->esp, to, (int) machine->config->tries, error))
		return FALSE;
	/* 3. and does: systemd-boot takes the newest that has tries left, so a newer one is found without this */
	if (older && ash_node_esp_find(machine->esp, from) != NULL && !ash_node_esp_count(machine->esp, from, 0, error))
		return FALSE;
	return ash_node_state_end_journal(machine->state, error);
}

gboolean
ash_node_machine_rollback(AshContext *ctx, AshNodeMachine *machine, bool force, AshNodeRollback *ret_rollback, GError **error)
{
	const AshNodeSlot *other = machine->disk->target;

	if (ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_STAGED) && g_strcmp0(machine->state->journal.version, other->version) == 0) {
		*ret_rollback = (AshNodeRollback){ .from = other->version, .to = machine->running };
		return unstage(machine, error);
	}
	if (!check_rollback(ctx, machine, force, error))
		return FALSE;
	*ret_rollback = (AshNodeRollback){ .from = machine->running, .to = other->version };
	return go_to_other_slot(machine, error);
}
