/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/deltarender.h"

#include "base/size.h"
#include "base/table.h"

void
ash_delta_render(const GPtrArray *deltas)
{
	static const char *const headings[] = { "DELTA FROM", ">LENGTH", ">WITH TREE", ">WITHOUT DELTA", "", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = 0; i < deltas->len; i++) {
		const AshPublishedDelta *delta = g_ptr_array_index(deltas, i);
		g_autofree char *length = ash_size_format(delta->stats.delta_bytes);
		g_autofree char *sum = ash_size_format(delta->stats.delta_bytes + delta->tree_bytes);
		g_autofree char *other = ash_size_format(delta->other_bytes);
		ash_table_add(table, delta->from_version, length, sum, other, delta->unchanged ? "was there already" : NULL);
	}
	ash_table_print(table);
}

JsonArray *
ash_delta_render_json(const GPtrArray *deltas)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; i < deltas->len; i++) {
		const AshPublishedDelta *delta = g_ptr_array_index(deltas, i);
		JsonObject *object = json_object_new();
		json_object_set_string_member(object, "from", delta->from_version);
		json_object_set_int_member(object, "delta_bytes", (gint64) delta->stats.delta_bytes);
		json_object_set_int_member(object, "tree_bytes", (gint64) delta->tree_bytes);
		json_object_set_int_member(object, "without_bytes", (gint64) delta->other_bytes);
		json_object_set_boolean_member(object, "changed", !delta->unchanged);
		if (!delta->unchanged) {
			json_object_set_int_member(object, "copied_bytes", (gint64) delta->stats.copied);
			json_object_set_int_member(object, "changed_bytes", (gint64) delta->stats.changed);
			json_object_set_int_member(object, "new_bytes", (gint64) delta->stats.extra);
		}
		json_array_add_object_element(array, object);
	}
	return array;
}
