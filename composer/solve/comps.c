/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "solve/comps.h"

#include "base/error.h"

#include <string.h>

static void
member_free(AshCompsMember *member)
{
	g_free(member->name);
	g_free(member->requires);
	g_free(member);
}

static void
group_free(AshCompsGroup *group)
{
	g_free(group->id);
	g_free(group->name);
	g_ptr_array_unref(group->members);
	g_free(group);
}

static void
environment_free(AshCompsEnvironment *environment)
{
	g_free(environment->id);
	g_free(environment->name);
	g_strfreev(environment->groups);
	g_free(environment);
}

AshComps *
ash_comps_new(void)
{
	AshComps *comps = g_new0(AshComps, 1);

	comps->groups = g_ptr_array_new_with_free_func((GDestroyNotify)group_free);
	comps->environments = g_ptr_array_new_with_free_func((GDestroyNotify)environment_free);
	return comps;
}

void
ash_comps_free(AshComps *comps)
{
	if (comps == NULL)
		return;
	g_ptr_array_unref(comps->groups);
	g_ptr_array_unref(comps->environments);
	g_free(comps);
}

/* A group or environment being read: its parts until its end tag. */
typedef struct {
	AshComps *comps;
	const char *arch;
	GString *text;       /* of the innermost element */
	bool translated;     /* it has an xml:lang */
	char *id, *name;
	GPtrArray *members;  /* of AshCompsMember */
	GPtrArray *groups;   /* of char *: <groupid> in <grouplist> */
	AshCompsMember *member; /* of the <packagereq> being read; NULL if it is for another architecture */
} Reader;

static void
reader_reset(Reader *reader)
{
	g_clear_pointer(&reader->id, g_free);
	g_clear_pointer(&reader->name, g_free);
	g_clear_pointer(&reader->member, member_free);
	g_clear_pointer(&reader->members, g_ptr_array_unref);
	g_clear_pointer(&reader->groups, g_ptr_array_unref);
	reader->members = g_ptr_array_new_with_free_func((GDestroyNotify)member_free);
	reader->groups = g_ptr_array_new_with_free_func(g_free);
}

static void
reader_clear(Reader *reader)
{
	reader_reset(reader);
	g_ptr_array_unref(reader->members);
	g_ptr_array_unref(reader->groups);
	g_string_free(reader->text, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reader, reader_clear)

static const struct {
	const char *name;
	AshCompsType type;
} member_types[] = {
	{ "mandatory", ASH_COMPS_MANDATORY },
	{ "default", ASH_COMPS_DEFAULT },
	{ "optional", ASH_COMPS_OPTIONAL },
	{ "conditional", ASH_COMPS_CONDITIONAL },
};

/* No type reads as mandatory, as in libcomps. */
static AshCompsType
member_type(const char *text)
{
	for (gsize i = 0; text != NULL && i < G_N_ELEMENTS(member_types); i++)
		if (g_str_equal(text, member_types[i].name))
			return member_types[i].type;
	return ASH_COMPS_MANDATORY;
}

static bool
is_for_arch(const char *arches, const char *arch)
{
	if (arches == NULL || *arches == '\0')
		return true;
	g_auto(GStrv) words = g_strsplit_set(arches, ", ", 0);
	return g_strv_contains((const char *const *)words, arch);
}

static const char *
attribute(const char **names, const char **values, const char *name)
{
	for (; *names != NULL; names++, values++)
		if (g_str_equal(*names, name))
			return *values;
	return NULL;
}

static void
begin_member(Reader *reader, const char **names, const char **values)
{
	const char *basearch_only = attribute(names, values, "basearchonly");

	g_clear_pointer(&reader->member, member_free);
	if (!is_for_arch(attribute(names, values, "arch"), reader->arch))
		return;
	reader->member = g_new0(AshCompsMember, 1);
	reader->member->type = member_type(attribute(names, values, "type"));
	if (reader->member->type == ASH_COMPS_CONDITIONAL)
		reader->member->requires = g_strdup(attribute(names, values, "requires"));
	reader->member->basearch_only = basearch_only != NULL && g_ascii_strcasecmp(basearch_only, "true") == 0;
}

static void
on_start(GMarkupParseContext *context, const char *element, const char **names, const char **values, gpointer data,
	 GError **error)
{
	Reader *reader = data;

	g_string_truncate(reader->text, 0);
	reader->translated = attribute(names, values, "xml:lang") != NULL;
	if (g_str_equal(element, "group") || g_str_equal(element, "environment"))
		reader_reset(reader);
	else if (g_str_equal(element, "packagereq"))
		begin_member(reader, names, values);
}

static void
on_text(GMarkupParseContext *context, const char *text, gsize length, gpointer data, GError **error)
{
	g_string_append_len(((Reader *)data)->text, text, (gssize)length);
}

static void
end_id(Reader *reader, const char *parent)
{
	if (reader->id == NULL)
		reader->id = g_strdup(reader->text->str);
}

static void
end_name(Reader *reader, const char *parent)
{
	if (reader->name == NULL && !reader->translated)
		reader->name = g_strdup(reader->text->str);
}

static void
end_member(Reader *reader, const char *parent)
{
	if (reader->member == NULL || reader->text->len == 0)
		return;
	reader->member->name = g_strdup(reader->text->str);
	g_ptr_array_add(reader->members, g_steal_pointer(&reader->member));
}

static void
end_group_id(Reader *reader, const char *parent)
{
	if (g_str_equal(parent, "grouplist"))
		g_ptr_array_add(reader->groups, g_strdup(reader->text->str));
}

static AshCompsGroup *
group_by_id(const AshComps *comps, const char *id)
{
	for (guint i = 0; i < comps->groups->len; i++) {
		AshCompsGroup *group = g_ptr_array_index(comps->groups, i);
		if (g_str_equal(group->id, id))
			return group;
	}
	return NULL;
}

static void
end_group(Reader *reader, const char *parent)
{
	AshCompsGroup *group = reader->id != NULL ? group_by_id(reader->comps, reader->id) : NULL;

	if (reader->id == NULL)
		return;
	if (group == NULL) {
		group = g_new0(AshCompsGroup, 1);
		group->id = g_steal_pointer(&reader->id);
		group->members = g_ptr_array_new_with_free_func((GDestroyNotify)member_free);
		g_ptr_array_add(reader->comps->groups, group);
	}
	if (group->name == NULL)
		group->name = g_steal_pointer(&reader->name);
	g_ptr_array_extend_and_steal(group->members, g_steal_pointer(&reader->members));
	reader_reset(reader);
}

static void
end_environment(Reader *reader, const char *parent)
{
	AshCompsEnvironment *environment = g_new0(AshCompsEnvironment, 1);

	environment->id = g_steal_pointer(&reader->id);
	environment->name = g_steal_pointer(&reader->name);
	g_ptr_array_add(reader->groups, NULL);
	environment->groups = (char **)g_ptr_array_free(g_steal_pointer(&reader->groups), FALSE);
	if (environment->id != NULL)
		g_ptr_array_add(reader->comps->environments, environment);
	else
		environment_free(environment);
	reader_reset(reader);
}

/* What the end of an element means; @parent NULL: below any. */
static const struct {
	const char *element, *parent;
	void (*end)(Reader *reader, const char *parent);
} element_ends[] = {
	{ "id", NULL, end_id },
	{ "name", NULL, end_name },
	{ "packagereq", "packagelist", end_member },
	{ "groupid", NULL, end_group_id },
	{ "group", "comps", end_group },
	{ "environment", "comps", end_environment },
};

static void
on_end(GMarkupParseContext *context, const char *element, gpointer data, GError **error)
{
	Reader *reader = data;
	const GSList *above = g_markup_parse_context_get_element_stack(context)->next;
	const char *parent = above != NULL ? above->data : "";

	g_strstrip(reader->text->str);
	reader->text->len = strlen(reader->text->str);
	for (gsize i = 0; i < G_N_ELEMENTS(element_ends); i++)
		if (g_str_equal(element, element_ends[i].element) &&
		    (element_ends[i].parent == NULL || g_str_equal(parent, element_ends[i].parent)))
			element_ends[i].end(reader, parent);
	g_string_truncate(reader->text, 0);
}

gboolean
ash_comps_add_xml(AshComps *comps, const char *text, gsize length, const char *arch, const char *what, GError **error)
{
	static const GMarkupParser handlers = { .start_element = on_start, .end_element = on_end, .text = on_text };
	g_auto(Reader) reader = { .comps = comps, .arch = arch, .text = g_string_new(NULL) };
	g_autoptr(GError) cause = NULL;

	reader_reset(&reader);
	g_autoptr(GMarkupParseContext) context =
		g_markup_parse_context_new(&handlers, G_MARKUP_TREAT_CDATA_AS_TEXT, &reader, NULL);
	if (!g_markup_parse_context_parse(context, text, (gssize)length, &cause) ||
	    !g_markup_parse_context_end_parse(context, &cause))
		return ash_throw(error, ASH_ERROR_FETCH, "%s: comps.xml: %s", what, cause->message);
	return TRUE;
}

AshCompsGroup *
ash_comps_find_group(const AshComps *comps, const char *id_or_name)
{
	AshCompsGroup *found = group_by_id(comps, id_or_name);

	for (guint i = 0; found == NULL && i < comps->groups->len; i++) {
		AshCompsGroup *group = g_ptr_array_index(comps->groups, i);
		if (g_strcmp0(group->name, id_or_name) == 0)
			found = group;
	}
	return found;
}

AshCompsEnvironment *
ash_comps_find_environment(const AshComps *comps, const char *id_or_name)
{
	AshCompsEnvironment *by_name = NULL;

	for (guint i = 0; i < comps->environments->len; i++) {
		AshCompsEnvironment *environment = g_ptr_array_index(comps->environments, i);
		if (g_str_equal(environment->id, id_or_name))
			return environment;
		if (by_name == NULL && g_strcmp0(environment->name, id_or_name) == 0)
			by_name = environment;
	}
	return by_name;
}
