/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/kstable.h"

#include "base/json.h"
#include "config/kssection.h"
#include "model/strv.h"

#include <string.h>

/* What the program has about one command or section, taken apart. */
typedef struct {
	const char *name, *text; /* borrowed */
	AshKsStatus status;
	bool deprecated;
	char **done, **ignored, **refused; /* options, "--name" or "--name=" */
} Entry;

static void
entry_free(gpointer data)
{
	Entry *entry = data;

	g_strfreev(entry->done);
	g_strfreev(entry->ignored);
	g_strfreev(entry->refused);
	g_free(entry);
}

static Entry *
entry_new(const char *name, AshKsStatus status, const char *text)
{
	Entry *entry = g_new0(Entry, 1);

	entry->name = name;
	entry->status = status;
	entry->text = text;
	entry->done = ash_strv_new();
	entry->ignored = ash_strv_new();
	entry->refused = ash_strv_new();
	return entry;
}

static void
add_option(Entry *entry, const AshOptionDef *def)
{
	g_autofree char *name = g_strconcat(def->name, ash_option_takes_value(def->kind) ? "=" : "", NULL);

	if (def->kind == ASH_OPTION_IGNORED || def->kind == ASH_OPTION_IGNORED_VALUE)
		ash_strv_add(&entry->ignored, name);
	else if (def->kind == ASH_OPTION_REFUSED || def->kind == ASH_OPTION_REFUSED_VALUE)
		ash_strv_add(&entry->refused, name);
	else
		ash_strv_add(&entry->done, name);
}

static void
add_options(Entry *entry, const AshOptionDef *defs, const char *known)
{
	g_auto(GStrv) names = g_strsplit(known != NULL ? known : "", " ", -1);

	for (; defs != NULL && defs->name != NULL; defs++)
		add_option(entry, defs);
	for (guint i = 0; names[i] != NULL; i++)
		if (strlen(names[i]) > strlen("--"))
			ash_strv_add(entry->status == ASH_KS_REFUSED ? &entry->refused : &entry->ignored, names[i]);
}

static gint
compare_entries(gconstpointer a, gconstpointer b)
{
	return strcmp((*(const Entry *const *) a)->name, (*(const Entry *const *) b)->name);
}

static GPtrArray *
list_commands(void)
{
	GPtrArray *entries = g_ptr_array_new_with_free_func(entry_free);
	g_autoptr(GPtrArray) commands = ash_kscommand_list();

	for (guint i = 0; i < commands->len; i++) {
		const AshKsCommand *command = g_ptr_array_index(commands, i);
		Entry *entry = entry_new(command->name, command->status, command->text);

		entry->deprecated = command->deprecated;
		add_options(entry, command->options, command->known);
		g_ptr_array_add(entries, entry);
	}
	g_ptr_array_sort(entries, compare_entries);
	return entries;
}

static GPtrArray *
list_sections(void)
{
	GPtrArray *entries = g_ptr_array_new_with_free_func(entry_free);
	guint count = 0;
	const AshKsSectionDef *const *defs = ash_kssection_list(&count);

	for (guint i = 0; i < count; i++) {
		Entry *entry = entry_new(defs[i]->name, defs[i]->status, defs[i]->text);

		add_options(entry, defs[i]->options, NULL);
		g_ptr_array_add(entries, entry);
	}
	g_ptr_array_sort(entries, compare_entries);
	return entries;
}

static void
put_options(GString *out, const char *label, char **options)
{
	g_autofree char *joined = g_strjoinv(" ", options);

	if (*joined != '\0')
		g_string_append_printf(out, "    %s: %s\n", label, joined);
}

static void
put_entries(GString *out, GPtrArray *entries)
{
	for (guint i = 0; i < entries->len; i++) {
		const Entry *entry = g_ptr_array_index(entries, i);

		g_string_append_printf(out, "%-22s %s%s%s%s\n", entry->name, ash_ks_status_to_string(entry->status),
				       entry->deprecated ? ", deprecated" : "", entry->text != NULL ? ": " : "",
				       entry->text != NULL ? entry->text : "");
		put_options(out, "carried out", entry->done);
		put_options(out, "no effect", entry->ignored);
		put_options(out, "refused", entry->refused);
	}
}

char *
ash_kstable_format(void)
{
	g_autoptr(GPtrArray) commands = list_commands(), sections = list_sections();
	GString *out = g_string_new(NULL);

	put_entries(out, commands);
	put_entries(out, sections);
	return g_string_free(out, FALSE);
}

/* mdoc(7): each option in a line of its own, with what stands behind it. */
static void
put_mdoc_options(GString *out, const char *label, char **options)
{
	if (options[0] == NULL)
		return;
	g_string_append_printf(out, ".br\n%s:\n", label);
	for (guint i = 0; options[i] != NULL; i++)
		g_string_append_printf(out, ".Fl %s %s\n", options[i] + 1, options[i + 1] != NULL ? "," : ".");
}

static void
put_mdoc_entries(GString *out, GPtrArray *entries)
{
	g_string_append(out, ".Bl -tag -width Ds\n");
	for (guint i = 0; i < entries->len; i++) {
		const Entry *entry = g_ptr_array_index(entries, i);

		g_string_append_printf(out, ".It Ic %s\n.Em %s%s", entry->name, ash_ks_status_to_string(entry->status),
				       entry->deprecated ? ", deprecated" : "");
		if (entry->text != NULL)
			g_string_append_printf(out, " :\n%s.\n", entry->text);
		else
			g_string_append(out, " .\n");
		put_mdoc_options(out, "Carried out", entry->done);
		put_mdoc_options(out, "No effect", entry->ignored);
		put_mdoc_options(out, "Refused", entry->refused);
	}
	g_string_append(out, ".El\n");
}

char *
ash_kstable_format_manual(void)
{
	g_autoptr(GPtrArray) commands = list_commands(), sections = list_sections();
	GString *out = g_string_new(NULL);

	g_string_append(out, ".Ss Commands\n");
	put_mdoc_entries(out, commands);
	g_string_append(out, ".Ss Sections\n");
	put_mdoc_entries(out, sections);
	return g_string_free(out, FALSE);
}

static JsonArray *
entries_to_json(GPtrArray *entries)
{
	JsonArray *list = json_array_new();

	for (guint i = 0; i < entries->len; i++) {
		const Entry *entry = g_ptr_array_index(entries, i);
		JsonObject *object = json_object_new();

		json_object_set_string_member(object, "name", entry->name);
		json_object_set_string_member(object, "status", ash_ks_status_to_string(entry->status));
		json_object_set_boolean_member(object, "deprecated", entry->deprecated);
		if (entry->text != NULL)
			json_object_set_string_member(object, "text", entry->text);
		ash_json_set_strv(object, "carried_out", (const char *const *) entry->done);
		ash_json_set_strv(object, "no_effect", (const char *const *) entry->ignored);
		ash_json_set_strv(object, "refused", (const char *const *) entry->refused);
		json_array_add_object_element(list, object);
	}
	return list;
}

JsonObject *
ash_kstable_to_json(void)
{
	g_autoptr(GPtrArray) commands = list_commands(), sections = list_sections();
	JsonObject *object = json_object_new();

	json_object_set_array_member(object, "commands", entries_to_json(commands));
	json_object_set_array_member(object, "sections", entries_to_json(sections));
	return object;
}
