/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/command.h"

#include "base/error.h"
#include "base/size.h"
#include "base/table.h"
#include "node/etcreport.h"
#include "node/machine.h"

#include <stdio.h>
#include <string.h>

static const char *
slot_state(const AshNodeMachine *machine, const AshNodeSlot *slot)
{
	const AshBootEntry *entry = machine->esp != NULL && slot->version != NULL ? ash_node_esp_find(machine->esp, slot->version) : NULL;
	const AshNodeJournal *journal = &machine->state->journal;

	if (slot->active)
		return ash_node_machine_is_on_trial(machine) ? "running, not found good yet" : "running";
	if (slot->version == NULL)
		return ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_WRITING) ? "incomplete" : "empty";
	if (ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_PREPARED) && g_strcmp0(journal->root_hash, slot->root_hash) == 0)
		return "fetched, not applied";
	if (entry != NULL && ash_boot_entry_is_exhausted(entry))
		return "bad";
	if (ash_node_state_find_bad(machine->state, slot->version) != NULL)
		return "bad";
	return entry != NULL ? (entry->counted ? "to be tried" : "good") : "cannot boot: no kernel image";
}

static void
set_string(JsonObject *object, const char *name, const char *value)
{
	if (value != NULL)
		json_object_set_string_member(object, name, value);
	else
		json_object_set_null_member(object, name);
}

static JsonArray *
slots_to_json(const AshNodeMachine *machine)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; i < G_N_ELEMENTS(machine->disk->slots); i++) {
		const AshNodeSlot *slot = &machine->disk->slots[i];
		const AshBootEntry *entry = machine->esp != NULL && slot->version != NULL ? ash_node_esp_find(machine->esp, slot->version) : NULL;
		JsonObject *object = json_object_new();
		set_string(object, "slot", ash_node_slot_name(slot));
		set_string(object, "label", slot->label);
		set_string(object, "version", slot->version);
		set_string(object, "root_hash", slot->version != NULL ? slot->root_hash : NULL);
		json_object_set_boolean_member(object, "running", slot->active);
		set_string(object, "state", slot_state(machine, slot));
		set_string(object, "entry", entry != NULL ? entry->file : NULL);
		if (entry != NULL && entry->counted)
			json_object_set_int_member(object, "tries_left", entry->left);
		json_object_set_int_member(object, "bytes", (gint64) slot->data->bytes);
		json_array_add_object_element(array, object);
	}
	return array;
}

static JsonObject *
status_to_json(const AshNodeMachine *machine)
{
	JsonObject *object = json_object_new();
	JsonArray *notes = json_array_new();

	set_string(object, "name", machine->name);
	set_string(object, "version", machine->running);
	set_string(object, "ref", machine->config->ref);
	set_string(object, "channel", machine->config->channel);
	set_string(object, "disk", machine->disk->path);
	set_string(object, "esp", machine->esp != NULL ? machine->esp->path : NULL);
	if (machine->esp_error != NULL)
		set_string(object, "esp_error", machine->esp_error->message);
	json_object_set_boolean_member(object, "good", machine->running != NULL && !ash_node_machine_is_on_trial(machine));
	set_string(object, "next", ash_node_machine_get_next(machine));
	json_object_set_array_member(object, "slots", slots_to_json(machine));
	json_object_set_object_member(object, "update", ash_record_to_json(&machine->state->journal, ash_node_journal_fields, TRUE));
	json_object_set_object_member(object, "marks", ash_record_to_json(&machine->state->marks, ash_node_marks_fields, TRUE));
	for (guint i = 0; i < machine->state->notes->len; i++)
		json_array_add_string_element(notes, machine->state->notes->pdata[i]);
	json_object_set_array_member(object, "notes", notes);
	return object;
}

static void
print_slots(const AshNodeMachine *machine)
{
	static const char *const headings[] = { "SLOT", "VERSION", "STATE", "ROOT HASH", ">ROOM", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = 0; i < G_N_ELEMENTS(machine->disk->slots); i++) {
		const AshNodeSlot *slot = &machine->disk->slots[i];
		g_autofree char *hash = slot->version != NULL ? g_strndup(slot->root_hash, 12) : NULL;
		g_autofree char *room = ash_size_format(slot->data->bytes);
		ash_table_add(table, ash_node_slot_name(slot), slot->version, slot_state(machine, slot), hash, room);
	}
	ash_table_print(table);
}

static void
print_marks(const AshNodeMachine *machine)
{
	const AshNodeMarks *marks = &machine->state->marks;
	const AshNodeJournal *journal = &machine->state->journal;

	if (journal->state != NULL)
		printf("Update:     %s is %s\n", journal->version, journal->state);
	if (marks->high_water != NULL)
		printf("High water: %s\n", marks->high_water);
	for (guint i = 0; i < marks->bad->len; i++) {
		const AshNodeBad *bad = marks->bad->pdata[i];
		g_autofree char *when = ash_node_format_time(bad->time);
		printf("Not taken:  %s %s (%s)\n", bad->version, bad->reason != NULL ? bad->reason : "", when);
	}
	for (guint i = 0; i < machine->state->notes->len; i++)
		printf("Note:       %s\n", (const char *) machine->state->notes->pdata[i]);
}

static void
print_status(const AshNodeMachine *machine)
{
	const char *next = ash_node_machine_get_next(machine);

	printf("System:     %s %s%s\n", machine->name != NULL ? machine->name : "-", machine->running != NULL ? machine->running : "-",
	       ash_node_machine_is_on_trial(machine) ? " (not found good yet)" : "");
	printf("Disk:       %s\n", machine->disk->path);
	if (machine->esp != NULL)
		printf("ESP:        %s%s\n", machine->esp->path, machine->esp->mount_fd >= 0 ? " (mounted for this command)" : "");
	else
		printf("ESP:        %s\n", machine->esp_error->message);
	if (machine->config->ref != NULL)
		printf("Channel:    %s of %s\n", machine->config->channel, machine->config->ref);
	printf("Next boot:  %s\n", next != NULL ? next : "-");
	print_marks(machine);
	printf("\n");
	print_slots(machine);
}

gboolean
ash_node_command_status(AshNodeEnv *env, int argc, char **argv, GError **error)
{
	gboolean etc = FALSE;
	const GOptionEntry entries[] = {
		{ "etc", 0, 0, G_OPTION_ARG_NONE, &etc, "Compare /etc with the defaults", NULL },
		{ NULL },
	};

	if (!ash_node_command_parse(env, entries, argc, argv, error))
		return FALSE;
	g_autoptr(AshNodeMachine) machine = ash_node_machine_open(&env->places, ASH_NODE_STATE_READ, error);
	if (machine == NULL)
		return FALSE;
	g_autoptr(AshNodeEtcReport) report = etc ? ash_node_etc_report_make(machine, error) : NULL;
	if (etc && report == NULL)
		return FALSE;
	ash_terminal_clear(env->terminal);
	if (env->json) {
		g_autoptr(JsonObject) object = status_to_json(machine);
		if (report != NULL)
			json_object_set_array_member(object, "etc", ash_node_etc_report_to_json(report));
		ash_node_print_json(object);
		return TRUE;
	}
	print_status(machine);
	if (report != NULL)
		ash_node_etc_report_print(report);
	return TRUE;
}

static void
print_history(const AshNodeState *state)
{
	static const char *const headings[] = { "WHEN", "WHAT", "VERSION", "FROM", ">FETCHED", "NOTE", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = state->history->len; i-- > 0;) {
		const AshNodeEvent *event = state->history->pdata[i];
		g_autofree char *when = ash_node_format_time(event->time);
		g_autofree char *bytes = event->bytes > 0 ? ash_size_format(event->bytes) : NULL;
		ash_table_add(table, when, event->event, event->version, event->from_version, bytes, event->text);
	}
	ash_table_print(table);
}

gboolean
ash_node_command_history(AshNodeEnv *env, int argc, char **argv, GError **error)
{
	if (!ash_node_command_parse(env, NULL, argc, argv, error))
		return FALSE;
	g_autoptr(AshNodeState) state = ash_node_state_open(&env->places, ASH_NODE_STATE_READ, error);
	if (state == NULL)
		return FALSE;
	ash_terminal_clear(env->terminal);
	if (!env->json) {
		print_history(state);
		return TRUE;
	}
	g_autoptr(JsonObject) object = json_object_new();
	JsonArray *events = json_array_new();
	for (guint i = state->history->len; i-- > 0;)
		json_array_add_object_element(events, ash_record_to_json(state->history->pdata[i], ash_node_event_fields, TRUE));
	json_object_set_array_member(object, "events", events);
	ash_node_print_json(object);
	return TRUE;
}
