/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/etcreport.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/table.h"
#include "node/etclist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define KEPT_FILE "etc-defaults"

static void
change_free(gpointer data)
{
	AshNodeEtcChange *change = data;

	g_free(change->path);
	g_free(change);
}

void
ash_node_etc_report_free(AshNodeEtcReport *report)
{
	if (report == NULL)
		return;
	g_ptr_array_unref(report->changes);
	g_free(report->version);
	g_free(report);
}

/*
 * The running version's own /etc lies below an overlay. A copy of the root's mount alone, in no namespace, shows it; on files, and
 * where the kernel or our rights do not allow that, the slot's file system is read.
 */
static gboolean
read_defaults(AshNodeMachine *machine, AshNodeEtcList *list, GError **error)
{
	const AshNodeSlot *active = machine->disk->active;
	const bool here = machine->places->root == NULL && machine->places->disk == NULL;
	ash_autofd int root_fd = here ? open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) : -1;

	if (root_fd >= 0)
		return ash_node_etc_list_read_directory(list, root_fd, "etc", error);
	if (here && errno == EPERM)
		return ash_throw(error, ASH_ERROR_CONFIG, "the defaults of /etc are below what is mounted there: only root can look");
	if (active == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "which slot has the defaults of /etc is not known");
	g_autoptr(AshErofsReader) reader = ash_erofs_open(machine->disk->fd, active->data->offset, active->data->bytes, error);
	return reader != NULL && ash_node_etc_list_read_erofs(list, reader, error);
}

static gboolean
read_current(AshNodeMachine *machine, AshNodeEtcList *list, GError **error)
{
	g_autofree char *path = ash_node_places_path(machine->places, "/etc");

	return ash_node_etc_list_read_directory(list, AT_FDCWD, path, error);
}

gboolean
ash_node_etc_report_keep(AshNodeState *state, const char *version, GBytes *text, GError **error)
{
	g_autoptr(GString) file = g_string_new(version);

	g_string_append_c(file, '\n');
	g_string_append_len(file, g_bytes_get_data(text, NULL), (gssize) g_bytes_get_size(text));
	return ash_file_save(state->dir_fd, KEPT_FILE, file->str, (gssize) file->len, 0600, error);
}

/* Of the version that the journal tells of; anything else is old. *@ret_version: NULL if there is none. */
static gboolean
read_new(AshNodeMachine *machine, AshNodeEtcList *list, char **ret_version, GError **error)
{
	const AshNodeJournal *journal = &machine->state->journal;
	g_autofree char *text = NULL;

	if (machine->state->dir_fd < 0 || journal->version == NULL)
		return TRUE;
	if (!ash_file_load_optional(machine->state->dir_fd, KEPT_FILE, &text, NULL, error))
		return FALSE;
	char *end = text != NULL ? strchr(text, '\n') : NULL;
	if (end == NULL)
		return TRUE;
	*end = '\0';
	if (strcmp(text, journal->version) != 0 || g_strcmp0(text, machine->running) == 0)
		return TRUE;
	*ret_version = g_strdup(text);
	return ash_node_etc_list_parse(list, end + 1, error);
}

static const char *
describe(const AshNodeEtcFile *before, const AshNodeEtcFile *after)
{
	if (ash_node_etc_file_equal(before, after))
		return NULL;
	return before == NULL ? "added" : after == NULL ? "removed" : "changed";
}

static void
compare_file(AshNodeEtcReport *report, const char *path, const AshNodeEtcFile *old, const AshNodeEtcFile *now, const AshNodeEtcFile *coming)
{
	AshNodeEtcChange change = { .here_what = describe(old, now) };

	if (report->version != NULL)
		change.vendor_what = describe(old, coming);
	if (change.here_what == NULL && change.vendor_what == NULL)
		return;
	change.here = change.here_what != NULL;
	change.vendor = change.vendor_what != NULL;
	change.conflict = change.here && change.vendor && !ash_node_etc_file_equal(now, coming);
	change.path = g_strdup(path);
	g_ptr_array_add(report->changes, g_memdup2(&change, sizeof(change)));
}

static void
compare_lists(AshNodeEtcReport *report, AshNodeEtcList *old, AshNodeEtcList *now, AshNodeEtcList *coming)
{
	AshNodeEtcList *const lists[] = { old, now, coming };
	g_autoptr(GHashTable) paths = g_hash_table_new(g_str_hash, g_str_equal);
	GHashTableIter iter;
	gpointer path;

	for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
		g_hash_table_iter_init(&iter, lists[i]);
		while (g_hash_table_iter_next(&iter, &path, NULL))
			g_hash_table_add(paths, path);
	}
	g_autoptr(GList) sorted = g_list_sort(g_hash_table_get_keys(paths), (GCompareFunc) strcmp);
	for (GList *i = sorted; i != NULL; i = i->next)
		compare_file(report, i->data, g_hash_table_lookup(old, i->data), g_hash_table_lookup(now, i->data),
			     g_hash_table_lookup(coming, i->data));
}

AshNodeEtcReport *
ash_node_etc_report_make(AshNodeMachine *machine, GError **error)
{
	g_autoptr(AshNodeEtcReport) report = g_new0(AshNodeEtcReport, 1);
	g_autoptr(GHashTable) old = ash_node_etc_list_new(), now = ash_node_etc_list_new(), coming = ash_node_etc_list_new();

	report->changes = g_ptr_array_new_with_free_func(change_free);
	if (!read_defaults(machine, old, error) || !read_current(machine, now, error) ||
	    !read_new(machine, coming, &report->version, error))
		return NULL;
	compare_lists(report, old, now, coming);
	return g_steal_pointer(&report);
}

JsonArray *
ash_node_etc_report_to_json(const AshNodeEtcReport *report)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; i < report->changes->len; i++) {
		const AshNodeEtcChange *change = report->changes->pdata[i];
		JsonObject *object = json_object_new();
		json_object_set_string_member(object, "path", change->path);
		if (change->here)
			json_object_set_string_member(object, "here", change->here_what);
		if (change->vendor)
			json_object_set_string_member(object, "update", change->vendor_what);
		json_object_set_boolean_member(object, "conflict", change->conflict);
		json_array_add_object_element(array, object);
	}
	return array;
}

void
ash_node_etc_report_print(const AshNodeEtcReport *report)
{
	static const char *const headings[] = { "FILE", "HERE", "UPDATE", "", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	printf("\n/etc against its defaults%s%s:\n", report->version != NULL ? " and those of " : "", report->version != NULL ? report->version : "");
	for (guint i = 0; i < report->changes->len; i++) {
		const AshNodeEtcChange *change = report->changes->pdata[i];
		ash_table_add(table, change->path, change->here_what, change->vendor_what,
			      change->conflict ? "conflict: the file here counts" : "");
	}
	if (report->changes->len == 0)
		printf("nothing was changed\n");
	ash_table_print(table);
}
